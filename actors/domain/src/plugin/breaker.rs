//! `breaker`: whether a version of a plugin is called.
//!
//! | Phase | A call | Becomes |
//! | --- | --- | --- |
//! | closed | may be made | open, after `failures_max` failures in a row or `unhealthy_max` unhealthy reports in a row |
//! | open | is refused | half-open, with the first call that asks once `cooldown_ms` is over |
//! | half-open | is refused, but for that one, the probe | closed where the probe succeeds, open where it fails |
//!
//! A probe that nobody reports of gives way to the next after its `probe_ttl_ms`. Each call carries
//! the time at which it was admitted: one that began before the breaker last changed says nothing
//! about now, and its report changes nothing.
//!
//! As long as nothing fails, nothing is written: admissions and successes of a closed breaker have
//! no events.

mod command;
mod decide;
mod error;
mod event;
mod state;

use coppice_core::{Access, CommandError, Context, Decision, Entity};

pub use self::command::{
    Admit, COOLDOWN_MS, Command, FAILURES_MAX, NoteHealth, PROBE_TTL_MS, Report, UNHEALTHY_MAX,
};
pub use self::error::BreakerError;
pub use self::event::{Cause, Closed, Event, Noted, Opened, ProbeAdmitted};
pub use self::state::{Answer, Phase, PhaseName, State, View};

/// The kind of circuit breakers.
#[derive(Debug)]
pub struct Breaker;

impl Entity for Breaker {
    const KIND: &'static str = "breaker";
    const SNAPSHOT_LAYOUT: u32 = 1;
    const ACCESS: Access = Access::Guarded;
    type State = State;
    type Command = Command;
    type Event = Event;
    type Reply = Answer;
    type Rejection = BreakerError;
    type View = View;

    fn parse(name: &str, body: &[u8]) -> Result<Command, CommandError> {
        command::parse(name, body)
    }

    fn decide(
        state: &State,
        command: &Command,
        context: &Context<'_>,
    ) -> Result<Decision<Event, Answer>, BreakerError> {
        decide::decide(state, command, context.now, context.command_id)
    }

    fn evolve(state: State, event: &Event) -> State {
        state::evolve(state, event)
    }

    fn view(state: &State) -> View {
        state.view()
    }
}

//! `system_control`: freeze and kill switches, one entity for the whole system.
//!
//! `stop {"target", "reason", "by"}` and `resume {"target", "reason", "by"}`, where the target is
//! `"everything"`, `{"kind": "counter"}` or `{"tenant": "acme"}`. Its journal is the audit record:
//! what, when, why and at whose word. To stop what is stopped changes nothing: the first word
//! stands.

mod command;
mod decide;
mod error;
mod event;
mod state;

use coppice_core::control::CONTROL_KIND;
use coppice_core::{Access, CommandError, Context, Decision, Entity, Stops};

pub use self::command::{Command, Word};
pub use self::error::ControlError;
pub use self::event::{Event, Said};
pub use self::state::{Changed, State};

/// The kind of the switches.
#[derive(Debug)]
pub struct Control;

impl Entity for Control {
    const KIND: &'static str = CONTROL_KIND;
    const SNAPSHOT_LAYOUT: u32 = 1;
    const ACCESS: Access = Access::Platform;
    type State = State;
    type Command = Command;
    type Event = Event;
    type Reply = Changed;
    type Rejection = ControlError;
    type View = Stops;

    fn parse(name: &str, body: &[u8]) -> Result<Command, CommandError> {
        command::parse(name, body)
    }

    fn decide(
        state: &State,
        command: &Command,
        context: &Context<'_>,
    ) -> Result<Decision<Event, Changed>, ControlError> {
        decide::decide(state, command, context.now)
    }

    fn evolve(state: State, event: &Event) -> State {
        state::evolve(state, event)
    }

    fn stops(state: &State) -> Option<&Stops> {
        Some(&state.stops)
    }

    fn view(state: &State) -> Stops {
        state.stops.clone()
    }
}

//! `alarm`: the example of a kind that acts on the world.
//!
//! `set {"timer", "in_ms", ...}` sets a timer. When it is due the alarm rings: it calls the effect
//! handler `bell`, and where it was told to, adds one to a counter. A timer that is found more than
//! `grace_ms` late, after the node was down, is counted as missed and doesn't ring: that is this
//! kind's policy for downtime. `silence {}` gives up the rings that nobody has answered yet.

mod command;
mod decide;
mod error;
mod event;
mod state;

use coppice_core::{
    CommandError, Context, Decision, EffectId, EffectOutcome, Entity, Pending, TimerId, Timestamp,
};

pub use self::command::{Clear, Command, Set, Settle, Silence};
pub use self::error::AlarmError;
pub use self::event::{Answer, Cleared, Event, Missed, Rung, Settled, Silenced, TimerSet};
pub use self::state::{BELL, State, View};

/// The alarm kind.
#[derive(Debug)]
pub struct Alarm;

impl Entity for Alarm {
    const KIND: &'static str = "alarm";
    const SNAPSHOT_LAYOUT: u32 = 1;
    type State = State;
    type Command = Command;
    type Event = Event;
    type Reply = View;
    type Rejection = AlarmError;
    type View = View;

    fn parse(name: &str, body: &[u8]) -> Result<Command, CommandError> {
        command::parse(name, body)
    }

    fn decide(
        state: &State,
        command: &Command,
        context: &Context<'_>,
    ) -> Result<Decision<Event, View>, AlarmError> {
        decide::decide(state, command, context.now)
    }

    fn evolve(state: State, event: &Event) -> State {
        state::evolve(state, event)
    }

    fn pending(state: &State) -> &Pending {
        &state.pending
    }

    fn on_timer(_: &State, timer: &TimerId, due: Timestamp) -> Option<Command> {
        Some(Command::Ring { timer: timer.clone(), due })
    }

    fn on_effect(_: &State, effect: &EffectId, outcome: &EffectOutcome) -> Option<Command> {
        command::settle(effect, outcome).map(Command::Settle)
    }

    fn view(state: &State) -> View {
        state.view()
    }
}

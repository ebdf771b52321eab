//! `counter`: the documented example of an entity kind.
//!
//! One command, `add {"n": 1}`; one event, `counter.added.v1`; a state that is shown as
//! `{"value": 1}`. An addition that would leave the range of a signed 64-bit integer is refused.
//! The rooms are the same in every kind: command, event, state, decide, error.

mod command;
mod decide;
mod error;
mod event;
mod state;

use coppice_core::{CommandError, Context, Decision, Entity};

pub use self::command::{Add, Command};
pub use self::error::CounterError;
pub use self::event::{Added, Event};
pub use self::state::{State, Value};

/// The counter kind.
#[derive(Debug)]
pub struct Counter;

impl Entity for Counter {
    const KIND: &'static str = "counter";
    const SNAPSHOT_LAYOUT: u32 = 1;
    type State = State;
    type Command = Command;
    type Event = Event;
    type Reply = Value;
    type Rejection = CounterError;
    type View = Value;

    fn parse(name: &str, body: &[u8]) -> Result<Command, CommandError> {
        command::parse(name, body)
    }

    fn decide(
        state: &State,
        command: &Command,
        _context: &Context<'_>,
    ) -> Result<Decision<Event, Value>, CounterError> {
        decide::decide(*state, *command)
    }

    fn evolve(state: State, event: &Event) -> State {
        state::evolve(state, *event)
    }

    fn view(state: &State) -> Value {
        Value { value: state.value }
    }
}

//! `contact`: the documented example of a kind with personal data.
//!
//! `register {"subject", "name", "email"}` says who it is, `call {}` counts a call. Name and e-mail
//! are [`Sensitive`](coppice_core::Sensitive): written down sealed under their subject's key, and
//! erased with it. What isn't personal stays, so the contact goes on and its calls still count.

mod command;
mod decide;
mod error;
mod event;
mod state;

use coppice_core::{CommandError, Context, Decision, Entity, SubjectId};

pub use self::command::{Command, Register};
pub use self::error::ContactError;
pub use self::event::{Event, Registered};
pub use self::state::{Calls, State, View};

/// The contact kind.
#[derive(Debug)]
pub struct Contact;

impl Entity for Contact {
    const KIND: &'static str = "contact";
    const SNAPSHOT_LAYOUT: u32 = 1;
    type State = State;
    type Command = Command;
    type Event = Event;
    type Reply = Calls;
    type Rejection = ContactError;
    type View = View;

    fn parse(name: &str, body: &[u8]) -> Result<Command, CommandError> {
        command::parse(name, body)
    }

    fn decide(
        state: &State,
        command: &Command,
        _context: &Context<'_>,
    ) -> Result<Decision<Event, Calls>, ContactError> {
        decide::decide(state, command)
    }

    fn evolve(state: State, event: &Event) -> State {
        state::evolve(state, event)
    }

    fn subject(command: &Command) -> Option<&SubjectId> {
        match command {
            Command::Register(register) => Some(&register.subject),
            Command::Call => None,
        }
    }

    fn view(state: &State) -> View {
        state::view(state)
    }
}

//! `transfer`: one movement of money from one account to another, once.
//!
//! It is the word on what becomes of it: every command to an account that is about a transfer comes
//! in one commit with one to the transfer, which happens at most once each. **Invariants:** a
//! transfer ends once, as posted, voided or expired; from its expiry on it can only expire.
//!
//! A transfer that nobody ends does it by itself: its timer makes the expiry an event, and asks the
//! effect handler `treasury` for the commit that releases what is held.

mod command;
mod decide;
mod error;
mod event;
mod state;
#[cfg(test)]
mod tests;

use coppice_core::{
    Access, CommandError, Context, Decision, EffectId, EffectOutcome, Entity, Pending, StreamKey,
    TimerId, Timestamp,
};

pub use self::command::{Command, Expire, Move, Post, Reserve, Void};
pub use self::error::{LIMITS_MAX, TransferError};
pub use self::event::{Event, Expired, ExpiryDue, ExpiryPutOff, Moved, Posted, Reserved, Voided};
pub use self::state::{State, Status, TREASURY, Terms, View};

/// The transfer kind.
#[derive(Debug)]
pub struct Transfer;

impl Entity for Transfer {
    const KIND: &'static str = "transfer";
    const SNAPSHOT_LAYOUT: u32 = 1;
    const ACCESS: Access = Access::Guarded;
    type State = State;
    type Command = Command;
    type Event = Event;
    type Reply = View;
    type Rejection = TransferError;
    type View = View;

    fn parse(name: &str, body: &[u8]) -> Result<Command, CommandError> {
        command::parse(name, body)
    }

    fn decide(
        state: &State,
        command: &Command,
        context: &Context<'_>,
    ) -> Result<Decision<Event, View>, TransferError> {
        decide::decide(state, command, context.key.id().as_str(), context.now)
    }

    fn evolve(state: State, event: &Event) -> State {
        state::evolve(state, event)
    }

    fn pending(state: &State) -> &Pending {
        &state.pending
    }

    fn on_timer(_: &State, _: &TimerId, _: Timestamp) -> Option<Command> {
        Some(Command::Due)
    }

    /// Whatever is said of the handler's call, the transfer is still pending where it is asked:
    /// the commit that ends it takes the effect off. So it is tried again later.
    fn on_effect(_: &State, _: &EffectId, _: &EffectOutcome) -> Option<Command> {
        Some(Command::PutOff)
    }

    fn workflow<'a>(state: &'a State, _: &'a StreamKey) -> Option<&'a str> {
        state.workflow()
    }

    fn view(state: &State) -> View {
        state.view()
    }
}

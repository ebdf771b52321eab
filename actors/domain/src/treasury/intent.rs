//! `intent`: what somebody wants to spend, and what was decided about it.
//!
//! **Invariants:** it is decided once, approved or denied, and nothing overturns that: approval and
//! denial are events of one stream. From its expiry on it can't be approved. An approval comes in
//! one commit with the holds that it stands for, and so does its end.
//!
//! An intent that nobody decides expires by its timer; what becomes of an approved one is its
//! transfer's to say.

mod command;
mod decide;
mod error;
mod event;
mod state;
#[cfg(test)]
mod tests;

use coppice_core::{
    Access, CommandError, Context, Decision, Entity, Pending, StreamKey, TimerId, Timestamp,
};

pub use self::command::{Approve, Command, Create, Deny, Expire, Post, Void, Withdraw};
pub use self::error::{IntentError, TTL_S_MAX};
pub use self::event::{Approved, Created, Denied, Event, Expired, Posted, Voided};
pub use self::state::{Decided, State, Status, View, Wanted};

/// The intent kind.
#[derive(Debug)]
pub struct Intent;

impl Entity for Intent {
    const KIND: &'static str = "intent";
    const SNAPSHOT_LAYOUT: u32 = 1;
    const ACCESS: Access = Access::Guarded;
    type State = State;
    type Command = Command;
    type Event = Event;
    type Reply = View;
    type Rejection = IntentError;
    type View = View;

    fn parse(name: &str, body: &[u8]) -> Result<Command, CommandError> {
        command::parse(name, body)
    }

    fn decide(
        state: &State,
        command: &Command,
        context: &Context<'_>,
    ) -> Result<Decision<Event, View>, IntentError> {
        decide::decide(state, command, context.now)
    }

    fn evolve(state: State, event: &Event) -> State {
        state::evolve(state, event)
    }

    fn pending(state: &State) -> &Pending {
        &state.pending
    }

    fn on_timer(_: &State, _: &TimerId, _: Timestamp) -> Option<Command> {
        Some(Command::Lapse)
    }

    fn workflow<'a>(state: &'a State, _: &'a StreamKey) -> Option<&'a str> {
        state.workflow()
    }

    fn view(state: &State) -> View {
        state.view()
    }
}

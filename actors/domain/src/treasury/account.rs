//! `account`: a balance with what is held of it, or a ceiling with what was drawn on it.
//!
//! What it is stands in its id ([`super::names`]). A *funding* account never promises more than it
//! has; an *external* one may be negative; a *limit* holds and counts amounts that are no money.
//! **Invariants:** a hold is there once per transfer and ends once; a hold whose expiry has passed
//! by `context.now` is left out of what is held and can't be posted; room is never given twice.
//!
//! It keeps open holds, sums and counters and no ended transfer: that an ended one isn't held again
//! is the transfer's to say, with which every command comes in one commit.

mod command;
mod decide;
mod error;
mod event;
mod holds;
mod state;
#[cfg(test)]
mod tests;
mod window;

use coppice_core::{Access, CommandError, Context, Decision, Entity};

pub use self::command::{Command, Draw, Enter, Hold, Look, Open, Post, Release};
pub use self::error::AccountError;
pub use self::event::{Counted, Drawn, Entered, Event, Held, Opened, Released};
pub use self::holds::HOLDS_MAX;
pub use self::state::{Standing, State, View};
pub use self::window::APPROVALS_MAX;

use serde::{Deserialize, Serialize};

/// Which way a hold goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The account pays.
    Pay,
    /// The account is paid.
    Receive,
    /// A limit is drawn on.
    Draw,
}

/// Why a hold ended without a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Somebody gave it up.
    Voided,
    /// Its time was over.
    Expired,
}

/// The account kind.
#[derive(Debug)]
pub struct Account;

impl Entity for Account {
    const KIND: &'static str = "account";
    const SNAPSHOT_LAYOUT: u32 = 1;
    const ACCESS: Access = Access::Guarded;
    type State = State;
    type Command = Command;
    type Event = Event;
    type Reply = Standing;
    type Rejection = AccountError;
    type View = View;

    fn parse(name: &str, body: &[u8]) -> Result<Command, CommandError> {
        command::parse(name, body)
    }

    fn decide(
        state: &State,
        command: &Command,
        context: &Context<'_>,
    ) -> Result<Decision<Event, Standing>, AccountError> {
        decide::decide(state, command, context.key.id().as_str(), context.now)
    }

    fn evolve(state: State, event: &Event) -> State {
        state::evolve(state, event)
    }

    fn view(state: &State) -> View {
        state.view()
    }
}

//! `policy_bundle`: the bundles that were published, one entity for the whole system.
//!
//! `publish {"files", "version", "reason", "by"}` makes a bundle the one that decides. Its hash is
//! that of its files, so the same content has the same everywhere. What is in force already is
//! accepted and changes nothing; going back to an earlier bundle is a publication like any other. A
//! version never comes to mean other content, as far back as versions are kept.
//!
//! Whether files make a bundle that can decide is found out before, by whoever has the library for
//! it. No freeze stops this: what must not go on is stopped by the switches, and what may go on
//! afterwards is said here.

mod command;
mod decide;
mod error;
mod event;
mod state;

use coppice_core::{
    Access, CommandError, Context, Decision, Entity, EntityId, EntityKind, StreamKey, TenantId,
};

pub use self::command::{Command, Publish};
pub use self::error::PublishError;
pub use self::event::{Event, Files, Published};
pub use self::state::{Earlier, Reply, State};

/// The kind of the published bundles.
#[derive(Debug)]
pub struct PublishedBundle;

impl PublishedBundle {
    /// The one entity of the kind.
    pub const ID: &'static str = "platform";

    /// Its stream, among the operators'.
    ///
    /// # Panics
    /// Never: its names are constants that fit.
    #[must_use]
    pub fn stream() -> StreamKey {
        let tenant = TenantId::new(TenantId::OPERATORS).expect("the operators' tenant has a name");
        let kind = EntityKind::new(Self::KIND).expect("the kind has a name that is one");
        StreamKey::new(tenant, kind, EntityId::new(Self::ID).expect("the entity has an id"))
    }
}

impl Entity for PublishedBundle {
    const KIND: &'static str = "policy_bundle";
    const SNAPSHOT_LAYOUT: u32 = 1;
    const ACCESS: Access = Access::Platform;
    type State = State;
    type Command = Command;
    type Event = Event;
    type Reply = Reply;
    type Rejection = PublishError;
    type View = State;

    fn parse(name: &str, body: &[u8]) -> Result<Command, CommandError> {
        command::parse(name, body)
    }

    fn decide(
        state: &State,
        command: &Command,
        context: &Context<'_>,
    ) -> Result<Decision<Event, Reply>, PublishError> {
        decide::decide(state, command, context.now)
    }

    fn evolve(state: State, event: &Event) -> State {
        state::evolve(state, event)
    }

    fn view(state: &State) -> State {
        state.clone()
    }
}

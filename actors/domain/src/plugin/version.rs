//! `plugin`: a version of a plugin as it was registered, and how it is.
//!
//! Two axes. Its *lifecycle*: registered, then active from its first healthy report on, and
//! inactive once it is deregistered. Its *health*, by its last report. Calls are given to active
//! versions that are not unhealthy.
//!
//! What a version is never changes. To register it again with another manifest is refused; with
//! another address it has moved, and with nothing new nothing is recorded, so that a plugin may
//! register at every start. Deregistration is recorded before the calls under way have ended: no new
//! one is given to it from then on, and `drained` says what became of the rest.

mod command;
mod decide;
mod error;
mod event;
mod state;

use coppice_core::{Access, CommandError, Context, Decision, Entity};

pub use self::command::{Command, Deregister, Drained, Register, ReportHealth};
pub use self::error::PluginVersionError;
pub use self::event::{Emptied, Event, Health, HealthChanged, Left, Moved, Place, Registered};
pub use self::state::{Lifecycle, State, View};

/// The kind of versions of plugins.
#[derive(Debug)]
pub struct PluginVersion;

impl Entity for PluginVersion {
    const KIND: &'static str = "plugin";
    const SNAPSHOT_LAYOUT: u32 = 1;
    const ACCESS: Access = Access::Guarded;
    type State = State;
    type Command = Command;
    type Event = Event;
    type Reply = View;
    type Rejection = PluginVersionError;
    type View = View;

    fn parse(name: &str, body: &[u8]) -> Result<Command, CommandError> {
        command::parse(name, body)
    }

    fn decide(
        state: &State,
        command: &Command,
        context: &Context<'_>,
    ) -> Result<Decision<Event, View>, PluginVersionError> {
        decide::decide(state, command, context.key.id().as_str(), context.now)
    }

    fn evolve(state: State, event: &Event) -> State {
        state::evolve(state, event)
    }

    fn view(state: &State) -> View {
        state.view()
    }
}

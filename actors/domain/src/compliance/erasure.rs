//! `erasure`: the record of one subject's erasure, under the subject's id.
//!
//! `request {"by"}` says that the subject is to be erased. That is recorded before anything is
//! destroyed, and until it is recorded that the key is gone, an effect with the handler
//! [`DESTROY`] is owed: whatever ends the node in between, the next one finishes it. Asked again
//! it changes nothing.

mod command;
mod decide;
mod error;
mod event;
mod state;

use coppice_core::{
    Access, CommandError, Context, Decision, EffectId, EffectOutcome, Entity, Pending,
};

pub use self::command::{Command, Request, Settle};
pub use self::error::ErasureError;
pub use self::event::{Asked, Destroyed, Event, Failed};
pub use self::state::{State, View};

/// The handler that destroys a subject's key and lets go of what is in memory.
pub const DESTROY: &str = "erasure";

/// The kind of the records.
#[derive(Debug)]
pub struct Erasure;

impl Entity for Erasure {
    const KIND: &'static str = "erasure";
    const SNAPSHOT_LAYOUT: u32 = 1;
    const ACCESS: Access = Access::Platform;
    type State = State;
    type Command = Command;
    type Event = Event;
    type Reply = View;
    type Rejection = ErasureError;
    type View = View;

    fn parse(name: &str, body: &[u8]) -> Result<Command, CommandError> {
        command::parse(name, body)
    }

    fn decide(
        state: &State,
        command: &Command,
        context: &Context<'_>,
    ) -> Result<Decision<Event, View>, ErasureError> {
        decide::decide(state, command, context.now)
    }

    fn evolve(state: State, event: &Event) -> State {
        state::evolve(state, event)
    }

    fn pending(state: &State) -> &Pending {
        &state.pending
    }

    fn on_effect(_: &State, effect: &EffectId, outcome: &EffectOutcome) -> Option<Command> {
        let settled = match outcome {
            EffectOutcome::Done { response } => Ok(response.clone()),
            EffectOutcome::Failed { code, .. } => Err(code.clone()),
            // It may be done or not; somebody has to look.
            EffectOutcome::Unknown { .. } => return None,
        };
        Some(Command::Settle(Settle { effect: effect.clone(), settled }))
    }

    fn view(state: &State) -> View {
        state::view(state)
    }
}

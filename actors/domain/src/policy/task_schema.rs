//! `task_schema`: what the parameters of a type of task must look like, under the type's name.
//!
//! `register {"schema", "by"}` takes a JSON Schema as text. The same content again is accepted and
//! changes nothing; other content is the next version. The latest is kept as a text, those before it
//! by their hashes: their texts stand in the journal.
//!
//! Whether a text is a schema that values can be checked against is found out before, by whoever
//! has the library for it; here it is a JSON object.

mod command;
mod decide;
mod error;
mod event;
mod state;

use coppice_core::{Access, CommandError, Context, Decision, Entity};

pub use self::command::{Command, Register};
pub use self::error::TaskSchemaError;
pub use self::event::{Event, Registered};
pub use self::state::{Earlier, Latest, Reply, State};

/// The task schema kind.
#[derive(Debug)]
pub struct TaskSchema;

impl Entity for TaskSchema {
    const KIND: &'static str = "task_schema";
    const SNAPSHOT_LAYOUT: u32 = 1;
    const ACCESS: Access = Access::Guarded;
    type State = State;
    type Command = Command;
    type Event = Event;
    type Reply = Reply;
    type Rejection = TaskSchemaError;
    type View = State;

    fn parse(name: &str, body: &[u8]) -> Result<Command, CommandError> {
        command::parse(name, body)
    }

    fn decide(
        state: &State,
        command: &Command,
        context: &Context<'_>,
    ) -> Result<Decision<Event, Reply>, TaskSchemaError> {
        decide::decide(state, command, context.now)
    }

    fn evolve(state: State, event: &Event) -> State {
        state::evolve(state, event)
    }

    fn view(state: &State) -> State {
        state.clone()
    }
}

//! `workflow`: carries a plan out, durably.
//!
//! Steps start as soon as what they need is over, up to the plan's width; each call of a plugin is
//! an effect, and its result is one event. A step may wait for a person, be paid for, be tried
//! again, be skipped by a condition, or end the workflow. A cancellation is honoured at the next
//! boundary between steps: what is under way is awaited, nothing more starts. One that was submitted to
//! wait is a plan to be looked at until somebody begins it.
//!
//! **Invariants:** a step runs only after every step that it needs is over; what is reserved for a
//! step is posted after its success and given back otherwise; once ended, nothing is owed.

mod command;
mod decide;
mod error;
mod event;
mod graph;
mod look;
mod outcome;
mod request;
mod state;
mod stored;
mod tally;
#[cfg(test)]
mod tests;
mod view;

use coppice_core::{
    Access, CommandError, Context, Decision, EffectId, EffectOutcome, Entity, Pending, StreamKey,
    TimerId, Timestamp,
};

pub use self::command::{Begin, Cancel, Command, Decide, Priority, Submit};
pub use self::error::{INPUT_BYTES_MAX, OBJECTIVE_CHARS_MAX, REASON_BYTES_MAX, WorkflowError};
pub use self::event::{
    ApprovalAsked, Begun, Budget, CancelAsked, EndStatus, Ended, Event, PaymentHeld,
    PaymentSettled, Settlement, Source, StepDecided, StepFailed, StepFinished, StepRetried,
    Submitted,
};
pub use self::graph::StepStatus;
pub use self::outcome::OUTPUT_BYTES_MAX;
pub use self::request::{PLUGIN, TREASURY};
pub use self::state::State;
pub use self::view::{Receipt, StepError, StepView, View};

/// The workflow kind.
#[derive(Debug)]
pub struct Workflow;

impl Workflow {
    /// What a step is asked with, everything looked up: what its `input_hash` is of. `None` where
    /// there is no such step.
    #[must_use]
    pub fn input_of(state: &State, step: &str) -> Option<coppice_core::Json> {
        let work = state.work.as_deref()?;
        work.graph.place(step).map(|place| work.input(place))
    }
}

impl Entity for Workflow {
    const KIND: &'static str = "workflow";
    const SNAPSHOT_LAYOUT: u32 = 2;
    const ACCESS: Access = Access::Guarded;
    type State = State;
    type Command = Command;
    type Event = Event;
    type Reply = Receipt;
    type Rejection = WorkflowError;
    type View = Option<View>;

    fn parse(name: &str, body: &[u8]) -> Result<Command, CommandError> {
        command::parse(name, body)
    }

    fn decide(
        state: &State,
        command: &Command,
        context: &Context<'_>,
    ) -> Result<Decision<Event, Receipt>, WorkflowError> {
        decide::decide(state, command, context)
    }

    fn evolve(state: State, event: &Event) -> State {
        state::evolve(state, event)
    }

    fn pending(state: &State) -> &Pending {
        match state.work.as_deref() {
            Some(work) => &work.pending,
            None => Pending::none(),
        }
    }

    fn on_timer(_: &State, timer: &TimerId, _: Timestamp) -> Option<Command> {
        Some(Command::Ring { timer: timer.clone() })
    }

    fn on_effect(state: &State, effect: &EffectId, outcome: &EffectOutcome) -> Option<Command> {
        let unknown = matches!(outcome, EffectOutcome::Unknown { .. });
        let left = state.work.as_deref().is_none_or(|work| outcome::is_left(work, effect));
        (!unknown || !left)
            .then(|| Command::Settle { effect: effect.clone(), outcome: outcome.clone() })
    }

    fn workflow<'a>(_: &'a State, key: &'a StreamKey) -> Option<&'a str> {
        Some(key.id().as_str())
    }

    fn view(state: &State) -> Option<View> {
        view::view(state)
    }
}

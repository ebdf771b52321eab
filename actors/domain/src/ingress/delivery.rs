//! `delivery`: one message from outside, which is taken up once.
//!
//! Its id is the source and the source's own id of the message, so a repeat meets the same entity
//! and changes nothing. `receive` records what it said and where it goes; where a rule says so, it
//! owes one call to the handler [`PLANNER`], and what comes of that is recorded as well.
//!
//! The platform's own routes alone command it: whoever could, could make up messages that nobody
//! signed.

mod command;
mod decide;
mod error;
mod event;
mod state;

use coppice_core::{
    Access, CommandError, Context, Decision, EffectId, EffectOutcome, Entity, Pending, StreamKey,
};

pub use self::command::{Command, Receive};
pub use self::error::DeliveryError;
pub use self::event::{Event, PlanFailed, Planned, Received};
pub use self::state::{Outcome, PLANNER, Receipt, State, Status, View, entity_id};

/// The delivery kind.
#[derive(Debug)]
pub struct Delivery;

impl Entity for Delivery {
    const KIND: &'static str = "delivery";
    const SNAPSHOT_LAYOUT: u32 = 1;
    const ACCESS: Access = Access::Guarded;
    type State = State;
    type Command = Command;
    type Event = Event;
    type Reply = Receipt;
    type Rejection = DeliveryError;
    type View = View;

    fn parse(name: &str, body: &[u8]) -> Result<Command, CommandError> {
        command::parse(name, body)
    }

    fn decide(
        state: &State,
        command: &Command,
        context: &Context<'_>,
    ) -> Result<Decision<Event, Receipt>, DeliveryError> {
        decide::decide(state, command, context.key.id(), context.now)
    }

    fn evolve(state: State, event: &Event) -> State {
        state::evolve(state, event)
    }

    fn pending(state: &State) -> &Pending {
        &state.pending
    }

    fn on_effect(_: &State, effect: &EffectId, outcome: &EffectOutcome) -> Option<Command> {
        command::planned(effect, outcome)
    }

    fn workflow<'a>(state: &'a State, _: &'a StreamKey) -> Option<&'a str> {
        state.workflow()
    }

    fn view(state: &State) -> View {
        state.view()
    }
}

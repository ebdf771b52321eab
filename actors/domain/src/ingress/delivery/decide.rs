//! What a delivery answers.

use coppice_core::{Decision, EntityId, Timestamp};

use super::command::{Command, Receive};
use super::error::DeliveryError;
use super::event::{Event, PlanFailed, Planned, Received};
use super::state::{Receipt, State, entity_id, evolve};

pub(super) fn decide(
    state: &State,
    command: &Command,
    id: &EntityId,
    now: Timestamp,
) -> Result<Decision<Event, Receipt>, DeliveryError> {
    let event = match command {
        Command::Receive(receive) => {
            if entity_id(&receive.event.source, &receive.delivery) != id.as_str() {
                return Err(DeliveryError::Misaddressed);
            }
            match &state.message {
                None => Event::Received(Box::new(received(receive, now))),
                Some(first) if first.body_sha256 == receive.body_sha256 => {
                    return Ok(Decision { events: Vec::new(), reply: state.receipt(true) });
                }
                Some(_) => return Err(DeliveryError::BodyDiffers),
            }
        }
        Command::Planned { effect, workflow } => {
            Event::Planned(Planned { effect: effect.clone(), workflow: workflow.clone() })
        }
        Command::PlanFailed { effect, code, detail } => Event::PlanFailed(PlanFailed {
            effect: effect.clone(),
            code: code.clone(),
            detail: detail.clone(),
        }),
    };
    let reply = evolve(state.clone(), &event).receipt(false);
    Ok(Decision { events: vec![event], reply })
}

fn received(receive: &Receive, at: Timestamp) -> Received {
    let Receive { delivery, body_sha256, event, route } = receive.clone();
    Received { delivery, body_sha256, event, route, at }
}

#[cfg(test)]
mod tests;

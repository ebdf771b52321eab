//! An entity that loses its actor: by the operators' route of the target, since the harness has no
//! other way in.

use bytes::Bytes;
use hyper::Uri;
use serde::Deserialize;

use super::target::StarterError;
use crate::drive::Deeds;
use crate::record::{Nanos, Operation};
use crate::wire::{Answer, Call, Clock, Lost, Slot, Target};

/// Entities that are tried before the fault counts as failed: those that nobody has used yet aren't
/// in memory, and have nothing to lose.
const TRIES: u64 = 64;
/// How long each answer may take.
const PATIENCE: Nanos = 2_000_000_000;

/// Whoever may tell the target's entities to begin anew.
#[derive(Debug, Clone, Copy)]
pub struct Operator<'a> {
    /// What the run's operations do, and with which entities.
    pub deeds: &'a Deeds,
    /// Where they are.
    pub target: &'a Target,
    /// Time since the run began.
    pub clock: Clock,
}

#[derive(Deserialize)]
struct Restarted {
    restarted: bool,
}

impl Operator<'_> {
    /// Has one of the run's entities begin anew, chosen as often as operations choose it.
    ///
    /// # Errors
    ///
    /// Where none did.
    pub(super) fn crash(&self, number: u64) -> Result<(), StarterError> {
        let failed = |source| StarterError::System { doing: "starting a runtime", source };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let mut slot = Slot::new(0);
        runtime.map_err(failed)?.block_on(async {
            let mut said = "the run has none".to_owned();
            for number in (0..TRIES).map(|more| number.wrapping_add(more << 32)) {
                let Some(call) = self.call(number) else { continue };
                let until = self.clock.now() + PATIENCE;
                match slot.ask(self.target, &call, self.clock, until).await.answer {
                    Ok(answer) if has_restarted(&answer) => return Ok(()),
                    Ok(answer) if matches!(answer.status, 200 | 404) => {
                        said = "none was in memory".to_owned();
                    }
                    Ok(Answer { status, body, .. }) => {
                        let body = String::from_utf8_lossy(&body);
                        return Err(StarterError::NotCrashed(format!("{status} {body}")));
                    }
                    Err(lost @ (Lost::NotSent | Lost::Broken | Lost::TimedOut)) => {
                        return Err(StarterError::NotCrashed(format!("{lost:?}")));
                    }
                }
            }
            Err(StarterError::NotCrashed(said))
        })
    }

    /// Of the entity that the operation of this number would use.
    fn call(&self, number: u64) -> Option<Call> {
        let deed = self.deeds.of(number);
        let (kind, id) = match deed.operation {
            Operation::Add | Operation::Read => ("counter", self.deeds.id(deed.key)),
            Operation::Transfer
            | Operation::Intent
            | Operation::Authorize
            | Operation::Post
            | Operation::Void => ("account", self.deeds.account(deed.key)),
            Operation::Alarm => ("alarm", self.deeds.id(deed.key)),
            Operation::Workflow => return None,
        };
        let path = format!("/v1/inspect/actors/{kind}/{id}/restart");
        Some(Call::post(path.parse::<Uri>().ok()?, Bytes::new()))
    }
}

fn has_restarted(answer: &Answer) -> bool {
    let told: Option<Restarted> = serde_json::from_slice(&answer.body).ok();
    answer.status == 200 && told.is_some_and(|told| told.restarted)
}

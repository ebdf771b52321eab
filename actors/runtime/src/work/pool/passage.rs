//! What stands between an effect and the outside: its entity may have taken it off, something stops
//! it, it is counted first; and what an error makes of it.

use std::time::Duration;

use coppice_core::{EffectMode, EffectOutcome, EntityId, EntityKind, StreamKey, Target};
use coppice_persistence::Tried;
use coppice_supervisors::StopSignal;
use tokio::time::Instant;
use tracing::debug;
use uuid::Uuid;

use super::{Job, PoolRunner};
use crate::gate::Gate;
use crate::work::effects::EffectError;
use crate::work::entity_commands::{ENTITY, EntityCommand};

/// An effect that has left its pool.
pub(super) struct Ended {
    pub(super) key: Uuid,
    /// The switch behind which it was put down, if it was.
    pub(super) behind: Option<Target>,
}

/// What calling came to.
pub(super) enum Called {
    /// It waits for a switch of its kind or tenant.
    PutDown(Target),
    Ended(EffectOutcome),
    /// This node doesn't own the entity, or can't count, or it is out of delivery: somebody looks
    /// again.
    Left,
    /// The node goes down.
    Stopped,
    /// Its entity doesn't want it any more.
    Withdrawn,
    /// Too many lives of the node began it and recorded no outcome.
    StartedTooOften(u32),
}

/// What forbids to send now.
pub(super) enum Bar {
    /// For good, as far as this node goes.
    Ends(Called),
    /// Until something is turned back.
    Waits,
}

impl PoolRunner {
    /// What forbids to send an effect now, asked right before it is sent.
    pub(super) fn bar(&self, job: &Job) -> Option<Bar> {
        if self.lease.epoch(job.shard) != Some(job.epoch) {
            return Some(Bar::Ends(Called::Left));
        }
        // A letter of another owner's may have been read meanwhile. It may be taken back before this
        // one is out of the pool, so the entity is looked at again.
        if self.courier.quarantine.holds(job.key.stream(), job.idempotency_key()) {
            return Some(Bar::Ends(Called::Left));
        }
        holding(&self.gate, job).map(|_| Bar::Waits)
    }

    /// Counts a start, right before something is sent; how the call ends where that is one too many.
    pub(super) async fn counted(&self, counted: Tried, at_most_once: bool) -> Option<Called> {
        let Some(starts) = self.courier.attempts.count(counted).await else {
            return Some(Called::Left);
        };
        if at_most_once && starts > 1 {
            let detail = "the node ended while it was being sent".into();
            return Some(Called::Ended(EffectOutcome::Unknown { detail }));
        }
        // The life that saw it become durable began it without counting, perhaps.
        let starts = if at_most_once { starts } else { starts.saturating_add(1) };
        (starts > self.starts_max).then(|| Called::StartedTooOften(starts - 1))
    }

    /// What an effect comes to that its entity has taken off meanwhile, or can't be asked about.
    pub(super) async fn withdrawn(&self, job: &Job) -> Option<Called> {
        let deadline = Instant::now() + self.courier.patience;
        let asked = self.courier.registry.effect_ordinal(&job.key, &job.id, deadline).await;
        match asked {
            Ok(ordinal) => (ordinal != Some(job.ordinal)).then_some(Called::Withdrawn),
            Err(failure) => {
                debug!(key = %job.key, effect = %job.id.0, %failure, "effect waits for its entity");
                Some(Called::Left)
            }
        }
    }

    /// Waits out a freeze. Gives what else became of the effect, where it is not to be sent.
    pub(super) async fn pass(&self, job: &Job, stopping: &StopSignal) -> Option<Called> {
        loop {
            match holding(&self.gate, job) {
                None => return None,
                Some(Target::Everything) => tokio::select! {
                    biased;
                    () = stopping.raised() => return Some(Called::Stopped),
                    () = self.gate.thawed() => {}
                },
                Some(target) => return Some(Called::PutDown(target)),
            }
        }
    }
}

/// What stops an effect: its entity's switches, or those of the kind that it commands, which would
/// refuse it again and again.
pub(super) fn holding(gate: &Gate, job: &Job) -> Option<Target> {
    if !gate.is_shut() {
        return None;
    }
    gate.holding(&job.key).or_else(|| gate.holding(&receiver(job)?))
}

/// The entity that an effect commands, if it does.
fn receiver(job: &Job) -> Option<StreamKey> {
    if job.effect.handler.as_ref() != ENTITY {
        return None;
    }
    // What isn't understood stops nothing; its handler refuses it.
    let command: EntityCommand<'_> = serde_json::from_str(&job.effect.request).ok()?;
    let (kind, id) = (EntityKind::new(command.kind).ok()?, EntityId::new(command.id).ok()?);
    Some(StreamKey::new(job.key.tenant().clone(), kind, id))
}

/// Whether its starts are counted in the store: not those of one that may be repeated and that no
/// life before this one can have begun. Should this life end over it, the next finds it among what is
/// owed, and counts.
pub(super) fn is_counted(job: &Job) -> bool {
    !job.is_fresh || job.effect.mode == EffectMode::AtMostOnce
}

/// The outcome that an error is, or how long to wait before it is tried again.
pub(super) fn outcome_of(
    error: EffectError,
    unsure: bool,
    again: Option<Duration>,
) -> Result<Duration, EffectOutcome> {
    let (code, detail) = match error {
        EffectError::Refused { code, detail } => (code, detail),
        EffectError::NotSent { detail } | EffectError::Unknown { detail } => match again {
            Some(wait) => return Ok(wait),
            None => ("unreachable".to_owned(), detail),
        },
    };
    Err(if unsure {
        EffectOutcome::Unknown { detail: detail.into() }
    } else {
        EffectOutcome::Failed { code: code.into(), detail: detail.into() }
    })
}

//! Delivers the system's own messages to entities, again and again until they are digested.
//!
//! A try is counted durably before it meets the entity's code: after a crash of the whole process
//! the count tells, and the message is taken out of delivery after as many starts. The one try that
//! isn't counted is the first of an outcome whose effect this life of the process saw decided: no
//! life before can have tried it, and whatever comes after takes it to have been tried.

use std::sync::Arc;
use std::time::Duration;

use coppice_core::{EffectOutcome, StreamKey};
use coppice_persistence::{LetterKind, LetterReason, MessageRef, Tried};
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::answer::Failure;
use crate::registry::Registry;
use crate::work::attempts::AttemptsHandle;
use crate::work::left::Left;
use crate::work::message::SystemMessage;
use crate::work::quarantine::{Quarantine, Undeliverable};
use crate::work::retry::{Jitter, RetryPolicy};

/// How a delivery ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivered {
    /// The entity digested it, or had done so before.
    Digested,
    /// It is among the dead letters.
    Quarantined,
    /// This node is not to deliver it any more: the entity is another's, or the node goes down.
    LeftAlone,
}

/// Delivers. Clones deliver for the same node.
#[derive(Debug, Clone)]
pub struct Courier {
    pub(crate) registry: Registry,
    pub(crate) attempts: AttemptsHandle,
    pub(crate) quarantine: Quarantine,
    pub(crate) jitter: Arc<Jitter>,
    /// Where something was left that is to be looked at again.
    pub(crate) left: Left,
    /// How long one try may wait for the entity.
    pub(crate) patience: Duration,
    /// Tries that met a crash, of the entity or of the whole process, before a message is taken
    /// out of delivery.
    pub(crate) crashes_max: u32,
}

/// What may have become of a message before it is delivered here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    /// Nothing: this life of the process saw it come about.
    Never,
    /// A life before this one may have tried it once without counting.
    Perhaps,
    /// All that became of it is counted.
    Counted,
}

/// What one try came to.
enum Try {
    End(Delivered),
    /// The entity's own code crashed.
    Crashed,
    /// Something else was in the way.
    Again(Failure),
}

impl Courier {
    /// Delivers a message until it is digested or out of delivery.
    pub(crate) async fn deliver(
        &self,
        key: &StreamKey,
        message: &SystemMessage,
        before: Before,
    ) -> Delivered {
        let stream = key.stream();
        let id = message.message_id(stream);
        let Some(epoch) = self.left.epoch(key) else { return Delivered::LeftAlone };
        let counted = Tried { message: MessageRef { stream, message: id }, epoch };
        let mut crashed = false;
        // Tries that stand in no row: this life's first, or that of a life before.
        let mut uncounted = u32::from(before == Before::Perhaps);
        let mut is_counted = before != Before::Never;
        'counted: loop {
            if self.quarantine.holds_entity(stream)
                || self.quarantine.holds(stream, message.subject_id(stream))
            {
                return Delivered::Quarantined;
            }
            let count = if is_counted {
                let Some(count) = self.attempts.count(counted).await else {
                    return Delivered::LeftAlone;
                };
                count.saturating_add(uncounted)
            } else {
                1
            };
            if count > self.crashes_max {
                let reason =
                    if crashed { LetterReason::Crashed } else { LetterReason::ProcessEnded };
                let detail = format!("{} tries ended in a crash", self.crashes_max);
                self.quarantine(key, message, reason, detail, count - 1);
                self.attempts.forget(counted);
                return Delivered::Quarantined;
            }
            let mut tries = 0;
            loop {
                // Whatever it was that ended the process before, next time it is met by itself.
                match self.once(key, message, count > 1).await {
                    Try::End(delivered) => {
                        if is_counted {
                            self.attempts.forget(counted);
                        }
                        return delivered;
                    }
                    Try::Crashed => {
                        crashed = true;
                        // What is known to have been tried here needs no doubt about a life before.
                        uncounted = u32::from(before == Before::Never);
                        is_counted = true;
                        continue 'counted;
                    }
                    Try::Again(failure) => {
                        tries += 1;
                        debug!(%key, tries, %failure, "delivery waits");
                        let wait = RetryPolicy::DELIVERY.wait(tries, &self.jitter);
                        tokio::time::sleep(wait.unwrap_or_default()).await;
                    }
                }
            }
        }
    }

    /// Sees to it that an entity is in memory and looks at what it owes. What is in the way is
    /// logged; false where it may pass, and then the next scan finds the entity again.
    pub async fn wake(&self, key: &StreamKey) -> bool {
        let deadline = Instant::now() + self.patience;
        let Err(failure) = self.registry.wake(key, deadline).await else { return true };
        warn!(%key, %failure, "entity can't be woken");
        let for_good = matches!(
            failure,
            Failure::Damaged { .. } | Failure::UnknownKind(_) | Failure::ShuttingDown
        );
        if !for_good {
            self.left.note(key);
        }
        for_good
    }

    async fn once(&self, key: &StreamKey, message: &SystemMessage, alone: bool) -> Try {
        let deadline = Instant::now() + self.patience;
        let delivered = self.registry.deliver(key, message.clone(), alone, deadline).await;
        let Err(failure) = delivered else { return Try::End(Delivered::Digested) };
        match failure {
            Failure::Crashed => Try::Crashed,
            // A timer that is stopped: its row is due, and a scan finds it once it may go on.
            Failure::Frozen(_) => Try::End(Delivered::LeftAlone),
            // A damaged journal is for an operator; whoever starts afterwards finds what is owed.
            Failure::NotOwner | Failure::ShuttingDown | Failure::Damaged { .. } => {
                Try::End(Delivered::LeftAlone)
            }
            Failure::EntityQuarantined | Failure::MessageQuarantined => {
                Try::End(Delivered::Quarantined)
            }
            Failure::Rejected { .. }
            | Failure::SubjectErased
            | Failure::Undigested
            | Failure::UnknownKind(_) => {
                let unknown = matches!(
                    message,
                    SystemMessage::Outcome { outcome: EffectOutcome::Unknown { .. }, .. }
                );
                let reason = if unknown && failure == Failure::Undigested {
                    LetterReason::OutcomeUnknown
                } else {
                    LetterReason::Refused
                };
                self.quarantine(key, message, reason, failure.to_string(), 1);
                Try::End(Delivered::Quarantined)
            }
            failure => Try::Again(failure),
        }
    }

    fn quarantine(
        &self,
        key: &StreamKey,
        message: &SystemMessage,
        reason: LetterReason,
        detail: String,
        attempts: u32,
    ) {
        let kind = match message {
            SystemMessage::Timer { .. } => LetterKind::Timer,
            SystemMessage::Outcome { .. } => LetterKind::Effect,
        };
        self.quarantine.put(&Undeliverable {
            key,
            message: message.subject_id(key.stream()),
            kind,
            name: message.name(),
            body: None,
            reason,
            detail,
            attempts,
        });
    }
}

//! What a crash of an entity's own code leads to.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

use coppice_core::{CommandId, Entity};
use coppice_persistence::{LetterKind, LetterReason};
use tokio::time::Instant;
use tracing::warn;
use uuid::Uuid;

use super::Host;
use crate::answer::Failure;
use crate::crash::{CrashLimits, Verdict};
use crate::slot::{Intent, Order, Origin};
use crate::work::quarantine::Undeliverable;

impl<K: Entity> Host<K> {
    /// Ends this life: its caller learns of it, and the mailbox goes on with the next life, which
    /// starts once this one's tickets have ended.
    pub(super) fn crash(&mut self, order: Box<Order<K>>, problem: &str) {
        // The courier counts the system's own messages, durably.
        let message = match &order.origin {
            Origin::Caller { .. } => Some(order.id.0),
            Origin::System(_) => None,
        };
        let failure = match self.note_crash(order.id, message, problem) {
            Ok(crashes) => {
                self.quarantine_message(&order, problem, crashes);
                Failure::MessageQuarantined
            }
            Err(failure) => failure,
        };
        order.fail(failure);
    }

    /// Ends this life and counts; the number of its crashes where the message is to be taken out
    /// of delivery, else what its sender is told.
    pub(super) fn note_crash(
        &mut self,
        id: CommandId,
        message: Option<Uuid>,
        problem: &str,
    ) -> Result<u32, Failure> {
        let slot = &self.slot;
        warn!(key = %slot.key, command_id = %id, problem, "entity crashed");
        if let Some(life) = self.life.as_mut() {
            life.crashed = true;
        }
        let options = &slot.services.options;
        let limits = CrashLimits {
            of_message: options.message_crashes_max,
            of_entity: options.entity_crashes_max,
            window: options.crash_window,
        };
        let mut crashes = slot.crashes.lock();
        let crashes = crashes.get_or_insert_default();
        slot.lines.crashes.fetch_add(1, Ordering::Relaxed);
        problem.clone_into(&mut crashes.last);
        match crashes.note(message, Instant::now(), limits) {
            Verdict::Restart => Err(Failure::Crashed),
            Verdict::Message { crashes } => Ok(crashes),
            Verdict::Entity { crashes } => {
                self.quarantine_entity(problem, crashes);
                Err(Failure::EntityQuarantined)
            }
        }
    }

    fn quarantine_message(&self, order: &Order<K>, problem: &str, attempts: u32) {
        let Origin::Caller { name, body, sender } = &order.origin else { return };
        // Personal data must go with its subject's key, and a letter is under none.
        let impersonal = catch_unwind(AssertUnwindSafe(|| match &order.intent {
            Intent::Command(command) => K::subject(command).is_none(),
            // Its letter would be replayed as a command of that name.
            Intent::Delete => false,
        }));
        // An entity that sent it records that it failed; a replay would make that untrue.
        // What a caller expected of the entity would not be asked again either.
        let may_be_kept =
            sender.is_none() && order.expected.is_none() && impersonal.unwrap_or(false);
        let body = may_be_kept.then(|| std::str::from_utf8(body).ok());
        self.slot.services.quarantine.put(&Undeliverable {
            key: &self.slot.key,
            message: order.id.0,
            kind: LetterKind::Command,
            name,
            body: body.flatten(),
            reason: LetterReason::Crashed,
            detail: problem.to_owned(),
            attempts,
        });
    }

    fn quarantine_entity(&self, problem: &str, attempts: u32) {
        self.slot.services.quarantine.put(&Undeliverable {
            key: &self.slot.key,
            message: Uuid::nil(),
            kind: LetterKind::Entity,
            name: "",
            body: None,
            reason: LetterReason::Crashed,
            detail: format!("{attempts} crashes in its window, the last: {problem}"),
            attempts,
        });
    }
}

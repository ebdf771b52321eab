//! Messages that are out of delivery until a person or a rule decides about them.

use async_trait::async_trait;
use coppice_core::{Epoch, ShardId, StreamKey, TenantId, Timestamp};
use uuid::Uuid;

use crate::error::StoreError;

/// What kind of message could not be digested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LetterKind {
    /// A command of a caller.
    Command,
    /// A timer of the entity.
    Timer,
    /// An effect of the entity, or its outcome.
    Effect,
    /// No message: the entity itself is out of service.
    Entity,
}

impl LetterKind {
    const ALL: [Self; 4] = [Self::Command, Self::Timer, Self::Effect, Self::Entity];

    /// Its name, as it is stored and shown. Names never change.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Timer => "timer",
            Self::Effect => "effect",
            Self::Entity => "entity",
        }
    }

    /// The kind of a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// Why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LetterReason {
    /// The entity's own code crashed on it, again and again.
    Crashed,
    /// The whole process ended while it was tried, again and again.
    ProcessEnded,
    /// It was sent, may have taken effect, and must not be sent again.
    OutcomeUnknown,
    /// The entity refused it, and nobody is left to hear so.
    Refused,
    /// No handler of this build carries out the effect.
    NoHandler,
}

impl LetterReason {
    /// Every reason.
    pub const ALL: [Self; 5] =
        [Self::Crashed, Self::ProcessEnded, Self::OutcomeUnknown, Self::Refused, Self::NoHandler];

    /// Its name, as it is stored and shown. Names never change.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Crashed => "crashed",
            Self::ProcessEnded => "process_ended",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::Refused => "refused",
            Self::NoHandler => "no_handler",
        }
    }

    /// The reason of a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }
}

/// A message that is out of delivery until a person or a rule decides about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Where it stands in the list, in order of arrival: from 1, and never that of another letter
    /// even once it is removed, so there are gaps. 0 until it is put there.
    pub number: u64,
    /// Derived from entity and message.
    pub id: Uuid,
    /// The entity.
    pub key: StreamKey,
    /// The message within it; nil for [`LetterKind::Entity`].
    pub message: Uuid,
    /// What it is.
    pub kind: LetterKind,
    /// The command's name, or the id of the timer or effect.
    pub name: Box<str>,
    /// The command's body, JSON text; `None` where there is none or it may not be kept.
    pub body: Option<Box<str>>,
    /// Why it is here.
    pub reason: LetterReason,
    /// The same for people.
    pub detail: Box<str>,
    /// How often it was tried.
    pub attempts: u32,
    /// When it came here.
    pub at: Timestamp,
}

/// Messages out of delivery.
#[async_trait]
pub trait DeadLetters: Send + Sync {
    /// Puts a letter there; false, and nothing changed, where its id is there already. Its number is
    /// given by the store: more than that of every letter before it, removed ones included.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] for a text that the database can't keep, such as one with a NUL on
    /// PostgreSQL.
    async fn put_dead_letter(&self, letter: &DeadLetter) -> Result<bool, StoreError>;

    /// One letter.
    async fn dead_letter(&self, id: Uuid) -> Result<Option<DeadLetter>, StoreError>;

    /// Up to `limit` letters after a number, in order; of one tenant, or of all.
    async fn dead_letters(
        &self,
        tenant: Option<&TenantId>,
        after: u64,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, StoreError>;

    /// Takes a letter away for the owner of its shard; false, and nothing changed, where it isn't
    /// there or the shard is at another epoch. An owner that comes after never reads it.
    async fn remove_dead_letter(
        &self,
        id: Uuid,
        shard: ShardId,
        epoch: Epoch,
    ) -> Result<bool, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_as_databases_hold_them() {
        let kinds = LetterKind::ALL.map(LetterKind::as_str);
        assert_eq!(kinds, ["command", "timer", "effect", "entity"]);
        let reasons = LetterReason::ALL.map(LetterReason::as_str);
        let names = ["crashed", "process_ended", "outcome_unknown", "refused", "no_handler"];
        assert_eq!(reasons, names);
    }

    #[test]
    fn names_are_read_back() {
        for kind in LetterKind::ALL {
            assert_eq!(LetterKind::parse(kind.as_str()), Some(kind));
        }
        for reason in LetterReason::ALL {
            assert_eq!(LetterReason::parse(reason.as_str()), Some(reason));
        }
        assert_eq!(LetterKind::parse("Timer"), None);
        assert_eq!(LetterReason::parse(""), None);
    }
}

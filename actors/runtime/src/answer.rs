//! What a caller hands in and what it gets back.
//!
//! **Invariant:** every failure says what happened: [`Failure::outcome`] is `not_applied` or
//! `unknown`, and a timeout is `unknown`.

use bytes::Bytes;
use coppice_core::{CommandId, CorrelationId, EntityId, Sequence, StreamId, Target, TenantId};
use thiserror::Error;
use tokio::time::Instant;

use crate::trace::Trace;

/// A command on its way to an entity.
#[derive(Debug, Clone)]
pub struct Request {
    /// The tenant of the caller; an entity of another tenant can't be named.
    pub tenant: TenantId,
    /// The entity within its kind.
    pub id: EntityId,
    /// The command's name.
    pub command: String,
    /// Its arguments, JSON.
    pub body: Bytes,
    /// The command's id; every retry carries the same.
    pub command_id: CommandId,
    /// Whether the caller knows the id (it gave an idempotency key), so that the answer must be
    /// kept for a repeat.
    pub keyed: bool,
    /// The conversation it belongs to.
    pub correlation: CorrelationId,
    /// Where it stands in a trace, if it stands in one.
    pub trace: Option<Trace>,
    /// The entity that sends it as an effect; `None` for a caller from outside.
    pub sender: Option<StreamId>,
    /// Where the entity's stream must end for the command to be decided; anywhere if unset.
    pub expected: Option<Sequence>,
    /// Whether the entity's id was drawn at random for this command, so that nobody else can know it
    /// and nothing of it is stored: it isn't looked for, a read for each entity that begins. Should
    /// there be one after all, the store refuses the events and the command is decided on what it
    /// has; and nothing is answered or kept of a state that wasn't read, unless it was written.
    pub begins: bool,
    /// After this the command is no longer started.
    pub deadline: Instant,
}

/// The answer to an accepted command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The entity's sequence once the command was applied.
    pub sequence: Sequence,
    /// The reply, JSON text.
    pub reply: Box<str>,
    /// Whether this repeats the first answer to the same command.
    pub repeated: bool,
}

/// An entity as a reader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The sequence that the state stands at; 0 for an entity that never had an event.
    pub sequence: Sequence,
    /// The state as its kind shows it, JSON text; `null` once it was deleted.
    pub state: Box<str>,
    /// Whether the entity was deleted.
    pub deleted: bool,
}

/// What happened to a command that got no answer of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It changed nothing and never will under this try.
    NotApplied,
    /// It may have been applied or may yet be; a repeat with the same id tells.
    Unknown,
}

/// Why a command or a read got no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Failure {
    /// No kind of that name.
    #[error("there is no entity kind {0}")]
    UnknownKind(String),
    /// The kind has no command of that name.
    #[error("the kind has no command {0}")]
    UnknownCommand(String),
    /// The body doesn't fit the command.
    #[error("the body does not fit the command: {0}")]
    InvalidBody(String),
    /// The entity refused.
    #[error("{detail}")]
    Rejected {
        /// The kind's code for it.
        code: &'static str,
        /// The refusal as a sentence.
        detail: String,
    },
    /// The entity's stream does not end where the caller expects it to.
    #[error("the entity is at sequence {actual} and not at {expected}")]
    SequenceMismatch {
        /// Where the caller expects it to end.
        expected: Sequence,
        /// Where it ends.
        actual: Sequence,
    },
    /// There is no such entity: it has no event.
    #[error("there is no such entity")]
    NotThere,
    /// The entity was deleted, for good.
    #[error("the entity was deleted")]
    Deleted,
    /// The command's id was used before with another body.
    #[error("the idempotency key was used before with another body")]
    KeyReused,
    /// The entity's mailbox holds as much as it may.
    #[error("the mailbox is full with {depth} commands")]
    MailboxFull {
        /// How many wait in it.
        depth: usize,
    },
    /// The node holds as many entities as it may.
    #[error("the node holds as many entities as it may")]
    ResidentsFull,
    /// An operator has stopped everything, the kind or the tenant.
    #[error("{0} is stopped by its operators")]
    Frozen(Target),
    /// This node does not own the entity, or not any more.
    #[error("this node does not own the entity")]
    NotOwner,
    /// The entity's own code crashed on the command.
    #[error("the entity crashed on the command")]
    Crashed,
    /// The command crashed the entity again and again and is out of delivery.
    #[error("the command crashed the entity again and again and is out of delivery")]
    MessageQuarantined,
    /// The entity crashed too often and is out of service.
    #[error("the entity crashed too often and is out of service")]
    EntityQuarantined,
    /// The kind has no command for a timer or an outcome.
    #[error("the kind has no command for it")]
    Undigested,
    /// The deadline passed before the command was started.
    #[error("the deadline passed before the command was started")]
    DeadlineExceeded,
    /// No answer in time: the command may yet be applied.
    #[error("no answer within the deadline")]
    TimedOut,
    /// Other writers kept getting in between.
    #[error("the entity was written by another owner again and again")]
    Conflict,
    /// A command that this one was linked with was not accepted.
    #[error("a command that this one was linked with was not accepted")]
    Unlinked,
    /// The store can't be reached.
    #[error("the store is unavailable")]
    StoreUnavailable,
    /// The store is full; nothing was written.
    #[error("the store is full")]
    StoreFull,
    /// The entity's journal or state can't be trusted or read.
    #[error("the journal of {stream} is damaged: {problem}")]
    Damaged {
        /// The stream, as tenant/kind/id.
        stream: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The command holds data of a subject that was erased.
    #[error("the subject was erased")]
    SubjectErased,
    /// Personal data can't be written or read: the platform's key is missing, or is another one.
    #[error("personal data is locked: the node has no platform key that fits")]
    PersonalDataLocked,
    /// The node is shutting down.
    #[error("the node is shutting down")]
    ShuttingDown,
}

impl Failure {
    /// Whether it says that an entity could not be read from its journal.
    pub(crate) const fn of_recovery(&self) -> bool {
        matches!(
            self,
            Self::StoreUnavailable
                | Self::StoreFull
                | Self::Damaged { .. }
                | Self::PersonalDataLocked
        )
    }

    /// What happened to the command.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        match self {
            Self::TimedOut => Outcome::Unknown,
            Self::UnknownKind(_)
            | Self::UnknownCommand(_)
            | Self::InvalidBody(_)
            | Self::Rejected { .. }
            | Self::SequenceMismatch { .. }
            | Self::NotThere
            | Self::Deleted
            | Self::KeyReused
            | Self::MailboxFull { .. }
            | Self::ResidentsFull
            | Self::Frozen(_)
            | Self::NotOwner
            | Self::Crashed
            | Self::MessageQuarantined
            | Self::EntityQuarantined
            | Self::Undigested
            | Self::DeadlineExceeded
            | Self::Conflict
            | Self::Unlinked
            | Self::StoreUnavailable
            | Self::StoreFull
            | Self::Damaged { .. }
            | Self::SubjectErased
            | Self::PersonalDataLocked
            | Self::ShuttingDown => Outcome::NotApplied,
        }
    }
}

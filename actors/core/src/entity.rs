//! The entity contract: a name and a few pure functions.
//!
//! The same functions run in production, replay, time travel, simulation and forks, so they must
//! give the same answer everywhere: no clock, no randomness, no I/O. What they need of the outside
//! arrives in the [`Context`].

use std::error::Error;
use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

use crate::control::Stops;
use crate::hash::Hasher;
use crate::ids::{CommandId, CorrelationId, Sequence, StreamKey, SubjectId};
use crate::pending::{EffectId, EffectOutcome, Pending, TimerId};
use crate::time::Timestamp;

/// What a decision may know besides state and command.
#[derive(Debug, Clone)]
pub struct Context<'a> {
    /// The time of the decision. It never runs behind the stream's last recorded time.
    pub now: Timestamp,
    /// The entity that decides.
    pub key: &'a StreamKey,
    /// The sequence that the state stands at.
    pub sequence: Sequence,
    /// The command being decided; the same on every retry.
    pub command_id: CommandId,
    /// The conversation it belongs to.
    pub correlation: CorrelationId,
}

impl Context<'_> {
    /// The `ordinal`-th id that this decision may use: unique to entity and command, and the same
    /// when the command is decided again. It is derived, not random: don't use it as a secret.
    #[must_use]
    pub fn derived_id(&self, ordinal: u32) -> Uuid {
        Hasher::new("coppice.derived.v1")
            .fixed(*self.key.stream().0.as_bytes())
            .fixed(*self.command_id.0.as_bytes())
            .number(u64::from(ordinal))
            .finish()
            .to_uuid()
    }
}

/// What an accepted command leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision<E, R> {
    /// What happened, in order. May be empty: the command is accepted and changes nothing.
    pub events: Vec<E>,
    /// The answer to the caller, given once the events are durable.
    pub reply: R,
}

/// An event that can be written down and read back.
pub trait DomainEvent: Clone + Debug + PartialEq + Send + Sync + Sized + 'static {
    /// Its name with version, such as `counter.added.v1`; see [`crate::invariants::is_event_type`].
    fn event_type(&self) -> &'static str;

    /// The payload as JSON text.
    ///
    /// # Errors
    /// Where personal data can't be sealed, or the payload isn't JSON.
    fn encode(&self) -> Result<String, serde_json::Error>;

    /// Reads a payload of any version ever written; older ones are lifted to the present type.
    ///
    /// # Errors
    /// [`DecodeError`] for a type this build doesn't know or a payload that doesn't fit its type.
    fn decode(event_type: &str, payload: &str) -> Result<Self, DecodeError>;

    /// Whose personal data the payload holds.
    fn subject(&self) -> Option<&SubjectId> {
        None
    }

    /// The key that the personal data is sealed under, once it has been encoded.
    fn key_id(&self) -> Option<&str> {
        None
    }
}

/// An event that this build can't read.
#[derive(Debug, Error)]
pub enum DecodeError {
    /// No kind of this build writes events of that name and version.
    #[error("event type {0} is not known")]
    UnknownType(String),
    /// The payload doesn't fit its type.
    #[error("the payload of {event_type} does not fit its type")]
    Payload {
        /// The event's name and version.
        event_type: String,
        /// What didn't fit.
        #[source]
        source: serde_json::Error,
    },
}

impl DecodeError {
    /// A payload that didn't fit, for `map_err`.
    pub fn payload(event_type: &str) -> impl FnOnce(serde_json::Error) -> Self + '_ {
        move |source| Self::Payload { event_type: event_type.to_owned(), source }
    }
}

/// A command that can't be read, found before it reaches a mailbox.
#[derive(Debug, Error)]
pub enum CommandError {
    /// The kind has no command of that name.
    #[error("the kind has no command {0}")]
    UnknownCommand(String),
    /// The body doesn't fit the command.
    #[error("the body does not fit the command: {0}")]
    Body(String),
}

/// A typed refusal: nothing happened, and the caller learns why.
pub trait Rejection: Error + Send + Sync + 'static {
    /// Every code that [`Rejection::code`] may give; each has a page under `docs/problems`.
    const CODES: &'static [&'static str];

    /// The stable code of the refusal, in lower case with underscores.
    fn code(&self) -> &'static str;
}

/// Who may command the entities of a kind. Callers may read every kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Any caller with the right to write.
    Open,
    /// The platform's own routes and handlers alone, which check what a caller may ask for: a
    /// caller can't command or delete it by its bare name, nor have another entity do so.
    Guarded,
    /// As [`Access::Guarded`], and no freeze and no kill switch stops it: it is what they are
    /// recorded in.
    Platform,
}

/// An entity kind.
///
/// ```
/// use coppice_core::{
///     CommandError, Context, Decision, DecodeError, DomainEvent, Entity, Rejection,
/// };
/// use serde::{Deserialize, Serialize};
///
/// struct Door;
/// #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
/// struct State { open: bool }
/// #[derive(Debug)]
/// struct Open;
/// #[derive(Debug, Clone, PartialEq)]
/// struct Opened;
/// #[derive(Debug, thiserror::Error)]
/// #[error("the door is open")]
/// struct AlreadyOpen;
///
/// impl Rejection for AlreadyOpen {
///     const CODES: &'static [&'static str] = &["already_open"];
///     fn code(&self) -> &'static str { "already_open" }
/// }
/// impl DomainEvent for Opened {
///     fn event_type(&self) -> &'static str { "door.opened.v1" }
///     fn encode(&self) -> Result<String, serde_json::Error> { Ok("{}".into()) }
///     fn decode(event_type: &str, _: &str) -> Result<Self, DecodeError> {
///         match event_type {
///             "door.opened.v1" => Ok(Opened),
///             other => Err(DecodeError::UnknownType(other.into())),
///         }
///     }
/// }
/// impl Entity for Door {
///     const KIND: &'static str = "door";
///     const SNAPSHOT_LAYOUT: u32 = 1;
///     type State = State;
///     type Command = Open;
///     type Event = Opened;
///     type Reply = ();
///     type Rejection = AlreadyOpen;
///     type View = State;
///     fn parse(name: &str, _: &[u8]) -> Result<Open, CommandError> {
///         match name {
///             "open" => Ok(Open),
///             other => Err(CommandError::UnknownCommand(other.into())),
///         }
///     }
///     fn decide(state: &State, _: &Open, _: &Context<'_>)
///         -> Result<Decision<Opened, ()>, AlreadyOpen> {
///         if state.open { return Err(AlreadyOpen) }
///         Ok(Decision { events: vec![Opened], reply: () })
///     }
///     fn evolve(_: State, _: &Opened) -> State { State { open: true } }
///     fn view(state: &State) -> State { state.clone() }
/// }
/// assert!(Door::evolve(State::default(), &Opened).open);
/// ```
pub trait Entity: Send + Sync + Sized + 'static {
    /// The kind's name, an [`EntityKind`](crate::EntityKind).
    const KIND: &'static str;
    /// Names the layout of [`Entity::State`] in snapshots. Raise it with every change of the
    /// state's fields; snapshots with another tag are ignored and the journal is replayed.
    const SNAPSHOT_LAYOUT: u32;
    /// Who may command this kind, and whether anything stops it.
    const ACCESS: Access = Access::Open;

    /// The state. Plain types only (no `serde_json::Value`, no untagged or flattened enums): a
    /// snapshot is bincode, which can't decode self-describing types.
    type State: Clone + Debug + Default + PartialEq + Serialize + DeserializeOwned + Send + Sync;
    /// A command, read from its name and JSON body.
    type Command: Debug + Send + Sync + 'static;
    /// What may happen to the entity.
    type Event: DomainEvent;
    /// The answer to an accepted command.
    type Reply: Serialize + Send;
    /// The answer to a refused command.
    type Rejection: Rejection;
    /// What a reader of the entity is shown.
    type View: Serialize;

    /// Reads a command. Unknown names, unknown fields and wrong types are refused here.
    ///
    /// # Errors
    /// [`CommandError`] where the name or the body isn't one of this kind's.
    fn parse(name: &str, body: &[u8]) -> Result<Self::Command, CommandError>;

    /// Decides a command against a state: events and a reply, or a refusal that changes nothing.
    ///
    /// # Errors
    /// The kind's [`Rejection`].
    fn decide(
        state: &Self::State,
        command: &Self::Command,
        context: &Context<'_>,
    ) -> Result<Decision<Self::Event, Self::Reply>, Self::Rejection>;

    /// The state after an event. It can't fail: what is recorded has happened.
    fn evolve(state: Self::State, event: &Self::Event) -> Self::State;

    /// What the outside still owes the entity, kept in its state so that asking costs nothing.
    fn pending(_state: &Self::State) -> &Pending {
        Pending::none()
    }

    /// The command that a due timer becomes. `due` is when it was due; `now` in the command's
    /// context may be much later, after the node was down, and what a late timer means is the
    /// kind's to say. The accepted command must clear the timer or set it anew.
    fn on_timer(_state: &Self::State, _timer: &TimerId, _due: Timestamp) -> Option<Self::Command> {
        None
    }

    /// The command that the outcome of an outstanding effect becomes; the accepted command must
    /// take the effect off. `None` for [`EffectOutcome::Unknown`] leaves it to an operator: the
    /// effect stays outstanding and waits among the dead letters. For other outcomes `None` is a
    /// mistake of the kind, with the same consequence.
    fn on_effect(
        _state: &Self::State,
        _effect: &EffectId,
        _outcome: &EffectOutcome,
    ) -> Option<Self::Command> {
        None
    }

    /// What the whole system must leave alone while this state stands. Only the platform's own
    /// control says anything, and only its is listened to.
    fn stops(_state: &Self::State) -> Option<&Stops> {
        None
    }

    /// The workflow that an entity's events belong to, so that whoever reads them finds what was
    /// done for it. Asked of the state behind the event.
    fn workflow<'a>(_state: &'a Self::State, _key: &'a StreamKey) -> Option<&'a str> {
        None
    }

    /// Whose personal data a command's body holds. Such a body is never kept among the dead
    /// letters, so that destroying the subject's key erases all there is.
    fn subject(_command: &Self::Command) -> Option<&SubjectId> {
        None
    }

    /// What a reader is shown.
    fn view(state: &Self::State) -> Self::View;
}

/// Reads a JSON body strictly into a command's arguments; an empty body reads as `{}`.
///
/// # Errors
/// [`CommandError::Body`] naming what didn't fit.
pub fn parse_body<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, CommandError> {
    let body = if body.is_empty() { b"{}" } else { body };
    // serde reads a struct from an array as well, by position; arguments have names.
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    if first.is_some_and(|byte| b"[\"-0123456789tfn".contains(byte)) {
        return Err(CommandError::Body("arguments are a JSON object".to_owned()));
    }
    serde_json::from_slice(body).map_err(|error| CommandError::Body(error.to_string()))
}

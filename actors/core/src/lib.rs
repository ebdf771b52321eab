//! The pure core of Coppice: what an entity is, what an event looks like when it is written down,
//! and the invariants that every layer above checks.
//!
//! **Owns:** ids, the entity contract ([`Entity`]), the context of a decision, the event record and
//! its hash chain, what an entity still owes the outside ([`Pending`]), personal data
//! ([`Sensitive`]), and [`invariants`].
//!
//! **Deliberately absent:** business rules (they live in `coppice-domain`), clocks, randomness,
//! tasks and I/O. Time and ids arrive in the [`Context`]; a `clippy.toml` beside this crate refuses
//! the functions that would bring them in by another door.

#![deny(clippy::wildcard_enum_match_arm)]
#![warn(missing_docs)]

pub mod calendar;
pub mod canonical;
pub mod control;
pub mod entity;
pub mod envelope;
pub mod hash;
pub mod hex;
pub mod ids;
pub mod invariants;
pub mod json;
pub mod pending;
pub mod sensitive;
pub mod time;

pub use control::{Stop, Stops, Target};
pub use entity::{
    Access, CommandError, Context, Decision, DecodeError, DomainEvent, Entity, Rejection,
};
pub use envelope::{EventRecord, StoredEvent, StreamHead};
pub use hash::Hash;
pub use ids::{
    CommandId, CorrelationId, EntityId, EntityKind, Epoch, EventId, InvalidId, Position, Sequence,
    ShardId, StreamId, StreamKey, SubjectId, TenantId,
};
pub use json::Json;
pub use pending::{Effect, EffectId, EffectMode, EffectOutcome, Outstanding, Pending, TimerId};
pub use sensitive::Sensitive;
pub use time::Timestamp;

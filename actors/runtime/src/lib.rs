//! The shell around an entity: mailbox, host, region, writer, tickets, subscriptions.
//!
//! **Owns:** the path of a command from a region's door to its answer, and recovery. **Invariants:**
//! nothing leaves an entity before the events behind it are durable; a new incarnation starts only
//! when every ticket of the old one has ended; within the retention window a command takes effect
//! at most once.
//!
//! **Deliberately absent:** business rules, HTTP, SQL. Panics of entities are caught here, in the
//! host, and nowhere else.

#![warn(missing_docs)]

pub mod answer;
mod batch;
pub mod cell;
pub mod clock;
pub mod control;
mod crash;
pub mod door;
pub mod erasure;
pub mod feed;
mod flight;
pub mod gate;
mod held;
pub mod histogram;
pub mod horizon;
mod host;
pub mod inspect;
pub mod keyring;
pub mod lease;
mod life;
pub mod link;
pub mod mailbox;
pub mod node;
pub mod options;
pub mod personal;
pub mod policy;
pub mod projection;
pub mod recovery;
pub mod region;
pub mod registry;
mod services;
mod slot;
pub mod subscription;
pub mod task;
pub mod temperature;
pub mod ticket;
pub mod trace;
mod window;
pub mod work;
pub mod writer;

pub use answer::{Answer, Failure, Outcome, Request, View};
pub use clock::{Clock, SystemClock};
pub use control::{Control, Spoken, Word};
pub use coppice_supervisors as supervisors;
pub use door::Door;
pub use erasure::{Eraser, Erasure};
pub use feed::{Feed, FollowError, Follower, LiveEvent, Scope};
pub use gate::Gate;
pub use histogram::Histogram;
pub use horizon::Horizons;
pub use inspect::{Activity, ActorReport, Census, Inspector, Temperature};
pub use keyring::{KeyRing, MalformedPlatformKey, PlatformKey, PlatformKeys};
pub use lease::{ExclusiveLease, Lease};
pub use link::LinkGroup;
pub use node::{Node, NodeBuilder, NodeError};
pub use options::RuntimeOptions;
pub use policy::{NoPolicyBundle, PolicyBundle};
pub use region::Region;
pub use registry::{KindPort, Registry};
pub use services::Services;
pub use trace::{NoSpans, Span, SpanKind, Spans, Trace};
pub use work::effects::{EffectCall, EffectError, EffectHandler, EffectPool};
pub use work::message::SystemMessage;
pub use work::office::{DeadLetterOffice, OfficeError};
pub use work::pool::Pools;
pub use work::quarantine::Quarantine;
pub use work::retry::RetryPolicy;
pub use work::timers::Timers;
pub use writer::{Writer, WriterHandle};

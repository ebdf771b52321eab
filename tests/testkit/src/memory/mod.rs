//! A store in memory, with the semantics of the SQL stores and fault points at every step.
//!
//! **Invariants:** nothing depends on a hasher's order, a thread or the machine's clock, so a
//! simulation repeats by its seed; a database outlives every handle that a "process" held, so a
//! crash is simulated by dropping the handles and connecting again.
//!
//! **Deliberately absent:** durability. What is written is written.

mod database;
mod deliveries;
mod directory;
pub mod faults;
mod journal;
mod leases;
mod read_side;
mod subject_keys;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use coppice_core::{Position, StoredEvent, StreamKey};
use coppice_persistence::Snapshot;
use coppice_runtime::{Clock, SystemClock};
use parking_lot::Mutex;

use self::database::Database;
pub use self::faults::{Action, Faults, Hold, Observer, Point, Times};

/// A connection to a database in memory. A clone is another connection to the same database with
/// the same faults; [`MemoryStore::connect`] makes one with faults of its own.
#[derive(Debug, Clone)]
pub struct MemoryStore {
    database: Arc<Mutex<Database>>,
    clock: Arc<dyn Clock>,
    faults: Faults,
    appends: Appends,
}

/// How a connection appends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appends {
    /// An append whose caller goes away ends where it is.
    WithTheCaller,
    /// An append goes on when its caller is gone, as one that a server has taken in does.
    OnTheServer,
    /// A planted bug, to show that tests find it: an append is answered as committed, and written
    /// only then.
    AnsweredFirst,
}

impl MemoryStore {
    /// A new, empty database whose leases run by a clock.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let (faults, appends) = (Faults::default(), Appends::WithTheCaller);
        Self { database: Arc::default(), clock, faults, appends }
    }

    /// Another connection to the same database, with faults of its own: another node.
    #[must_use]
    pub fn connect(&self, faults: Faults) -> Self {
        Self { faults, ..self.clone() }
    }

    /// The same connection with another way to append.
    #[must_use]
    pub fn appending(self, appends: Appends) -> Self {
        Self { appends, ..self }
    }

    /// Looks at the journal as it stands, past every fault.
    pub fn look<R>(&self, at: impl FnOnce(&[StoredEvent]) -> R) -> R {
        at(&self.database.lock().events)
    }

    /// The faults of this connection.
    #[must_use]
    pub const fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Alters a stored event behind everybody's back; false where the position has none.
    pub fn tamper_with_event(
        &self,
        position: Position,
        alter: impl FnOnce(&mut StoredEvent),
    ) -> bool {
        self.database.lock().event_mut(position).map(alter).is_some()
    }

    /// Alters a stored snapshot behind everybody's back; false where the entity has none.
    pub fn tamper_with_snapshot(&self, key: &StreamKey, alter: impl FnOnce(&mut Snapshot)) -> bool {
        self.database.lock().snapshots.get_mut(&key.stream()).map(alter).is_some()
    }
}

impl Default for MemoryStore {
    /// A new, empty database on the machine's clock.
    fn default() -> Self {
        Self::new(Arc::new(SystemClock))
    }
}

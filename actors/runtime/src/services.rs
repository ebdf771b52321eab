//! What every entity of a node works with.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use coppice_persistence::{Snapshot, Store};
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::feed::Feed;
use crate::gate::Gate;
use crate::horizon::Horizons;
use crate::lease::Lease;
use crate::options::RuntimeOptions;
use crate::personal::Keys;
use crate::policy::PolicyBundle;
use crate::trace::Spans;
use crate::work::pool::Pools;
use crate::work::quarantine::Quarantine;
use crate::work::timers::Timers;
use crate::writer::WriterHandle;

/// What every entity of a node shares.
pub struct Services {
    /// The database.
    pub store: Arc<dyn Store>,
    /// Group commit.
    pub writer: WriterHandle,
    /// Who may speak for which entity.
    pub lease: Arc<dyn Lease>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Keys of personal data.
    pub keys: Arc<dyn Keys>,
    /// What is stopped.
    pub gate: Arc<Gate>,
    /// Where effects go out.
    pub pools: Pools,
    /// The next timer of every entity in memory.
    pub timers: Timers,
    /// The journal as it grows.
    pub feed: Feed,
    /// How far its read models are.
    pub horizons: Horizons,
    /// Where snapshots go to be saved.
    pub snapshots: mpsc::Sender<Snapshot>,
    /// What is out of delivery.
    pub quarantine: Quarantine,
    /// Which policy bundle is in force.
    pub policy_bundle: Arc<dyn PolicyBundle>,
    /// Who is told of spans.
    pub spans: Arc<dyn Spans>,
    /// Limits.
    pub options: RuntimeOptions,
    /// Set once the node goes down: nothing new is taken in and no cell is started again.
    pub closing: AtomicBool,
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Services").field("options", &self.options).finish_non_exhaustive()
    }
}

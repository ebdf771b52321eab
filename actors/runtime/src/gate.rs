//! What is stopped on this node: the switches of the platform's control, as everybody asks them.
//!
//! The switches are the state of an entity like any other, so they are durable, and their journal
//! says who turned them. What is stopped starts nothing: a command is refused, an effect isn't sent,
//! a timer waits. What was decided before goes on to its end, and its outcomes are recorded.
//!
//! **Invariants:** while nothing is stopped, a question costs one read of an atomic; the gate shows
//! what is committed, and before whoever turned a switch is answered; nothing is decided under an
//! epoch of this node before the switches were read under it, and where they can't be read nothing
//! is decided at all.

use std::collections::BTreeSet;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use coppice_core::{Epoch, Sequence, Stops, StreamKey, Target};
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::error;

use crate::answer::Failure;
use crate::door::Door;
use crate::lease::Lease;
use crate::registry::Registry;

/// The switches as they stand in the journal.
#[derive(Debug, Default)]
struct Standing {
    sequence: Sequence,
    stops: Stops,
    /// How often they were turned since the start.
    turns: u64,
}

/// The switches of one node.
pub struct Gate {
    /// The entity that has them; a node without one stops nothing.
    key: Option<StreamKey>,
    /// Kinds of the platform's own, which nothing stops.
    exempt: BTreeSet<&'static str>,
    stops_any: AtomicBool,
    /// Whether a switch may have been turned that is not known of here.
    doubted: AtomicBool,
    standing: RwLock<Arc<Standing>>,
    turned: Notify,
    /// Switches behind which effects were put down, to be found again by a scan.
    left: Mutex<BTreeSet<Target>>,
    /// The epoch under which the switches were read last.
    read_under: AtomicU64,
    reading: tokio::sync::Mutex<()>,
    door: Door,
    patience: Duration,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("stops", &self.stops()).finish_non_exhaustive()
    }
}

/// No epoch is this one: they begin at 1.
const NEVER: u64 = 0;

impl Gate {
    /// Of the switches in this entity, if there is one.
    #[must_use]
    pub fn new(key: Option<StreamKey>, exempt: BTreeSet<&'static str>, patience: Duration) -> Self {
        Self {
            key,
            exempt,
            stops_any: AtomicBool::new(false),
            doubted: AtomicBool::new(false),
            standing: RwLock::default(),
            turned: Notify::new(),
            left: Mutex::default(),
            read_under: AtomicU64::new(NEVER),
            reading: tokio::sync::Mutex::new(()),
            door: Door::new(),
            patience,
        }
    }

    /// Tells where the entity is, once there is somewhere.
    pub(crate) fn connect(&self, registry: &Registry) {
        self.door.connect(registry);
    }

    /// What stops an entity, if anything does.
    #[must_use]
    pub fn holding(&self, key: &StreamKey) -> Option<Target> {
        if !self.stops_any.load(Ordering::Acquire) || self.exempt.contains(key.kind().as_str()) {
            return None;
        }
        if self.doubted.load(Ordering::Acquire) {
            return Some(Target::Everything);
        }
        self.standing.read().stops.holding(key.tenant(), key.kind())
    }

    /// Whether anything is stopped at all.
    pub(crate) fn is_shut(&self) -> bool {
        self.stops_any.load(Ordering::Acquire)
    }

    /// Whether everything is.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        let doubted = || self.doubted.load(Ordering::Acquire);
        self.is_shut() && (doubted() || self.standing.read().stops.frozen.is_some())
    }

    /// Everything that is stopped.
    #[must_use]
    pub fn stops(&self) -> Stops {
        self.standing.read().stops.clone()
    }

    /// How often the switches were turned since the start.
    pub(crate) fn turns(&self) -> u64 {
        self.standing.read().turns
    }

    /// Waits until a switch is turned.
    pub(crate) async fn turned(&self) {
        self.turned.notified().await;
    }

    /// Waits while everything is stopped.
    pub(crate) async fn thawed(&self) {
        loop {
            let mut turned = pin!(self.turned.notified());
            // In line first, so that the last look doesn't miss it.
            turned.as_mut().enable();
            if !self.is_frozen() {
                return;
            }
            turned.await;
        }
    }

    /// Takes the switches over as they stand after an event, unless a later state is known. They
    /// are the entity's own word: another entity's is not listened to.
    pub(crate) fn stand(&self, key: &StreamKey, sequence: Sequence, stops: Stops) {
        if self.key.as_ref() != Some(key) {
            return;
        }
        let mut standing = self.standing.write();
        if sequence <= standing.sequence {
            return;
        }
        if stops != standing.stops {
            tell(&standing.stops, &stops);
        }
        let turns = standing.turns + 1;
        let doubted = self.doubted.load(Ordering::Acquire);
        self.stops_any.store(doubted || !stops.is_empty(), Ordering::Release);
        *standing = Arc::new(Standing { sequence, stops, turns });
        drop(standing);
        self.turned.notify_waiters();
    }

    /// The writer has fallen, perhaps with a word of the switches that is committed all the same:
    /// everything is stopped until they have been read again.
    pub(crate) fn doubt(&self) {
        if self.key.is_some() {
            self.doubted.store(true, Ordering::Release);
            self.stops_any.store(true, Ordering::Release);
            self.read_under.store(NEVER, Ordering::Release);
        }
    }

    /// Sees to it that the switches were read under the present epoch.
    ///
    /// # Errors
    /// [`Failure`], where they can't be: then nothing may be decided.
    pub(crate) async fn read(&self, lease: &dyn Lease) -> Result<(), Failure> {
        let Some(key) = &self.key else { return Ok(()) };
        if self.is_read(key, lease)?.is_ok() {
            return Ok(());
        }
        let _one_at_a_time = self.reading.lock().await;
        let Err(epoch) = self.is_read(key, lease)? else { return Ok(()) };
        let registry = self.door.registry().ok_or(Failure::ShuttingDown)?;
        // The entity is in memory after it, read under this epoch or a later one, and has said how
        // it stands.
        registry.wake(key, Instant::now() + self.patience).await?;
        self.read_under.store(epoch.0, Ordering::Release);
        self.trust();
        Ok(())
    }

    fn trust(&self) {
        let standing = self.standing.write();
        if self.doubted.swap(false, Ordering::AcqRel) {
            self.stops_any.store(!standing.stops.is_empty(), Ordering::Release);
            drop(standing);
            self.turned.notify_waiters();
        }
    }

    /// Whether they are read, or the epoch under which they must be.
    fn is_read(&self, key: &StreamKey, lease: &dyn Lease) -> Result<Result<(), Epoch>, Failure> {
        let (_, epoch) = lease.owned(key).ok_or(Failure::NotOwner)?;
        let is_read = self.read_under.load(Ordering::Acquire) == epoch.0;
        Ok(if is_read { Ok(()) } else { Err(epoch) })
    }

    /// Notes that something was put down behind a switch.
    pub(crate) fn leave(&self, target: Target) {
        self.left.lock().insert(target);
    }

    /// Whether something was put down behind a switch that is turned back by now; it is forgotten
    /// by that.
    pub(crate) fn take_released(&self) -> bool {
        let mut left = self.left.lock();
        if left.is_empty() {
            return false;
        }
        let standing = Arc::clone(&self.standing.read());
        let before = left.len();
        left.retain(|target| standing.stops.of(target).is_some());
        left.len() < before
    }
}

/// A freeze is news for whoever reads the log, whoever ordered it.
fn tell(before: &Stops, after: &Stops) {
    match (&before.frozen, &after.frozen) {
        (None, Some(stop)) => {
            error!(reason = %stop.reason, by = %stop.by, "the system is frozen");
        }
        (Some(_), None) => error!("the system is not frozen any more"),
        (Some(_), Some(_)) | (None, None) => {
            let (kinds, tenants) = (after.kinds.len(), after.tenants.len());
            error!(kinds, tenants, "kinds or tenants are stopped or go on");
        }
    }
}

#[cfg(test)]
mod tests {
    use coppice_core::{EntityId, EntityKind, Stop, TenantId, Timestamp};

    use super::*;

    fn key(tenant: &str, kind: &str) -> StreamKey {
        let (tenant, kind) = (TenantId::new(tenant).unwrap(), EntityKind::new(kind).unwrap());
        StreamKey::new(tenant, kind, EntityId::new("a").unwrap())
    }

    fn frozen() -> Stops {
        let stop = Stop { reason: "r".into(), by: "b".into(), since: Timestamp::EPOCH };
        Stops { frozen: Some(stop), ..Stops::default() }
    }

    fn gate() -> Gate {
        let exempt = BTreeSet::from(["erasure"]);
        Gate::new(Some(key("_operators", "switches")), exempt, Duration::from_secs(1))
    }

    #[test]
    fn only_the_switches_own_entity_is_listened_to_and_only_its_latest_word() {
        let (gate, own) = (gate(), key("_operators", "switches"));
        gate.stand(&key("acme", "switches"), Sequence(9), frozen());
        assert!(!gate.is_frozen());
        gate.stand(&own, Sequence(2), frozen());
        assert_eq!(gate.holding(&key("acme", "counter")), Some(Target::Everything));
        assert_eq!(gate.holding(&key("acme", "erasure")), None, "nothing stops it");
        gate.stand(&own, Sequence(1), Stops::default());
        assert!(gate.is_frozen(), "an older word comes too late");
        gate.stand(&own, Sequence(3), Stops::default());
        assert_eq!(gate.holding(&key("acme", "counter")), None);
    }

    #[test]
    fn in_doubt_everything_is_stopped_but_what_nothing_stops() {
        let (gate, own) = (gate(), key("_operators", "switches"));
        gate.stand(&own, Sequence(1), Stops::default());
        gate.doubt();
        assert!(gate.is_frozen());
        assert_eq!(gate.holding(&key("acme", "counter")), Some(Target::Everything));
        assert_eq!(gate.holding(&key("acme", "erasure")), None);
        gate.stand(&own, Sequence(2), Stops::default());
        assert!(gate.is_frozen(), "what is said meanwhile may not be all");
        gate.trust();
        assert_eq!(gate.holding(&key("acme", "counter")), None);
    }

    #[test]
    fn what_was_put_down_is_released_with_its_switch_and_once() {
        let (gate, own) = (gate(), key("_operators", "switches"));
        gate.stand(&own, Sequence(1), frozen());
        gate.leave(Target::Everything);
        assert!(!gate.take_released());
        gate.stand(&own, Sequence(2), Stops::default());
        assert!(gate.take_released());
        assert!(!gate.take_released());
    }
}

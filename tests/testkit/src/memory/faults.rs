//! Named points in a store's calls where a test makes something happen.
//!
//! A call that comes to a [`Point`] goes through every rule armed there, in the order in which
//! they were armed: delays and holds pass it on to the next, an error ends it. Nothing here is
//! random but by the seed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use coppice_persistence::{StoreError, Unit, UnitOutcome};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};

use crate::random::Random;

/// Where in a store's calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// An append came in; nothing is written yet.
    BeforeAppend,
    /// An append is durable; its caller doesn't know yet. An error here is the unknown commit.
    AfterAppendBeforeAnswer,
    /// Before an entity's row is read.
    Entity,
    /// Before a stream is read.
    ReadStream,
    /// Before the journal or its batches are read.
    ReadJournal,
    /// Before command records are read or dropped.
    Commands,
    /// Before the entities are scanned: all, owing or due.
    Scan,
    /// Before a snapshot is read.
    Snapshot,
    /// Before snapshots are written.
    SaveSnapshots,
    /// Before shards are claimed, renewed or released.
    Leases,
    /// A subscription's step came in; nothing is written yet.
    BeforeAdvance,
    /// A subscription's step is durable; its caller doesn't know yet.
    AfterAdvanceBeforeAnswer,
    /// Before offsets, parked events or documents are read.
    ReadModels,
    /// Before tenants and keys are read or written.
    Directory,
    /// Tries are to be counted or forgotten; nothing is written yet.
    BeforeAttempts,
    /// Tries are counted or forgotten, durably; the caller doesn't know yet.
    AfterAttempts,
    /// Before dead letters are read or written.
    DeadLetters,
    /// Before the keys of personal data are read or written.
    SubjectKeys,
}

impl Point {
    const fn is_after_a_write(self) -> bool {
        matches!(
            self,
            Self::AfterAppendBeforeAnswer | Self::AfterAdvanceBeforeAnswer | Self::AfterAttempts
        )
    }
}

/// What happens to a call at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// [`StoreError::Unavailable`].
    Unavailable,
    /// [`StoreError::Full`]; not after a write, since it says that nothing was written.
    Full,
    /// The caller's task panics.
    Panic,
    /// The call goes on after this time.
    Delay(Duration),
    /// The call goes on after a random time up to this one.
    Jitter(Duration),
}

/// To which calls it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// The next so many.
    Next(u64),
    /// Every one.
    Always,
    /// So many of a thousand, by the seed.
    PerMille(u16),
}

/// Hears what a connection is asked and what its appends come to: for traces, and for checks of
/// what must hold at every moment.
pub trait Observer: fmt::Debug + Send + Sync + 'static {
    /// A call came to a point.
    fn called(&self, point: Point, during: &'static str);

    /// An append has been decided on: what was committed is in the journal, nobody knows yet.
    fn appended(&self, units: &[Unit], outcomes: &[UnitOutcome]);
}

/// Arms points and counts what fired. Clones are the same faults.
#[derive(Debug, Clone)]
pub struct Faults {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    random: Random,
    rules: Vec<Rule>,
    rule_next: u64,
    calls: BTreeMap<Point, u64>,
    fired: BTreeMap<Point, u64>,
    observer: Option<Arc<dyn Observer>>,
}

#[derive(Debug)]
struct Rule {
    id: u64,
    point: Point,
    effect: Effect,
    times: Times,
}

#[derive(Debug, Clone)]
enum Effect {
    Unavailable,
    Full,
    Panic,
    Delay(Duration),
    Jitter(Duration),
    Hold(Arc<Gate>),
}

impl Effect {
    const fn ends_the_call(&self) -> bool {
        matches!(self, Self::Unavailable | Self::Full | Self::Panic)
    }
}

#[derive(Debug)]
struct Gate {
    arrived: watch::Sender<u64>,
    /// Calls wait for a permit, first come first served; closed once all may go.
    permits: Semaphore,
}

impl Faults {
    /// No faults; chances will follow the seed.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        let state = State {
            random: Random::seeded(seed),
            rules: Vec::new(),
            rule_next: 0,
            calls: BTreeMap::new(),
            fired: BTreeMap::new(),
            observer: None,
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Lets an action happen to the next calls at a point.
    ///
    /// # Panics
    /// For [`Action::Full`] after a write.
    pub fn arm(&self, point: Point, action: Action, times: Times) {
        let full_after_a_write = point.is_after_a_write() && action == Action::Full;
        assert!(!full_after_a_write, "a full store has written nothing");
        let effect = match action {
            Action::Unavailable => Effect::Unavailable,
            Action::Full => Effect::Full,
            Action::Panic => Effect::Panic,
            Action::Delay(by) => Effect::Delay(by),
            Action::Jitter(up_to) => Effect::Jitter(up_to),
        };
        self.add(point, effect, times);
    }

    /// Holds calls at a point until the test lets them go.
    #[must_use]
    pub fn hold(&self, point: Point, times: Times) -> Hold {
        let gate = Arc::new(Gate { arrived: watch::Sender::new(0), permits: Semaphore::new(0) });
        let rule = self.add(point, Effect::Hold(Arc::clone(&gate)), times);
        Hold { faults: self.clone(), gate, rule }
    }

    /// Lets somebody hear of every call from now on.
    pub fn observe(&self, observer: Arc<dyn Observer>) {
        self.state.lock().observer = Some(observer);
    }

    pub(super) fn observer(&self) -> Option<Arc<dyn Observer>> {
        self.state.lock().observer.clone()
    }

    /// Disarms everything; calls that are held stay held until their [`Hold`] lets them go.
    pub fn clear(&self) {
        self.state.lock().rules.clear();
    }

    /// How often a rule fired at a point.
    #[must_use]
    pub fn fired(&self, point: Point) -> u64 {
        self.state.lock().fired.get(&point).copied().unwrap_or(0)
    }

    /// How many calls came to a point.
    #[must_use]
    pub fn calls(&self, point: Point) -> u64 {
        self.state.lock().calls.get(&point).copied().unwrap_or(0)
    }

    fn add(&self, point: Point, effect: Effect, times: Times) -> u64 {
        let mut state = self.state.lock();
        let id = state.rule_next;
        state.rule_next += 1;
        state.rules.push(Rule { id, point, effect, times });
        id
    }

    /// Takes a call through a point.
    pub(super) async fn pass(&self, point: Point, during: &'static str) -> Result<(), StoreError> {
        if let Some(observer) = self.observer() {
            observer.called(point, during);
        }
        let effects = self.state.lock().firing(point);
        for effect in effects {
            match effect {
                Effect::Unavailable => {
                    return Err(StoreError::Unavailable {
                        during,
                        source: sqlx::Error::PoolClosed,
                    });
                }
                Effect::Full => return Err(StoreError::Full),
                Effect::Panic => panic!("a fault while {during}"),
                Effect::Delay(by) | Effect::Jitter(by) => tokio::time::sleep(by).await,
                Effect::Hold(gate) => gate.wait().await,
            }
        }
        Ok(())
    }
}

impl Default for Faults {
    fn default() -> Self {
        Self::seeded(0)
    }
}

impl State {
    /// What happens to the call that comes to a point now. Jitter is drawn here, so that the order
    /// of draws is the order of calls.
    fn firing(&mut self, point: Point) -> Vec<Effect> {
        *self.calls.entry(point).or_default() += 1;
        let mut effects = Vec::new();
        for rule in self.rules.iter_mut().filter(|rule| rule.point == point) {
            let fires = match &mut rule.times {
                Times::Next(0) => false,
                Times::Next(left) => {
                    *left -= 1;
                    true
                }
                Times::Always => true,
                Times::PerMille(per_mille) => self.random.chance(*per_mille),
            };
            if !fires {
                continue;
            }
            *self.fired.entry(point).or_default() += 1;
            effects.push(match &rule.effect {
                Effect::Jitter(up_to) => {
                    let micros = u64::try_from(up_to.as_micros()).unwrap_or(u64::MAX - 1);
                    Effect::Delay(Duration::from_micros(self.random.below(micros + 1)))
                }
                other => other.clone(),
            });
            if rule.effect.ends_the_call() {
                break;
            }
        }
        self.rules.retain(|rule| rule.times != Times::Next(0));
        effects
    }
}

impl Gate {
    async fn wait(&self) {
        self.arrived.send_modify(|arrived| *arrived += 1);
        // An error means that the gate was opened for good.
        if let Ok(permit) = self.permits.acquire().await {
            permit.forget();
        }
    }
}

/// Calls held at a point. Dropping it lets them go and disarms the point.
#[derive(Debug)]
pub struct Hold {
    faults: Faults,
    gate: Arc<Gate>,
    rule: u64,
}

impl Hold {
    /// Waits until so many calls have come to the point.
    ///
    /// # Panics
    /// Never: the counter lives as long as the hold.
    pub async fn reached(&self, calls: u64) {
        let mut arrived = self.gate.arrived.subscribe();
        arrived.wait_for(|arrived| *arrived >= calls).await.expect("the hold keeps the sender");
    }

    /// How many calls have come to the point.
    #[must_use]
    pub fn arrived(&self) -> u64 {
        *self.gate.arrived.borrow()
    }

    /// Lets the call go that has waited longest (or the next to come).
    pub fn release_one(&self) {
        self.gate.permits.add_permits(1);
    }

    /// Lets every call go and disarms the point.
    pub fn release(self) {
        drop(self);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.faults.state.lock().rules.retain(|rule| rule.id != self.rule);
        self.gate.permits.close();
    }
}

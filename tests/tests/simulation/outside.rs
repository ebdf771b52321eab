//! The outside world that effects reach: it answers as the seed says, and checks at every call
//! that the call may be made.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use coppice_core::{CommandId, EffectMode};
use coppice_runtime::work::message::outcome_key;
use coppice_runtime::{EffectCall, EffectError, EffectHandler, Lease};
use coppice_testkit::{Random, TestLease};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::time::sleep;
use uuid::Uuid;

use crate::nodes::Shocks;
use crate::sim::Sim;

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Heard,
    NotSent,
    Refused,
    /// Nobody knows: unknown, a panic, or cut off.
    Unknown,
}

/// How a call is answered.
#[derive(Debug, Clone, Copy)]
enum Manner {
    Ends(End),
    Panics,
    Hangs,
}

#[derive(Debug)]
struct Call {
    node: u64,
    upheavals: u64,
    end: Option<End>,
}

/// What the outside has seen. Clones are the same outside.
#[derive(Debug, Clone)]
pub(crate) struct Outside(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    random: Random,
    is_calm: bool,
    calls: BTreeMap<Uuid, Vec<Call>>,
    /// What was answered without a call. It may have come to nothing with its commit.
    computed: BTreeSet<Uuid>,
    count: u64,
    /// How often each may be called though it may have been before: an operator said so.
    replays: BTreeMap<Uuid, usize>,
    discarded: BTreeSet<Uuid>,
}

impl Outside {
    pub(crate) fn seeded(seed: u64) -> Self {
        let random = Random::seeded(seed);
        Self(Arc::new(Mutex::new(State {
            random,
            is_calm: false,
            calls: BTreeMap::new(),
            computed: BTreeSet::new(),
            count: 0,
            replays: BTreeMap::new(),
            discarded: BTreeSet::new(),
        })))
    }

    /// From now on everything is heard at once.
    pub(crate) fn calm(&self) {
        self.0.lock().is_calm = true;
    }

    /// An operator replays an effect, or could not.
    pub(crate) fn may_be_called_again(&self, key: Uuid, may: bool) {
        let mut state = self.0.lock();
        let replays = state.replays.entry(key).or_default();
        *replays = if may { *replays + 1 } else { replays.saturating_sub(1) };
    }

    /// An operator gives an effect up.
    pub(crate) fn may_be_discarded(&self, key: Uuid) {
        self.0.lock().discarded.insert(key);
    }

    /// Whether an operator gave an effect up.
    pub(crate) fn is_discarded(&self, key: Uuid) -> bool {
        self.0.lock().discarded.contains(&key)
    }

    /// Whether an effect was answered without a call.
    pub(crate) fn is_computed(&self, key: Uuid) -> bool {
        self.0.lock().computed.contains(&key)
    }

    /// How many effects were.
    pub(crate) fn computed(&self) -> usize {
        self.0.lock().computed.len()
    }

    /// How many calls there were.
    pub(crate) fn count(&self) -> u64 {
        self.0.lock().count
    }

    /// How the calls with a key ended, in order; empty where there were none.
    pub(crate) fn ends(&self, key: Uuid) -> Vec<Option<End>> {
        let state = self.0.lock();
        state.calls.get(&key).into_iter().flatten().map(|call| call.end).collect()
    }
}

/// The way of one node's life to the outside.
#[derive(Debug)]
pub(crate) struct Bell {
    pub(crate) sim: Arc<Sim>,
    pub(crate) outside: Outside,
    pub(crate) node: u64,
    pub(crate) lease: TestLease,
    pub(crate) shocks: Shocks,
    /// A planted bug: what was heard is sent a second time.
    pub(crate) rings_twice: bool,
}

/// Marks a call as ended, whichever way it ends.
struct Ending<'a> {
    bell: &'a Bell,
    key: Uuid,
    at: usize,
    end: End,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        let mut state = self.bell.outside.0.lock();
        if let Some(call) = state.calls.get_mut(&self.key).and_then(|calls| calls.get_mut(self.at))
        {
            call.end = Some(self.end);
        }
    }
}

impl Bell {
    /// Whether the call may be made now.
    fn check(&self, call: &EffectCall, earlier: &[Call], replays: usize) -> Result<(), String> {
        let key = call.idempotency_key;
        let books = self.sim.books();
        let Some(owed) = books.effects.get(&key) else {
            return Err(format!("{key} is called before its commit"));
        };
        if owed.entity != call.entity || *owed.request != *call.request {
            return Err(format!("{key} is called with {} for {}", call.request, owed.request));
        }
        // What this node had on its way when its writer fell it may record while it tries the call
        // again, also where another owned the entity in between.
        let outcome = (call.entity.clone(), CommandId(outcome_key(key)));
        let is_tried_on = earlier.iter().any(|call| call.node == self.node)
            && books.writers.get(&outcome) == Some(&self.node);
        if owed.settled.is_some() && !(is_tried_on && self.shocks.count() > 0) {
            return Err(format!("{key} is called after its outcome was recorded"));
        }
        if self.lease.owned(&call.entity).is_none() {
            return Err(format!("{key} is called by a node that does not own its entity"));
        }
        let sent = earlier.iter().filter(|call| call.end != Some(End::NotSent)).count();
        if owed.mode == EffectMode::AtMostOnce && sent > replays {
            return Err(format!("{key} is called again, though at most once was asked for"));
        }
        let upheavals = self.sim.upheavals();
        let undisturbed = |call: &&Call| call.node == self.node && call.upheavals == upheavals;
        let known = |call: &&Call| matches!(call.end, None | Some(End::Heard | End::Refused));
        let again = earlier.iter().filter(undisturbed).filter(known).count();
        if !self.shocks.is_shaken() && !self.shocks.is_falling() && again > replays {
            return Err(format!("{key} is called again by the node that has or awaits its answer"));
        }
        Ok(())
    }

    fn begin(&self, call: &EffectCall) -> (Ending<'_>, Duration, Manner) {
        let key = call.idempotency_key;
        let mut state = self.outside.0.lock();
        let state = &mut *state;
        let replays = state.replays.get(&key).copied().unwrap_or_default();
        let calls = state.calls.entry(key).or_default();
        if let Err(problem) = self.check(call, calls, replays) {
            self.sim.blame(problem);
        }
        let at = calls.len();
        calls.push(Call { node: self.node, upheavals: self.sim.upheavals(), end: None });
        state.count += 1;
        let (delay, manner) = match state.is_calm {
            true => (Duration::ZERO, Manner::Ends(End::Heard)),
            false => draw(&mut state.random),
        };
        self.sim.note(format_args!("node {} calls {key}: {manner:?} in {delay:?}", self.node));
        (Ending { bell: self, key, at, end: End::Unknown }, delay, manner)
    }

    async fn ring(&self, call: EffectCall) -> Result<String, EffectError> {
        let (mut ending, delay, manner) = self.begin(&call);
        sleep(delay).await;
        let end = match manner {
            Manner::Ends(end) => end,
            Manner::Panics => panic!("told to"),
            Manner::Hangs => std::future::pending().await,
        };
        ending.end = end;
        drop(ending);
        let detail = "by the seed".to_owned();
        match end {
            End::Heard => Ok("{}".to_owned()),
            End::NotSent => Err(EffectError::NotSent { detail }),
            End::Refused => Err(EffectError::Refused { code: "deaf".to_owned(), detail }),
            End::Unknown => Err(EffectError::Unknown { detail }),
        }
    }

    async fn ring_twice(&self, call: EffectCall) -> Result<String, EffectError> {
        let first = self.ring(call.clone()).await;
        if first.is_ok() { self.ring(call).await } else { first }
    }
}

fn draw(random: &mut Random) -> (Duration, Manner) {
    let up_to_ms = match random.below(20) {
        0..10 => 0,
        10..16 => 50,
        16..19 => 1_000,
        _ => 4_000,
    };
    let delay = Duration::from_micros(random.below(up_to_ms * 1_000 + 1));
    let manner = match random.below(100) {
        0..60 => Manner::Ends(End::Heard),
        60..72 => Manner::Ends(End::NotSent),
        72..78 => Manner::Ends(End::Refused),
        78..86 => Manner::Ends(End::Unknown),
        86..92 => Manner::Panics,
        _ => Manner::Hangs,
    };
    (delay, manner)
}

impl EffectHandler for Bell {
    fn computes(&self) -> bool {
        true
    }

    /// Of every fifth key. What has a commit behind it may have been begun, and is never computed.
    fn compute(&self, call: &EffectCall) -> Option<String> {
        let key = call.idempotency_key;
        if !key.as_u128().is_multiple_of(5) {
            return None;
        }
        let is_known = self.sim.books().effects.contains_key(&key);
        if is_known && self.lease.owned(&call.entity).is_some() {
            self.sim.blame(format!("{key} is computed after its commit"));
        }
        self.sim.note(format_args!("node {} computes {key}", self.node));
        self.outside.0.lock().computed.insert(key);
        Some("{}".to_owned())
    }

    fn call(&self, call: EffectCall) -> BoxFuture<'_, Result<String, EffectError>> {
        match self.rings_twice {
            false => Box::pin(self.ring(call)),
            true => Box::pin(self.ring_twice(call)),
        }
    }
}

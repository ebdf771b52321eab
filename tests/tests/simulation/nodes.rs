//! The nodes of a run: two places on one database, of which one owns every shard.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use coppice_core::{Epoch, ShardId};
use coppice_domain::example::alarm::BELL;
use coppice_domain::example::{Alarm, Counter};
use coppice_persistence::{ClaimOutcome, Leases, ShardClaim};
use coppice_runtime::supervisors::{ChildState, Outcome};
use coppice_runtime::{
    DeadLetterOffice, EffectPool, Node, NodeBuilder, Registry, RetryPolicy, RuntimeOptions,
};
use coppice_testkit::{Appends, Faults, Random, TestLease};
use coppice_tests::node::SHARDS;
use coppice_tests::profile::Profile;
use coppice_tests::vault::TestVault;
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, sleep};

use crate::outside::{Bell, Outside};
use crate::sim::{Ear, Sim};

/// Ends of one of its parts that a node bears within a minute.
const SHOCKS_MAX: u64 = 3;
/// Longer than any restart takes, and shorter than any grace: nothing waits for what can't come.
const WHOLE_WITHIN: Duration = Duration::from_secs(5);

/// A bug that is planted, to show that the simulation finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Planted {
    Nothing,
    /// The store answers an append before it is written.
    ReplyBeforeCommit,
    /// An effect that was heard is sent a second time.
    DoubleEffect,
}

/// A client's way to a node's life.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    pub(crate) registry: Registry,
    pub(crate) office: DeadLetterOffice,
    pub(crate) node: u64,
    ended: Arc<Semaphore>,
    shocks: Shocks,
}

impl Door {
    /// How often the node's writer has fallen.
    pub(crate) fn shocks(&self) -> u64 {
        self.shocks.count()
    }

    pub(crate) fn is_shaken(&self) -> bool {
        self.shocks.is_shaken()
    }

    /// Waits for the node's end.
    pub(crate) async fn ended(&self) {
        // It gives no permits; it is closed.
        drop(self.ended.acquire().await);
    }
}

/// Who can be asked. The owner is a hint.
#[derive(Debug, Clone, Default)]
pub(crate) struct Roster {
    pub(crate) doors: [Option<Door>; 2],
    pub(crate) owner: usize,
}

/// The roster as it is now, for everybody who asks. No `watch`: it wakes those who wait in an order
/// that no seed decides.
#[derive(Debug, Clone, Default)]
pub(crate) struct Board(Arc<(Mutex<Roster>, Notify)>);

impl Board {
    pub(crate) fn read(&self) -> Roster {
        self.0.0.lock().clone()
    }

    /// The roster once a node lives.
    pub(crate) async fn ready(&self) -> Roster {
        loop {
            let changed = self.0.1.notified();
            let roster = self.read();
            if roster.doors.iter().any(Option::is_some) {
                return roster;
            }
            changed.await;
        }
    }

    fn write(&self, roster: Roster) {
        *self.0.0.lock() = roster;
        self.0.1.notify_waiters();
    }
}

/// What a node's own parts went through while it lived.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shocks(Arc<Shocked>);

#[derive(Debug, Default)]
struct Shocked {
    count: AtomicU64,
    shaken: AtomicBool,
    falling: AtomicBool,
}

impl Shocks {
    /// How often its writer has fallen.
    pub(crate) fn count(&self) -> u64 {
        self.0.count.load(Ordering::Relaxed)
    }

    /// Whether its writer has fallen and its tree is not known to be whole again: parts from before
    /// and after may both be seen to act.
    pub(crate) fn is_falling(&self) -> bool {
        self.0.falling.load(Ordering::Relaxed)
    }

    /// Whether its parts may have been started again at any time since.
    pub(crate) fn is_shaken(&self) -> bool {
        self.0.shaken.load(Ordering::Relaxed)
    }
}

/// A node's life.
struct Life {
    node: Node,
    number: u64,
    lease: TestLease,
    faults: Faults,
    ended: Arc<Semaphore>,
    shocks: Shocks,
}

/// The two places and what all lives in them share.
pub(crate) struct Nodes {
    sim: Arc<Sim>,
    outside: Outside,
    options: RuntimeOptions,
    planted: Planted,
    vault: Arc<TestVault>,
    concurrency: usize,
    appends: Appends,
    lives: [Option<Life>; 2],
    epochs: BTreeMap<ShardId, Epoch>,
    owner: usize,
    count: u64,
    board: Board,
}

impl Nodes {
    pub(crate) fn new(
        sim: &Arc<Sim>,
        outside: &Outside,
        random: &mut Random,
        planted: Planted,
    ) -> Self {
        let appends = match planted {
            Planted::ReplyBeforeCommit => Appends::AnsweredFirst,
            Planted::Nothing | Planted::DoubleEffect if random.chance(500) => Appends::OnTheServer,
            Planted::Nothing | Planted::DoubleEffect => Appends::WithTheCaller,
        };
        Self {
            sim: Arc::clone(sim),
            outside: outside.clone(),
            options: options(random),
            planted,
            vault: Arc::default(),
            concurrency: 1 + below(random, 4),
            appends,
            lives: [None, None],
            epochs: BTreeMap::new(),
            owner: 0,
            count: 0,
            board: Board::default(),
        }
    }

    pub(crate) fn board(&self) -> Board {
        self.board.clone()
    }

    /// The faults of the node that owns, if it lives.
    pub(crate) fn faults(&self) -> Option<Faults> {
        self.lives[self.owner].as_ref().map(|life| life.faults.clone())
    }

    pub(crate) const fn owner(&self) -> usize {
        self.owner
    }

    pub(crate) const fn other(&self) -> usize {
        1 - self.owner
    }

    pub(crate) const fn lives(&self, place: usize) -> bool {
        self.lives[place].is_some()
    }

    /// Makes a place the owner of all shards, under new epochs, and starts a node there if none
    /// lives. Whoever owned them knows that it doesn't any more: that is what a lease's time is
    /// for. What it has under way goes on.
    pub(crate) async fn take_over(&mut self, place: usize, faults: impl FnOnce() -> Faults) {
        for life in self.lives.iter().flatten() {
            life.lease.revoke_all();
        }
        self.sim.upheaval();
        let owner = "node".to_owned();
        let claim = ShardClaim { owner, count: SHARDS, duration: None, succeed_own: true };
        match self.sim.database.claim(&claim).await {
            Ok(ClaimOutcome::Granted(epochs)) => self.epochs = epochs,
            other => self.sim.blame(format!("the shards can't be claimed: {other:?}")),
        }
        self.owner = place;
        self.sim.note(format_args!("place {place} owns under {:?}", self.epochs.first_key_value()));
        match &self.lives[place] {
            Some(life) => life.lease.grant(self.epochs.clone()),
            None => self.start(place, faults()).await,
        }
        self.publish();
    }

    async fn start(&mut self, place: usize, faults: Faults) {
        self.count += 1;
        let number = self.count;
        self.sim.note(format_args!("node {number} starts"));
        let shocks = Shocks::default();
        let ear = Ear::new(&self.sim, number);
        faults.observe(Arc::new(ear));
        let store = self.sim.database.connect(faults.clone()).appending(self.appends);
        let lease = TestLease::new(SHARDS, self.epochs.clone());
        let bell = Bell {
            sim: Arc::clone(&self.sim),
            outside: self.outside.clone(),
            node: number,
            lease: lease.clone(),
            shocks: shocks.clone(),
            rings_twice: self.planted == Planted::DoubleEffect,
        };
        let pool = EffectPool {
            retry: RetryPolicy {
                first: Duration::from_millis(50),
                longest: Duration::from_secs(1),
                ..RetryPolicy::TRANSIENT
            },
            concurrency: self.concurrency,
            timeout: Duration::from_secs(3),
            ..EffectPool::new(BELL, Arc::new(bell))
        };
        let options = RuntimeOptions { jitter_seed: number, ..self.options.clone() };
        let clock = Arc::new(self.sim.clock.clone());
        let node = NodeBuilder::new(Arc::new(store), Arc::new(lease.clone()), clock, options)
            .kind::<Counter>()
            .kind::<Alarm>()
            .kind::<Profile>()
            .effects(pool)
            .vault(self.vault.clone())
            .start()
            .await
            .expect("a node of the simulation comes up");
        let ended = Arc::new(Semaphore::new(0));
        self.lives[place] = Some(Life { node, number, lease, faults, ended, shocks });
    }

    /// Stops the node in a place in order, as a signal to its process does; it is asked until the
    /// end. Whoever it took in must be answered, unless it isn't done within `grace`.
    pub(crate) async fn stop(&mut self, place: usize, grace: Duration) {
        let Some(life) = self.lives[place].take() else { return };
        let number = life.number;
        self.sim.note(format_args!("node {number} is to stop within {grace:?}"));
        let outcome = life.node.shutdown(grace).await;
        self.sim.note(format_args!("node {number} has stopped: {outcome:?}"));
        match outcome {
            Outcome::Shutdown => {}
            Outcome::Killed => life.ended.close(),
            other => self.sim.blame(format!("node {number} ended as {other:?}")),
        }
        self.sim.upheaval();
        self.publish();
    }

    /// Ends the owner's writer where it stands; the tree starts it again, and what stands on it.
    /// Does nothing where the node has borne as many such ends as it does.
    pub(crate) async fn fell_writer(&self) {
        let Some(life) = &self.lives[self.owner] else { return };
        if life.shocks.count() == SHOCKS_MAX {
            return;
        }
        let writer = life.node.supervisor().child("writer").await;
        let Some(cell) = writer.ok().flatten().and_then(|writer| writer.cell()) else { return };
        self.sim.note(format_args!("node {} loses its writer", life.number));
        life.shocks.0.count.fetch_add(1, Ordering::Relaxed);
        life.shocks.0.falling.store(true, Ordering::Relaxed);
        self.sim.upheaval();
        cell.kill();
    }

    /// Waits until the owner's tree is whole again.
    pub(crate) async fn made_whole(&self) {
        let Some(life) = &self.lives[self.owner] else { return };
        let until = Instant::now() + WHOLE_WITHIN;
        while !is_whole(&life.node).await {
            if Instant::now() > until {
                let number = life.number;
                return self.sim.blame(format!("the tree of node {number} is never whole again"));
            }
            sleep(Duration::from_millis(1)).await;
        }
        // What its parts do from now on is done under no excuse.
        life.shocks.0.falling.store(false, Ordering::Relaxed);
        self.sim.upheaval();
        self.sim.note(format_args!("node {} is whole again", life.number));
    }

    /// Nobody waits for the owner's tree to be whole: its parts may be started again at any time.
    pub(crate) fn shake(&self) {
        let Some(life) = &self.lives[self.owner] else { return };
        life.shocks.0.shaken.store(true, Ordering::Relaxed);
    }

    /// Ends the node in a place at once, as a crash of its process does.
    pub(crate) fn crash(&mut self, place: usize) {
        let Some(life) = self.lives[place].take() else { return };
        self.sim.note(format_args!("node {} crashes", life.number));
        self.sim.upheaval();
        life.ended.close();
        self.publish();
        life.node.abort();
    }

    /// Takes shards away from the owner, or gives it back what it had.
    pub(crate) fn lapse(&self, shards: impl IntoIterator<Item = ShardId>) {
        let Some(life) = &self.lives[self.owner] else { return };
        self.sim.upheaval();
        for shard in shards {
            self.sim.note(format_args!("node {} loses {shard:?}", life.number));
            life.lease.revoke(shard);
        }
    }

    /// Gives the owner back what it had: its lease was renewed after all.
    pub(crate) fn renew(&self) {
        let Some(life) = &self.lives[self.owner] else { return };
        self.sim.note(format_args!("node {} has its lease again", life.number));
        self.sim.upheaval();
        life.lease.grant(self.epochs.clone());
    }

    /// Ends all faults that are armed.
    pub(crate) fn clear_faults(&self) {
        self.lives.iter().flatten().for_each(|life| life.faults.clear());
    }

    fn publish(&self) {
        let door = |life: &Life| Door {
            registry: life.node.registry(),
            office: life.node.dead_letters(),
            node: life.number,
            ended: Arc::clone(&life.ended),
            shocks: life.shocks.clone(),
        };
        let doors = [0, 1].map(|place| self.lives[place].as_ref().map(door));
        self.board.write(Roster { doors, owner: self.owner });
    }
}

async fn is_whole(node: &Node) -> bool {
    let children = node.supervisor().which_children().await;
    children.is_ok_and(|all| all.iter().all(|child| child.state == ChildState::Up))
}

pub(crate) fn below(random: &mut Random, bound: u64) -> usize {
    usize::try_from(random.below(bound)).unwrap_or_default()
}

/// Small limits, so that few commands meet them.
fn options(random: &mut Random) -> RuntimeOptions {
    RuntimeOptions {
        command_window: below(random, 4),
        snapshot_every: 1 + random.below(8),
        snapshots_waiting_max: 1 + below(random, 4),
        drain_batch: 1 + below(random, 5),
        tickets_open_max: 1 + below(random, 6),
        batch_tickets_max: 1 + below(random, 6),
        read_page: 1 + below(random, 4),
        mailbox_capacity: 2 + below(random, 20),
        pool_queue_max: 1 + below(random, 8),
        pool_open_max: 1 + below(random, 6),
        entity_crashes_max: 2 + u32::try_from(random.below(8)).unwrap_or(0),
        store_retry_first: Duration::from_millis(1),
        store_retry_max: Duration::from_millis(20),
        ..RuntimeOptions::default()
    }
}

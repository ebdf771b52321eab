//! Replay equals live state, and a snapshot with its tail equals a full replay.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use coppice_core::Sequence;
use coppice_core::canonical::state_digest;
use coppice_domain::example::Counter;
use coppice_domain::example::counter::State;
use coppice_persistence::{SqlStore, SqliteOptions, Store, snapshot};
use coppice_runtime::recovery::{Recovered, recover};
use coppice_runtime::{Node, RuntimeOptions, SystemClock};
use coppice_testkit::{MemoryStore, Random};
use coppice_tests::node::{Caller, PATIENCE, value};
use coppice_tests::running::{run, stream_key};
use futures_util::future::join_all;
use tokio::time::Instant;

const COUNTERS: [&str; 4] = ["a", "b", "c", "d"];

async fn drive(caller: &Caller, random: &mut Random, commands: u64) {
    let mut asked = Vec::new();
    for _ in 0..commands {
        let counter = COUNTERS[usize::try_from(random.below(4)).unwrap()];
        // Large numbers, so that some are refused.
        let n = random.bits().cast_signed() >> random.below(40);
        asked.push(async move { caller.add(counter, n, None).await });
        if random.chance(300) {
            drop(join_all(std::mem::take(&mut asked)).await);
        }
    }
    drop(join_all(asked).await);
}

async fn recovered(store: &dyn Store, counter: &str, page: usize) -> Recovered<State> {
    recover::<Counter>(store, &stream_key("counter", counter), None, page).await.unwrap()
}

/// What each counter serves is what its journal holds, read in pages of any size.
async fn assert_equal(store: &dyn Store, caller: &Caller, random: &mut Random) {
    for counter in COUNTERS {
        let view = caller.read(counter).await.unwrap();
        let page = 1 + usize::try_from(random.below(9)).unwrap();
        let state = recovered(store, counter, page).await;
        assert_eq!((view.sequence, value(&view.state)), (state.head.sequence, state.state.value));
    }
}

async fn node(store: &Arc<dyn Store>, every: u64) -> (Node, Caller) {
    let options = RuntimeOptions { snapshot_every: every, ..RuntimeOptions::default() };
    run(store.clone(), Arc::new(SystemClock), options, None).await
}

#[tokio::test(start_paused = true)]
async fn replay_equals_live_state() {
    for seed in 0..60 {
        println!("SIM_SEED={seed}");
        let mut random = Random::seeded(seed);
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        // No snapshot comes in the way.
        let (_node, caller) = node(&store, u64::MAX).await;
        for _ in 0..3 {
            drive(&caller, &mut random, 30).await;
            assert_equal(store.as_ref(), &caller, &mut random).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_and_its_tail_equal_a_full_replay() {
    for seed in 0..60 {
        println!("SIM_SEED={seed}");
        let mut random = Random::seeded(seed);
        let memory = MemoryStore::default();
        let store: Arc<dyn Store> = Arc::new(memory.clone());
        let (node, caller) = node(&store, 1 + random.below(7)).await;
        drive(&caller, &mut random, 60).await;
        assert_equal(store.as_ref(), &caller, &mut random).await;
        node.shutdown(Duration::from_secs(5)).await;
        assert_snapshots_change_nothing(&memory).await;
    }
}

async fn assert_snapshots_change_nothing(memory: &MemoryStore) {
    for counter in COUNTERS {
        let key = stream_key("counter", counter);
        let short = recovered(memory, counter, 3).await;
        if let Some(taken) = memory_snapshot(memory, counter).await {
            assert!(short.snapshot_at > Sequence(0), "a snapshot was there and not used");
            let state: State = snapshot::decode(&taken.state).unwrap();
            assert_eq!(state_digest(&state).unwrap(), taken.digest);
        }
        // With another layout's tag it is as if there were none.
        memory.tamper_with_snapshot(&key, |taken| taken.layout += 1);
        let full = recovered(memory, counter, 3).await;
        assert_eq!(full.snapshot_at, Sequence(0));
        assert_eq!((full.state, full.head), (short.state, short.head));
        assert_eq!(full.recorded_at, short.recorded_at);
    }
}

async fn memory_snapshot(
    store: &dyn Store,
    counter: &str,
) -> Option<coppice_persistence::Snapshot> {
    store.snapshot(&stream_key("counter", counter)).await.unwrap()
}

async fn open(home: &Path) -> Arc<dyn Store> {
    Arc::new(SqlStore::open_sqlite(home, SqliteOptions::default()).await.unwrap())
}

#[tokio::test]
async fn replay_equals_live_state_on_sqlite_with_and_without_snapshots() {
    for seed in 0..4 {
        println!("SIM_SEED={seed}");
        let mut random = Random::seeded(seed);
        let home = tempfile::tempdir().unwrap();
        let store = open(home.path()).await;
        let (node, caller) = node(&store, 3).await;
        drive(&caller, &mut random, 60).await;
        assert_equal(store.as_ref(), &caller, &mut random).await;
        let deadline = Instant::now() + PATIENCE;
        while memory_snapshot(store.as_ref(), "a").await.is_none() {
            assert!(Instant::now() < deadline, "no snapshot was saved");
            tokio::task::yield_now().await;
        }
        node.shutdown(PATIENCE).await;
        let mut with = Vec::new();
        for counter in COUNTERS {
            with.push(recovered(store.as_ref(), counter, 7).await);
        }
        assert!(with.iter().any(|state| state.snapshot_at > Sequence(0)));
        drop((store, caller));
        // Read models and snapshots live in a file of their own, which can be lost.
        for file in ["read.db", "read.db-wal", "read.db-shm"] {
            drop(std::fs::remove_file(home.path().join(file)));
        }
        let store = open(home.path()).await;
        for (counter, with) in COUNTERS.iter().zip(with) {
            let without = recovered(store.as_ref(), counter, 7).await;
            assert_eq!(without.snapshot_at, Sequence(0));
            assert_eq!((without.state, without.head), (with.state, with.head));
        }
    }
}

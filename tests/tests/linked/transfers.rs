//! Many transfers between few counters, with crashes and faults: nothing is made and nothing lost.

use std::time::Duration;

use coppice_runtime::task::spawn;
use coppice_runtime::{Failure, RuntimeOptions};
use coppice_testkit::{Action, MemoryStore, Point, Random, Times};
use coppice_tests::node::{Caller, value};
use coppice_tests::running::eventually;
use parking::Door;

use crate::world::{adds, node, totals};

const COUNTERS: [&str; 5] = ["a", "b", "c", "d", "e"];
const CLIENTS: u64 = 8;
const TRANSFERS: u64 = 12;
const SEEDS: u64 = 40;

mod parking {
    //! The way to whichever node is alive.

    use std::sync::{Arc, Mutex, PoisonError};

    use coppice_tests::node::Caller;

    #[derive(Clone)]
    pub(super) struct Door(Arc<Mutex<Caller>>);

    impl Door {
        pub(super) fn new(caller: Caller) -> Self {
            Self(Arc::new(Mutex::new(caller)))
        }

        pub(super) fn caller(&self) -> Caller {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
        }

        pub(super) fn replace(&self, caller: Caller) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = caller;
        }
    }
}

/// One client: transfers that it repeats with their key until they are acknowledged whole.
async fn client(door: Door, client: u64, seed: u64) -> Vec<(usize, usize, i64)> {
    let mut random = Random::seeded(seed ^ (client << 32));
    let mut done = Vec::new();
    for transfer in 0..TRANSFERS {
        let from = usize::try_from(random.below(5)).unwrap();
        let to = (from + 1 + usize::try_from(random.below(4)).unwrap()) % 5;
        let n = i64::try_from(random.below(100)).unwrap() + 1;
        let key = format!("{client}-{transfer}");
        let parts = [(COUNTERS[from], -n, Some(&*key)), (COUNTERS[to], n, Some(&*key))];
        let mut tries = 0;
        loop {
            let mut requests = adds(&parts);
            for (_, request) in &mut requests {
                request.deadline = tokio::time::Instant::now() + Duration::from_secs(3);
            }
            let answers = door.caller().0.ask_linked(requests).await;
            if answers.iter().all(Result::is_ok) {
                break;
            }
            // Any other failure speaks of its own try only.
            let half =
                answers.iter().any(Result::is_ok) && answers.contains(&Err(Failure::Unlinked));
            assert!(!half, "{key}: one part was done and the other is said not to be: {answers:?}");
            tries += 1;
            assert!(tries < 200, "{key} is never acknowledged: {answers:?}");
            tokio::time::sleep(Duration::from_millis(20 + random.below(80))).await;
        }
        done.push((from, to, n));
    }
    done
}

fn arm(store: &MemoryStore, harsh: bool) {
    let faults = store.faults();
    faults.arm(Point::BeforeAppend, Action::Jitter(Duration::from_millis(8)), Times::Always);
    if harsh {
        faults.arm(Point::BeforeAppend, Action::Unavailable, Times::PerMille(100));
        faults.arm(Point::BeforeAppend, Action::Full, Times::PerMille(60));
        faults.arm(Point::AfterAppendBeforeAnswer, Action::Unavailable, Times::PerMille(100));
        faults.arm(Point::Entity, Action::Unavailable, Times::PerMille(50));
        faults.arm(Point::Commands, Action::Unavailable, Times::PerMille(50));
    }
}

async fn run(seed: u64, crashes: bool) {
    println!("SIM_SEED={seed}");
    let mut random = Random::seeded(seed);
    let options = RuntimeOptions {
        snapshot_every: 3,
        command_window: usize::try_from(random.below(4)).unwrap(),
        drain_batch: 1 + usize::try_from(random.below(8)).unwrap(),
        store_retry_max: Duration::from_millis(50),
        ..RuntimeOptions::default()
    };
    let store = MemoryStore::default().connect(coppice_testkit::Faults::seeded(seed));
    let (mut alive, caller) = node(&store, options.clone()).await;
    let door = Door::new(caller);
    arm(&store, seed % 2 == 1);
    let clients: Vec<_> =
        (0..CLIENTS).map(|number| spawn(client(door.clone(), number, seed))).collect();
    while crashes && !clients.iter().all(tokio::task::JoinHandle::is_finished) {
        tokio::time::sleep(Duration::from_millis(5 + random.below(400))).await;
        alive.abort();
        tokio::time::sleep(Duration::from_millis(random.below(5))).await;
        let (next, caller) = node(&store, options.clone()).await;
        alive = next;
        door.replace(caller);
    }
    let mut expected = [0_i64; 5];
    for task in clients {
        for (from, to, n) in task.await.unwrap() {
            expected[from] -= n;
            expected[to] += n;
        }
    }
    store.faults().clear();
    assert_settled(&store, &door.caller(), &expected).await;
}

async fn assert_settled(store: &MemoryStore, caller: &Caller, expected: &[i64; 5]) {
    for (counter, expected) in COUNTERS.iter().zip(expected) {
        assert_eq!(value(&caller.read(counter).await.unwrap().state), *expected, "{counter}");
    }
    let totals = totals(store).await;
    assert!(totals.iter().all(|total| *total == 0), "a commit holds half a transfer: {totals:?}");
}

#[tokio::test(start_paused = true)]
async fn transfers_conserve_the_total_at_every_commit() {
    for seed in 0..SEEDS {
        run(seed, false).await;
    }
}

#[tokio::test(start_paused = true)]
async fn transfers_conserve_the_total_at_every_commit_through_crashes() {
    for seed in 0..SEEDS {
        run(1_000 + seed, true).await;
    }
}

#[tokio::test(start_paused = true)]
async fn transfers_leave_nothing_waiting() {
    let store = MemoryStore::default();
    let (node, caller) = node(&store, RuntimeOptions::default()).await;
    let door = Door::new(caller);
    let clients: Vec<_> =
        (0..CLIENTS).map(|number| spawn(client(door.clone(), number, 7))).collect();
    for task in clients {
        task.await.unwrap();
    }
    let writer = node.writer();
    eventually("the writer is idle", || writer.waiting() == 0).await;
}

//! Groups that wait for each other: entities that meet two groups in opposite orders, as two
//! threads deliver them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use coppice_domain::example::Counter;
use coppice_runtime::personal::AtHand;
use coppice_runtime::supervisors::{StopSignal, StopSource};
use coppice_runtime::task::spawn;
use coppice_runtime::{
    Answer, Failure, Feed, Gate, Horizons, KindPort, LinkGroup, NoPolicyBundle, NoSpans, Pools,
    Quarantine, Region, Request, RuntimeOptions, Services, Timers, Writer, WriterHandle,
};
use coppice_testkit::{MemoryStore, VirtualClock};
use coppice_tests::node::{add, claim};
use coppice_tests::profile::Profile;
use coppice_tests::vault::TestVault;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::world::profile;

/// Regions without a registry, so that a test says in which order parts are delivered.
struct Doors {
    counters: Arc<Region<Counter>>,
    profiles: Arc<Region<Profile>>,
    _writer: (JoinHandle<()>, StopSource),
}

type Asked = JoinHandle<Result<Answer, Failure>>;

async fn doors(options: RuntimeOptions) -> Doors {
    let store = Arc::new(MemoryStore::default());
    let lease = Arc::new(claim(store.as_ref(), "node").await);
    let (snapshots, _) = mpsc::channel(1);
    let (stop, stopped) = StopSignal::pair();
    let handle = WriterHandle::default();
    let writer = Writer::new(&handle, store.clone(), options.clone(), snapshots.clone());
    let clock = Arc::new(VirtualClock::default());
    let quarantine = Quarantine::empty(clock.clone());
    let gate = Arc::new(Gate::new(None, BTreeSet::new(), Duration::ZERO));
    let services = Arc::new(Services {
        feed: Feed::new(store.clone(), &options),
        horizons: Horizons::default(),
        store,
        writer: handle,
        lease,
        clock,
        keys: Arc::new(AtHand(Arc::new(TestVault::default()))),
        pools: Pools::new(Vec::new(), 1, quarantine.clone(), Arc::clone(&gate)),
        gate,
        timers: Timers::default(),
        snapshots,
        quarantine,
        policy_bundle: Arc::new(NoPolicyBundle),
        spans: Arc::new(NoSpans),
        options,
        closing: AtomicBool::new(false),
    });
    Doors {
        counters: Arc::new(Region::new(Arc::clone(&services))),
        profiles: Arc::new(Region::new(services)),
        _writer: (spawn(writer.run(stopped)), stop),
    }
}

impl Doors {
    /// Delivers a part now; its answer comes later.
    async fn part(&self, (kind, request): (&str, Request), group: &Arc<LinkGroup>) -> Asked {
        let group = Arc::clone(group);
        let port: Arc<dyn KindPort> =
            if kind == "counter" { self.counters.clone() } else { self.profiles.clone() };
        let asked = spawn(async move { port.ask_linked(request, group).await });
        tokio::task::yield_now().await;
        asked
    }

    async fn assert_alive(&self) {
        for counter in ["a", "b"] {
            let answer = self.counters.ask(add(counter, 1, None)).await;
            assert!(answer.is_ok(), "{counter} is blocked: {answer:?}");
        }
    }
}

fn on(counter: &str) -> (&'static str, Request) {
    ("counter", add(counter, 1, None))
}

async fn settle(asked: Vec<Asked>) -> Vec<Result<Answer, Failure>> {
    let mut answers = Vec::new();
    for task in asked {
        answers.push(task.await.unwrap());
    }
    answers
}

/// A meets G1 before G2, B meets G2 before G1.
async fn cross(doors: &Doors) -> Vec<Result<Answer, Failure>> {
    let (one, two) = (Arc::new(LinkGroup::new(2)), Arc::new(LinkGroup::new(2)));
    let asked = vec![
        doors.part(on("a"), &one).await,
        doors.part(on("b"), &two).await,
        doors.part(on("a"), &two).await,
        doors.part(on("b"), &one).await,
    ];
    settle(asked).await
}

#[tokio::test(start_paused = true)]
async fn crossed_groups_commit_together() {
    let doors = doors(RuntimeOptions::default()).await;
    let answers = cross(&doors).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    doors.assert_alive().await;
}

#[tokio::test(start_paused = true)]
async fn crossed_groups_that_fit_no_batch_together_end_and_block_nobody() {
    let options = RuntimeOptions { batch_tickets_max: 3, ..RuntimeOptions::default() };
    let doors = doors(options).await;
    let answers = cross(&doors).await;
    assert!(!answers.contains(&Err(Failure::TimedOut)), "{answers:?}");
    doors.assert_alive().await;
}

#[tokio::test(start_paused = true)]
async fn crossed_groups_behind_all_the_decisions_that_may_be_open_block_nobody() {
    // A holds one part of G1 open and may decide no more, B one of G2: the other parts can't be
    // decided behind them. The groups may fail, but the entities must not stay blocked.
    let options = RuntimeOptions { tickets_open_max: 1, ..RuntimeOptions::default() };
    let doors = doors(options).await;
    drop(cross(&doors).await);
    doors.assert_alive().await;
}

#[tokio::test(start_paused = true)]
async fn a_group_whose_other_part_never_comes_ends_with_its_deadline() {
    let doors = doors(RuntimeOptions::default()).await;
    let group = Arc::new(LinkGroup::new(2));
    let asked = doors.part(on("a"), &group).await;
    assert!(asked.await.unwrap().is_err());
    doors.assert_alive().await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_between_crossed_groups_blocks_nobody() {
    let doors = doors(RuntimeOptions::default()).await;
    let (one, two) = (Arc::new(LinkGroup::new(2)), Arc::new(LinkGroup::new(2)));
    // The profile decides its part of G1 and crashes; its next life, which is to decide the part
    // of G2, waits for G1 to end. G1 waits on the counter behind G2.
    let mut asked = vec![doors.part(profile("name"), &one).await];
    let (_, crash) = profile("crash");
    let profiles = Arc::clone(&doors.profiles);
    asked.push(spawn(async move { profiles.ask(crash).await }));
    tokio::task::yield_now().await;
    asked.push(doors.part(profile("name"), &two).await);
    asked.push(doors.part(on("a"), &two).await);
    asked.push(doors.part(on("a"), &one).await);
    drop(settle(asked).await);
    doors.assert_alive().await;
    let answer = doors.profiles.ask(profile("touch").1).await;
    assert!(answer.is_ok(), "the profile is blocked: {answer:?}");
}

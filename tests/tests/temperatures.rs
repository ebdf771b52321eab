//! Entities cool down when nobody uses them, and nothing that is going on is lost by it.
//!
//! Time is paused and moves by itself.

#![expect(clippy::unwrap_used, reason = "what fails where it must not fails the test")]

#[path = "temperatures/stubborn.rs"]
mod stubborn;

use std::sync::Arc;
use std::time::Duration;

use coppice_persistence::Snapshots;
use coppice_runtime::task::spawn;
use coppice_runtime::{ActorReport, Failure, Node, RuntimeOptions, Temperature};
use coppice_testkit::{MemoryStore, Point, Random, Times, VirtualClock, read_whole_journal};
use coppice_tests::node::{Caller, id, tenant, value};
use coppice_tests::running::{command, eventually, run, stream_key};

fn quick() -> RuntimeOptions {
    RuntimeOptions {
        hibernate_after: Duration::from_secs(2),
        passivate_after: Duration::from_secs(10),
        passivation_tail_max: 5,
        ..RuntimeOptions::default()
    }
}

async fn start(store: &MemoryStore, options: RuntimeOptions) -> (Node, Caller) {
    run(Arc::new(store.clone()), Arc::new(VirtualClock::default()), options, None).await
}

fn report(caller: &Caller, counter: &str) -> Option<ActorReport> {
    caller.0.actor("counter", &tenant(), &id(counter)).unwrap()
}

fn temperature(caller: &Caller, counter: &str) -> Temperature {
    report(caller, counter).map_or(Temperature::Passivated, |report| report.temperature)
}

async fn seconds(count: u64) {
    tokio::time::sleep(Duration::from_secs(count)).await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_entity_hibernates_then_leaves_and_wakes_as_it_was() {
    let store = MemoryStore::default();
    let (_node, caller) = start(&store, quick()).await;
    for expected in 1..=7 {
        assert_eq!(value(&caller.add("x", 1, None).await.unwrap().reply), expected);
    }
    assert_eq!(temperature(&caller, "x"), Temperature::Running);
    seconds(5).await;
    assert_eq!(temperature(&caller, "x"), Temperature::Hibernated);
    let reads = store.faults().calls(Point::Entity);
    assert_eq!(value(&caller.read("x").await.unwrap().state), 7);
    assert_eq!(store.faults().calls(Point::Entity), reads, "its state was there");
    assert_eq!(temperature(&caller, "x"), Temperature::Running);
    seconds(30).await;
    assert_eq!(temperature(&caller, "x"), Temperature::Passivated);
    assert_eq!(caller.0.census()[0].residents, 0);
    assert_eq!(caller.0.census()[0].resident_bytes, 0);
    // Seven events are a longer tail than it may leave.
    let key = stream_key("counter", "x");
    assert_eq!(store.snapshot(&key).await.unwrap().unwrap().head.sequence.0, 7);
    assert_eq!(value(&caller.add("x", 1, Some("k")).await.unwrap().reply), 8);
    seconds(60).await;
    assert_eq!(store.snapshot(&key).await.unwrap().unwrap().head.sequence.0, 7, "a short tail");
    assert!(caller.add("x", 1, Some("k")).await.unwrap().repeated);
}

#[tokio::test(start_paused = true)]
async fn an_entity_that_is_used_stays_warm() {
    let store = MemoryStore::default();
    let (_node, caller) = start(&store, quick()).await;
    for _ in 0..60 {
        caller.add("x", 1, None).await.unwrap();
        seconds(1).await;
        assert_eq!(temperature(&caller, "x"), Temperature::Running);
    }
    assert_eq!(caller.0.census()[0].hibernated_total, 0);
}

#[tokio::test(start_paused = true)]
async fn an_entity_with_a_ticket_open_stays_warm() {
    let store = MemoryStore::default();
    let (_node, caller) = start(&store, quick()).await;
    let hold = store.faults().hold(Point::BeforeAppend, Times::Next(1));
    let adding = {
        let caller = caller.clone();
        spawn(async move { caller.add("x", 1, None).await })
    };
    hold.reached(1).await;
    seconds(15).await;
    let seen = report(&caller, "x").unwrap();
    assert_eq!((seen.temperature, seen.tickets_open), (Temperature::Running, 1));
    hold.release();
    adding.await.unwrap().unwrap();
    seconds(60).await;
    assert_eq!(temperature(&caller, "x"), Temperature::Passivated);
}

#[tokio::test(start_paused = true)]
async fn where_it_is_crowded_the_coldest_make_room() {
    let options = RuntimeOptions {
        residents_max: 100,
        passivate_after: Duration::from_secs(86_400),
        ..quick()
    };
    let store = MemoryStore::default();
    let (_node, caller) = start(&store, options).await;
    for counter in 0..100 {
        caller.add(&format!("c{counter}"), 1, None).await.unwrap();
    }
    // All are warm: there is nobody to make room.
    assert_eq!(caller.add("one-more", 1, None).await, Err(Failure::ResidentsFull));
    seconds(5).await;
    caller.add("one-more", 1, None).await.unwrap();
    seconds(5).await;
    let residents = caller.0.census()[0].residents;
    assert!(residents <= 95, "{residents} are kept");
    assert_eq!(temperature(&caller, "c0"), Temperature::Passivated, "the coldest is gone");
    assert_eq!(temperature(&caller, "c99"), Temperature::Hibernated, "a late one is not");
    for counter in 0..100 {
        assert_eq!(value(&caller.read(&format!("c{counter}")).await.unwrap().state), 1);
        seconds(3).await;
    }
}

#[tokio::test(start_paused = true)]
async fn memory_is_a_limit_as_well_as_their_number() {
    let options = RuntimeOptions {
        resident_bytes_max: 40_000,
        passivate_after: Duration::from_secs(86_400),
        ..quick()
    };
    let store = MemoryStore::default();
    let (_node, caller) = start(&store, options).await;
    for counter in 0..100 {
        caller.add(&format!("c{counter}"), 1, None).await.unwrap();
    }
    seconds(10).await;
    let census = caller.0.census()[0];
    assert!(census.resident_bytes <= 40_000 && census.residents > 0, "{census:?}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_or_doubled_while_entities_come_and_go() {
    for seed in 0..20 {
        let options = RuntimeOptions {
            hibernate_after: Duration::from_secs(1),
            passivate_after: Duration::from_secs(1),
            residents_max: 6,
            command_window: 2,
            ..quick()
        };
        let store = MemoryStore::default();
        let (_node, caller) = start(&store, options).await;
        let adders: Vec<_> = (0..8)
            .map(|adder| {
                let (caller, mut random) = (caller.clone(), Random::seeded(seed * 100 + adder));
                spawn(async move {
                    let mut sums = [0_i64; 10];
                    for _ in 0..60 {
                        let at = usize::try_from(random.below(10)).unwrap();
                        match caller.add(&format!("c{at}"), 1, None).await {
                            Ok(_) => sums[at] += 1,
                            Err(Failure::ResidentsFull) => {}
                            Err(failure) => panic!("{failure}"),
                        }
                        let millis = random.below(900);
                        tokio::time::sleep(Duration::from_millis(millis)).await;
                    }
                    sums
                })
            })
            .collect();
        let mut expected = [0_i64; 10];
        for adder in adders {
            let sums = adder.await.unwrap();
            expected.iter_mut().zip(sums).for_each(|(sum, more)| *sum += more);
        }
        let census = caller.0.census()[0];
        assert!(census.passivated_total > 10 && census.hibernated_total > 10, "{census:?}");
        assert_eq!(census.crashes_total, 0);
        for (at, sum) in expected.into_iter().enumerate() {
            seconds(3).await;
            let view = caller.read(&format!("c{at}")).await.unwrap();
            assert_eq!(value(&view.state), sum, "seed {seed}");
        }
        let journal = read_whole_journal(&store).await.unwrap();
        assert_eq!(i64::try_from(journal.len()).unwrap(), expected.iter().sum::<i64>());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entity_that_is_stuck_in_its_own_code_is_named() {
    let options =
        RuntimeOptions { decide_limit: Duration::from_millis(200), ..RuntimeOptions::default() };
    let (_node, caller) = start(&MemoryStore::default(), options).await;
    let blocked = {
        let caller = caller.clone();
        spawn(async move { caller.0.ask("profile", command("p", "block", "{}", None)).await })
    };
    eventually("it is found", || caller.0.census()[1].stuck == 1).await;
    let seen = caller.0.actor("profile", &tenant(), &id("p")).unwrap().unwrap();
    assert_eq!(seen.activity, coppice_runtime::Activity::Deciding);
    // Others are served meanwhile, and it is an overrun once it comes back.
    caller.add("x", 1, None).await.unwrap();
    assert_eq!(blocked.await.unwrap(), Err(Failure::Crashed));
    eventually("it is not stuck any more", || caller.0.census()[1].stuck == 0).await;
}

//! Entities that must not cool down yet, and what becomes of them and of those behind them.

use std::sync::Arc;
use std::time::Duration;

use coppice_core::{Epoch, Timestamp};
use coppice_domain::example::Alarm;
use coppice_domain::example::alarm::BELL;
use coppice_persistence::{Leases, Snapshots};
use coppice_runtime::task::spawn;
use coppice_runtime::{
    Activity, EffectPool, Failure, Lease, Node, NodeBuilder, Request, RuntimeOptions, Temperature,
};
use coppice_testkit::{MemoryStore, Point, TestLease, Times, VirtualClock};
use coppice_tests::bell::Bell;
use coppice_tests::node::{Caller, SHARDS, add, claim, id, start as start_with, tenant, value};
use coppice_tests::running::{command, eventually, stream_key};
use tokio::time::Instant;

use crate::{quick, report, seconds, start, temperature};

const START: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

/// A node with alarms whose clock goes with tokio's.
async fn with_alarms(store: &MemoryStore, bell: &Bell, options: RuntimeOptions) -> (Node, Caller) {
    let lease = Arc::new(claim(store, "node").await);
    let clock = Arc::new(VirtualClock::following_tokio(START));
    let node = NodeBuilder::new(Arc::new(store.clone()), lease, clock, options)
        .kind::<Alarm>()
        .effects(EffectPool::new(BELL, Arc::new(bell.clone())))
        .start()
        .await
        .unwrap();
    let caller = Caller(node.registry());
    (node, caller)
}

async fn set(caller: &Caller, alarm: &str, in_s: u32) {
    let body = format!(r#"{{"timer":"t","in_ms":{}}}"#, in_s * 1_000);
    caller.0.ask("alarm", command(alarm, "set", &body, None)).await.unwrap();
}

fn is_resident(caller: &Caller, alarm: &str) -> bool {
    caller.0.actor("alarm", &tenant(), &id(alarm)).unwrap().is_some()
}

#[tokio::test(start_paused = true)]
async fn timers_that_are_due_within_a_minute_keep_their_entities_and_stand_in_nobodys_way() {
    let options = RuntimeOptions {
        residents_max: 100,
        passivate_after: Duration::from_secs(86_400),
        ..quick()
    };
    let (store, bell) = (MemoryStore::default(), Bell::default());
    let (_node, caller) = with_alarms(&store, &bell, options).await;
    // The first in line are those that must stay.
    for alarm in 0..80 {
        set(&caller, &format!("soon{alarm}"), 50).await;
    }
    for alarm in 0..20 {
        set(&caller, &format!("later{alarm}"), 300).await;
    }
    assert_eq!(caller.0.census()[0].residents, 100);
    seconds(6).await;
    let residents = caller.0.census()[0].residents;
    assert!(residents <= 95, "{residents} are kept, though some could go");
    assert!((0..80).all(|alarm| is_resident(&caller, &format!("soon{alarm}"))));
    // Room is made past them for whoever comes.
    for alarm in 0..10 {
        set(&caller, &format!("new{alarm}"), 300).await;
    }
    assert!((0..80).all(|alarm| is_resident(&caller, &format!("soon{alarm}"))));
    seconds(46).await;
    assert_eq!(bell.count(), 80, "on time");
    // They have nothing to wait for any more, and the others are crowded out in their turn.
    seconds(60).await;
    let gone = (0..20).filter(|alarm| !is_resident(&caller, &format!("later{alarm}"))).count();
    assert!(gone > 0, "nobody has left the memory");
    // Timers of those that left are found in the rows, within a second.
    seconds(300).await;
    assert_eq!(bell.keys().len(), 110);
    assert_eq!(bell.count(), 110, "each once");
}

#[tokio::test(start_paused = true)]
async fn a_timer_of_an_entity_that_has_left_the_memory_is_found_within_a_second() {
    let (store, bell) = (MemoryStore::default(), Bell::default());
    let (_node, caller) = with_alarms(&store, &bell, quick()).await;
    set(&caller, "a", 100).await;
    seconds(29).await;
    assert!(!is_resident(&caller, "a"));
    seconds(70).await;
    assert_eq!((bell.count(), is_resident(&caller, "a")), (0, false), "it is due in a second");
    seconds(3).await;
    assert_eq!(bell.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_entity_that_waits_for_its_journal_keeps_what_waits_with_it() {
    let options = RuntimeOptions { residents_max: 20, ..quick() };
    let store = MemoryStore::default();
    let (_node, caller) = start(&store, options).await;
    let hold = store.faults().hold(Point::Entity, Times::Next(1));
    let deadline = Instant::now() + Duration::from_secs(3_600);
    let asked: Vec<_> = (0..3)
        .map(|_| {
            let caller = caller.clone();
            let request = Request { deadline, ..add("stuck", 1, None) };
            spawn(async move { caller.0.ask("counter", request).await })
        })
        .collect();
    hold.reached(1).await;
    for counter in 0..60 {
        // However many come and go beside it.
        match caller.add(&format!("c{counter}"), 1, None).await {
            Ok(_) | Err(Failure::ResidentsFull) => seconds(1).await,
            Err(failure) => panic!("{failure}"),
        }
    }
    let seen = report(&caller, "stuck").unwrap();
    assert_eq!((seen.temperature, seen.mailbox_len), (Temperature::Running, 3));
    assert_eq!(seen.activity, Activity::Recovering);
    assert!(seen.oldest_age.unwrap() >= Duration::from_secs(60), "{seen:?}");
    assert!(caller.0.census()[0].passivated_total > 0, "others have left");
    hold.release();
    for (asked, expected) in asked.into_iter().zip(1..) {
        assert_eq!(value(&asked.await.unwrap().unwrap().reply), expected);
    }
    seconds(30).await;
    assert_eq!(temperature(&caller, "stuck"), Temperature::Passivated);
}

#[tokio::test(start_paused = true)]
async fn where_no_snapshot_is_taken_in_entities_with_long_tails_stay_and_lose_nothing() {
    let options = RuntimeOptions { snapshots_waiting_max: 1, ..quick() };
    let store = MemoryStore::default();
    let (_node, caller) = start(&store, options).await;
    for counter in 0..10 {
        for _ in 0..6 {
            caller.add(&format!("c{counter}"), 1, None).await.unwrap();
        }
    }
    let hold = store.faults().hold(Point::SaveSnapshots, Times::Always);
    seconds(120).await;
    let stay = caller.0.census()[0].residents;
    assert!((7..10).contains(&stay), "{stay} stay: one is being saved, one or two wait");
    hold.release();
    seconds(30).await;
    assert_eq!(caller.0.census()[0].residents, 0);
    for counter in 0..10 {
        let key = stream_key("counter", &format!("c{counter}"));
        assert_eq!(store.snapshot(&key).await.unwrap().unwrap().head.sequence.0, 6);
        let answer = caller.add(&format!("c{counter}"), 1, None).await.unwrap();
        assert_eq!((answer.sequence.0, value(&answer.reply)), (7, 7));
    }
}

#[tokio::test(start_paused = true)]
async fn a_repeat_is_answered_at_every_temperature() {
    let store = MemoryStore::default();
    let (_node, caller) = start(&store, quick()).await;
    let first = caller.add("x", 5, Some("k")).await.unwrap();
    let mut looked_up = Vec::new();
    for (wait, expected) in
        [(0, Temperature::Running), (5, Temperature::Hibernated), (30, Temperature::Passivated)]
    {
        seconds(wait).await;
        assert_eq!(temperature(&caller, "x"), expected);
        let reads = store.faults().calls(Point::Commands);
        let again = caller.add("x", 5, Some("k")).await.unwrap();
        assert_eq!((again.repeated, &again.reply), (true, &first.reply), "{expected:?}");
        looked_up.push(store.faults().calls(Point::Commands) > reads);
    }
    assert_eq!(looked_up, [false, true, true], "from memory while it runs");
    assert_eq!(value(&caller.read("x").await.unwrap().state), 5);
}

#[tokio::test(start_paused = true)]
async fn what_is_out_of_delivery_stays_so_when_its_entity_has_left_the_memory() {
    let store = MemoryStore::default();
    let (_node, caller) = start(&store, quick()).await;
    let crash = || caller.0.ask("profile", command("p", "crash", "{}", Some("poison")));
    for expected in [Failure::Crashed, Failure::Crashed, Failure::MessageQuarantined] {
        assert_eq!(crash().await, Err(expected));
    }
    // A crash has dropped its state: there is nothing to keep, and it leaves all the same.
    seconds(60).await;
    assert!(caller.0.actor("profile", &tenant(), &id("p")).unwrap().is_none());
    assert_eq!(crash().await, Err(Failure::MessageQuarantined));
    caller.0.ask("profile", command("p", "touch", "{}", None)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_state_that_slept_through_another_owner_is_not_served() {
    let store = MemoryStore::default();
    let lease = Arc::new(claim(&store, "a").await);
    let node = |lease: &Arc<TestLease>| {
        let (store, lease) = (Arc::new(store.clone()), Arc::clone(lease));
        start_with(store, lease, Arc::new(VirtualClock::default()), quick(), None)
    };
    let a_node = node(&lease).await;
    let a = Caller(a_node.registry());
    a.add("x", 1, Some("first")).await.unwrap();
    seconds(5).await;
    assert_eq!(temperature(&a, "x"), Temperature::Hibernated);

    lease.revoke_all();
    store.release("a").await.unwrap();
    let b_node = node(&Arc::new(claim(&store, "b").await)).await;
    let b = Caller(b_node.registry());
    assert_eq!(value(&b.add("x", 10, None).await.unwrap().reply), 11);
    // Whoever asks wakes it, and without the lease it falls asleep again all the same.
    assert_eq!(a.read("x").await, Err(Failure::NotOwner));
    assert_eq!(temperature(&a, "x"), Temperature::Running);
    seconds(6).await;
    assert_eq!(temperature(&a, "x"), Temperature::Hibernated);
    b_node.abort();
    store.release("b").await.unwrap();

    let again = claim(&store, "a").await;
    let epoch = |shard| again.epoch(shard).unwrap();
    (0..SHARDS).map(coppice_core::ShardId).for_each(|shard| lease.set_epoch(shard, epoch(shard)));
    assert!(epoch(coppice_core::ShardId(0)) > Epoch(1));
    assert_eq!(value(&a.read("x").await.unwrap().state), 11, "not what it fell asleep with");
    assert_eq!(value(&a.add("x", 1, None).await.unwrap().reply), 12);
    assert!(a.add("x", 1, Some("first")).await.unwrap().repeated);
    eventually("the node is idle", || a_node.writer().waiting() == 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_without_its_lease_lets_go_of_whom_it_was_asked_for() {
    let store = MemoryStore::default();
    let lease = Arc::new(claim(&store, "a").await);
    let (shared, clock) = (Arc::new(store.clone()), Arc::new(VirtualClock::default()));
    let options = RuntimeOptions { residents_max: 20, ..quick() };
    let node = start_with(shared, lease.clone(), clock, options, None).await;
    let caller = Caller(node.registry());
    caller.add("x", 1, None).await.unwrap();
    lease.revoke_all();
    for round in 0..3 {
        for counter in 0..19 {
            let counter = format!("c{round}-{counter}");
            assert_eq!(caller.add(&counter, 1, None).await, Err(Failure::NotOwner), "{counter}");
        }
        seconds(30).await;
        assert_eq!(caller.0.census()[0].residents, 0, "round {round}");
    }
}

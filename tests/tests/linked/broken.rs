//! Groups of which a part is not accepted: no part is applied, every caller is told at once, and
//! every entity goes on.

use coppice_runtime::task::spawn;
use coppice_runtime::{Failure, Outcome, RuntimeOptions};
use coppice_testkit::{Action, MemoryStore, Point, Times, read_whole_journal};
use coppice_tests::node::{Caller, PATIENCE, add, tenant, value};
use coppice_tests::running::{command, eventually};
use tokio::time::{Duration, Instant};

use crate::world::{adds, fresh, linked, node, profile};

/// Both counters go on from what they were, and nothing of the group is in the journal.
async fn assert_untouched(store: &MemoryStore, caller: &Caller, a: i64) {
    let before = read_whole_journal(store).await.unwrap();
    assert!(before.iter().all(|event| !event.record.body.payload.contains("777")));
    assert_eq!(value(&caller.read("a").await.unwrap().state), a);
    assert_eq!(value(&caller.add("a", 1, None).await.unwrap().reply), a + 1);
}

#[tokio::test(start_paused = true)]
async fn a_refused_part_lets_the_others_fall_and_their_entities_go_on() {
    let (store, _node, caller) = fresh().await;
    caller.add("a", 3, None).await.unwrap();
    caller.add("b", i64::MAX, None).await.unwrap();
    for parts in [
        adds(&[("a", 777, Some("k1")), ("b", 777, Some("k1"))]),
        adds(&[("b", 777, Some("k2")), ("a", 777, Some("k2"))]),
    ] {
        let began = Instant::now();
        let answers = caller.0.ask_linked(parts).await;
        assert!(began.elapsed() < PATIENCE, "the group was only given up at its deadline");
        let refused = |failure: &Failure| {
            matches!(failure, Failure::Rejected { code: "counter_overflow", .. })
        };
        let failures: Vec<_> = answers.into_iter().map(Result::unwrap_err).collect();
        assert!(failures.iter().any(refused), "{failures:?}");
        assert!(failures.contains(&Failure::Unlinked), "{failures:?}");
        assert!(failures.iter().all(|failure| failure.outcome() == Outcome::NotApplied));
    }
    assert_untouched(&store, &caller, 3).await;
    // The key is free: nothing was recorded under it.
    assert_eq!(value(&caller.add("a", 777, Some("k1")).await.unwrap().reply), 781);
}

#[tokio::test(start_paused = true)]
async fn what_was_decided_behind_a_fallen_part_is_decided_again() {
    let (store, _node, caller) = fresh().await;
    caller.add("b", i64::MAX, None).await.unwrap();
    let (one, group, other, read) = tokio::join!(
        caller.add("a", 1, None),
        caller.0.ask_linked(adds(&[("a", 777, None), ("b", 777, None)])),
        caller.add("a", 10, None),
        caller.read("a"),
    );
    assert!(group.iter().all(Result::is_err), "{group:?}");
    assert_eq!((value(&one.unwrap().reply), value(&other.unwrap().reply)), (1, 11));
    assert_eq!(value(&read.unwrap().state), 11);
    assert_untouched(&store, &caller, 11).await;
}

#[tokio::test(start_paused = true)]
async fn a_part_that_crashes_breaks_its_group_at_once() {
    for crash in ["crash", "crash_in_evolve"] {
        for first in [true, false] {
            let (store, _node, caller) = fresh().await;
            caller.add("a", 3, None).await.unwrap();
            // The profile is read slowly: the other part waits in the writer long before.
            let slow = Action::Delay(Duration::from_millis(10));
            store.faults().arm(Point::Entity, slow, Times::Next(1));
            let mut parts = adds(&[("a", 777, None)]);
            parts.insert(usize::from(!first), profile(crash));
            let began = Instant::now();
            let answers = linked(&caller, parts).await;
            let expected = [Err(Failure::Unlinked), Err(Failure::Crashed)];
            assert!(answers.iter().all(|answer| expected.contains(answer)), "{answers:?}");
            assert!(began.elapsed() < Duration::from_secs(1), "given up at the deadline only");
            assert_untouched(&store, &caller, 3).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_part_that_nobody_can_take_breaks_its_group_at_once() {
    let unknown_kind = || ("nothing", command("x", "add", "{}", None));
    let unknown_command = || ("counter", command("x", "sub", "{}", None));
    let bad_body = || ("counter", command("x", "add", "{", None));
    let makes: [fn() -> (&'static str, coppice_runtime::Request); 3] =
        [unknown_kind, unknown_command, bad_body];
    for make in makes {
        for first in [true, false] {
            let (store, _node, caller) = fresh().await;
            let mut parts = adds(&[("a", 777, None)]);
            parts.insert(usize::from(first), make());
            let answers = linked(&caller, parts).await;
            assert!(answers.contains(&Err(Failure::Unlinked)), "{answers:?}");
            assert!(!answers.contains(&Err(Failure::TimedOut)), "{answers:?}");
            assert_untouched(&store, &caller, 0).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_kind_breaks_a_group_whose_other_part_was_faster() {
    let (_store, _node, caller) = fresh().await;
    for _ in 0..300 {
        let mut parts: Vec<_> = (0..20).map(|_| ("counter", add("a", 1, None))).collect();
        parts.push(("nothing", command("x", "add", "{}", None)));
        for (_, request) in &mut parts {
            request.deadline = Instant::now() + Duration::from_secs(5);
        }
        let answers = linked(&caller, parts).await;
        assert!(!answers.contains(&Err(Failure::TimedOut)), "{answers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_part_whose_deadline_passed_in_the_queue_breaks_its_group_at_once() {
    let store = MemoryStore::default();
    let options = RuntimeOptions { tickets_open_max: 1, ..RuntimeOptions::default() };
    let (_node, caller) = node(&store, options).await;
    store.faults().arm(Point::BeforeAppend, Action::Delay(Duration::from_secs(2)), Times::Next(1));
    let busy = spawn({
        let caller = caller.clone();
        async move { caller.add("b", 1, None).await }
    });
    tokio::task::yield_now().await;
    let mut parts = adds(&[("a", 777, None), ("b", 777, None)]);
    parts[1].1.deadline = Instant::now() + Duration::from_secs(1);
    let began = Instant::now();
    let answers = linked(&caller, parts).await;
    assert_eq!(answers[0], Err(Failure::Unlinked));
    // B's caller had stopped listening; that nothing happened is what counts.
    assert!(matches!(answers[1], Err(Failure::TimedOut | Failure::DeadlineExceeded)));
    assert!(began.elapsed() < Duration::from_secs(5), "given up at A's deadline only");
    busy.await.unwrap().unwrap();
    assert_untouched(&store, &caller, 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_part_that_meets_a_full_mailbox_breaks_its_group_at_once() {
    let store = MemoryStore::default();
    let options =
        RuntimeOptions { mailbox_capacity: 1, tickets_open_max: 1, ..RuntimeOptions::default() };
    let (_node, caller) = node(&store, options).await;
    let hold = store.faults().hold(Point::BeforeAppend, Times::Next(1));
    let one = |counter: &'static str| {
        let caller = caller.clone();
        spawn(async move { caller.add(counter, 1, None).await })
    };
    let (open, waiting) = (one("b"), {
        hold.reached(1).await;
        one("b")
    });
    tokio::task::yield_now().await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    let asked = spawn({
        let caller = caller.clone();
        async move { linked(&caller, adds(&[("a", 777, None), ("b", 777, None)])).await }
    });
    tokio::time::sleep(Duration::from_millis(10)).await;
    hold.release();
    let full = Failure::MailboxFull { depth: 1 };
    assert_eq!(asked.await.unwrap(), [Err(Failure::Unlinked), Err(full)]);
    assert!(open.await.unwrap().is_ok());
    assert!(waiting.await.unwrap().is_ok());
    assert_untouched(&store, &caller, 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_part_that_can_not_be_read_breaks_its_group_at_once() {
    let (store, _node, caller) = fresh().await;
    caller.add("a", 1, None).await.unwrap();
    store.faults().arm(Point::Entity, Action::Unavailable, Times::Next(1));
    let answers = linked(&caller, adds(&[("a", 777, None), ("b", 777, None)])).await;
    assert_eq!(answers, [Err(Failure::Unlinked), Err(Failure::StoreUnavailable)]);
    assert_untouched(&store, &caller, 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_full_store_fails_the_whole_group() {
    let (store, _node, caller) = fresh().await;
    store.faults().arm(Point::BeforeAppend, Action::Full, Times::Next(1));
    let answers = linked(&caller, adds(&[("a", 777, None), ("b", 777, None)])).await;
    assert_eq!(answers, [Err(Failure::StoreFull), Err(Failure::StoreFull)]);
    assert_untouched(&store, &caller, 0).await;
}

#[tokio::test(start_paused = true)]
async fn commands_that_fall_around_a_broken_group_keep_their_order() {
    let (store, node, caller) = fresh().await;
    caller.add("full", i64::MAX, None).await.unwrap();
    caller.add("a", 0, None).await.unwrap();
    // The writer is busy while everything below gathers behind it.
    let hold = store.faults().hold(Point::BeforeAppend, Times::Next(1));
    let busy = spawn({
        let caller = caller.clone();
        async move { caller.add("z", 1, None).await }
    });
    hold.reached(1).await;
    // B can't be read yet, so the first group stays incomplete.
    let reading = store.faults().hold(Point::Entity, Times::Next(1));
    let waiting = spawn({
        let caller = caller.clone();
        async move { caller.0.ask_linked(adds(&[("a", 1, None), ("b", 1, None)])).await }
    });
    reading.reached(1).await;
    let rest = spawn({
        let caller = caller.clone();
        async move {
            tokio::join!(
                caller.0.ask_linked(adds(&[("a", 777, None), ("full", 777, None)])),
                caller.add("a", 10, None),
            )
        }
    });
    eventually("all is decided", || node.writer().waiting() >= 3).await;
    hold.release();
    tokio::time::sleep(Duration::from_millis(50)).await;
    reading.release();
    let group = waiting.await.unwrap();
    let (_, single) = rest.await.unwrap();
    busy.await.unwrap().unwrap();
    // The group's part came before the single command, and still does.
    assert_eq!(value(&group[0].as_ref().unwrap().reply), 1);
    assert_eq!(value(&single.unwrap().reply), 11);
    let view = caller.0.view("counter", tenant(), coppice_tests::node::id("b"), later()).await;
    assert_eq!(value(&view.unwrap().state), 1);
}

fn later() -> Instant {
    Instant::now() + PATIENCE
}

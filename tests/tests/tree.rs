//! The node's own tree: what falls is started again with what stands on it, what falls too often
//! ends the node, and a stop finishes what is under way.
//!
//! Time is paused and moves by itself.

use std::sync::Arc;
use std::time::Duration;

use coppice_persistence::Store;
use coppice_runtime::supervisors::{ChildState, ExitReason, Outcome};
use coppice_runtime::task::spawn;
use coppice_runtime::{Failure, Node, RuntimeOptions, SystemClock};
use coppice_testkit::{Action, MemoryStore, Point, Times, read_whole_journal};
use coppice_tests::node::{Caller, PATIENCE, value};
use coppice_tests::running::{command, eventually, run};

async fn start(store: &MemoryStore) -> (Node, Caller) {
    run(Arc::new(store.clone()), Arc::new(SystemClock), RuntimeOptions::default(), None).await
}

#[tokio::test(start_paused = true)]
async fn a_writer_that_crashes_is_started_again_and_nothing_is_lost_or_doubled() {
    for (point, applied) in [(Point::BeforeAppend, 0), (Point::AfterAppendBeforeAnswer, 2)] {
        let store = MemoryStore::default();
        let (_node, caller) = start(&store).await;
        caller.add("x", 1, None).await.unwrap();
        store.faults().arm(point, Action::Panic, Times::Next(1));
        // In the batch that the writer crashed on: nobody knows what became of it.
        assert_eq!(caller.add("x", 2, Some("k")).await, Err(Failure::TimedOut), "{point:?}");
        // The entity reads its journal again, and the rest of the node works.
        eventually("commands are taken in again", || store.faults().fired(point) == 1).await;
        let again = loop {
            match caller.add("x", 2, Some("k")).await {
                Err(Failure::ShuttingDown) => tokio::time::sleep(Duration::from_millis(1)).await,
                other => break other.unwrap(),
            }
        };
        assert_eq!(again.repeated, applied > 0, "{point:?}");
        assert_eq!(value(&caller.read("x").await.unwrap().state), 3, "{point:?}");
        assert_eq!(value(&caller.add("y", 5, None).await.unwrap().reply), 5);
    }
}

/// Whoever read it before the commit ended would go on from what was.
#[tokio::test(start_paused = true)]
async fn nobody_reads_an_entity_while_a_commit_outlives_its_writer() {
    let store = MemoryStore::default();
    let (node, caller) = start(&store).await;
    caller.add("x", 1, None).await.unwrap();
    let hold = store.faults().hold(Point::BeforeAppend, Times::Next(1));
    let adder = caller.clone();
    let adding = spawn(async move { adder.add("x", 2, None).await });
    hold.reached(1).await;
    let writer = node.supervisor().child("writer").await.unwrap().unwrap();
    writer.cell().unwrap().kill();
    assert_eq!(adding.await.unwrap(), Err(Failure::TimedOut));
    for _ in 0..10 {
        let read = tokio::time::timeout(Duration::from_millis(200), caller.read("x")).await;
        assert!(!matches!(read, Ok(Ok(_))), "{read:?} while a commit is under way");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    hold.release();
    let view = loop {
        match caller.read("x").await {
            Err(Failure::ShuttingDown) => tokio::time::sleep(Duration::from_millis(1)).await,
            other => break other.unwrap(),
        }
    };
    assert_eq!(value(&view.state), 3);
    assert_eq!(value(&caller.add("x", 4, None).await.unwrap().reply), 7);
}

#[tokio::test(start_paused = true)]
async fn parts_that_fall_too_often_end_the_node_and_it_says_why() {
    let store = MemoryStore::default();
    let (node, caller) = start(&store).await;
    store.faults().arm(Point::BeforeAppend, Action::Panic, Times::Always);
    let adding = spawn(async move {
        loop {
            drop(caller.add("x", 1, None).await);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    let outcome = node.outcome().await;
    adding.abort();
    let Outcome::Failed(escalation) = outcome else { panic!("it ended as {outcome:?}") };
    assert_eq!((&*escalation.supervisor, escalation.child.as_str()), ("node", "writer"));
    let ExitReason::Crash(reason) = &escalation.reason else { panic!("{escalation:?}") };
    assert!(reason.contains("a fault"), "{reason}");
    assert!(escalation.to_string().contains("gave up"), "{escalation}");
}

#[tokio::test(start_paused = true)]
async fn a_stop_commits_what_was_taken_in_and_takes_nothing_in_after() {
    let store = MemoryStore::default();
    let (node, caller) = start(&store).await;
    caller.add("x", 1, None).await.unwrap();
    let hold = store.faults().hold(Point::BeforeAppend, Times::Next(1));
    let adds: Vec<_> = (0..10)
        .map(|_| {
            let caller = caller.clone();
            spawn(async move { caller.add("x", 1, None).await })
        })
        .collect();
    hold.reached(1).await;
    let stopping = spawn(node.shutdown(PATIENCE));
    loop {
        // Until the regions are reached, commands are still taken in, and then answered as well.
        let caller = caller.clone();
        let asked = tokio::time::timeout(Duration::from_millis(5), async move {
            caller.add("y", 1, None).await
        });
        if asked.await == Ok(Err(Failure::ShuttingDown)) {
            break;
        }
    }
    hold.release();
    assert_eq!(stopping.await.unwrap(), Outcome::Shutdown);
    for add in adds {
        add.await.unwrap().unwrap();
    }
    let journal = read_whole_journal(&store).await.unwrap();
    let of_x = journal.iter().filter(|event| event.key.id().as_str() == "x").count();
    assert_eq!(of_x, 11);
}

/// A command that is looked up in the store is in no mailbox and not with the writer.
#[tokio::test(start_paused = true)]
async fn a_stop_answers_a_command_that_is_being_looked_up_and_what_waits_behind_it() {
    let store = MemoryStore::default();
    let (node, caller) = start(&store).await;
    let hold = store.faults().hold(Point::Commands, Times::Always);
    let ask = |name: &'static str, key: Option<&'static str>| {
        let registry = caller.0.clone();
        spawn(async move { registry.ask("profile", command("p", name, "{}", key)).await })
    };
    let asked = [ask("touch", Some("k")), ask("touch", None)];
    hold.reached(1).await;
    let stopping = spawn(node.shutdown(PATIENCE));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!stopping.is_finished());
    hold.release();
    for asked in asked {
        asked.await.unwrap().unwrap();
    }
    assert_eq!(stopping.await.unwrap(), Outcome::Shutdown);
}

#[tokio::test(start_paused = true)]
async fn the_tree_is_what_the_design_says_in_start_order() {
    let store = MemoryStore::default();
    let (node, _) = start(&store).await;
    let snapshot = node.supervisor().snapshot().await.unwrap();
    let names: Vec<_> = snapshot.children.iter().map(|child| child.info.id.as_str()).collect();
    let expected = ["writer", "subscriptions", "system", "regions", "effects", "schedulers"];
    assert_eq!(names, expected);
    assert!(snapshot.children.iter().all(|child| child.info.state == ChildState::Up));
    let regions = snapshot.children[3].supervisor.as_ref().unwrap();
    let kinds: Vec<_> = regions.children.iter().map(|child| child.info.id.as_str()).collect();
    assert_eq!(kinds, ["counter", "profile"]);
}

#[tokio::test(start_paused = true)]
async fn an_entity_with_tickets_on_both_sides_of_a_crash_of_the_writer_is_served_again() {
    let store = MemoryStore::default();
    let (node, caller) = start(&store).await;
    caller.add("x", 1, None).await.unwrap();
    let faults = store.faults();
    let hold = faults.hold(Point::BeforeAppend, Times::Next(1));
    faults.arm(Point::BeforeAppend, Action::Panic, Times::Next(1));
    let add = || {
        let caller = caller.clone();
        spawn(async move { caller.add("x", 1, None).await })
    };
    let mut asked = vec![add()];
    hold.reached(1).await;
    // The first is in the writer's hands, the others wait for it.
    asked.extend([add(), add()]);
    eventually("the others wait", || node.writer().waiting() > 0).await;
    hold.release();
    for asked in asked {
        let answer = asked.await.unwrap();
        assert!(!matches!(answer, Err(Failure::Conflict)), "{answer:?}");
    }
    let value_now = loop {
        match caller.add("x", 1, None).await {
            Err(Failure::ShuttingDown) => tokio::time::sleep(Duration::from_millis(1)).await,
            other => break value(&other.unwrap().reply),
        }
    };
    let journal = read_whole_journal(&store).await.unwrap();
    assert_eq!(i64::try_from(journal.len()).unwrap(), value_now);
    let stopping = tokio::time::Instant::now();
    assert_eq!(node.shutdown(PATIENCE).await, Outcome::Shutdown);
    assert!(stopping.elapsed() < Duration::from_secs(1), "took {:?}", stopping.elapsed());
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_undecided_where_a_node_ends_is_told_so_at_once() {
    let store = MemoryStore::default();
    let (node, caller) = start(&store).await;
    let hold = store.faults().hold(Point::Entity, Times::Always);
    let asked = {
        let caller = caller.clone();
        spawn(async move { caller.add("x", 1, None).await })
    };
    hold.reached(1).await;
    let ended = tokio::time::Instant::now();
    node.abort();
    assert_eq!(asked.await.unwrap(), Err(Failure::ShuttingDown));
    assert!(ended.elapsed() < Duration::from_secs(1), "after {:?}", ended.elapsed());
}

/// A ticket holds its entity, which holds the node, which holds the writer's intake: whoever drops
/// the node with tickets in there must not keep all of it.
#[tokio::test(start_paused = true)]
async fn a_node_that_ended_with_tickets_waiting_leaves_nothing_in_memory() {
    for grace in [None, Some(Duration::from_millis(5))] {
        let store = Arc::new(MemoryStore::default());
        let (clock, options) = (Arc::new(SystemClock), RuntimeOptions::default());
        let (node, caller) = run(Arc::clone(&store) as Arc<dyn Store>, clock, options, None).await;
        let hold = store.faults().hold(Point::BeforeAppend, Times::Always);
        let add = |caller: Caller| spawn(async move { caller.add("x", 1, None).await });
        let first = add(caller.clone());
        hold.reached(1).await;
        let second = add(caller.clone());
        eventually("the second waits for the first", || node.writer().waiting() > 0).await;
        match grace {
            None => node.abort(),
            Some(grace) => assert_eq!(node.shutdown(grace).await, Outcome::Killed),
        }
        // Nobody knows what became of them, and they are told so before their deadline.
        let ended = tokio::time::Instant::now();
        assert_eq!(first.await.unwrap(), Err(Failure::TimedOut));
        assert_eq!(second.await.unwrap(), Err(Failure::TimedOut));
        assert!(ended.elapsed() < PATIENCE / 2, "after {:?}", ended.elapsed());
        drop((caller, hold));
        eventually("nothing holds its store", || Arc::strong_count(&store) == 1).await;
    }
}

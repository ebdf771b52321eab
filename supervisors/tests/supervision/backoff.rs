//! Restart delays: they grow, are forgotten in health, and can be called off.

use coppice_supervisors::{
    Backoff, ChildHandle, ChildSpec, ChildState, Outcome, RequestError, Restart, Strategy,
    SupervisorSpec, Tree,
};

use crate::probe::{Do, Manner, probe, probe_that, tell, tell_and_wait};
use crate::record::{Record, ms, pass, secs, soon};

fn doubling() -> Backoff {
    Backoff { jitter_percent: 0, reset_after: secs(30), ..Backoff::exponential(ms(100), ms(350)) }
}

async fn start(child: ChildSpec, strategy: Strategy) -> (Tree, Record, ChildHandle) {
    let record = Record::new();
    let handle = child.handle();
    let mut spec = SupervisorSpec::new("root", strategy).intensity(10, secs(60));
    if strategy != Strategy::Dynamic {
        spec = spec.child(child);
        return (
            Tree::start(spec, record.options()).await.expect("the tree must start"),
            record,
            handle,
        );
    }
    let tree = Tree::start(spec, record.options()).await.expect("the tree must start");
    tree.supervisor().start_child(child).await.expect("the child must start");
    (tree, record, handle)
}

#[tokio::test(start_paused = true)]
async fn delays_grow_to_the_most_and_begin_anew_after_health() {
    let (_tree, record, child) = start(probe("a").backoff(doubling()), Strategy::OneForOne).await;
    let mut took = Vec::new();
    for incarnation in 1..=5 {
        if incarnation == 5 {
            pass(secs(30)).await;
        }
        tell_and_wait(&child, Do::Fail).await;
        let exit = record.time_of(&format!("a{incarnation} exit (crash)"));
        took.push(record.time_of(&format!("a{} up", incarnation + 1)) - exit);
    }
    let expected = [100, 200, 350, 350, 100].map(ms);
    let near = |(took, expected)| (expected..expected + ms(3)).contains(&took);
    assert!(took.iter().copied().zip(expected).all(near), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn who_is_terminated_while_it_waits_stays_terminated() {
    for strategy in
        [Strategy::OneForOne, Strategy::Dynamic, Strategy::OneForAll, Strategy::RestForOne]
    {
        let long = Backoff::exponential(secs(60), secs(60));
        let (tree, record, child) = start(probe("a").backoff(long), strategy).await;
        tell(&child, Do::Fail);
        soon(child.wait_for(|status| status.state == ChildState::Backoff)).await.unwrap();
        let asked = tokio::time::Instant::now();
        tree.supervisor().terminate_child("a").await.unwrap();
        assert!(asked.elapsed() < ms(5), "it answers at once");
        assert_eq!(child.state(), ChildState::Stopped);
        pass(secs(600)).await;
        assert_eq!(child.state(), ChildState::Stopped, "{strategy:?}");
        assert!(!record.has("a2 up"));
        // And it can be had back.
        tree.supervisor().restart_child("a").await.unwrap();
        assert_eq!(child.status().incarnation, 2);
        assert_eq!(child.state(), ChildState::Up);
    }
}

#[tokio::test(start_paused = true)]
async fn a_temporary_delay_keeps_its_child_from_being_deleted_or_restarted_by_hand() {
    let long = Backoff::exponential(secs(60), secs(60));
    let child = probe("a").backoff(long).restart(Restart::Transient);
    let (tree, _record, child) = start(child, Strategy::OneForOne).await;
    tell(&child, Do::Panic);
    soon(child.wait_for(|status| status.state == ChildState::Backoff)).await.unwrap();
    let restarting = RequestError::Restarting("a".into());
    let supervisor = tree.supervisor();
    assert_eq!(supervisor.delete_child("a").await.unwrap_err(), restarting);
    assert_eq!(supervisor.restart_child("a").await.unwrap_err(), restarting);
}

#[tokio::test(start_paused = true)]
async fn a_supervisor_stops_at_once_while_a_child_waits() {
    let long = Backoff::exponential(secs(600), secs(600));
    for strategy in [Strategy::OneForOne, Strategy::Dynamic, Strategy::OneForAll] {
        let (tree, _record, child) = start(probe("a").backoff(long), strategy).await;
        tell(&child, Do::Fail);
        soon(child.wait_for(|status| status.state == ChildState::Backoff)).await.unwrap();
        let asked = tokio::time::Instant::now();
        assert_eq!(tree.shutdown().await, Outcome::Shutdown);
        assert!(asked.elapsed() < ms(5), "{strategy:?}");
        assert_eq!(child.state(), ChildState::Stopped);
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_that_fails_is_tried_again_and_counts_again() {
    let stumbling = Manner { failing_starts: 3, fail_from: 2, ..Manner::default() };
    let child = probe_that("a", stumbling).backoff(doubling());
    let (tree, record, child) = start(child, Strategy::OneForOne).await;
    record.take();
    tell(&child, Do::Fail);
    soon(child.up_after(1)).await.unwrap();
    assert_eq!(
        record.lines(),
        [
            "a1 exit (crash)",
            "a restarts",
            "a2 no start (failed)",
            "a restarts",
            "a3 no start (failed)",
            "a restarts",
            "a4 no start (failed)",
            "a restarts",
            "a5 up",
        ]
    );
    let took = record.time_of("a5 up") - record.time_of("a1 exit (crash)");
    assert!((ms(1_000)..ms(1_020)).contains(&took), "{took:?}");
    assert_eq!(tree.supervisor().snapshot().await.unwrap().restarts_in_window, 4);
}

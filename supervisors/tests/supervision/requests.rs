//! Children that come and go at run time.

use coppice_supervisors::{
    ChildState, Outcome, RequestError, Restart, Strategy, SupervisorSpec, Tree,
};

use crate::probe::{Do, Manner, probe, probe_that, tell};
use crate::record::{Record, secs, soon};

const BOTH: [Strategy; 2] = [Strategy::OneForOne, Strategy::Dynamic];

async fn start(strategy: Strategy) -> (Tree, Record) {
    let record = Record::new();
    let spec = SupervisorSpec::new("root", strategy).children_max(3);
    (Tree::start(spec, record.options()).await.expect("the tree must start"), record)
}

#[tokio::test(start_paused = true)]
async fn an_id_that_is_taken_is_refused_and_harms_nobody() {
    for strategy in BOTH {
        let (tree, record) = start(strategy).await;
        let supervisor = tree.supervisor();
        let first = supervisor.start_child(probe("a")).await.unwrap();
        let bystander = supervisor.start_child(probe("b")).await.unwrap();
        let duplicate = RequestError::Duplicate("a".into());
        assert_eq!(supervisor.start_child(probe("a")).await.unwrap_err(), duplicate);
        supervisor.terminate_child("a").await.unwrap();
        assert_eq!(supervisor.start_child(probe("a")).await.unwrap_err(), duplicate);
        assert_eq!(first.state(), ChildState::Stopped);
        assert_eq!(bystander.status().incarnation, 1);
        assert_eq!(bystander.state(), ChildState::Up);
        supervisor.delete_child("a").await.unwrap();
        let again = supervisor.start_child(probe("a")).await.unwrap();
        assert_eq!(again.state(), ChildState::Up);
        assert!(!record.lines().iter().any(|line| line.contains("exit")));
    }
}

#[tokio::test(start_paused = true)]
async fn every_request_says_what_is_in_its_way() {
    for strategy in BOTH {
        let (tree, _record) = start(strategy).await;
        let supervisor = tree.supervisor();
        let missing = RequestError::NotFound("x".into());
        assert_eq!(supervisor.terminate_child("x").await.unwrap_err(), missing);
        assert_eq!(supervisor.restart_child("x").await.unwrap_err(), missing);
        assert_eq!(supervisor.delete_child("x").await.unwrap_err(), missing);
        assert!(supervisor.child("x").await.unwrap().is_none());
        supervisor.start_child(probe("a")).await.unwrap();
        let running = RequestError::Running("a".into());
        assert_eq!(supervisor.restart_child("a").await.unwrap_err(), running);
        assert_eq!(supervisor.delete_child("a").await.unwrap_err(), running);
        let invalid = supervisor.start_child(probe("").restart(Restart::Transient)).await;
        assert!(matches!(invalid.unwrap_err(), RequestError::Invalid(_)));
        supervisor.start_child(probe("b")).await.unwrap();
        supervisor.start_child(probe("c")).await.unwrap();
        let full = supervisor.start_child(probe("d")).await.unwrap_err();
        assert_eq!(full, RequestError::TooMany(3));
        assert_eq!(tree.shutdown().await, Outcome::Shutdown);
        assert_eq!(supervisor.terminate_child("a").await.unwrap_err(), RequestError::NotRunning);
        assert_eq!(supervisor.start_child(probe("e")).await.unwrap_err(), RequestError::NotRunning);
        assert_eq!(supervisor.count_children().await.unwrap_err(), RequestError::NotRunning);
    }
}

#[tokio::test(start_paused = true)]
async fn a_terminated_child_stays_down_until_it_is_restarted_by_hand() {
    for strategy in BOTH {
        let (tree, record) = start(strategy).await;
        let supervisor = tree.supervisor();
        let child = supervisor.start_child(probe("a")).await.unwrap();
        record.take();
        supervisor.terminate_child("a").await.unwrap();
        supervisor.terminate_child("a").await.unwrap();
        assert_eq!(record.take(), ["a1 down (shutdown)"]);
        assert_eq!(child.state(), ChildState::Stopped);
        supervisor.restart_child("a").await.unwrap();
        assert_eq!(child.status().incarnation, 2);
        // It is supervised as before.
        tell(&child, Do::Fail);
        soon(child.up_after(2)).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn terminating_a_temporary_child_forgets_it() {
    let (tree, _record) = start(Strategy::OneForOne).await;
    let supervisor = tree.supervisor();
    supervisor.start_child(probe("a").restart(Restart::Temporary)).await.unwrap();
    supervisor.terminate_child("a").await.unwrap();
    assert_eq!(supervisor.count_children().await.unwrap().specs, 0);
}

#[tokio::test(start_paused = true)]
async fn a_child_that_fails_to_start_is_not_added_and_counts_against_nobody() {
    for strategy in BOTH {
        let (tree, _record) = start(strategy).await;
        let supervisor = tree.supervisor();
        for _ in 0..5 {
            let failing = Manner { failing_starts: 1, fail_from: 1, ..Manner::default() };
            let failed = supervisor.start_child(probe_that("a", failing)).await.unwrap_err();
            assert!(matches!(failed, RequestError::StartFailed(_)), "{failed:?}");
        }
        let snapshot = supervisor.snapshot().await.unwrap();
        assert_eq!(snapshot.restarts_in_window, 0);
        assert!(snapshot.children.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_by_hand_that_fails_leaves_the_child_down() {
    let (tree, _record) = start(Strategy::OneForOne).await;
    let supervisor = tree.supervisor();
    let failing = Manner { failing_starts: 1, fail_from: 2, ..Manner::default() };
    let child = supervisor.start_child(probe_that("a", failing)).await.unwrap();
    supervisor.terminate_child("a").await.unwrap();
    let failed = supervisor.restart_child("a").await.unwrap_err();
    assert!(matches!(failed, RequestError::StartFailed(_)), "{failed:?}");
    assert_eq!(child.state(), ChildState::Stopped);
    supervisor.restart_child("a").await.unwrap();
    assert_eq!(child.status().incarnation, 3);
}

#[tokio::test(start_paused = true)]
async fn a_child_can_be_terminated_while_it_starts() {
    for strategy in BOTH {
        let (tree, _record) = start(strategy).await;
        let supervisor = tree.supervisor();
        let slow = Manner { start: secs(100), ..Manner::default() };
        let starting = supervisor.start_child(probe_that("a", slow));
        let terminating = async {
            crate::record::pass(secs(1)).await;
            supervisor.terminate_child("a").await
        };
        let (started, terminated) = tokio::join!(starting, terminating);
        assert_eq!(started.unwrap_err(), RequestError::Terminated);
        terminated.unwrap();
        assert_eq!(supervisor.count_children().await.unwrap().active, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn one_handle_goes_with_a_child_through_all_its_incarnations() {
    let record = Record::new();
    let child = probe("a");
    let handle = child.handle();
    assert_eq!(handle.state(), ChildState::Stopped);
    assert!(handle.actor::<Do>().is_none());
    let spec = SupervisorSpec::new("root", Strategy::OneForOne).child(child);
    let tree = Tree::start(spec, record.options()).await.unwrap();
    let first = handle.cell().unwrap();
    assert!(handle.actor::<String>().is_none(), "it takes no such messages");
    tell(&handle, Do::BeKilled);
    let status = soon(handle.up_after(1)).await.unwrap();
    assert_ne!(status.cell.unwrap().get_id(), first.get_id());
    assert_eq!(tree.shutdown().await, Outcome::Shutdown);
    assert!(handle.cell().is_none());
    assert!(soon(handle.up()).await.is_err(), "nothing is left that could start it");
}

//! What an operator sees.

use coppice_supervisors::{
    ChildCounts, ChildKind, ChildSpec, ChildState, ExitKind, Restart, Strategy, SupervisorSpec,
    SupervisorState, Tree,
};

use crate::probe::{Do, Manner, probe, probe_that, tell, tell_and_wait};
use crate::record::{Record, ms, pass, secs, soon};

#[tokio::test(start_paused = true)]
async fn a_snapshot_shows_the_whole_tree() {
    let record = Record::new();
    let child = probe("a").restart(Restart::Transient);
    let handle = child.handle();
    let pool = SupervisorSpec::new("pool", Strategy::Dynamic);
    let pool_handle = pool.handle();
    let inner = SupervisorSpec::new("inner", Strategy::RestForOne)
        .intensity(3, secs(9))
        .child(child)
        .child(ChildSpec::supervisor(pool));
    let root = SupervisorSpec::new("root", Strategy::OneForOne)
        .child(ChildSpec::supervisor(inner))
        .child(probe("b"));
    let tree = Tree::start(root, record.options()).await.unwrap();
    pool_handle.start_child(probe("job")).await.unwrap();
    tell_and_wait(&handle, Do::Fail).await;
    record.until("inner: pool2 up").await;
    pool_handle.start_child(probe("job")).await.unwrap();

    let snapshot = tree.supervisor().snapshot().await.unwrap();
    assert_eq!(snapshot.name, "root");
    assert_eq!(snapshot.state, SupervisorState::Running);
    let [inner, b] = snapshot.children.as_slice() else { panic!("{snapshot:#?}") };
    assert_eq!((b.info.id.as_str(), b.info.kind), ("b", ChildKind::Worker));
    assert_eq!(b.supervisor, None);
    assert_eq!(inner.info.kind, ChildKind::Supervisor);
    let inner = inner.supervisor.as_ref().unwrap();
    assert_eq!((inner.strategy, inner.intensity), (Strategy::RestForOne, 3));
    assert_eq!((inner.period, inner.restarts_in_window), (secs(9), 1));
    let [a, pool] = inner.children.as_slice() else { panic!("{inner:#?}") };
    assert_eq!((a.info.incarnation, a.info.restarts, a.info.restarts_in_window), (2, 1, 1));
    assert_eq!(a.info.restart, Restart::Transient);
    assert_eq!(a.info.last_exit.as_ref().unwrap().kind(), ExitKind::Crash);
    assert_eq!((pool.info.incarnation, pool.info.restarts), (2, 0), "taken along, not the cause");
    let pool = pool.supervisor.as_ref().unwrap();
    assert_eq!(pool.children[0].info.id.as_str(), "job");

    let counts = tree.supervisor().count_children().await.unwrap();
    assert_eq!(counts, ChildCounts { specs: 2, active: 2, supervisors: 1, workers: 1 });
    pass(secs(10)).await;
    let later = tree.supervisor().snapshot().await.unwrap();
    let later = later.children[0].supervisor.as_ref().unwrap();
    assert_eq!(later.restarts_in_window, 0);
    assert_eq!(later.children[0].info.restarts, 1);
}

#[tokio::test(start_paused = true)]
async fn a_supervisor_that_restarts_a_group_or_stops_still_answers() {
    let record = Record::new();
    let slow = probe_that("slow", Manner { stop: secs(3), ..Manner::default() });
    let first = probe("a");
    let handle = first.handle();
    let spec = SupervisorSpec::new("root", Strategy::OneForAll).child(first).child(slow);
    let tree = Tree::start(spec, record.options()).await.unwrap();
    tell(&handle, Do::Fail);
    record.until("a restarts").await;
    let snapshot = tree.supervisor().snapshot().await.unwrap();
    assert_eq!(snapshot.state, SupervisorState::RestartingGroup);
    let states = snapshot.children.iter().map(|child| child.info.state);
    assert_eq!(states.collect::<Vec<_>>(), [ChildState::Backoff, ChildState::Stopping]);
    soon(handle.up_after(1)).await.unwrap();
    tree.request_shutdown();
    pass(ms(100)).await;
    let snapshot = tree.supervisor().snapshot().await.unwrap();
    assert_eq!(snapshot.state, SupervisorState::Stopping);
}

//! Giving up, level by level, with its reasons.

use coppice_supervisors::{
    Cause, ChildSpec, ExitKind, ExitReason, Outcome, Restart, Strategy, SupervisorSpec, Tree,
};
use ractor::Actor;

use crate::probe::{Do, Manner, probe, probe_that, tell, tell_and_wait};
use crate::record::{Record, ms, secs, soon};

fn supervisor(name: &'static str, restarts: u32) -> SupervisorSpec {
    SupervisorSpec::new(name, Strategy::OneForOne).intensity(restarts, secs(60))
}

#[tokio::test(start_paused = true)]
async fn intensities_multiply_up_to_the_root_which_ends_with_the_whole_chain() {
    let record = Record::new();
    let child = probe("leaf");
    let leaf = child.handle();
    let low = supervisor("low", 2).child(child);
    let high = supervisor("high", 1).child(ChildSpec::supervisor(low)).child(probe("sibling"));
    let root = supervisor("root", 1).child(ChildSpec::supervisor(high));
    let tree = Tree::start(root, record.options()).await.unwrap();
    // 3 exits end `low`, 2 ends of that `high`, 2 ends of that the root.
    for _ in 1..3 * 2 * 2 {
        tell_and_wait(&leaf, Do::Fail).await;
    }
    tell(&leaf, Do::Panic);
    let Outcome::Failed(escalation) = soon(tree.outcome()).await else { panic!("it gives up") };
    let chain: Vec<_> =
        escalation.chain().map(|one| (one.supervisor.to_string(), one.child.to_string())).collect();
    let expected = [("root", "high"), ("root/high", "low"), ("root/high/low", "leaf")];
    assert_eq!(chain, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    let ExitReason::Crash(message) = escalation.origin() else { panic!("{escalation:?}") };
    assert!(message.contains("told to panic"), "{message}");
    assert_eq!(escalation.cause, Cause::IntensityExceeded { intensity: 1, period: secs(60) });
    assert_eq!(leaf.status().incarnation, 12);
    assert!(record.has("low1 exit (gave up)") || record.has("high: low1 exit (gave up)"));
}

#[tokio::test(start_paused = true)]
async fn a_supervisor_that_gave_up_is_an_abnormal_exit_to_its_parent() {
    let record = Record::new();
    let child = probe("leaf");
    let leaf = child.handle();
    let inner = ChildSpec::supervisor(supervisor("inner", 0).child(child));
    let root = supervisor("root", 1).child(inner.restart(Restart::Transient));
    let tree = Tree::start(root, record.options()).await.unwrap();
    tell_and_wait(&leaf, Do::Fail).await;
    let children = tree.supervisor().which_children().await.unwrap();
    let last = children[0].last_exit.clone().unwrap();
    assert_eq!(last.kind(), ExitKind::Crash);
    assert!(matches!(last, ExitReason::Escalated(_)));
    assert!(record.has("inner2 up"));
}

#[tokio::test(start_paused = true)]
async fn a_failed_start_below_fails_all_above() {
    let record = Record::new();
    let failing = Manner { failing_starts: 1, fail_from: 1, ..Manner::default() };
    let inner = supervisor("inner", 5).child(probe("a")).child(probe_that("b", failing));
    let root = supervisor("root", 5).child(probe("first")).child(ChildSpec::supervisor(inner));
    let failed = Tree::start(root, record.options()).await.unwrap_err();
    let coppice_supervisors::StartError::Failed(escalation) = failed else { panic!("{failed:?}") };
    assert!(escalation.chain().all(|one| one.cause == Cause::StartFailed));
    assert_eq!(escalation.chain().count(), 2);
    let lines = record.take();
    assert_eq!(lines[lines.len() - 2..], ["first1 down (shutdown)", "all down"]);
}

#[tokio::test(start_paused = true)]
async fn the_exit_of_an_unknown_actor_is_survived_and_told() {
    let record = Record::new();
    let child = probe("a");
    let handle = child.handle();
    let inner = ChildSpec::supervisor(supervisor("inner", 1).child(child));
    let inner_handle = inner.handle();
    let root = supervisor("root", 1).child(inner);
    let tree = Tree::start(root, record.options()).await.unwrap();
    let stranger = probe("stranger");
    drop(stranger);
    let cell = inner_handle.cell().unwrap();
    let (actor, _) = Stranger::spawn_linked(None, Stranger, (), cell).await.unwrap();
    actor.kill();
    record.until("inner: unknown exit (killed)").await;
    crate::record::pass(ms(10)).await;
    assert_eq!(handle.status().incarnation, 1);
    assert_eq!(tree.shutdown().await, Outcome::Shutdown);
}

/// Linked to a supervisor by someone else.
struct Stranger;

impl Actor for Stranger {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(
        &self,
        _: ractor::ActorRef<()>,
        (): (),
    ) -> Result<(), ractor::ActorProcessingErr> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_killed_supervisor_takes_all_below_with_it_and_comes_back_after_them() {
    let record = Record::new();
    let child = probe_that("a", Manner { record: Some(record.clone()), ..Manner::default() });
    let handle = child.handle();
    let low = supervisor("low", 1).child(child);
    let high = ChildSpec::supervisor(supervisor("high", 1).child(ChildSpec::supervisor(low)));
    let high_handle = high.handle();
    let tree = Tree::start(supervisor("root", 1).child(high), record.options()).await.unwrap();
    record.take();
    high_handle.cell().unwrap().kill();
    soon(handle.up_after(1)).await.unwrap();
    record.until("high2 up").await;
    let lines = record.take();
    let place = |line: &str| lines.iter().position(|written| written == line).unwrap();
    assert!(place("a1 over") < place("high1 exit (killed)"), "{lines:#?}");
    assert!(place("high1 exit (killed)") < place("high/low: a2 up"), "{lines:#?}");
    assert_eq!(tree.shutdown().await, Outcome::Shutdown);
}

#[tokio::test(start_paused = true)]
async fn dropping_a_tree_kills_it() {
    let record = Record::new();
    let manner = Manner { record: Some(record.clone()), stop: secs(50), ..Manner::default() };
    let low = supervisor("low", 1).child(probe_that("a", manner));
    let root = supervisor("root", 1).child(ChildSpec::supervisor(low));
    let supervisor = root.handle();
    let tree = Tree::start(root, record.options()).await.unwrap();
    drop(tree);
    record.until("a1 over").await;
    crate::record::pass(ms(1)).await;
    assert!(supervisor.count_children().await.is_err());
}

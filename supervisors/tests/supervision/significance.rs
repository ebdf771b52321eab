//! Significant children and automatic shutdown, against OTP's rules written out.

use coppice_supervisors::{
    AutoShutdown, ChildSpec, ChildState, Outcome, Restart, Strategy, SupervisorSpec, Tree,
};

use crate::probe::{Do, probe, tell, tell_and_wait};
use crate::record::{Record, soon};

use AutoShutdown::{AllSignificant, AnySignificant};
use Restart::{Temporary, Transient};

/// Two significant children and one that isn't; the first ends, then the second. After which of
/// them the supervisor shuts down: 1, 2, or not at all.
const TABLE: [(AutoShutdown, Restart, Do, Option<u8>); 12] = [
    (AnySignificant, Transient, Do::StopNormally, Some(1)),
    (AnySignificant, Transient, Do::StopWithShutdown, Some(1)),
    (AnySignificant, Transient, Do::Fail, None),
    (AnySignificant, Temporary, Do::StopNormally, Some(1)),
    (AnySignificant, Temporary, Do::Panic, Some(1)),
    (AnySignificant, Temporary, Do::BeKilled, Some(1)),
    (AllSignificant, Transient, Do::StopNormally, Some(2)),
    (AllSignificant, Transient, Do::StopWithShutdown, Some(2)),
    (AllSignificant, Transient, Do::Fail, None),
    (AllSignificant, Temporary, Do::StopNormally, Some(2)),
    (AllSignificant, Temporary, Do::Fail, Some(2)),
    (AllSignificant, Temporary, Do::BeKilled, Some(2)),
];

#[tokio::test(start_paused = true)]
async fn the_end_of_significant_children_ends_the_supervisor_as_the_table_says() {
    for (auto_shutdown, restart, exit, ends_after) in TABLE {
        let case = format!("{auto_shutdown:?}, {restart:?}, {exit:?}");
        let record = Record::new();
        let significant = ["a", "b"].map(|id| probe(id).restart(restart).significant());
        let handles = significant.each_ref().map(ChildSpec::handle);
        let mut spec = SupervisorSpec::new("root", Strategy::OneForOne)
            .auto_shutdown(auto_shutdown)
            .intensity(5, crate::record::secs(5))
            .child(probe("c"));
        for child in significant {
            spec = spec.child(child);
        }
        let tree = Tree::start(spec, record.options()).await.unwrap();
        for (place, handle) in (1..).zip(&handles) {
            if ends_after.is_none() {
                tell_and_wait(handle, exit).await;
                continue;
            }
            tell(handle, exit);
            if ends_after == Some(place) {
                let child = handle.id().clone();
                let outcome = soon(tree.outcome()).await;
                assert_eq!(outcome, Outcome::AutoShutdown { child }, "{case}");
                assert!(record.has("c1 down (shutdown)"), "{case}");
                break;
            }
            soon(handle.wait_for(|status| status.state == ChildState::Stopped)).await.ok();
            assert!(tree.supervisor().count_children().await.is_ok(), "{case}");
        }
        if ends_after.is_none() {
            assert_eq!(tree.shutdown().await, Outcome::Shutdown, "{case}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn neither_others_nor_a_termination_by_hand_end_the_supervisor() {
    let record = Record::new();
    let other = probe("other").restart(Temporary);
    let handle = other.handle();
    let spec = SupervisorSpec::new("root", Strategy::OneForOne)
        .auto_shutdown(AnySignificant)
        .child(probe("a").restart(Transient).significant())
        .child(other);
    let tree = Tree::start(spec, record.options()).await.unwrap();
    tell(&handle, Do::StopNormally);
    record.until("other1 exit (normal)").await;
    tree.supervisor().terminate_child("a").await.unwrap();
    assert_eq!(tree.supervisor().count_children().await.unwrap().specs, 1);
    assert_eq!(tree.shutdown().await, Outcome::Shutdown);
}

#[tokio::test(start_paused = true)]
async fn a_supervisor_that_shut_itself_down_is_a_shutdown_to_its_parent() {
    for (restart, is_restarted) in [(Transient, false), (Restart::Permanent, true)] {
        let record = Record::new();
        let child = probe("a").restart(Temporary).significant();
        let handle = child.handle();
        let inner = SupervisorSpec::new("inner", Strategy::OneForOne)
            .auto_shutdown(AnySignificant)
            .child(child);
        let inner = ChildSpec::supervisor(inner).restart(restart);
        let spec = SupervisorSpec::new("root", Strategy::OneForOne).child(inner);
        let _tree = Tree::start(spec, record.options()).await.unwrap();
        tell(&handle, Do::StopNormally);
        record.until("inner1 exit (shutdown)").await;
        if is_restarted {
            record.until("inner2 up").await;
            assert_eq!(handle.status().incarnation, 2, "the handle goes on");
        } else {
            crate::record::pass(crate::record::secs(60)).await;
            assert!(!record.has("inner2 up"));
        }
    }
}

//! Groups: who is started again with whom, and what happens meanwhile.

use coppice_supervisors::{
    ChildSpec, ChildState, Restart, Shutdown, Strategy, SupervisorSpec, Tree,
};

use crate::probe::{Do, Manner, probe, probe_that, tell, tell_and_wait};
use crate::record::{Record, ms, secs, soon};

#[tokio::test(start_paused = true)]
async fn a_busy_sibling_is_waited_for_before_the_group_comes_back() {
    let record = Record::new();
    let children = [probe("a"), probe("b").shutdown(Shutdown::Timeout(secs(10)))];
    let [a, b] = children.each_ref().map(ChildSpec::handle);
    let [first, second] = children;
    let spec = SupervisorSpec::new("root", Strategy::OneForAll).child(first).child(second);
    let _tree = Tree::start(spec, record.options()).await.unwrap();
    tell(&b, Do::Work(secs(4)));
    tell(&a, Do::Fail);
    soon(b.up_after(1)).await.unwrap();
    let took = record.time_of("b1 down (shutdown)") - record.time_of("a1 exit (crash)");
    assert_eq!(took.as_secs(), 4);
    assert!(record.time_of("a2 up") >= record.time_of("b1 down (shutdown)"));
    assert!(!record.has("b1 kill"));
}

#[tokio::test(start_paused = true)]
async fn a_sibling_that_is_busy_for_too_long_is_killed() {
    let record = Record::new();
    let children = [probe("a"), probe("b").shutdown(Shutdown::Timeout(secs(2)))];
    let [a, b] = children.each_ref().map(ChildSpec::handle);
    let [first, second] = children;
    let spec = SupervisorSpec::new("root", Strategy::OneForAll).child(first).child(second);
    let _tree = Tree::start(spec, record.options()).await.unwrap();
    tell(&b, Do::Work(secs(400)));
    tell(&a, Do::Fail);
    soon(b.up_after(1)).await.unwrap();
    let took = record.time_of("b1 kill") - record.time_of("a1 exit (crash)");
    assert_eq!(took.as_secs(), 2);
    assert!(record.has("b1 down (killed)"));
}

#[tokio::test(start_paused = true)]
async fn children_that_fall_together_are_one_restart() {
    // Under rest_for_one a later child may be dealt with before an earlier one falls.
    for (strategy, restarts_max) in [(Strategy::OneForAll, 1), (Strategy::RestForOne, 2)] {
        for together in [["a", "b"], ["b", "a"], ["a", "c"], ["c", "a"]] {
            let record = Record::new();
            let children = ["a", "b", "c"].map(probe);
            let handles = children.each_ref().map(ChildSpec::handle);
            let mut spec = SupervisorSpec::new("root", strategy).intensity(2, secs(5));
            for child in children {
                spec = spec.child(child);
            }
            let tree = Tree::start(spec, record.options()).await.unwrap();
            for id in together {
                tell(handles.iter().find(|handle| handle.id().as_str() == id).unwrap(), Do::Fail);
            }
            for handle in handles.iter().filter(|handle| {
                strategy == Strategy::OneForAll || together.contains(&handle.id().as_str())
            }) {
                soon(handle.up_after(1)).await.unwrap();
            }
            let case = format!("{strategy:?}, {together:?}: {:#?}", record.lines());
            let restarts = tree.supervisor().snapshot().await.unwrap().restarts_in_window;
            assert!(restarts <= restarts_max, "{case}");
            let most = 1 + u64::try_from(restarts_max).unwrap();
            assert!(handles.iter().all(|handle| handle.status().incarnation <= most), "{case}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_falls_before_its_turn_to_stop_is_no_second_restart() {
    let record = Record::new();
    let children =
        [probe("a"), probe("b"), probe_that("c", Manner { stop: secs(3), ..Manner::default() })];
    let [a, b, c] = children.each_ref().map(ChildSpec::handle);
    let mut spec = SupervisorSpec::new("root", Strategy::OneForAll);
    for child in children {
        spec = spec.child(child);
    }
    let tree = Tree::start(spec, record.options()).await.unwrap();
    tell(&a, Do::Fail);
    record.until("a restarts").await;
    tell(&b, Do::Panic);
    soon(c.up_after(1)).await.unwrap();
    assert_eq!([&a, &b, &c].map(|child| child.status().incarnation), [2, 2, 2]);
    assert_eq!(tree.supervisor().snapshot().await.unwrap().restarts_in_window, 1);
    assert!(record.has("b1 exit (crash)"));
}

#[tokio::test(start_paused = true)]
async fn a_group_restart_takes_in_who_had_ended_and_drops_who_is_temporary() {
    let record = Record::new();
    let children = [
        probe("ended").restart(Restart::Transient),
        probe("terminated"),
        probe("temporary").restart(Restart::Temporary),
        probe("falls"),
    ];
    let [ended, terminated, temporary, falls] = children.each_ref().map(ChildSpec::handle);
    let mut spec = SupervisorSpec::new("root", Strategy::OneForAll);
    for child in children {
        spec = spec.child(child);
    }
    let tree = Tree::start(spec, record.options()).await.unwrap();
    tell(&ended, Do::StopNormally);
    soon(ended.wait_for(|status| status.state == ChildState::Stopped)).await.unwrap();
    tree.supervisor().terminate_child("terminated").await.unwrap();
    assert_eq!(terminated.state(), ChildState::Stopped);
    tell_and_wait(&falls, Do::Fail).await;
    assert_eq!([&ended, &terminated].map(|child| child.status().incarnation), [2, 2]);
    assert_eq!(temporary.state(), ChildState::Stopped);
    let ids = tree.supervisor().which_children().await.unwrap();
    let ids: Vec<_> = ids.iter().map(|child| child.id.as_str().to_owned()).collect();
    assert_eq!(ids, ["ended", "terminated", "falls"]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_start_within_a_group_is_a_further_restart_of_the_group() {
    let record = Record::new();
    let stumbling = Manner { failing_starts: 1, fail_from: 2, ..Manner::default() };
    let children = [probe("a"), probe_that("b", stumbling), probe("c")];
    let [a, b, c] = children.each_ref().map(ChildSpec::handle);
    let mut spec = SupervisorSpec::new("root", Strategy::OneForAll).intensity(2, secs(5));
    for child in children {
        spec = spec.child(child);
    }
    let tree = Tree::start(spec, record.options()).await.unwrap();
    record.take();
    tell(&a, Do::Fail);
    soon(c.up_after(1)).await.unwrap();
    assert_eq!(
        record.take(),
        [
            "a1 exit (crash)",
            "a restarts",
            "c1 down (shutdown)",
            "b1 down (shutdown)",
            "a2 up",
            "b2 no start (failed)",
            "b restarts",
            "a2 down (shutdown)",
            "a3 up",
            "b3 up",
            "c2 up",
        ]
    );
    assert_eq!([&a, &b, &c].map(|child| child.status().incarnation), [3, 3, 2]);
    assert_eq!(tree.supervisor().snapshot().await.unwrap().restarts_in_window, 2);
}

#[tokio::test(start_paused = true)]
async fn a_group_waits_out_the_delay_of_the_one_that_fell() {
    let record = Record::new();
    let delay = coppice_supervisors::Backoff {
        jitter_percent: 0,
        ..coppice_supervisors::Backoff::exponential(ms(700), secs(5))
    };
    let children = [probe("a").backoff(delay), probe("b")];
    let [a, b] = children.each_ref().map(ChildSpec::handle);
    let [first, second] = children;
    let spec = SupervisorSpec::new("root", Strategy::OneForAll).child(first).child(second);
    let _tree = Tree::start(spec, record.options()).await.unwrap();
    tell(&a, Do::Fail);
    soon(b.wait_for(|status| status.state == ChildState::Waiting)).await.unwrap();
    assert_eq!(a.state(), ChildState::Backoff);
    soon(b.up_after(1)).await.unwrap();
    let took = record.time_of("a2 up") - record.time_of("a1 exit (crash)");
    assert!((ms(700)..ms(710)).contains(&took), "{took:?}");
}

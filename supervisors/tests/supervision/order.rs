//! Start in order, stop in reverse, each in its time.

use coppice_supervisors::{
    Backoff, ChildSpec, ChildState, Outcome, Shutdown, StartError, Strategy, SupervisorSpec, Tree,
};

use crate::probe::{Do, Manner, probe, probe_that, tell};
use crate::record::{Record, ms, pass, secs, soon};

fn slow_to_start(name: &'static str, time_s: u64) -> ChildSpec {
    probe_that(name, Manner { start: secs(time_s), ..Manner::default() })
}

fn slow_to_stop(name: &'static str, time_s: u64) -> ChildSpec {
    probe_that(name, Manner { stop: secs(time_s), ..Manner::default() })
}

#[tokio::test(start_paused = true)]
async fn each_child_starts_when_the_one_before_is_up_and_stops_when_the_one_after_is_gone() {
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
        let record = Record::new();
        let inner = SupervisorSpec::new("inner", strategy)
            .child(slow_to_start("c", 1))
            .child(slow_to_stop("d", 2));
        let spec = SupervisorSpec::new("root", strategy)
            .child(slow_to_start("a", 3))
            .child(slow_to_stop("b", 1))
            .child(ChildSpec::supervisor(inner))
            .child(probe("e"));
        let tree = Tree::start(spec, record.options()).await.unwrap();
        assert_eq!(
            record.take(),
            ["a1 up", "b1 up", "inner: c1 up", "inner: d1 up", "inner: all up", "inner1 up"]
                .into_iter()
                .chain(["e1 up", "all up"])
                .collect::<Vec<_>>(),
            "{strategy:?}"
        );
        assert_eq!(tree.shutdown().await, Outcome::Shutdown);
        assert_eq!(
            record.take(),
            [
                "e1 down (shutdown)",
                "inner: d1 down (shutdown)",
                "inner: c1 down (shutdown)",
                "inner: all down",
                "inner1 down (shutdown)",
                "b1 down (shutdown)",
                "a1 down (shutdown)",
                "all down",
            ],
            "{strategy:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn who_does_not_stop_in_time_is_killed() {
    let record = Record::new();
    let children = [
        slow_to_stop("patient", 50).shutdown(Shutdown::Infinity),
        slow_to_stop("late", 50).shutdown(Shutdown::Timeout(secs(3))),
        slow_to_stop("brutal", 50).shutdown(Shutdown::Brutal),
        slow_to_stop("in time", 50).shutdown(Shutdown::Timeout(secs(51))),
    ];
    let mut spec = SupervisorSpec::new("root", Strategy::OneForOne);
    for child in children {
        spec = spec.child(child);
    }
    let tree = Tree::start(spec, record.options()).await.unwrap();
    record.take();
    let asked = tokio::time::Instant::now();
    tree.request_shutdown();
    soon(tree.outcome()).await;
    assert_eq!(asked.elapsed().as_secs(), 50 + 3 + 50);
    assert_eq!(
        record.take(),
        [
            "in time1 down (shutdown)",
            "brutal1 kill",
            "brutal1 down (killed)",
            "late1 kill",
            "late1 down (killed)",
            "patient1 down (shutdown)",
            "all down",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_dynamic_supervisor_stops_all_at_once() {
    let record = Record::new();
    let spec = SupervisorSpec::new("root", Strategy::Dynamic);
    let tree = Tree::start(spec, record.options()).await.unwrap();
    for name in ["a", "b", "c"] {
        tree.supervisor().start_child(slow_to_stop(name, 4)).await.unwrap();
    }
    let asked = tokio::time::Instant::now();
    assert_eq!(tree.shutdown().await, Outcome::Shutdown);
    assert_eq!(asked.elapsed().as_secs(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_slow_start_does_not_stall_siblings() {
    let record = Record::new();
    let first = probe("quick");
    let quick = first.handle();
    let second = probe_that("slow", Manner::default()).backoff(Backoff {
        initial: ms(1),
        max: ms(1),
        ..Backoff::NONE
    });
    let slow = second.handle();
    let late = Manner { start: secs(20), ..Manner::default() };
    let spec = SupervisorSpec::new("root", Strategy::OneForOne)
        .intensity(5, secs(5))
        .child(first)
        .child(second);
    let tree = Tree::start(spec, record.options()).await.unwrap();
    let supervisor = tree.supervisor();
    let starting = {
        let supervisor = supervisor.clone();
        async move { supervisor.start_child(probe_that("late", late)).await }
    };
    tokio::pin!(starting);
    // While it starts, others fall, come back, are looked at and terminated.
    let meanwhile = async {
        pass(secs(1)).await;
        let began = tokio::time::Instant::now();
        tell(&quick, Do::Fail);
        tell(&slow, Do::Fail);
        soon(quick.up_after(1)).await.unwrap();
        soon(slow.up_after(1)).await.unwrap();
        let states: Vec<_> = supervisor.which_children().await.unwrap();
        let states: Vec<_> = states.iter().map(|child| child.state).collect();
        assert_eq!(states, [ChildState::Up, ChildState::Up, ChildState::Starting]);
        supervisor.terminate_child("slow").await.unwrap();
        assert!(began.elapsed() < ms(20));
    };
    let (started, ()) = tokio::join!(&mut starting, meanwhile);
    assert_eq!(started.unwrap().state(), ChildState::Up);
}

#[tokio::test(start_paused = true)]
async fn a_child_that_fails_to_start_fails_the_supervisor_after_those_before_it_have_stopped() {
    let record = Record::new();
    let failing = Manner { failing_starts: 1, fail_from: 1, ..Manner::default() };
    let spec = SupervisorSpec::new("root", Strategy::OneForOne)
        .child(probe("a"))
        .child(probe("b"))
        .child(probe_that("c", failing))
        .child(probe("d"));
    let failed = Tree::start(spec, record.options()).await.unwrap_err();
    let StartError::Failed(escalation) = failed else { panic!("{failed:?}") };
    assert_eq!(escalation.child.as_str(), "c");
    assert_eq!(escalation.cause, coppice_supervisors::Cause::StartFailed);
    assert_eq!(escalation.origin().to_string(), "failed to start: not this time");
    assert_eq!(
        record.take(),
        [
            "a1 up",
            "b1 up",
            "c1 no start (failed)",
            "gives up on c",
            "b1 down (shutdown)",
            "a1 down (shutdown)",
            "all down",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_start_that_takes_too_long_or_panics_is_a_failed_start() {
    let record = Record::new();
    let hanging = slow_to_start("a", 500).start_timeout(Some(secs(2)));
    let spec = SupervisorSpec::new("root", Strategy::OneForOne).child(hanging);
    let began = tokio::time::Instant::now();
    assert!(Tree::start(spec, record.options()).await.is_err());
    assert_eq!(began.elapsed().as_secs(), 2);
    assert!(record.has("a1 no start (timed out)"));

    let panicking = ChildSpec::task("b", |_| -> std::future::Ready<Result<(), String>> {
        panic!("told to panic")
    });
    let spec = SupervisorSpec::new("root", Strategy::OneForOne).child(panicking);
    assert!(Tree::start(spec, record.options()).await.is_err());
    assert!(record.has("b1 no start (failed)"), "{:?}", record.lines());
}

#[tokio::test(start_paused = true)]
async fn a_tree_that_is_still_starting_can_be_stopped() {
    let record = Record::new();
    let inner = SupervisorSpec::new("inner", Strategy::OneForOne)
        .child(probe("a"))
        .child(slow_to_start("hangs", 500).shutdown(Shutdown::Timeout(secs(1))));
    let spec = SupervisorSpec::new("root", Strategy::OneForOne);
    let tree = Tree::start(spec, record.options()).await.unwrap();
    let supervisor = tree.supervisor();
    let starting = supervisor.start_child(ChildSpec::supervisor(inner));
    let stopping = async {
        pass(ms(100)).await;
        tree.request_shutdown();
        soon(tree.outcome()).await
    };
    let (started, outcome) = tokio::join!(starting, stopping);
    assert!(started.is_err());
    assert_eq!(outcome, Outcome::Shutdown);
    assert!(record.has("inner: hangs1 kill"));
    assert!(record.has("inner: a1 down (shutdown)"));
}

//! Every strategy, restart type and kind of exit against what OTP's manual says of them. The
//! expectations are written out, not computed.

use coppice_supervisors::{
    Cause, ChildHandle, ChildSpec, ChildState, Outcome, Restart, Strategy, SupervisorHandle,
    SupervisorSpec, Tree,
};

use crate::probe::{Do, probe, tell};
use crate::record::{Record, ms, secs, soon};

const STRATEGIES: [Strategy; 4] =
    [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne, Strategy::Dynamic];

/// What becomes of the child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Restarted,
    /// Not restarted, and its specification stays.
    Left,
    /// Not restarted, and its specification goes.
    Forgotten,
}

use Fate::{Forgotten, Left, Restarted};

/// OTP's table: restart type by exit. Panic and `Err` are one row each, for they are two ways to
/// crash.
const FATES: [(Restart, Do, Fate); 15] = [
    (Restart::Permanent, Do::StopNormally, Restarted),
    (Restart::Permanent, Do::StopWithShutdown, Restarted),
    (Restart::Permanent, Do::Fail, Restarted),
    (Restart::Permanent, Do::Panic, Restarted),
    (Restart::Permanent, Do::BeKilled, Restarted),
    (Restart::Transient, Do::StopNormally, Left),
    (Restart::Transient, Do::StopWithShutdown, Left),
    (Restart::Transient, Do::Fail, Restarted),
    (Restart::Transient, Do::Panic, Restarted),
    (Restart::Transient, Do::BeKilled, Restarted),
    (Restart::Temporary, Do::StopNormally, Forgotten),
    (Restart::Temporary, Do::StopWithShutdown, Forgotten),
    (Restart::Temporary, Do::Fail, Forgotten),
    (Restart::Temporary, Do::Panic, Forgotten),
    (Restart::Temporary, Do::BeKilled, Forgotten),
];

/// Who is in its second incarnation after `b` of `a, b, c` was restarted.
const SECOND: [(Strategy, [u64; 3]); 4] = [
    (Strategy::OneForOne, [1, 2, 1]),
    (Strategy::OneForAll, [2, 2, 2]),
    (Strategy::RestForOne, [1, 2, 2]),
    (Strategy::Dynamic, [1, 2, 1]),
];

struct Trio {
    tree: Tree,
    record: Record,
    handles: [ChildHandle; 3],
}

impl Trio {
    /// `a, b, c` under one supervisor, all up; `b` of the given type.
    async fn start(strategy: Strategy, restart: Restart, intensity: u32) -> Self {
        let record = Record::new();
        let children = [probe("a"), probe("b").restart(restart), probe("c")];
        let handles = children.each_ref().map(ChildSpec::handle);
        let mut spec = SupervisorSpec::new("root", strategy).intensity(intensity, secs(5));
        let mut later = Vec::new();
        for child in children {
            if strategy == Strategy::Dynamic {
                later.push(child);
            } else {
                spec = spec.child(child);
            }
        }
        let tree = Tree::start(spec, record.options()).await.expect("the tree must start");
        for child in later {
            tree.supervisor().start_child(child).await.expect("the child must start");
        }
        record.take();
        Self { tree, record, handles }
    }

    fn b(&self) -> &ChildHandle {
        &self.handles[1]
    }

    /// Ends `b` and waits until its supervisor has dealt with it.
    async fn end(&self, how: Do, fate: Fate) {
        let before = self.handles.each_ref().map(|handle| handle.status().incarnation);
        tell(self.b(), how);
        match fate {
            Restarted => {
                soon(self.b().up_after(before[1])).await.expect("b is specified");
                // Those restarted with it come up after it.
                for handle in &self.handles {
                    soon(handle.up()).await.expect("all are specified");
                }
                soon(settled(&self.tree.supervisor())).await;
            }
            Left | Forgotten => {
                let is_stopped = soon(self.b().wait_for(|s| s.state == ChildState::Stopped)).await;
                // Who was forgotten may be gone with its specification.
                assert!(is_stopped.is_ok() || self.b().state() == ChildState::Stopped);
            }
        }
    }

    fn incarnations(&self) -> [u64; 3] {
        self.handles.each_ref().map(|handle| handle.status().incarnation)
    }
}

/// Waits until all children are up.
async fn settled(supervisor: &SupervisorHandle) {
    loop {
        let children = supervisor.which_children().await.expect("the tree runs");
        if children.iter().all(|child| child.state == ChildState::Up) {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_restarted_follows_the_table_under_every_strategy() {
    for strategy in STRATEGIES {
        for (restart, exit, fate) in FATES {
            let case = format!("{strategy:?}, {restart:?}, {exit:?}");
            let trio = Trio::start(strategy, restart, 1).await;
            trio.end(exit, fate).await;
            let ids: Vec<_> = trio.tree.supervisor().which_children().await.unwrap();
            let ids: Vec<_> = ids.iter().map(|child| child.id.to_string()).collect();
            let second = SECOND.iter().find(|(of, _)| *of == strategy).unwrap().1;
            match (fate, strategy) {
                (Restarted, _) => {
                    assert_eq!(trio.incarnations(), second, "{case}");
                    assert_eq!(ids, ["a", "b", "c"], "{case}");
                }
                (Left, Strategy::OneForOne | Strategy::OneForAll | Strategy::RestForOne) => {
                    assert_eq!(trio.incarnations(), [1, 1, 1], "{case}");
                    assert_eq!(ids, ["a", "b", "c"], "{case}");
                    assert_eq!(trio.b().state(), ChildState::Stopped, "{case}");
                }
                (Left, Strategy::Dynamic) | (Forgotten, _) => {
                    assert_eq!(trio.incarnations(), [1, 1, 1], "{case}");
                    assert_eq!(ids, ["a", "c"], "{case}");
                }
            }
            assert_eq!(trio.tree.shutdown().await, Outcome::Shutdown, "{case}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_said_and_in_which_order_follows_the_strategy() {
    let alone = ["b1 exit (crash)", "b restarts", "b2 up"].as_slice();
    let expected = [
        (Strategy::OneForOne, alone),
        (Strategy::Dynamic, alone),
        (
            Strategy::OneForAll,
            &[
                "b1 exit (crash)",
                "b restarts",
                "c1 down (shutdown)",
                "a1 down (shutdown)",
                "a2 up",
                "b2 up",
                "c2 up",
            ],
        ),
        (
            Strategy::RestForOne,
            &["b1 exit (crash)", "b restarts", "c1 down (shutdown)", "b2 up", "c2 up"],
        ),
    ];
    for (strategy, lines) in expected {
        let trio = Trio::start(strategy, Restart::Permanent, 1).await;
        trio.end(Do::Fail, Restarted).await;
        assert_eq!(trio.record.take(), lines, "{strategy:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn more_than_the_intensity_within_the_period_ends_the_supervisor() {
    for strategy in STRATEGIES {
        for (restart, exit, fate) in FATES {
            for intensity in [0, 1, 2] {
                let case = format!("{strategy:?}, {restart:?}, {exit:?}, {intensity}");
                let trio = Trio::start(strategy, restart, intensity).await;
                if fate != Restarted {
                    trio.end(exit, fate).await;
                    assert_eq!(trio.tree.shutdown().await, Outcome::Shutdown, "{case}");
                    continue;
                }
                for _ in 0..intensity {
                    trio.end(exit, fate).await;
                }
                trio.record.take();
                tell(trio.b(), exit);
                let Outcome::Failed(escalation) = soon(trio.tree.outcome()).await else {
                    panic!("{case}: it must give up");
                };
                let cause = Cause::IntensityExceeded { intensity, period: secs(5) };
                assert_eq!(escalation.cause, cause, "{case}");
                assert_eq!(escalation.child.as_str(), "b", "{case}");
                assert_eq!(*escalation.supervisor, *"root", "{case}");
                let lines = trio.record.take();
                let order: Vec<_> =
                    lines.iter().filter_map(|line| line.split(' ').next()).collect();
                let [c, a] = ["c", "a"].map(|id| lines.iter().position(|l| l.starts_with(id)));
                assert!(a.is_some() && c.is_some(), "{case}: {order:?}");
                assert!(c < a || strategy == Strategy::Dynamic, "{case}: stopped in reverse");
                assert_eq!(lines.last().unwrap(), "all down", "{case}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_counts_for_one_period_and_no_longer() {
    for (wait, survives) in [(secs(5), false), (secs(5) + ms(1), true)] {
        let trio = Trio::start(Strategy::OneForOne, Restart::Permanent, 1).await;
        trio.end(Do::Fail, Restarted).await;
        crate::record::pass(wait).await;
        tell(trio.b(), Do::Fail);
        if survives {
            soon(trio.b().up_after(2)).await.unwrap();
        } else {
            assert!(matches!(soon(trio.tree.outcome()).await, Outcome::Failed(_)));
        }
    }
}

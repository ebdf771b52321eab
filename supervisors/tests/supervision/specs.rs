//! Every bad combination has its own name, and nothing of a bad tree is started.

use std::time::Duration;

use coppice_supervisors::{
    AutoShutdown, Backoff, ChildSpec, Restart, Shutdown, SpecError, StartError, Strategy,
    SupervisorSpec, Tree,
};

use crate::probe::probe;
use crate::record::{Record, secs};

const LONG: Duration = Duration::from_secs(24 * 60 * 60 + 1);

fn root() -> SupervisorSpec {
    SupervisorSpec::new("root", Strategy::OneForOne)
}

fn with(child: ChildSpec) -> SupervisorSpec {
    root().auto_shutdown(AutoShutdown::AnySignificant).child(child)
}

fn waiting(backoff: Backoff) -> SupervisorSpec {
    with(probe("a").backoff(backoff))
}

fn inner() -> SupervisorSpec {
    SupervisorSpec::new("inner", Strategy::OneForOne)
}

fn bad_supervisors() -> Vec<(SupervisorSpec, SpecError)> {
    let supervisor: std::sync::Arc<str> = "root".into();
    let unnamed = SupervisorSpec::new("", Strategy::OneForOne);
    let dynamic = SupervisorSpec::new("root", Strategy::Dynamic).child(probe("a"));
    vec![
        (unnamed, SpecError::SupervisorNameEmpty),
        (with(probe("")), SpecError::ChildIdEmpty { supervisor: supervisor.clone() }),
        (
            root().child(probe("a")).child(probe("b")).child(probe("a")),
            SpecError::ChildIdDuplicate { supervisor: supervisor.clone(), child: "a".into() },
        ),
        (
            root().intensity(1, Duration::ZERO),
            SpecError::PeriodZero { supervisor: supervisor.clone() },
        ),
        (root().intensity(1, LONG), SpecError::PeriodTooLong { supervisor: supervisor.clone() }),
        (
            root().intensity(10_001, secs(5)),
            SpecError::IntensityTooHigh { supervisor: supervisor.clone() },
        ),
        (dynamic, SpecError::DynamicWithChildren { supervisor: supervisor.clone() }),
        (
            root().children_max(1).child(probe("a")).child(probe("b")),
            SpecError::TooManyChildren { supervisor, children_max: 1 },
        ),
    ]
}

fn bad_children() -> Vec<(SupervisorSpec, SpecError)> {
    let child = || "a".into();
    let transient = || probe("a").restart(Restart::Transient);
    let timeout = |time| with(probe("a").shutdown(Shutdown::Timeout(time)));
    let start = |time| with(probe("a").start_timeout(Some(time)));
    let ok = Backoff::exponential(secs(1), secs(2));
    vec![
        (with(probe("a").significant()), SpecError::SignificantPermanent { child: child() }),
        (
            root().child(transient().significant()),
            SpecError::SignificantWithoutAutoShutdown { child: child() },
        ),
        (
            with(ChildSpec::supervisor(inner()).shutdown(Shutdown::Brutal)),
            SpecError::SupervisorBrutal { child: "inner".into() },
        ),
        (timeout(Duration::ZERO), SpecError::ShutdownTimeoutZero { child: child() }),
        (timeout(LONG), SpecError::ShutdownTimeoutTooLong { child: child() }),
        (start(Duration::ZERO), SpecError::StartTimeoutZero { child: child() }),
        (start(LONG), SpecError::StartTimeoutTooLong { child: child() }),
        (
            waiting(Backoff { initial: secs(3), ..ok }),
            SpecError::BackoffAboveMax { child: child() },
        ),
        (waiting(Backoff { max: LONG, ..ok }), SpecError::BackoffTooLong { child: child() }),
        (waiting(Backoff { factor: 0, ..ok }), SpecError::BackoffFactorZero { child: child() }),
        (
            waiting(Backoff { jitter_percent: 101, ..ok }),
            SpecError::BackoffJitterAboveWhole { child: child() },
        ),
        (
            waiting(Backoff { reset_after: Duration::ZERO, ..ok }),
            SpecError::BackoffResetZero { child: child() },
        ),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_bad_specification_is_refused_by_name_before_anything_starts() {
    for (bad, error) in bad_supervisors().into_iter().chain(bad_children()) {
        let record = Record::new();
        // At the root, and below something that could start.
        assert_eq!(bad.validate().unwrap_err(), error);
        let outer = SupervisorSpec::new("outer", Strategy::OneForAll).child(probe("first"));
        let is_named = error != SpecError::SupervisorNameEmpty;
        let outer = outer.child(ChildSpec::supervisor(bad));
        let refused = Tree::start(outer, record.options()).await.unwrap_err();
        if is_named {
            assert_eq!(refused, StartError::Invalid(error));
        } else {
            assert!(matches!(refused, StartError::Invalid(SpecError::ChildIdEmpty { .. })));
        }
        assert!(record.lines().is_empty(), "nothing was started");
    }
}

#[test]
fn what_is_unusual_but_makes_sense_is_taken() {
    let dynamic = SupervisorSpec::new("pool", Strategy::Dynamic);
    let spec = root()
        .intensity(0, secs(1))
        .auto_shutdown(AutoShutdown::AllSignificant)
        .child(probe("a").shutdown(Shutdown::Brutal).start_timeout(None))
        .child(probe("b").shutdown(Shutdown::Infinity))
        .child(probe("c").restart(Restart::Temporary).significant())
        .child(ChildSpec::supervisor(dynamic).shutdown(Shutdown::Timeout(secs(60))));
    assert_eq!(spec.validate(), Ok(()));
}

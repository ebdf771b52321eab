//! Freezes the system where the node has been down for long.
//!
//! Nothing that costs money or reaches the outside is to go on by itself where nobody can be sure of
//! what it stands on: an operator looks first, and unfreezes. A node that is down only because it
//! holds no shards freezes nothing: where the store answers, another one serves, and it is that
//! one's to judge.
//!
//! **Invariant:** one outage freezes once, however it ends and whatever falls meanwhile: what an
//! operator has let go on while the node was still down is not stopped again before it was up in
//! between. An outage is of one process.

use std::sync::Arc;
use std::time::Duration;

use coppice_api::health::{Criticality, DependencyStatus};
use coppice_core::{CommandId, CorrelationId, Target};
use coppice_runtime::supervisors::{ChildSpec, TaskContext};
use coppice_runtime::{Control, Word};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};
use tracing::{error, warn};
use uuid::Uuid;

use super::{Health, SHARDS};
use crate::problem::Chain;

/// Who the journal says froze the system.
const BY: &str = "health";

/// Between two looks, and two tries to freeze: what is down may well be the store that has to take
/// it.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long a try may wait to be decided.
const PATIENCE: Duration = Duration::from_secs(5);

/// Watches over a node as a child of its tree, and freezes the system once it was down for so long.
#[must_use]
pub fn freezer(health: Health, control: Control, after: Duration) -> ChildSpec {
    // It outlives a restart of the task: in an outage parts fall.
    let outage = Arc::new(Mutex::new(Outage::None));
    ChildSpec::task("freezer", move |context: TaskContext| {
        let (health, control, outage) = (health.clone(), control.clone(), Arc::clone(&outage));
        async move {
            tokio::select! {
                biased;
                () = context.stop.raised() => {}
                () = watch(&health, &control, &outage, after) => {}
            }
            Ok::<_, std::convert::Infallible>(())
        }
    })
}

/// What there is to freeze for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outage {
    None,
    /// For how long it has been going on.
    Since(Instant),
    /// It has lasted: the freeze is to be written, under one id however often it is tried.
    Owed {
        id: Uuid,
        reason: String,
    },
    /// It is written. Nothing more is done about this outage.
    Frozen,
}

/// What is down.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Down {
    Nothing,
    /// The node holds no shards, and all else is well.
    ShardsOnly,
    /// These.
    Causes(Vec<String>),
}

impl Outage {
    /// What it is after a look.
    fn next(self, now: Instant, down: &Down, after: Duration) -> Self {
        match (self, down) {
            (Self::Owed { .. }, Down::ShardsOnly) => Self::None,
            (owed @ Self::Owed { .. }, _) => owed,
            (_, Down::Nothing | Down::ShardsOnly) => Self::None,
            (Self::None, Down::Causes(_)) => Self::Since(now),
            (Self::Since(since), Down::Causes(causes)) if now - since >= after => {
                let (lasted, causes) = (after.as_secs(), causes.join(", "));
                let reason = format!("the node was down for {lasted} s: {causes}");
                Self::Owed { id: Uuid::now_v7(), reason }
            }
            (same, Down::Causes(_)) => same,
        }
    }
}

async fn watch(health: &Health, control: &Control, outage: &Mutex<Outage>, after: Duration) -> ! {
    let mut has_warned = false;
    loop {
        let down = look(health);
        let owed = {
            let mut outage = outage.lock();
            *outage = outage.clone().next(Instant::now(), &down, after);
            outage.clone()
        };
        if let Outage::Owed { id, reason } = owed {
            match control.say(word(id, &reason)).await {
                Ok(spoken) => {
                    if spoken.changed {
                        error!(severity = "critical", reason, "the system was frozen");
                    }
                    has_warned = false;
                    *outage.lock() = Outage::Frozen;
                }
                Err(failure) if !has_warned => {
                    has_warned = true;
                    warn!(error = %Chain(&failure), "the system can't be frozen yet");
                }
                Err(_) => {}
            }
        }
        sleep(LOOK_EVERY).await;
    }
}

fn look(health: &Health) -> Down {
    let all = health.dependencies();
    let down = all.iter().filter(|dependency| {
        dependency.status == DependencyStatus::Down
            && dependency.criticality == Criticality::Critical
    });
    let names: Vec<String> = down.map(|dependency| dependency.name.to_string()).collect();
    match names.as_slice() {
        [] => Down::Nothing,
        [only] if only == SHARDS => Down::ShardsOnly,
        _ => Down::Causes(names),
    }
}

fn word(id: Uuid, reason: &str) -> Word {
    Word {
        target: Target::Everything,
        stops: true,
        reason: reason.to_owned(),
        by: BY.to_owned(),
        command_id: CommandId(id),
        keyed: true,
        correlation: CorrelationId(id),
        deadline: Instant::now() + PATIENCE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AFTER: Duration = Duration::from_secs(60);

    #[test]
    fn an_outage_is_owed_a_freeze_once_it_has_lasted_and_only_once() {
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let store = Down::Causes(vec!["store_read".to_owned(), "store_write".to_owned()]);
        let none = Outage::None;
        assert_eq!(none.clone().next(at(0), &Down::Nothing, AFTER), none);
        assert_eq!(none.clone().next(at(0), &Down::ShardsOnly, AFTER), none);
        let since = none.next(at(0), &store, AFTER);
        assert_eq!(since, Outage::Since(at(0)));
        assert_eq!(since.clone().next(at(59), &store, AFTER), since, "not lasted yet");
        assert_eq!(since.clone().next(at(59), &Down::Nothing, AFTER), Outage::None);
        assert_eq!(since.clone().next(at(59), &Down::ShardsOnly, AFTER), Outage::None);
        let owed = since.next(at(60), &store, AFTER);
        let Outage::Owed { reason, .. } = &owed else { panic!("{owed:?}") };
        assert_eq!(reason, "the node was down for 60 s: store_read, store_write");
        assert_eq!(owed.clone().next(at(61), &store, AFTER), owed, "under the same id");
        assert_eq!(owed.clone().next(at(61), &Down::Nothing, AFTER), owed, "well again by then");
        assert_eq!(owed.next(at(61), &Down::ShardsOnly, AFTER), Outage::None, "another serves");
        let frozen = Outage::Frozen;
        assert_eq!(frozen.clone().next(at(900), &store, AFTER), frozen);
        assert_eq!(frozen.next(at(901), &Down::Nothing, AFTER), Outage::None);
    }
}

//! Freezes the system where the node has been down for long.
//!
//! Nothing that costs money or reaches the outside is to go on by itself where nobody can be sure of
//! what it stands on: an operator looks first, and unfreezes.
//!
//! **Invariant:** one outage freezes once, however it ends: what an operator has let go on while the
//! node was still down is not stopped again before it was up in between.

use std::time::Duration;

use coppice_api::health::{Criticality, DependencyStatus, Status};
use coppice_runtime::Control;
use coppice_runtime::supervisors::{ChildSpec, TaskContext};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::{error, warn};

use super::{Health, Whole};
use crate::problem::Chain;

/// Who the journal says froze the system.
const BY: &str = "health";

/// Between two tries to freeze: what is down may well be the store that has to take it.
const RETRY_EVERY: Duration = Duration::from_secs(1);

/// Watches over the whole as a child of the node's tree, and freezes the system once it was down for
/// so long.
#[must_use]
pub fn freezer(health: Health, control: Control, after: Duration) -> ChildSpec {
    ChildSpec::task("freezer", move |context: TaskContext| {
        let (health, control) = (health.clone(), control.clone());
        async move {
            tokio::select! {
                biased;
                () = context.stop.raised() => {}
                () = watch(&health, &control, after) => {}
            }
            Ok::<_, std::convert::Infallible>(())
        }
    })
}

/// Ends with the health that it follows.
async fn watch(health: &Health, control: &Control, after: Duration) {
    let mut whole = health.watch();
    while turned(&mut whole, true).await {
        if timeout(after, turned(&mut whole, false)).await.is_ok() {
            continue;
        }
        freeze(control, &reason(health, after)).await;
        turned(&mut whole, false).await;
    }
}

/// Waits until the node is down, or until it isn't; false where nobody will know.
async fn turned(whole: &mut watch::Receiver<Whole>, down: bool) -> bool {
    whole.wait_for(|whole| (whole.status == Status::Down) == down).await.is_ok()
}

/// Until it is written down. Meanwhile whatever would write anything else waits as well.
async fn freeze(control: &Control, reason: &str) {
    let mut tries = 0_u64;
    loop {
        match control.freeze(reason, BY).await {
            Ok(spoken) => {
                if spoken.changed {
                    error!(severity = "critical", reason, tries, "the system was frozen");
                }
                return;
            }
            Err(failure) if tries == 0 => {
                warn!(error = %Chain(&failure), "the system can't be frozen yet");
            }
            Err(_) => {}
        }
        tries += 1;
        sleep(RETRY_EVERY).await;
    }
}

/// What the journal says, with the names of what is down.
fn reason(health: &Health, after: Duration) -> String {
    let mut reason = format!("the node was down for {} s", after.as_secs());
    let is_cause = |status, criticality| {
        status == DependencyStatus::Down && criticality == Criticality::Critical
    };
    for (place, dependency) in health
        .dependencies()
        .iter()
        .filter(|dependency| is_cause(dependency.status, dependency.criticality))
        .enumerate()
    {
        reason.push_str(if place == 0 { ": " } else { ", " });
        reason.push_str(&dependency.name);
    }
    reason
}

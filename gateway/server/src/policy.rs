//! The policy of a node: which bundle it decides by, and the looks for another one.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use coppice_policy::{BundleError, Reloading, Schemas};
use coppice_runtime::PolicyBundle;
use coppice_runtime::supervisors::{ChildSpec, TaskContext};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};
use tracing::{error, info};

use crate::config::PolicyConfig;
use crate::problem::Chain;
use crate::state::PolicyAccess;

/// Puts the bundle in force that the settings name.
///
/// # Errors
/// [`BundleError`], where it doesn't load: a node isn't started on another policy than it was told.
pub fn open(config: &PolicyConfig) -> Result<PolicyAccess, BundleError> {
    let authority = if config.directory.as_os_str().is_empty() {
        Reloading::compiled_in()?
    } else {
        Reloading::open(&config.directory)?
    };
    Ok(PolicyAccess { authority: Arc::new(authority), schemas: Arc::new(Schemas::default()) })
}

/// The bundle in force, as the runtime names it in events.
#[derive(Debug, Clone)]
pub struct InForce(pub Arc<Reloading>);

impl PolicyBundle for InForce {
    fn in_force(&self) -> Option<Arc<str>> {
        Some(self.0.stamp())
    }
}

/// Looks for another bundle now and then, as a child of the node's tree.
pub fn refresher(authority: Arc<Reloading>, every: Duration) -> ChildSpec {
    ChildSpec::task("policy", move |context: TaskContext| {
        let authority = Arc::clone(&authority);
        async move {
            let mut told = None;
            loop {
                tokio::select! {
                    biased;
                    () = context.stop.raised() => return Ok::<_, Infallible>(()),
                    () = sleep_until(Instant::now() + every) => {}
                }
                look(&authority, &mut told).await;
            }
        }
    })
}

/// One look. A problem is told when it appears and not again while it stays.
async fn look(authority: &Arc<Reloading>, told: &mut Option<String>) {
    let looking = Arc::clone(authority);
    // A file system that hangs holds a thread, and no other.
    let looked = spawn_blocking(move || looking.refresh()).await;
    match looked {
        Ok(Ok(changed)) => {
            *told = None;
            if changed {
                let bundle = authority.stamp();
                info!(policy_bundle = &*bundle, "another policy bundle is in force");
            }
        }
        Ok(Err(problem)) => {
            let problem = Chain(&problem).to_string();
            if told.as_ref() != Some(&problem) {
                error!(error = problem, "the policy bundle was not put in force");
                *told = Some(problem);
            }
        }
        Err(_panic) => error!("looking for a policy bundle crashed"),
    }
}

//! The policy of a node: which bundle it decides by, and the looks for another one.

pub mod published;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use coppice_persistence::Store;
use coppice_policy::{BundleError, Reloading, Schemas};
use coppice_runtime::PolicyBundle;
use coppice_runtime::supervisors::{ChildSpec, TaskContext};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};
use tracing::{error, info};

use self::published::PublishedError;
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

/// Looks for another bundle now and then, as a child of the node's tree: in the directory, or where
/// there is none, among those that were published.
pub fn refresher(authority: Arc<Reloading>, store: Arc<dyn Store>, every: Duration) -> ChildSpec {
    ChildSpec::task("policy", move |context: TaskContext| {
        let (authority, store) = (Arc::clone(&authority), Arc::clone(&store));
        async move {
            let mut told = None;
            loop {
                tokio::select! {
                    biased;
                    () = context.stop.raised() => return Ok::<_, Infallible>(()),
                    () = sleep_until(Instant::now() + every) => {}
                }
                look(&authority, store.as_ref(), &mut told).await;
            }
        }
    })
}

/// One look. A problem is told when it appears and not again while it stays.
async fn look(authority: &Arc<Reloading>, store: &dyn Store, told: &mut Option<String>) {
    let looked = if authority.is_reloading() {
        look_into_directory(authority).await
    } else {
        let looked = published::look(authority, store).await;
        let away = matches!(looked, Err(PublishedError::Store(_)));
        let looked = looked.map_err(|problem| Chain(&problem).to_string());
        // That the store is away says nothing of the bundle, and is told elsewhere.
        if !away {
            authority.note_problem(looked.as_ref().err().cloned());
        }
        looked
    };
    match looked {
        Ok(changed) => {
            *told = None;
            if changed {
                let bundle = authority.stamp();
                info!(policy_bundle = &*bundle, "another policy bundle is in force");
            }
        }
        Err(problem) => {
            if told.as_ref() != Some(&problem) {
                error!(error = problem, "the policy bundle was not put in force");
                *told = Some(problem);
            }
        }
    }
}

async fn look_into_directory(authority: &Arc<Reloading>) -> Result<bool, String> {
    let looking = Arc::clone(authority);
    // A file system that hangs holds a thread, and no other.
    match spawn_blocking(move || looking.refresh()).await {
        Ok(looked) => looked.map_err(|problem| Chain(&problem).to_string()),
        Err(_panic) => Err("looking for a policy bundle crashed".to_owned()),
    }
}

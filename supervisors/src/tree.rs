//! The root of a supervision tree: started as a value, ended with a reason.

use std::sync::{Arc, OnceLock};

use ractor::ActorCell;
use tokio::sync::{oneshot, watch};

use crate::actor::{SupervisorActor, SupervisorArguments};
use crate::exit::Escalation;
use crate::launch::{ended, start};
use crate::machine::Ending;
use crate::report::{Place, TreeOptions};
use crate::requests::{Message, SupervisorHandle};
use crate::spec::{ChildId, SpecError, SupervisorSpec};
use crate::subtree::{Gone, Subtree};
use crate::task;

/// A running tree. Dropping it kills the tree.
#[derive(Debug)]
#[must_use = "dropping it kills the tree"]
pub struct Tree {
    root: ActorCell,
    subtree: Subtree,
    handle: SupervisorHandle,
    verdict: Arc<OnceLock<Ending>>,
    gone: Gone,
}

/// Why a tree ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Someone asked for it.
    Shutdown,
    /// A significant child of the root had ended.
    AutoShutdown {
        /// The last one.
        child: ChildId,
    },
    /// The root gave up: the whole chain of reasons.
    Failed(Escalation),
    /// The root was killed.
    Killed,
}

/// Why a tree didn't start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// The specification makes no sense. Nothing was started.
    #[error("invalid specification")]
    Invalid(#[from] SpecError),
    /// A child failed to start, or fell too often while others were starting. All that had been
    /// started has been stopped, in reverse.
    #[error("the tree gave up while it was starting")]
    Failed(#[source] Escalation),
    /// It ended in another way before all its children were up.
    #[error("the tree ended while it was starting")]
    Ended,
}

impl Tree {
    /// Validates all of a specification, then starts it, child by child. Answers when all are up.
    ///
    /// ```
    /// use coppice_supervisors::{ChildSpec, Outcome, Strategy, SupervisorSpec, Tree, TreeOptions};
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    /// # runtime.block_on(async {
    /// let spec = SupervisorSpec::new("root", Strategy::OneForOne).child(ChildSpec::task(
    ///     "ticker",
    ///     |context| async move {
    ///         context.stop.raised().await;
    ///         Ok::<_, std::io::Error>(())
    ///     },
    /// ));
    /// let tree = Tree::start(spec, TreeOptions::new(7)).await?;
    /// assert_eq!(tree.supervisor().count_children().await?.active, 1);
    /// assert_eq!(tree.shutdown().await, Outcome::Shutdown);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then.
    pub async fn start(spec: SupervisorSpec, options: TreeOptions) -> Result<Self, StartError> {
        spec.validate()?;
        let handle = spec.handle();
        let (up, when_up) = oneshot::channel();
        let (subtree, verdict) = (Subtree::default(), Arc::default());
        let arguments = SupervisorArguments {
            place: Place { path: Arc::clone(&spec.name), options },
            spec: Arc::new(spec),
            subtree: subtree.clone(),
            announce: Box::new(move || up.send(()).unwrap_or(())),
            verdict: Arc::clone(&verdict),
        };
        let (root, starting) = start(SupervisorActor, arguments, None);
        let (end, gone) = watch::channel(());
        let below = subtree.clone();
        task::spawn(async move {
            ended(starting, below).await;
            drop(end);
        });
        let tree = Self { root: root.get_cell(), subtree, handle, verdict, gone };
        // Dropped unsent where it ends before.
        if when_up.await.is_ok() {
            return Ok(tree);
        }
        match tree.outcome().await {
            Outcome::Failed(escalation) => Err(StartError::Failed(escalation)),
            Outcome::Shutdown | Outcome::AutoShutdown { .. } | Outcome::Killed => {
                Err(StartError::Ended)
            }
        }
    }

    /// The root supervisor.
    #[must_use]
    pub fn supervisor(&self) -> SupervisorHandle {
        self.handle.clone()
    }

    /// Waits until the tree has ended, all of it. What a process makes its exit code of.
    pub async fn outcome(&self) -> Outcome {
        let mut gone = self.gone.clone();
        // The sender is dropped, never used.
        while gone.changed().await.is_ok() {}
        match self.verdict.get() {
            Some(Ending::Shutdown) => Outcome::Shutdown,
            Some(Ending::AutoShutdown(child)) => Outcome::AutoShutdown { child: child.clone() },
            Some(Ending::Failed(escalation)) => Outcome::Failed(escalation.clone()),
            None => Outcome::Killed,
        }
    }

    /// Asks the tree to stop: every supervisor its children in reverse, each within its time.
    pub fn request_shutdown(&self) {
        // One that has ended needs no asking.
        drop(self.root.send_message(Message::Shutdown));
    }

    /// Asks the tree to stop and waits until all of it has.
    pub async fn shutdown(self) -> Outcome {
        self.request_shutdown();
        self.outcome().await
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        self.subtree.kill(&self.root);
    }
}

//! The one place that starts tasks, so that none is started without an end in sight: a monitor ends
//! with the child it watches, a timer with its owner.

use std::future::Future;
use std::time::Duration;

use ractor::{ActorRef, Message};
use tokio::task::AbortHandle;

/// Starts a task that ends by itself.
#[expect(clippy::disallowed_methods, reason = "the one place that may; see the module's purpose")]
pub(crate) fn spawn<F>(future: F) -> AbortHandle
where
    F: Future<Output = ()> + Send + 'static,
{
    tokio::spawn(future).abort_handle()
}

/// A message that will be sent later, unless its owner drops this before.
#[derive(Debug)]
pub(crate) struct Timer(AbortHandle);

impl Timer {
    /// Sends `message` after `delay`.
    pub(crate) fn after<M: Message>(delay: Duration, to: ActorRef<M>, message: M) -> Self {
        Self(spawn(async move {
            tokio::time::sleep(delay).await;
            // Whoever has ended in the meantime needs no reminder.
            drop(to.cast(message));
        }))
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.0.abort();
    }
}

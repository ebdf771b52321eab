//! The one place that starts tasks, so that none is started without an owner.

use std::future::Future;

use tokio::task::JoinHandle;

/// Starts a task. Whoever calls this keeps the handle and awaits it at shutdown.
#[expect(clippy::disallowed_methods, reason = "the one place that may; see the module's purpose")]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(future)
}

//! The trait of a plugin in the node's own process.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use thiserror::Error;

use crate::health::HealthReport;
use crate::input::InputEnvelope;
use crate::manifest::Manifest;
use crate::output::OutputEnvelope;

/// A future that owns what it needs: what `futures` calls by the same name.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Why a plugin can't begin.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct PluginError(
    /// What is in the way, for people.
    pub String,
);

/// A plugin in the node's own process.
///
/// One that computes for long gives its thread back now and then (`tokio::task::spawn_blocking`, or
/// an await): a thread that it holds can't be taken from it, only its answer be thrown away. A panic
/// is caught and counts as a failure of the call.
pub trait Plugin: fmt::Debug + Send + Sync + 'static {
    /// What it is. The same for as long as it lives.
    fn manifest(&self) -> &Manifest;

    /// Gets ready; once, before anything else is asked of it. Where it can't, it is asked again
    /// later, and is unhealthy until then.
    fn initialize(&self) -> BoxFuture<'_, Result<(), PluginError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// How it is. Asked every half minute, and cut off after some seconds.
    fn health(&self) -> BoxFuture<'_, HealthReport> {
        Box::pin(std::future::ready(HealthReport::healthy()))
    }

    /// Does what it is asked. Dropped at any await where the time is up.
    fn execute(&self, input: InputEnvelope) -> BoxFuture<'_, OutputEnvelope>;

    /// Whether [`Plugin::compute`] is asked for a capability before [`Plugin::execute`] is.
    fn computes(&self, capability: &str) -> bool {
        let _asked = capability;
        false
    }

    /// What [`Plugin::execute`] would say, where it can be computed: from the input and from memory
    /// alone, at once, with nothing outside touched, waited for or told. `None` leaves it to
    /// `execute`, and so does whatever isn't a success.
    ///
    /// What is computed is recorded together with what asked for it: a workflow goes through such
    /// steps without a commit between them. So it may be computed again, where that commit fails, and
    /// then the first answer was never seen by anybody. It holds the thread of the workflow: more than
    /// some 100 us belong in `execute`.
    fn compute(&self, input: &InputEnvelope) -> Option<OutputEnvelope> {
        let _asked = input;
        None
    }

    /// Puts away what it holds: the node stops. Nothing is asked of it afterwards.
    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

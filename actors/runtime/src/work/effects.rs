//! How the outside is called: handlers, one per name that effects may carry.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use coppice_core::{EffectId, StreamKey};
use futures_util::future::BoxFuture;
use uuid::Uuid;

use crate::trace::Trace;
use crate::work::retry::RetryPolicy;

/// One call to the outside.
#[derive(Debug, Clone)]
pub struct EffectCall {
    /// The entity that owes it.
    pub entity: StreamKey,
    /// Which of its effects.
    pub effect: EffectId,
    /// The same for every try of this effect, and for no other: whoever is called must be given
    /// it, or repeats can't be told.
    pub idempotency_key: Uuid,
    /// What is asked, JSON text; the same for every try.
    pub request: Box<str>,
    /// Where this try stands in a trace, to be handed on to whoever is called.
    pub trace: Trace,
}

/// Why a call has no response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EffectError {
    /// It certainly had no effect (nothing was sent, or the other side said "not now") and may be
    /// tried again.
    NotSent {
        /// For people.
        detail: String,
    },
    /// The other side refused it for good.
    Refused {
        /// A stable code.
        code: String,
        /// For people.
        detail: String,
    },
    /// It may have had its effect.
    Unknown {
        /// For people.
        detail: String,
    },
}

/// Carries out the effects of one name.
pub trait EffectHandler: fmt::Debug + Send + Sync + 'static {
    /// Makes the call; the response is JSON text. Dropped where the pool's time limit passes,
    /// which counts as [`EffectError::Unknown`].
    fn call(&self, call: EffectCall) -> BoxFuture<'_, Result<String, EffectError>>;

    /// Whether [`EffectHandler::compute`] is asked at all.
    fn computes(&self) -> bool {
        false
    }

    /// The response where it can be computed: from the request and what the node has in memory, at
    /// once, with nothing outside touched or told. It is asked for in the turn of the entity that
    /// adds the effect, before anything of that is durable, and recorded with it; it may be asked
    /// for again, and then for nothing. `None`, also for whatever fails, leaves the effect to
    /// [`EffectHandler::call`].
    fn compute(&self, call: &EffectCall) -> Option<String> {
        let _called = call;
        None
    }
}

/// A handler with its bounds: a bulkhead of its own, so that one that hangs holds up no other.
#[derive(Debug, Clone)]
pub struct EffectPool {
    /// The name that effects carry.
    pub name: &'static str,
    /// Who makes the calls.
    pub handler: Arc<dyn EffectHandler>,
    /// When a call is tried again.
    pub retry: RetryPolicy,
    /// Calls at the same time.
    pub concurrency: usize,
    /// How long one try may take.
    pub timeout: Duration,
}

impl EffectPool {
    /// With the usual bounds: 16 calls at a time, 30 s each, three tries.
    #[must_use]
    pub fn new(name: &'static str, handler: Arc<dyn EffectHandler>) -> Self {
        let (concurrency, timeout) = (16, Duration::from_secs(30));
        Self { name, handler, retry: RetryPolicy::TRANSIENT, concurrency, timeout }
    }
}

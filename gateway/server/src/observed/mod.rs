//! What is kept of how the node is and what it does, for whoever looks from outside.

mod arrived;
mod layer;

use std::sync::Arc;
use std::time::Duration;

use coppice_runtime::{NoSpans, Spans};

pub use self::arrived::{Arrived, Sampling};
use self::layer::SlowLines;
pub use self::layer::observe;
use crate::health::Health;
use crate::metrics::HttpMetrics;
use crate::otlp::SpanCounters;

/// Everything that is observed. Clones observe the same.
#[derive(Debug, Clone)]
pub struct Observed {
    /// What the node depends on.
    pub health: Health,
    /// Counts of requests.
    pub http: Arc<HttpMetrics>,
    /// Whether metrics are shown without a key.
    pub metrics_public: bool,
    /// Who is told of spans.
    pub spans: Arc<dyn Spans>,
    /// What became of spans.
    pub span_counters: Arc<SpanCounters>,
    /// From when on a request counts as slow.
    pub slow_after: Duration,
    slow_lines: Arc<SlowLines>,
}

impl Observed {
    /// With these dependencies. Nothing is recorded and nothing is slow.
    #[must_use]
    pub fn new(health: Health, metrics_public: bool) -> Self {
        Self {
            health,
            http: Arc::default(),
            metrics_public,
            spans: Arc::new(NoSpans),
            span_counters: Arc::default(),
            slow_after: Duration::MAX,
            slow_lines: Arc::default(),
        }
    }

    /// Records traces.
    #[must_use]
    pub fn recording(self, spans: Arc<dyn Spans>, span_counters: Arc<SpanCounters>) -> Self {
        Self { spans, span_counters, ..self }
    }

    /// Logs requests that take longer.
    #[must_use]
    pub fn slow_after(self, slow_after: Duration) -> Self {
        Self { slow_after, ..self }
    }
}

/// Of a gateway that depends on nothing, as tests have it.
impl Default for Observed {
    fn default() -> Self {
        Self::new(Health::of_nothing(), false)
    }
}

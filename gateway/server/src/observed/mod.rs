//! What is kept of how the node is and what it does, for whoever looks from outside.

mod layer;

use std::sync::Arc;

pub use self::layer::observe;
use crate::health::Health;
use crate::metrics::HttpMetrics;

/// Everything that is observed. Clones observe the same.
#[derive(Debug, Clone)]
pub struct Observed {
    /// What the node depends on.
    pub health: Health,
    /// Counts of requests.
    pub http: Arc<HttpMetrics>,
    /// Whether metrics are shown without a key.
    pub metrics_public: bool,
}

impl Observed {
    /// With these dependencies.
    #[must_use]
    pub fn new(health: Health, metrics_public: bool) -> Self {
        Self { health, http: Arc::default(), metrics_public }
    }
}

/// Of a gateway that depends on nothing, as tests have it.
impl Default for Observed {
    fn default() -> Self {
        Self::new(Health::of_nothing(), false)
    }
}

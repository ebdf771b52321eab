//! A way to the entities for whoever is made before the node is: effect handlers, above all, which
//! the node holds and which therefore can't hold the node.
//!
//! **Invariant:** a door keeps no node in memory, and leads nowhere before its node has started and
//! after it has ended.

use std::sync::{Arc, OnceLock};

use crate::registry::{Registry, WeakRegistry};

/// Leads to the entities of one node, once it has started. Clones lead to the same.
#[derive(Debug, Clone, Default)]
pub struct Door(Arc<OnceLock<WeakRegistry>>);

impl Door {
    /// One that leads nowhere yet; [`crate::NodeBuilder::door`] connects it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The entities; `None` before the node's start and after its end.
    #[must_use]
    pub fn registry(&self) -> Option<Registry> {
        self.0.get().and_then(WeakRegistry::upgrade)
    }

    pub(crate) fn connect(&self, registry: &Registry) {
        // Connected once, by the first node that was given it.
        let _first = self.0.set(registry.downgrade());
    }
}

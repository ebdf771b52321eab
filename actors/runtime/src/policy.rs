//! Which policy bundle is in force, as events name it.
//!
//! **Invariant:** an event names the bundle that was in force when it was decided, and its hash
//! covers the name. Here it is a name and nothing else: who decides by the bundle is another crate.

use std::fmt;
use std::sync::Arc;

/// Knows the bundle in force.
pub trait PolicyBundle: fmt::Debug + Send + Sync + 'static {
    /// Its name. Asked for each decision, so it must cost no more than a look.
    fn in_force(&self) -> Option<Arc<str>>;
}

/// There is no policy; events name no bundle.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPolicyBundle;

impl PolicyBundle for NoPolicyBundle {
    fn in_force(&self) -> Option<Arc<str>> {
        None
    }
}

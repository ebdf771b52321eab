//! What is to be supervised, and how. A specification is a plain value until
//! [`Tree::start`](crate::Tree::start) has validated all of it.

mod child;
mod supervisor;
mod validate;

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

pub use child::{ChildKind, ChildSpec, Restart, Shutdown};
pub use supervisor::{AutoShutdown, Strategy, SupervisorSpec};
pub use validate::SpecError;

/// The name of a child among its siblings.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChildId(Arc<str>);

impl ChildId {
    /// As it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<T: Into<Arc<str>>> From<T> for ChildId {
    fn from(id: T) -> Self {
        Self(id.into())
    }
}

impl Borrow<str> for ChildId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ChildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ChildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

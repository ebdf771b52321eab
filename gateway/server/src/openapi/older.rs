//! Older paths: other ways to the same routes, for clients that were written for the designs which
//! this platform took in.
//!
//! **Invariant:** an older path asks for the same scope and refuses the same as the route that it
//! leads to. An idempotency key counts for the path that it came by.

use super::Operation;

/// The family of all older paths in the document.
pub(crate) const FAMILY: &str = "older paths";

/// An older path of a route, in the same words.
pub(crate) const fn alias(path: &'static str, name: &'static str, of: Operation) -> Operation {
    Operation { path, name, family: FAMILY, ..of }
}

//! Effect handlers that send requests to the outside.
//!
//! **Owns:** what an HTTP answer, or none, means for an effect. **Invariants:** every request carries
//! the effect's idempotency key, and every try of one effect the same bytes; whatever may have
//! reached the other side counts as unknown, never as failed.
//!
//! **Deliberately absent:** TLS, and addresses that come from entities. A handler sends to the one
//! address that the operator set.

#![warn(missing_docs)]

mod webhook;

pub use webhook::{Unset, Webhook};

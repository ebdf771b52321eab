//! What must be provable: what was stopped and why, and whose data was erased.
//!
//! Both kinds are the platform's own: callers read them, and only the platform commands them.

pub mod control;
pub mod erasure;

pub use control::Control;
pub use erasure::Erasure;

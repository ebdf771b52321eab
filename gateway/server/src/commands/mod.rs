//! What the binary can be told to do, one file per command.

mod serve;
mod verify;

pub use serve::{ServeError, serve, serve_until, termination};
pub use verify::{VerifyError, verify};

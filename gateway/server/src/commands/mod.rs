//! What the binary can be told to do, one file per command.

mod archive;
mod backup;
mod fence;
mod inspect;
mod load;
mod openapi;
mod policy;
mod replay;
mod serve;
mod token;
mod verify;

pub use archive::{age, archive};
pub use backup::{backup, restore};
pub use fence::{FenceError, fence};
pub use inspect::{InspectCommandError, inspect};
pub use load::load;
pub use openapi::openapi;
pub use policy::{PolicyCheckError, check_policy};
pub use replay::{ReplayRequest, moment, replay};
pub use serve::{ServeError, serve, serve_until, termination};
pub use token::{TokenError, TokenRequest, token};
pub use verify::{VerifyError, verify};

//! `coppice demo`: the whole story on a node of its own, in a temporary directory.
//!
//! A signed webhook comes in and becomes a workflow; a real diff is fetched and reviewed by four
//! nodes beside each other, while the process is killed and started again; a person agrees; money is
//! reserved and posted; the trail is printed and every hash in it is proven.
//!
//! **Invariant:** it is an HTTP client of the same binary, with no back door; it succeeds only where
//! every check held.

mod checks;
mod client;
mod shown;
mod stage;
mod story;

use std::io;
use std::path::PathBuf;

use thiserror::Error;

pub use self::client::AskError;
use crate::own_node::NodeError;

/// How the demonstration is run.
#[derive(Debug, Clone, Default)]
pub struct DemoOptions {
    /// Leaves the node running at the end, with its address and key.
    pub keep: bool,
    /// Runs on this PostgreSQL database in place of the embedded store.
    pub database: Option<String>,
    /// When the process is killed, in milliseconds after the webhook; at a random moment if unset.
    pub kill_after_ms: Option<u64>,
    /// Where the data goes, instead of a temporary directory.
    pub data: Option<PathBuf>,
}

/// Why there was no demonstration.
#[derive(Debug, Error)]
pub enum DemoError {
    /// The operating system did not play along.
    #[error("{doing}")]
    System {
        /// What was tried.
        doing: &'static str,
        /// Why it could not be done.
        #[source]
        source: io::Error,
    },
    /// The node did not come up.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The node did not answer as it should.
    #[error("{doing}")]
    Asked {
        /// What was asked for.
        doing: &'static str,
        /// What came instead.
        #[source]
        source: AskError,
    },
    /// Something that must come to pass did not.
    #[error("waited in vain until {0}")]
    InVain(&'static str),
    /// There is no randomness to be had.
    #[error("the operating system gives no random numbers")]
    Random,
}

/// Plays the story; whether every check held.
///
/// # Errors
/// [`DemoError`], where it could not be played to its end.
pub async fn demo(options: &DemoOptions) -> Result<bool, DemoError> {
    story::play(options).await
}

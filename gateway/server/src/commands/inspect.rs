//! `coppice inspect`: what a node's API shows, for a terminal.

use std::io::{self, Write};

use thiserror::Error;

use crate::config::{API_KEY, Secret};
use crate::inspection::{InspectError, Look, ask};

/// Why nothing is shown.
#[derive(Debug, Error)]
pub enum InspectCommandError {
    /// The node wasn't asked, or didn't tell.
    #[error(transparent)]
    Ask(#[from] InspectError),
    /// Stdout is closed.
    #[error("can not write to stdout")]
    Stdout(#[source] io::Error),
}

/// Asks the node at a URL and prints its answer, as text or as the JSON that it is.
///
/// # Errors
/// [`InspectCommandError`].
pub async fn inspect(url: &str, look: &Look, json: bool) -> Result<(), InspectCommandError> {
    // From the environment only: arguments stand in process lists.
    let key = std::env::var(API_KEY).map_err(|_| InspectError::NoKey)?;
    let answer = ask(url, &Secret::new(key), look).await?;
    let text = if json { format!("{answer}\n") } else { look.text(&answer) };
    io::stdout().lock().write_all(text.as_bytes()).map_err(InspectCommandError::Stdout)
}

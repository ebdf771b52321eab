//! `coppice fence`: moves the epochs of a database on that goes on from an earlier time.

use std::io::{self, Write};

use coppice_persistence::StoreError;
use thiserror::Error;

use crate::compose::{ComposeError, open_idle};
use crate::config::Settings;
use crate::logging;

/// Why the epochs were not moved on.
#[derive(Debug, Error)]
pub enum FenceError {
    /// The store can't be opened, or somebody works on it.
    #[error("the store can not be opened")]
    Open(#[source] ComposeError),
    /// The store can't be written.
    #[error("the epochs can not be moved on")]
    Store(#[source] StoreError),
    /// Stdout is closed.
    #[error("can not write to stdout")]
    Stdout(#[source] io::Error),
}

/// Ends all leases and moves all epochs on.
///
/// # Errors
/// [`FenceError`].
pub async fn fence(settings: &Settings) -> Result<(), FenceError> {
    logging::start(settings.config.log);
    let opened = open_idle(&settings.config.store).await.map_err(FenceError::Open)?;
    let fenced = opened.store.fence().await;
    opened.store.close().await;
    fenced.map_err(FenceError::Store)?;
    writeln!(io::stdout().lock(), "coppice fenced the store").map_err(FenceError::Stdout)
}

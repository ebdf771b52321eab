//! `coppice verify`: walks chains, sequences, snapshots and digests, and names the first fault.

use std::io::{self, Write};

use thiserror::Error;

use crate::compose::{ComposeError, open_idle};
use crate::config::Settings;
use crate::verification::{self, Unverified};
use crate::{logging, registry};

/// Why a journal was not found sound.
#[derive(Debug, Error)]
pub enum VerifyError {
    /// The store can't be opened.
    #[error("the store can not be opened")]
    Open(#[source] ComposeError),
    /// The store can't be read to its end.
    #[error("the journal can not be read")]
    Read(#[source] Unverified),
    /// The first fault.
    #[error("the journal is damaged: {0}")]
    Fault(String),
    /// Stdout is closed.
    #[error("can not write to stdout")]
    Stdout(#[source] io::Error),
}

/// Walks everything and prints what was walked.
///
/// # Errors
/// [`VerifyError`].
pub async fn verify(settings: &Settings) -> Result<(), VerifyError> {
    logging::start(settings.config.log);
    let opened = open_idle(&settings.config.store).await.map_err(VerifyError::Open)?;
    let walked = verification::verify(opened.store.as_ref(), &registry::replay_all()).await;
    opened.store.close().await;
    let verified = walked.map_err(|error| match error {
        Unverified::Fault(fault) => VerifyError::Fault(fault),
        unread @ Unverified::Store(_) => VerifyError::Read(unread),
    })?;
    let mut stdout = io::stdout().lock();
    writeln!(
        stdout,
        "coppice verified {} entities, {} events, {} batches, {} snapshots",
        verified.entities, verified.events, verified.batches, verified.snapshots
    )
    .map_err(VerifyError::Stdout)
}

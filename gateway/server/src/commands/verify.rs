//! `coppice verify`: walks chains, sequences, snapshots and digests, and names the first fault.

use std::io::{self, Write};
use std::path::Path;

use thiserror::Error;

use crate::archive::{self, ArchiveError};
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
    /// The archive can't be read to its end.
    #[error("the archive can not be read")]
    Archive(#[source] ArchiveError),
    /// The first fault.
    #[error("the journal is damaged: {0}")]
    Fault(String),
    /// Stdout is closed.
    #[error("can not write to stdout")]
    Stdout(#[source] io::Error),
}

/// Walks everything and prints what was walked: the store, and an archive that it goes on from.
///
/// # Errors
/// [`VerifyError`].
pub async fn verify(settings: &Settings, archive: Option<&Path>) -> Result<(), VerifyError> {
    logging::start(settings.config.log);
    let opened = open_idle(&settings.config.store).await.map_err(VerifyError::Open)?;
    let (store, kinds) = (opened.store.as_ref(), registry::replay_all());
    let walked = verification::verify(store, &kinds).await;
    let archived = match (&walked, archive) {
        (Ok(_), Some(archive)) => Some(archive::check(archive, &kinds, Some(store)).await),
        (Ok(_), None) | (Err(_), _) => None,
    };
    opened.store.close().await;
    let verified = walked.map_err(|error| match error {
        Unverified::Fault(fault) => VerifyError::Fault(fault),
        unread @ Unverified::Store(_) => VerifyError::Read(unread),
    })?;
    let archived = archived.transpose().map_err(|error| match error {
        ArchiveError::Fault(fault) => VerifyError::Fault(fault),
        unread @ (ArchiveError::File { .. } | ArchiveError::Store(_)) => {
            VerifyError::Archive(unread)
        }
    })?;
    let mut text = format!(
        "coppice verified {} entities, {} events, {} batches, {} snapshots\n",
        verified.entities, verified.events, verified.batches, verified.snapshots
    );
    if let Some(archived) = archived {
        text.push_str(&format!(
            "coppice verified an archive of {} files, {} events, {} batches\n",
            archived.files, archived.events, archived.last.number
        ));
    }
    io::stdout().lock().write_all(text.as_bytes()).map_err(VerifyError::Stdout)
}

//! `coppice replay`: an entity as it was, out of an archive, a journal or both.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use coppice_core::Timestamp;
use coppice_persistence::{SqlStore, Store};

use crate::compose::open_to_look;
use crate::config::Settings;
use crate::replay::{self, Asked, ReplayError, Sources};
use crate::{logging, registry};
use coppice_core::calendar;

/// What is to be shown, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayRequest {
    /// Whose past, and up to where.
    pub asked: Asked,
    /// The archive.
    pub archive: Option<PathBuf>,
    /// Whether somebody named a store. Beside an archive, one that nobody named is not looked for:
    /// it may be another's.
    pub names_store: bool,
    /// Whether JSON is printed, in place of text.
    pub json: bool,
}

/// Reads an entity's past, also beside the node, and prints how the entity was.
///
/// # Errors
/// [`ReplayError`].
pub async fn replay(settings: &Settings, request: &ReplayRequest) -> Result<(), ReplayError> {
    logging::start(settings.config.log);
    let opened = open(settings, request).await?.map(Arc::new);
    let store = opened.clone().map(|store| store as Arc<dyn Store>);
    let sources = Sources {
        archive: request.archive.as_deref(),
        store: store.as_ref(),
        platform: settings.platform.as_ref(),
    };
    let outcome = replay::replay(&request.asked, sources, &registry::replay_all()).await;
    if let Some(store) = opened {
        store.close().await;
    }
    let replayed = outcome?;
    let text = if request.json {
        // Text and numbers always serialize.
        serde_json::to_string(&replayed).unwrap_or_default() + "\n"
    } else {
        replay::text(&replayed)
    };
    io::stdout().lock().write_all(text.as_bytes()).map_err(ReplayError::Stdout)
}

/// The store, if there is one to be read.
async fn open(
    settings: &Settings,
    request: &ReplayRequest,
) -> Result<Option<SqlStore>, ReplayError> {
    let config = &settings.config.store;
    if request.archive.is_some() && !request.names_store {
        return Ok(None);
    }
    // An embedded store that is gone is what archives are for. A database that doesn't answer may
    // well be there.
    let is_gone =
        config.database.expose().is_empty() && !config.data.join(SqlStore::JOURNAL_FILE).exists();
    if is_gone && request.archive.is_none() {
        return Err(ReplayError::NoSource(config.data.clone()));
    }
    if is_gone {
        return Ok(None);
    }
    open_to_look(config).await.map(Some).map_err(ReplayError::Store)
}

/// A time, as RFC 3339 has it.
///
/// # Errors
/// Any other text, for people.
pub fn moment(text: &str) -> Result<Timestamp, String> {
    let micros = calendar::micros(text);
    let misfit = || "a time is written as in 2026-11-21T19:03:40.5Z".to_owned();
    micros.map(Timestamp::from_micros).ok_or_else(misfit)
}

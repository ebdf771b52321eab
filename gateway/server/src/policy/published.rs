//! Bundles that were published: read from the journal when the node starts, and looked for again
//! while it runs, for one whose publisher did not live to put it in force.
//!
//! **Invariants:** a node decides nothing before it has read which bundle was published last; one
//! that can't be read, or that doesn't load, stops the start instead of leaving another in force.

use coppice_core::{DomainEvent, Sequence};
use coppice_domain::policy::PublishedBundle;
use coppice_domain::policy::bundle::{Event, Files, Published};
use coppice_persistence::{Store, StoreError};
use coppice_policy::{BundleError, CedarPolicy, Reloading, Source};
use thiserror::Error;
use tokio::task::spawn_blocking;

/// Why what was published is not in force.
#[derive(Debug, Error)]
pub enum PublishedError {
    /// The journal can't be read.
    #[error("the published policy bundle can not be read")]
    Store(#[source] StoreError),
    /// The journal contradicts itself about it.
    #[error("the published policy bundle is damaged: {0}")]
    Damaged(String),
    /// It doesn't load any more.
    #[error(
        "policy bundle {version} was published and does not load; policy.directory can name another"
    )]
    Bundle {
        /// Its version.
        version: String,
        /// What is wrong with it.
        #[source]
        source: BundleError,
    },
}

/// A bundle's texts, of the files of a publication.
pub fn source_of(files: &Files) -> Source {
    Source::of(&files.title, &files.data, &files.policies, &files.schema)
}

/// The files of a publication, of a bundle's texts.
pub fn files_of(source: &Source) -> Files {
    Files {
        title: source.title.as_str().into(),
        data: source.data.as_str().into(),
        policies: source.policies.as_str().into(),
        schema: source.schema.as_str().into(),
    }
}

/// The publication that stands at a sequence of the journal, with its link in the chain checked.
///
/// # Errors
/// [`PublishedError::Store`] and [`PublishedError::Damaged`].
pub async fn publication(store: &dyn Store, number: u64) -> Result<Published, PublishedError> {
    let stream = PublishedBundle::stream();
    let after = Sequence(number.saturating_sub(1));
    let events = store.read_stream(&stream, after, 1).await.map_err(PublishedError::Store)?;
    let damaged = |why: &str| PublishedError::Damaged(why.to_owned());
    let event = events.into_iter().next().ok_or_else(|| damaged("its event is missing"))?.record;
    if event.computed_hash() != event.hash {
        return Err(damaged("its event was altered"));
    }
    let Event::Published(published) = Event::decode(&event.body.event_type, &event.body.payload)
        .map_err(|error| PublishedError::Damaged(error.to_string()))?;
    if published.number != number || published.files.hash() != published.hash {
        return Err(damaged("its event is not what it says"));
    }
    Ok(published)
}

/// Puts in force what was published last, where it isn't; says whether it did. It asks the journal
/// and no entity, so it can be done before there is a node, and wakes nobody.
///
/// # Errors
/// [`PublishedError`]; what was in force stays.
pub async fn look(authority: &Reloading, store: &dyn Store) -> Result<bool, PublishedError> {
    let row = store.entity(&PublishedBundle::stream()).await.map_err(PublishedError::Store)?;
    match row.map_or(0, |row| row.head.sequence.0) {
        last if last > authority.publication() => {
            put(authority, publication(store, last).await?).await
        }
        _ => Ok(false),
    }
}

async fn put(authority: &Reloading, published: Published) -> Result<bool, PublishedError> {
    let Published { number, version, files, .. } = published;
    let source = source_of(&files);
    // A crash of the library is told like what it refuses.
    let made = spawn_blocking(move || CedarPolicy::new(source)).await;
    let made = made.map_err(|_| PublishedError::Damaged("reading it crashed".to_owned()))?;
    let version = version.into_string();
    let policy = made.map_err(|source| PublishedError::Bundle { version, source })?;
    Ok(authority.publish(number, policy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_has_one_hash_in_the_journal_and_wherever_it_is_loaded() {
        let source = Source::compiled_in();
        let files = files_of(&source);
        assert_eq!(*files.hash(), source.hash());
        assert_eq!(source_of(&files), source);
    }
}

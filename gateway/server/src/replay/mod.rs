//! The past of one entity, read out of an archive, a journal or both, and folded with this build's
//! code.
//!
//! **Shown of what is handed out:** every event in the archive has its content's hash, and its
//! batches chain from the first; what is archived stands in the journal as it does in the archive;
//! the entity's events continue each other from its first, also over the border between the two,
//! and end where the journal's row says that they do.
//!
//! **Invariants:** nothing is handed out of a past that has a fault, wherever in it that is, also
//! behind the moment that was asked for. Nothing is written. Events and state are folded one by one
//! and not held, so a long past costs time and no memory.
//!
//! **Deliberately absent:** an index of the archive. All of it is read each time, and has to be: a
//! chain that was read in part shows nothing.

mod journal;
mod past;
mod seals;
mod text;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fmt, io};

use coppice_api::journal::EventView;
use coppice_core::{Sequence, StoredEvent, StreamKey, Timestamp};
use coppice_persistence::{BatchRow, Journal, Store, StoreError};
use coppice_runtime::{Failure, PlatformKeys};
use serde::Serialize;
use serde_json::value::RawValue;
use thiserror::Error;

use self::journal::Stream;
use self::past::{Origin, Past};
use self::seals::Seals;
use crate::archive::{ArchiveError, Comparison, Step, Walk};
use crate::verification::{Kinds, Unverified};

pub use self::text::text;

/// Events that are handed out with a state, the last ones before it: some ten megabytes.
pub const EVENTS_MAX: usize = 10_000;

/// Up to where a past is folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// To its end.
    End,
    /// To the event of this sequence.
    Sequence(Sequence),
    /// To the last event that was recorded by then.
    Time(Timestamp),
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Whose past.
    pub key: StreamKey,
    /// Up to where.
    pub until: Until,
    /// Whether the last [`EVENTS_MAX`] events up to there are handed out as well.
    pub events: bool,
}

/// Where the past is read.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// The directory of an archive.
    pub archive: Option<&'a Path>,
    /// The journal, and the keys of personal data.
    pub store: Option<&'a Arc<dyn Store>>,
    /// What those keys are wrapped under.
    pub platform: Option<&'a PlatformKeys>,
}

impl fmt::Debug for Sources<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").field("archive", &self.archive).finish_non_exhaustive()
    }
}

/// An entity as it was.
#[derive(Debug, Serialize)]
pub struct Replayed {
    /// Its tenant.
    pub tenant: String,
    /// Its kind.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// The sequence of the last event in its state.
    pub sequence: Sequence,
    /// The sequence of the last event that is known of it.
    pub sequence_last: Sequence,
    /// The hash of the last event in its state, in hex.
    pub hash: String,
    /// When that was recorded, in microseconds since 1970.
    pub recorded_at: i64,
    /// Whether that event ended it.
    pub deleted: bool,
    /// Its state as its kind shows it; none where it is deleted.
    pub state: Option<Box<RawValue>>,
    /// What of its state is shown that belongs to a person.
    pub personal_data: PersonalData,
    /// Where the events of its state were read, in order.
    pub sources: Vec<Span>,
    /// The end of the archive, where one was read.
    pub archive: Option<ArchiveEnd>,
    /// Whether a journal was read. The state may be older than it seems where none was.
    pub journal: bool,
    /// The events up to the state, the last [`EVENTS_MAX`] of them; none where they were not asked
    /// for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<ShownEvent>>,
}

/// What of a state is shown that belongs to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PersonalData {
    /// There is none, or what there was is erased.
    None,
    /// All that isn't erased.
    Shown,
    /// Some may be missing and look as if it were erased: its key, or the platform's, isn't there.
    Closed,
}

/// Events that were read in one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Span {
    /// The name of a file of the archive, or `journal`.
    pub source: Arc<str>,
    /// The first of them.
    pub first: Sequence,
    /// The last of them.
    pub last: Sequence,
}

/// The end of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ArchiveEnd {
    /// The number of its last batch.
    pub last_batch: u64,
    /// The hash of that, in hex.
    pub hash: String,
}

/// An event, and where it was read.
#[derive(Debug, Serialize)]
pub struct ShownEvent {
    /// As [`Span::source`].
    pub source: Arc<str>,
    /// The event. Personal data in it is sealed.
    #[serde(flatten)]
    pub event: EventView,
}

/// Why no past is shown.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// Nothing names a place to read.
    #[error("there is no store in the directory {0}, and no archive is named")]
    NoSource(PathBuf),
    /// The directory holds no archive.
    #[error("there is no archive in the directory {0}")]
    NoArchive(PathBuf),
    /// The archive can't be read to its end.
    #[error("the archive can not be read")]
    Archive(#[source] ArchiveError),
    /// The journal can't be read to its end.
    #[error("the journal can not be read")]
    Store(#[source] StoreError),
    /// The keys of personal data can't be read.
    #[error("the keys of personal data can not be read")]
    Keys(#[source] Failure),
    /// The first fault.
    #[error("the past is damaged: {0}")]
    Fault(String),
    /// The entity isn't there, or wasn't then.
    #[error("{0}")]
    Absent(String),
    /// Stdout is closed.
    #[error("can not write to stdout")]
    Stdout(#[source] io::Error),
}

impl From<ArchiveError> for ReplayError {
    fn from(error: ArchiveError) -> Self {
        match error {
            ArchiveError::Fault(fault) => Self::Fault(fault),
            ArchiveError::Store(error) => Self::Store(error),
            unread @ ArchiveError::File { .. } => Self::Archive(unread),
        }
    }
}

impl From<StoreError> for ReplayError {
    fn from(error: StoreError) -> Self {
        match Unverified::from(error) {
            Unverified::Store(error) => Self::Store(error),
            Unverified::Fault(fault) => Self::Fault(fault),
        }
    }
}

/// Reads an entity's past and folds it up to where that is asked for.
///
/// # Errors
/// [`ReplayError`], at the first fault.
pub async fn replay(
    asked: &Asked,
    sources: Sources<'_>,
    kinds: &Kinds,
) -> Result<Replayed, ReplayError> {
    let kind = asked.key.kind();
    let fold = kinds.replay(kind.as_str());
    let unknown = || ReplayError::Absent(format!("this build knows no entity kind {kind}"));
    let fold = fold.ok_or_else(unknown)?;
    let seals = Seals::new(asked.key.tenant(), sources.store, sources.platform);
    let mut past = Past::new(asked, fold, seals);
    // The archive first: what is in its files by now is in the journal that is read from here on,
    // also where both go on meanwhile.
    let walk = sources.archive.map(Walk::of).transpose()?;
    if let (Some(walk), Some(directory)) = (&walk, sources.archive)
        && walk.is_empty()
    {
        return Err(ReplayError::NoArchive(directory.to_path_buf()));
    }
    let mut stream = match sources.store {
        Some(store) => Some(Stream::open(store.as_ref(), &asked.key).await?),
        None => None,
    };
    let archive = match walk {
        Some(walk) => {
            let database = sources.store.map(|store| store.as_ref() as &dyn Journal);
            Some(archived(&mut past, stream.as_mut(), walk, database).await?)
        }
        None => None,
    };
    if let Some(stream) = &mut stream {
        let journal = Origin::journal();
        while let Some(event) = stream.next().await? {
            if archive.as_ref().is_some_and(|last| event.position <= last.last) {
                return Err(past.fault(&journal, event.record.sequence, "is not in the archive"));
            }
            past.take(event, &journal).await?;
        }
        stream.ends_with(past.head()).await?;
    }
    past.shown(archive.as_ref(), stream.is_some())
}

/// Reads what of the past is archived; the archive's last batch.
async fn archived(
    past: &mut Past<'_>,
    mut stream: Option<&mut Stream<'_>>,
    mut walk: Walk,
    database: Option<&dyn Journal>,
) -> Result<BatchRow, ReplayError> {
    let mut comparison = Comparison::with(database);
    while let Some(step) = walk.next()? {
        match step {
            Step::Batch(mut walked) => {
                for (line, event) in walked.take_events() {
                    if event.record.computed_hash() != event.record.hash {
                        let what = format!("position {} does not match its hash", event.position);
                        return Err(walked.fault(line, &what).into());
                    }
                    if event.key != *past.key() {
                        continue;
                    }
                    let origin = Origin::file(&walked.file, line);
                    if let Some(stream) = &mut stream {
                        let live = stream.next().await?;
                        agree(&event, live.as_ref())
                            .map_err(|what| past.fault(&origin, event.record.sequence, what))?;
                    }
                    past.take(event, &origin).await?;
                }
                comparison.add(walked.batch).await?;
            }
            Step::FileEnd => comparison.settle().await?,
        }
    }
    Ok(walk.last().clone())
}

/// Whether the journal has an archived event as the archive has it; what it has else, for people.
fn agree(archived: &StoredEvent, live: Option<&StoredEvent>) -> Result<(), &'static str> {
    match live {
        Some(live) if live == archived => Ok(()),
        Some(_) => Err("is another one in the journal than in the archive"),
        None => Err("is in the archive and not in the journal"),
    }
}

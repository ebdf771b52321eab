//! The bundle that decides, and those that did.

use coppice_core::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::{Event, Published};

/// Publications before the latest that are kept by name: years of them. What falls out stands in
/// the journal, and its version may be used anew; hashes tell the two apart.
pub(super) const EARLIER_MAX: usize = 500;

/// A publication that another one has taken the place of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Earlier {
    /// Which it was, from 1; its files are in the event of this sequence.
    pub number: u64,
    /// The bundle's version.
    pub version: Box<str>,
    /// `sha256:` and the hash of its content.
    pub hash: Box<str>,
    /// Why it was published.
    pub reason: Box<str>,
    /// Who said so.
    pub by: Box<str>,
    /// When, in microseconds since 1970.
    pub at: Timestamp,
}

/// The state, which is also what a reader sees.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The publication that decides; none before the first.
    pub latest: Option<Published>,
    /// Those before it, latest first.
    pub earlier: Vec<Earlier>,
}

impl State {
    /// The hash that a version stands for.
    pub(super) fn hash_of(&self, version: &str) -> Option<&str> {
        let latest = self.latest.iter().map(|latest| (&latest.version, &latest.hash));
        let earlier = self.earlier.iter().map(|earlier| (&earlier.version, &earlier.hash));
        let mut of_version = latest.chain(earlier).filter(|(known, _)| &***known == version);
        of_version.next().map(|(_, hash)| &**hash)
    }
}

/// What became of a publication.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The publication that decides.
    pub number: u64,
    /// `sha256:` and the hash of its content.
    pub hash: Box<str>,
    /// Whether it is a new one: what decided already is none.
    pub changed: bool,
}

pub(super) fn evolve(mut state: State, event: &Event) -> State {
    match event {
        Event::Published(published) => {
            if let Some(before) = state.latest.replace(published.clone()) {
                let Published { number, version, hash, files: _, reason, by, at } = before;
                state.earlier.insert(0, Earlier { number, version, hash, reason, by, at });
                state.earlier.truncate(EARLIER_MAX);
            }
        }
    }
    state
}

//! What was wrong with a diff, by name.

use serde::{Deserialize, Serialize};

/// The most notes that one diff gets. A diff with more of them is no diff, and they are recorded.
pub const NOTES_MAX: usize = 100;

/// A place of the diff that couldn't be read as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// What is wrong.
    pub code: NoteCode,
    /// The line of the diff, counted from 1.
    pub line: u32,
}

/// What can be wrong with a diff.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoteCode {
    /// A line begins like a hunk's header and isn't one. Its lines are left out.
    HunkHeaderMalformed,
    /// A hunk has fewer lines than its header promises. Those that are there are kept.
    HunkCutShort,
    /// A hunk stands before any file. It is left out.
    HunkWithoutFile,
    /// Lines like those of a hunk stand where its header says that it is over. They are left out.
    LinesOutsideHunk,
    /// A line's number is beyond what a file can have. The hunk is left out.
    NumberTooLarge,
    /// A quoted path doesn't end, or has an escape that git doesn't write. It is taken as it stands.
    PathMalformed,
    /// A file's header has no path that can be told. The file is left out.
    PathMissing,
    /// Some bytes are no UTF-8. They are replaced.
    NotUtf8,
    /// The diff is longer than is read. What is beyond is left out.
    DiffCut,
    /// There were more notes than are kept.
    NotesCut,
}

/// The notes of one diff, of which no more than [`NOTES_MAX`] are kept.
#[derive(Debug, Default)]
pub(super) struct Notes(Vec<Note>);

impl Notes {
    pub(super) fn add(&mut self, code: NoteCode, line: u32) {
        if self.0.len() < NOTES_MAX {
            self.0.push(Note { code, line });
        } else if self.0.len() == NOTES_MAX {
            self.0.push(Note { code: NoteCode::NotesCut, line });
        }
    }

    pub(super) fn into_vec(self) -> Vec<Note> {
        self.0
    }
}

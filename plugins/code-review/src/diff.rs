//! Unified diffs as data: what `git diff` in all its forms, or plain `diff -u`, says.
//!
//! **Invariants:** [`parse`] is total. Whatever the bytes are, it gives a [`Diff`] in time linear in
//! their number; what it couldn't read is a [`Note`] and costs nothing of the rest. A [`Line`] that
//! the new side has carries its number there, and so for the old side.
//!
//! **Deliberately absent:** any view of a file beyond its hunks. A diff doesn't hold more.

mod header;
mod hunk;
mod lines;
mod note;
mod parse;
mod path;

use serde::{Deserialize, Serialize};

pub use hunk::{Hunk, InvalidHunk, Line, LineKind};
pub use note::{NOTES_MAX, Note, NoteCode};
pub use parse::parse;

/// What a diff changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diff {
    /// The files, in the diff's order.
    pub files: Vec<FileDiff>,
    /// What couldn't be read, in the diff's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
}

/// What a diff changes in one file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileDiff {
    /// Its path on the new side; on the old one where it was deleted.
    pub path: String,
    /// Its path on the old side where that is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_path: Option<String>,
    /// What happened to it.
    #[serde(default)]
    pub change: Change,
    /// What it holds.
    #[serde(default)]
    pub content: Content,
    /// Its mode on the old side, as git writes it, where the diff says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_mode: Option<String>,
    /// Its mode on the new side, as git writes it, where the diff says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_mode: Option<String>,
    /// How much of it a rename or copy kept, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub similarity: Option<u8>,
    /// The changed places.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hunks: Vec<Hunk>,
}

/// What happened to a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is on both sides, under one path.
    #[default]
    Modified,
    /// It is new.
    Added,
    /// It is gone.
    Deleted,
    /// It has another path.
    Renamed,
    /// It was made of another one, which stays.
    Copied,
}

/// What a file holds, as far as a review goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// Lines.
    #[default]
    Text,
    /// Bytes that git doesn't compare by line.
    Binary,
    /// A commit of another repository.
    Submodule,
    /// The path that a symbolic link names.
    Symlink,
}

impl FileDiff {
    /// How many lines are new.
    #[must_use]
    pub fn added(&self) -> usize {
        self.count(LineKind::Added)
    }

    /// How many lines are gone.
    #[must_use]
    pub fn removed(&self) -> usize {
        self.count(LineKind::Removed)
    }

    fn count(&self, kind: LineKind) -> usize {
        let lines = self.hunks.iter().flat_map(|hunk| &hunk.lines);
        lines.filter(|line| line.kind == kind).count()
    }
}

#[cfg(test)]
mod tests;

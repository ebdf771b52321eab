//! One changed place of a file: its lines, their numbers, and how they are written down.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A changed place of a file with its surroundings.
///
/// Written down, its lines are texts whose first character says what they are, as in a diff: their
/// numbers follow from the two starts, and a review's steps record what they pass on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Hunk {
    /// The number of its first line on the old side; where it has none there, of the line before.
    pub old_start: u32,
    /// The same on the new side.
    pub new_start: u32,
    /// What stands behind the header: usually the beginning of the function that it is in.
    pub section: String,
    /// Its lines, in the diff's order.
    pub lines: Vec<Line>,
}

/// A line of a hunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Which sides have it.
    pub kind: LineKind,
    /// Its number on the old side, where that has it.
    pub old: Option<u32>,
    /// Its number on the new side, where that has it.
    pub new: Option<u32>,
    /// What it says, without the newline. A carriage return before that is still there.
    pub text: String,
    /// Whether it ends the file without a newline.
    pub is_unterminated: bool,
}

/// Which sides have a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineKind {
    /// Both.
    Context,
    /// The new one.
    Added,
    /// The old one.
    Removed,
    /// The new one, and in a merge some parent other than the first: it isn't new there.
    Merged,
}

/// Why a hunk can't be read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidHunk {
    /// A line doesn't begin with one of ` `, `+`, `-`, `~` and `\`.
    #[error("line {0} of a hunk begins with none of ' ', '+', '-', '~' and '\\'")]
    Line(usize),
    /// A line's number is beyond what can be counted.
    #[error("line {0} of a hunk has too large a number")]
    Number(usize),
}

impl LineKind {
    /// Whether the new side has it.
    #[must_use]
    pub fn is_new_side(self) -> bool {
        match self {
            Self::Context | Self::Added | Self::Merged => true,
            Self::Removed => false,
        }
    }

    fn is_old_side(self) -> bool {
        match self {
            Self::Context | Self::Removed => true,
            Self::Added | Self::Merged => false,
        }
    }

    fn sign(self) -> char {
        match self {
            Self::Context => ' ',
            Self::Added => '+',
            Self::Removed => '-',
            Self::Merged => '~',
        }
    }
}

impl Hunk {
    /// An empty one that begins there.
    pub(super) fn new(old_start: u32, new_start: u32, section: String) -> Self {
        Self { old_start, new_start, section, lines: Vec::new() }
    }

    /// Where its next line would be, on both sides.
    pub(super) fn counter(&self) -> Counter {
        Counter { old: self.old_start, new: self.new_start }
    }
}

/// Counts the lines of both sides.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counter {
    old: u32,
    new: u32,
}

impl Counter {
    /// The line with its numbers; none where they are too large.
    pub(super) fn line(&mut self, kind: LineKind, text: String) -> Option<Line> {
        let (old, new) = (kind.is_old_side(), kind.is_new_side());
        let line = Line {
            kind,
            old: old.then_some(self.old),
            new: new.then_some(self.new),
            text,
            is_unterminated: false,
        };
        let next = (self.old.checked_add(u32::from(old))?, self.new.checked_add(u32::from(new))?);
        (self.old, self.new) = next;
        Some(line)
    }
}

/// A hunk as it is written down.
#[derive(Serialize, Deserialize)]
struct Stored {
    old: u32,
    new: u32,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    section: String,
    lines: Vec<String>,
}

impl From<Hunk> for Stored {
    fn from(hunk: Hunk) -> Self {
        let mut lines = Vec::with_capacity(hunk.lines.len());
        for line in hunk.lines {
            let mut text = String::with_capacity(line.text.len() + 1);
            text.push(line.kind.sign());
            text.push_str(&line.text);
            lines.push(text);
            if line.is_unterminated {
                lines.push("\\".to_owned());
            }
        }
        Self { old: hunk.old_start, new: hunk.new_start, section: hunk.section, lines }
    }
}

impl TryFrom<Stored> for Hunk {
    type Error = InvalidHunk;

    fn try_from(stored: Stored) -> Result<Self, InvalidHunk> {
        let mut hunk = Self::new(stored.old, stored.new, stored.section);
        let mut counter = hunk.counter();
        for (at, mut text) in stored.lines.into_iter().enumerate() {
            let kind = match text.as_bytes().first() {
                Some(b' ') => LineKind::Context,
                Some(b'+') => LineKind::Added,
                Some(b'-') => LineKind::Removed,
                Some(b'~') => LineKind::Merged,
                Some(b'\\') => {
                    let last = hunk.lines.last_mut().ok_or(InvalidHunk::Line(at))?;
                    last.is_unterminated = true;
                    continue;
                }
                _ => return Err(InvalidHunk::Line(at)),
            };
            text.remove(0);
            hunk.lines.push(counter.line(kind, text).ok_or(InvalidHunk::Number(at))?);
        }
        Ok(hunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hunk_is_written_down_without_numbers_and_read_back_with_them() {
        let text = r#"{"old":3,"new":7,"section":"fn f","lines":[" a","-b","+c","~d","+","\\"]}"#;
        let hunk: Hunk = serde_json::from_str(text).unwrap();
        let numbers: Vec<_> = hunk.lines.iter().map(|line| (line.old, line.new)).collect();
        let expected = [
            (Some(3), Some(7)),
            (Some(4), None),
            (None, Some(8)),
            (None, Some(9)),
            (None, Some(10)),
        ];
        assert_eq!(numbers, expected);
        assert!(hunk.lines[4].is_unterminated);
        assert_eq!(serde_json::to_string(&hunk).unwrap(), text);
    }

    #[test]
    fn what_is_no_hunk_is_refused() {
        let read = |text: &str| serde_json::from_str::<Hunk>(text).map_err(|e| e.to_string());
        let sign = read(r#"{"old":1,"new":1,"lines":["x"]}"#).unwrap_err();
        assert!(sign.contains("begins with none"), "{sign}");
        assert!(read(r#"{"old":1,"new":1,"lines":["\\"]}"#).is_err());
        let number = read(r#"{"old":1,"new":4294967295,"lines":["+a"]}"#).unwrap_err();
        assert!(number.contains("too large"), "{number}");
    }
}

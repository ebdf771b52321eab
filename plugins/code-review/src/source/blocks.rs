//! Loops, functions and conditions of a hunk: which of them each line is in.
//!
//! They are told by braces, by `end`, or by indentation. What was opened above the hunk isn't known
//! and what closes it is passed over.

mod braces;
mod indented;
mod keywords;

use crate::language::Language;

use super::Line;

/// What a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlockKind {
    /// A function, method or closure.
    Function,
    /// One that must not block the thread.
    AsyncFunction,
    /// What is run again and again, callbacks for each element included.
    Loop,
    /// `if`, `else` and their like.
    Condition,
    /// `switch`, `match`, `case`.
    Switch,
    /// `try`, `begin`.
    Try,
    /// `catch`, `except`, `rescue`.
    Catch,
    /// `finally`, `ensure`.
    Finally,
    /// A class, module, structure or implementation.
    Type,
    /// A value, or a block of its own.
    Other,
}

impl BlockKind {
    pub(crate) fn is_function(self) -> bool {
        matches!(self, Self::Function | Self::AsyncFunction)
    }

    /// Whether it makes what is in it harder to follow.
    pub(crate) fn nests(self) -> bool {
        matches!(self, Self::Loop | Self::Condition | Self::Switch | Self::Try | Self::Catch)
    }
}

/// A block.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub(crate) kind: BlockKind,
    /// What stands before it, without strings and comments.
    pub(crate) header: String,
    /// The line that its header begins on.
    pub(crate) first: usize,
    /// The line that it opens on.
    pub(crate) open: usize,
    /// The line that closes it, or its last one; none where that is below the hunk.
    pub(crate) last: Option<usize>,
    /// The block around it.
    pub(crate) parent: Option<usize>,
    /// How many blocks are around it.
    pub(crate) depth: usize,
}

/// The blocks of a hunk, in the order in which they open.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    pub(crate) list: Vec<Block>,
    /// For each line the innermost block at its beginning.
    at_start: Vec<Option<usize>>,
    /// Where within lines blocks open and close: line, column, innermost block from there on.
    changes: Vec<(usize, usize, Option<usize>)>,
}

impl Blocks {
    pub(crate) fn of(language: Language, lines: &[Line<'_>]) -> Self {
        match language {
            Language::Python => indented::blocks(lines),
            Language::Ruby => keywords::blocks(lines),
            _ if language.has_braces() => braces::blocks(language, lines),
            _ => Self::default(),
        }
    }

    /// The innermost block at a place.
    pub(crate) fn at(&self, line: usize, column: usize) -> Option<usize> {
        let from = self.changes.partition_point(|(at, ..)| *at < line);
        let on_line = self.changes[from..].iter().take_while(|(at, ..)| *at == line);
        let last = on_line.take_while(|(_, at, _)| *at < column).last();
        last.map_or_else(|| self.at_start.get(line).copied().flatten(), |(.., block)| *block)
    }

    fn open(
        &mut self,
        kind: BlockKind,
        header: &str,
        first: usize,
        open: usize,
        parent: Option<usize>,
    ) -> usize {
        let depth = parent.map_or(0, |parent| self.list[parent].depth + 1);
        let header = header.to_owned();
        self.list.push(Block { kind, header, first, open, last: None, parent, depth });
        self.list.len() - 1
    }
}

/// Whether a header makes a function that must not block.
pub(crate) fn is_async_header(header: &str) -> bool {
    let words = header.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.into_iter().any(|word| word == "async")
}

/// Whether a word stands in code by itself.
pub(crate) fn has_word(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let is_part = |byte: Option<&u8>| {
            byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte == b'$')
        };
        let bytes = code.as_bytes();
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        !is_part(before) && !is_part(bytes.get(at + word.len()))
    })
}

#[cfg(test)]
mod tests;

//! A hunk's new side as rules look at it: lines told apart, in blocks, with what was taken away.
//!
//! **Invariants:** a [`Line`] has the number that the new side gives it. Rules speak of added lines
//! only; the others are there to be understood.

pub(crate) mod blocks;
mod functions;
mod statement;

use crate::diff::{Hunk, LineKind};
use crate::language::Language;
use crate::lexer::{self, Lexed, Literal};
use crate::split::ReviewFile;
use blocks::{Block, BlockKind, Blocks};

/// A longer line isn't looked at beyond this: nobody wrote it, and patterns take their time.
pub(crate) const LINE_BYTES_MAX: usize = 4_000;

/// How many blank lines are passed over on the way to the next one with code, and how many blocks on
/// the way out: whoever writes more doesn't write code, and a hunk's time must not grow with them.
const STEPS_MAX: usize = 64;

/// A line of the new side.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    /// Its number there.
    pub(crate) number: u32,
    /// Whether it is new.
    pub(crate) is_added: bool,
    /// As it stands, without a carriage return.
    pub(crate) raw: &'a str,
    /// Whether it had one.
    pub(crate) has_return: bool,
    /// Whether it ends the file without a newline.
    pub(crate) is_unterminated: bool,
    lexed: Lexed,
}

impl Line<'_> {
    /// Comments and the insides of strings are blanks.
    pub(crate) fn code(&self) -> &str {
        &self.lexed.code
    }

    /// Comments are blanks.
    pub(crate) fn text(&self) -> &str {
        &self.lexed.text
    }

    pub(crate) fn literals(&self) -> &[Literal] {
        &self.lexed.literals
    }

    /// The text of its comments.
    pub(crate) fn comments(&self) -> impl Iterator<Item = &str> {
        self.lexed.comments.iter().filter_map(|range| self.raw.get(range.clone()))
    }

    /// Whether it has a comment that says something.
    pub(crate) fn has_comment(&self) -> bool {
        self.comments().any(|comment| comment.bytes().any(|byte| byte.is_ascii_alphanumeric()))
    }

    pub(crate) fn is_blank(&self) -> bool {
        self.code().trim().is_empty()
    }

    /// How many columns its first character stands behind; a tab is four.
    pub(crate) fn indent(&self) -> usize {
        let blanks = self.raw.bytes().take_while(|byte| matches!(byte, b' ' | b'\t'));
        blanks.map(|byte| if byte == b'\t' { 4 } else { 1 }).sum()
    }
}

/// A line that the new side lost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Removed<'a> {
    /// The place in [`View::lines`] that it stood before.
    pub(crate) before: usize,
    pub(crate) raw: &'a str,
}

/// A hunk's new side.
#[derive(Debug)]
pub(crate) struct View<'a> {
    pub(crate) file: &'a ReviewFile,
    pub(crate) section: &'a str,
    pub(crate) lines: Vec<Line<'a>>,
    pub(crate) removed: Vec<Removed<'a>>,
    blocks: Blocks,
    /// Where the lines end that may still be in the function that the section names.
    section_until: usize,
    /// Where tests begin within a file.
    tests_from: usize,
}

impl<'a> View<'a> {
    pub(crate) fn new(file: &'a ReviewFile, hunk: &'a Hunk) -> Self {
        let mut raws = Vec::new();
        let mut removed = Vec::new();
        let mut places = Vec::new();
        for line in &hunk.lines {
            let text = line.text.strip_suffix('\r').unwrap_or(&line.text);
            let raw = text.get(..boundary(text)).unwrap_or_default();
            match line.new {
                Some(number) => {
                    raws.push(raw);
                    places.push((number, line));
                }
                None => removed.push(Removed { before: raws.len(), raw }),
            }
        }
        let is_top = hunk.new_start <= 1;
        let lexed = lexer::lex(file.language, &raws, is_top);
        let lines: Vec<_> = places
            .into_iter()
            .zip(raws)
            .zip(lexed)
            .map(|(((number, line), raw), lexed)| Line {
                number,
                is_added: line.kind == LineKind::Added,
                raw,
                has_return: line.text.ends_with('\r'),
                is_unterminated: line.is_unterminated,
                lexed,
            })
            .collect();
        let blocks = Blocks::of(file.language, &lines);
        let place_of = |is: fn(&Line<'_>) -> bool| lines.iter().position(is).unwrap_or(lines.len());
        let section_until = place_of(|line| !line.is_blank() && line.indent() == 0);
        let tests_from = place_of(|line| line.code().starts_with("#[cfg(test)]"));
        let section = hunk.section.as_str();
        Self { file, section, lines, removed, blocks, section_until, tests_from }
    }

    pub(crate) fn language(&self) -> Language {
        self.file.language
    }

    /// The added lines with their places.
    pub(crate) fn added(&self) -> impl Iterator<Item = (usize, &Line<'a>)> {
        self.lines.iter().enumerate().filter(|(_, line)| line.is_added)
    }

    /// The next line that has code.
    pub(crate) fn next_code(&self, place: usize) -> Option<usize> {
        let end = self.lines.len().min(place + STEPS_MAX);
        (place + 1..end).find(|next| !self.lines[*next].is_blank())
    }

    /// The line before that has code.
    pub(crate) fn previous_code(&self, place: usize) -> Option<usize> {
        let first = place.saturating_sub(STEPS_MAX);
        (first..place).rev().find(|previous| !self.lines[*previous].is_blank())
    }

    pub(crate) fn blocks(&self) -> &[Block] {
        &self.blocks.list
    }

    /// The blocks around a place, innermost first.
    pub(crate) fn around(&self, place: usize, column: usize) -> impl Iterator<Item = &Block> {
        let mut at = self.blocks.at(place, column);
        let outwards = std::iter::from_fn(move || {
            let block = &self.blocks.list[at?];
            at = block.parent;
            Some(block)
        });
        outwards.take(STEPS_MAX)
    }

    /// The innermost loop around a place within its function.
    pub(crate) fn loop_around(&self, place: usize, column: usize) -> Option<&Block> {
        let own = self.around(place, column).take_while(|block| !block.kind.is_function());
        own.into_iter().find(|block| block.kind == BlockKind::Loop)
    }

    /// Whether a place is in a function that must not block. Where that begins above the hunk, its
    /// header says what it is, as far as the hunk's lines are still in it.
    pub(crate) fn is_in_async(&self, place: usize, column: usize) -> bool {
        let mut functions = self.around(place, column).filter(|block| block.kind.is_function());
        match functions.next() {
            Some(function) => function.kind == BlockKind::AsyncFunction,
            None => place < self.section_until && blocks::is_async_header(self.section),
        }
    }

    /// Whether a place is in tests: the file is, or a module of tests in it.
    pub(crate) fn is_in_tests(&self, place: usize) -> bool {
        let is_tests = |header: &str| header.contains("mod tests") || header.contains("mod test ");
        self.file.is_test
            || is_tests(self.section)
            || self.around(place, 0).any(|block| is_tests(&block.header))
            || place >= self.tests_from
    }
}

/// Where a long line is cut, at a character's beginning.
fn boundary(text: &str) -> usize {
    let mut end = text.len().min(LINE_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    end
}

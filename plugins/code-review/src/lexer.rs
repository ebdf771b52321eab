//! Tells code from comments and from the insides of strings, line by line, in every language.
//!
//! **Invariants:** [`Lexed::code`] and [`Lexed::text`] have the length of the line and its other
//! bytes at their places, so a place found in one means the same in the others. The time is linear
//! in the line's length.
//!
//! **Deliberately absent:** tokens and grammar. A hunk is a piece out of the middle of a file, and
//! what can be relied on there is where strings and comments are; even where the piece begins is
//! only guessed ([`start`]).

mod quoted;
mod start;
mod syntax;

use std::ops::Range;

use crate::language::Language;
use quoted::Quoted;
use syntax::Syntax;

/// A line, told apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Lexed {
    /// Comments and the insides of strings are blanks.
    pub(crate) code: String,
    /// Comments are blanks.
    pub(crate) text: String,
    /// The insides of strings.
    pub(crate) literals: Vec<Literal>,
    /// The comments, with their signs.
    pub(crate) comments: Vec<Range<usize>>,
}

/// The inside of a string, as far as it is on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Literal {
    /// Where in the line it is.
    pub(crate) range: Range<usize>,
    /// Which string of the piece it belongs to.
    pub(crate) id: usize,
    /// Whether the language puts values into it by itself.
    pub(crate) is_interpolated: bool,
    /// Whether the string began on an earlier line.
    pub(crate) is_continued: bool,
}

/// What the next byte is part of.
#[derive(Debug, Clone)]
enum Mode {
    /// A comment that began with two signs, and how deep it is.
    Comment(usize),
    /// A string.
    Quoted(Quoted),
    /// Code within a string, and how many braces it has opened.
    Inserted(usize),
}

/// Reads the lines of one piece, in order.
#[derive(Debug)]
pub(crate) struct Lexer {
    language: Language,
    syntax: &'static Syntax,
    /// Innermost last; empty in code.
    modes: Vec<Mode>,
    /// Strings that begin on the next line.
    heredocs: Vec<Quoted>,
    literals: usize,
}

/// The lines of a piece, told apart.
pub(crate) fn lex(language: Language, lines: &[&str], is_top: bool) -> Vec<Lexed> {
    let mut lexer = Lexer {
        language,
        syntax: Syntax::of(language),
        modes: Vec::new(),
        heredocs: Vec::new(),
        literals: 0,
    };
    if !is_top {
        lexer.modes.extend(start::mode(language, lines));
    }
    lines.iter().map(|line| lexer.line(line)).collect()
}

/// One line while it is read.
struct Reading<'a> {
    bytes: &'a [u8],
    at: usize,
    code: Vec<u8>,
    text: Vec<u8>,
    literals: Vec<Literal>,
    comments: Vec<Range<usize>>,
}

impl Reading<'_> {
    fn starts_with(&self, what: &str) -> bool {
        self.bytes[self.at..].starts_with(what.as_bytes())
    }

    /// The last byte of code that isn't a blank.
    fn last(&self) -> Option<u8> {
        self.code[..self.at].iter().rev().copied().find(|byte| !byte.is_ascii_whitespace())
    }

    fn before(&self) -> Option<u8> {
        self.at.checked_sub(1).and_then(|at| self.bytes.get(at)).copied()
    }

    fn comment(&mut self, range: Range<usize>) {
        self.code[range.clone()].fill(b' ');
        self.text[range.clone()].fill(b' ');
        self.comments.push(range);
    }

    fn literal(&mut self, range: Range<usize>, quoted: &Quoted, is_continued: bool) {
        self.code[range.clone()].fill(b' ');
        let (id, is_interpolated) = (quoted.id, quoted.is_interpolated);
        self.literals.push(Literal { range, id, is_interpolated, is_continued });
    }
}

impl Lexer {
    fn line(&mut self, line: &str) -> Lexed {
        let bytes = line.as_bytes();
        let mut reading = Reading {
            bytes,
            at: 0,
            code: bytes.to_vec(),
            text: bytes.to_vec(),
            literals: Vec::new(),
            comments: Vec::new(),
        };
        if !self.whole_line(&mut reading) {
            while reading.at < bytes.len() {
                self.step(&mut reading);
            }
            self.end_of_line(&reading);
        }
        let Reading { code, text, literals, comments, .. } = reading;
        // Only whole characters are blanked, for every sign that ends something is ASCII.
        let code = String::from_utf8(code).unwrap_or_default();
        let text = String::from_utf8(text).unwrap_or_default();
        Lexed { code, text, literals, comments }
    }

    /// Heredocs and Ruby's long comments begin and end with whole lines.
    fn whole_line(&mut self, reading: &mut Reading<'_>) -> bool {
        let bytes = reading.bytes;
        if let Some(Mode::Quoted(quoted)) = self.modes.last() {
            if quoted.ends_by_line(bytes) {
                self.modes.pop();
                self.next_heredoc();
                return true;
            }
            if quoted.is_heredoc {
                let quoted = quoted.clone();
                reading.literal(0..bytes.len(), &quoted, true);
                return true;
            }
        }
        let is_ruby = self.language == Language::Ruby;
        if is_ruby && self.modes.is_empty() && bytes.starts_with(b"=begin") {
            self.modes.push(Mode::Comment(1));
        }
        if is_ruby && matches!(self.modes.last(), Some(Mode::Comment(_))) {
            if bytes.starts_with(b"=end") {
                self.modes.pop();
            }
            reading.comment(0..bytes.len());
            return true;
        }
        false
    }

    fn step(&mut self, reading: &mut Reading<'_>) {
        match self.modes.last_mut() {
            Some(Mode::Comment(_)) => self.in_comment(reading),
            Some(Mode::Quoted(_)) => self.in_quotes(reading),
            Some(Mode::Inserted(depth)) => {
                match reading.bytes[reading.at] {
                    b'{' => *depth += 1,
                    b'}' if *depth == 0 => {
                        self.modes.pop();
                        reading.at += 1;
                        return;
                    }
                    b'}' => *depth -= 1,
                    _ => {}
                }
                self.in_code(reading);
            }
            None => self.in_code(reading),
        }
    }

    fn in_comment(&mut self, reading: &mut Reading<'_>) {
        let Some((open, close)) = self.syntax.block_comment else {
            self.modes.pop();
            return;
        };
        let from = reading.at;
        while reading.at < reading.bytes.len() {
            if reading.starts_with(close) {
                reading.at += close.len();
                if self.leave_comment() {
                    break;
                }
            } else if self.syntax.comments_nest && reading.starts_with(open) {
                reading.at += open.len();
                self.deepen_comment();
            } else {
                reading.at += 1;
            }
        }
        reading.comment(from..reading.at);
    }

    fn deepen_comment(&mut self) {
        if let Some(Mode::Comment(depth)) = self.modes.last_mut() {
            *depth += 1;
        }
    }

    /// Whether that ended the outermost one.
    fn leave_comment(&mut self) -> bool {
        if let Some(Mode::Comment(depth)) = self.modes.last_mut() {
            *depth -= 1;
            if *depth > 0 {
                return false;
            }
        }
        self.modes.pop();
        true
    }

    fn in_quotes(&mut self, reading: &mut Reading<'_>) {
        let Some(Mode::Quoted(quoted)) = self.modes.last() else { return };
        let quoted = quoted.clone();
        let from = reading.at;
        let is_continued = from == 0;
        let (end, next) = quoted.scan(reading.bytes, from);
        reading.literal(from..end, &quoted, is_continued);
        match next {
            quoted::Next::Closed(after) => {
                self.modes.pop();
                reading.at = after;
            }
            quoted::Next::Inserted(after) => {
                self.modes.push(Mode::Inserted(0));
                reading.at = after;
            }
            quoted::Next::EndOfLine => reading.at = reading.bytes.len(),
        }
    }

    /// A string that can't have line breaks ends with the line, whatever it lacks.
    fn end_of_line(&mut self, reading: &Reading<'_>) {
        while let Some(Mode::Quoted(quoted)) = self.modes.last() {
            let goes_on = reading.bytes.last() == Some(&b'\\') && quoted.escapes;
            if quoted.is_multiline || goes_on {
                break;
            }
            self.modes.pop();
        }
        self.next_heredoc();
    }

    fn next_heredoc(&mut self) {
        if !self.heredocs.is_empty() {
            let next = self.heredocs.remove(0);
            self.modes.push(Mode::Quoted(next));
        }
    }

    fn in_code(&mut self, reading: &mut Reading<'_>) {
        // Most bytes are of words and can't begin anything, but for the sign of raw strings.
        let byte = reading.bytes[reading.at];
        if (byte.is_ascii_alphanumeric() || byte == b' ') && byte != b'r' {
            reading.at += 1;
            return;
        }
        if self.comment_begins(reading) {
            return;
        }
        if let Some(mut quoted) = quoted::opening(self.language, reading) {
            quoted.id = self.literals;
            self.literals += 1;
            if quoted.is_heredoc {
                self.heredocs.push(quoted);
            } else {
                self.modes.push(Mode::Quoted(quoted));
            }
            return;
        }
        reading.at += 1;
    }

    fn comment_begins(&mut self, reading: &mut Reading<'_>) -> bool {
        let is_comment = self.syntax.line_comments.iter().any(|sign| reading.starts_with(sign))
            && self.syntax.comment_may_stand(reading.before(), reading.at);
        if is_comment {
            reading.comment(reading.at..reading.bytes.len());
            reading.at = reading.bytes.len();
            return true;
        }
        if let Some((open, _)) = self.syntax.block_comment
            && reading.starts_with(open)
        {
            self.modes.push(Mode::Comment(0));
            // The sign itself is counted, so that it opens what it is part of.
            let from = reading.at;
            reading.at += open.len();
            self.deepen_comment();
            reading.comment(from..reading.at);
            return true;
        }
        false
    }
}

#[cfg(test)]
mod tests;

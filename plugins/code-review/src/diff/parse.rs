//! Reads a diff line by line.

use super::header::Draft;
use super::hunk::{Counter, Hunk, LineKind};
use super::lines::{Lines, without_return};
use super::note::{NoteCode, Notes};
use super::{Diff, FileDiff};

/// Reads a diff, whatever it is.
///
/// ```
/// let text = b"--- a/x\n+++ b/x\n@@ -1 +1,2 @@\n one\n+two\n";
/// let diff = coppice_code_review::diff::parse(text);
/// assert_eq!(diff.files[0].path, "x");
/// assert_eq!(diff.files[0].hunks[0].lines[1].new, Some(2));
/// ```
#[must_use]
pub fn parse(bytes: &[u8]) -> Diff {
    let mut parser = Parser {
        lines: Lines::new(bytes),
        files: Vec::new(),
        notes: Notes::default(),
        draft: None,
        is_stray: false,
    };
    while let Some(line) = parser.lines.next() {
        parser.line(line);
    }
    parser.finish_file();
    Diff { files: parser.files, notes: parser.notes.into_vec() }
}

struct Parser<'a> {
    lines: Lines<'a>,
    files: Vec<FileDiff>,
    notes: Notes,
    draft: Option<Draft>,
    /// Whether the line before belonged to no hunk, though it looked like it: one note per run.
    is_stray: bool,
}

impl<'a> Parser<'a> {
    /// One line that stands outside of any hunk.
    fn line(&mut self, whole: &[u8]) {
        let line = without_return(whole);
        let was_stray = std::mem::take(&mut self.is_stray);
        if let Some(rest) = line.strip_prefix(b"diff --git ") {
            self.open(Draft::git(rest));
        } else if let Some(rest) =
            line.strip_prefix(b"diff --cc ").or_else(|| line.strip_prefix(b"diff --combined "))
        {
            self.open(Draft::combined(rest));
        } else if let Some(rest) = line.strip_prefix(b"Submodule ") {
            self.open(Draft::submodule(rest));
        } else if line.starts_with(b"@@") {
            self.hunk(line);
        } else if let (Some(old), Some(new)) = (line.strip_prefix(b"--- "), self.new_side()) {
            self.sides(old, new);
        } else if line == b"GIT binary patch" {
            self.binary_patch();
        } else if let Some(between) =
            line.strip_prefix(b"Binary files ").and_then(|rest| rest.strip_suffix(b" differ"))
        {
            self.binary_files(between);
        } else if !self.extend(line) {
            self.stray(line, was_stray);
        }
    }

    fn open(&mut self, draft: Draft) {
        self.finish_file();
        self.draft = Some(draft);
    }

    fn finish_file(&mut self) {
        if let Some(draft) = self.draft.take() {
            match draft.finish() {
                Some(file) => self.files.push(file),
                None => self.notes.add(NoteCode::PathMissing, self.lines.number),
            }
        }
    }

    /// What the next line says, if it is the second of the two that name the sides.
    fn new_side(&self) -> Option<&'a [u8]> {
        self.lines.peek().and_then(|line| without_return(line).strip_prefix(b"+++ "))
    }

    fn sides(&mut self, old: &[u8], new: &[u8]) {
        if self.draft.as_ref().is_none_or(Draft::has_sides) {
            self.open(Draft::default());
        }
        if let Some(draft) = &mut self.draft {
            draft.set_sides(old, new, self.lines.number, &mut self.notes);
        }
        self.lines.next();
    }

    fn extend(&mut self, line: &[u8]) -> bool {
        let number = self.lines.number;
        self.draft.as_mut().is_some_and(|draft| draft.extend(line, number, &mut self.notes))
    }

    /// A patch of a binary file goes on to the next line that can't be part of it.
    fn binary_patch(&mut self) {
        if let Some(draft) = &mut self.draft {
            draft.set_binary();
        }
        while let Some(line) = self.lines.peek() {
            let line = without_return(line);
            let is_size = line.starts_with(b"literal ") || line.starts_with(b"delta ");
            let is_data =
                line.first().is_some_and(u8::is_ascii_alphabetic) && !line.contains(&b' ');
            if !(is_size || is_data || line.is_empty()) {
                break;
            }
            self.lines.next();
        }
    }

    fn binary_files(&mut self, between: &[u8]) {
        if self.draft.as_ref().is_none_or(Draft::has_sides) {
            self.open(Draft::default());
        }
        if let Some(draft) = &mut self.draft {
            draft.set_binary_sides(between, self.lines.number, &mut self.notes);
        }
    }

    /// A line that nothing asks for. Between files there is often text: a commit's message, what
    /// `diff -r` was called with.
    fn stray(&mut self, line: &[u8], was_stray: bool) {
        let looks_like_hunk = matches!(line.first(), Some(b'+' | b'-' | b' '));
        let is_signature = line == b"-- " || line == b"--" || line == b"---";
        if looks_like_hunk && !is_signature && self.draft.as_ref().is_some_and(Draft::has_sides) {
            if !was_stray {
                self.notes.add(NoteCode::LinesOutsideHunk, self.lines.number);
            }
            self.is_stray = true;
        }
    }

    fn hunk(&mut self, line: &[u8]) {
        let number = self.lines.number;
        let header = match Header::read(line) {
            Ok(header) => header,
            Err(code) => {
                self.notes.add(code, number);
                // Its lines follow: they have been answered for.
                self.is_stray = true;
                return;
            }
        };
        let (hunk, problem) = Body::read(&mut self.lines, header);
        for code in problem.into_iter().flatten() {
            self.notes.add(code, number);
        }
        match &mut self.draft {
            Some(draft) => draft.push(hunk),
            None => self.notes.add(NoteCode::HunkWithoutFile, number),
        }
    }
}

/// What a hunk's header promises.
struct Header {
    /// How many lines are to come of each old side; a merge has several.
    old: Vec<u32>,
    new: u32,
    hunk: Hunk,
}

impl Header {
    fn read(line: &[u8]) -> Result<Self, NoteCode> {
        let malformed = NoteCode::HunkHeaderMalformed;
        let signs = line.iter().take_while(|byte| **byte == b'@').count();
        let text = String::from_utf8_lossy(&line[signs..]);
        let (ranges, rest) = text.split_once(" @").ok_or(malformed)?;
        let section = rest.trim_start_matches('@').trim().to_owned();
        let mut ranges = ranges.split_ascii_whitespace();
        let mut old = Vec::new();
        let mut old_start = None;
        for _ in 1..signs {
            let range = ranges.next().and_then(|range| range.strip_prefix('-'));
            let (start, count) = range_of(range.ok_or(malformed)?)?;
            old_start.get_or_insert(start);
            old.push(count);
        }
        let range = ranges.next().and_then(|range| range.strip_prefix('+'));
        let (new_start, new) = range_of(range.ok_or(malformed)?)?;
        let is_whole = ranges.next().is_none();
        let old_start = old_start.filter(|_| is_whole).ok_or(malformed)?;
        Ok(Self { old, new, hunk: Hunk::new(old_start, new_start, section) })
    }
}

/// `START` or `START,COUNT`, neither beyond what lines can be counted in.
fn range_of(text: &str) -> Result<(u32, u32), NoteCode> {
    let number = |digits: &str| {
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NoteCode::HunkHeaderMalformed);
        }
        digits.parse::<u32>().map_err(|_| NoteCode::NumberTooLarge)
    };
    let (start, count) = match text.split_once(',') {
        Some((start, count)) => (number(start)?, number(count)?),
        None => (number(text)?, 1),
    };
    start.checked_add(count).ok_or(NoteCode::NumberTooLarge)?;
    Ok((start, count))
}

/// Takes the lines that a header promises.
struct Body<'a> {
    old: Vec<u32>,
    new: u32,
    counter: Counter,
    hunk: Hunk,
    is_lossy: bool,
    line: &'a [u8],
}

impl<'a> Body<'a> {
    fn read(lines: &mut Lines<'a>, header: Header) -> (Hunk, [Option<NoteCode>; 2]) {
        let counter = header.hunk.counter();
        let Header { old, new, hunk } = header;
        let mut body = Self { old, new, counter, hunk, is_lossy: false, line: &[] };
        let mut is_cut = false;
        while body.is_owed() {
            is_cut = match lines.peek() {
                Some(line) => {
                    body.line = line;
                    !body.take()
                }
                None => true,
            };
            if is_cut {
                break;
            }
            lines.next();
            body.end_of_file(lines);
        }
        let cut = is_cut.then_some(NoteCode::HunkCutShort);
        (body.hunk, [cut, body.is_lossy.then_some(NoteCode::NotUtf8)])
    }

    fn is_owed(&self) -> bool {
        self.new > 0 || self.old.iter().any(|count| *count > 0)
    }

    /// Takes the line into the hunk; false where it belongs to none.
    fn take(&mut self) -> bool {
        let parents = self.old.len();
        let is_blank = without_return(self.line).is_empty();
        // What sends diffs by mail strips blanks at the ends of lines, so an empty one is context.
        let (signs, text) = match self.line.get(..parents) {
            Some(signs) if !is_blank => (signs.to_vec(), &self.line[parents..]),
            _ if is_blank => (vec![b' '; parents], self.line),
            _ => return false,
        };
        if !signs.iter().all(|sign| matches!(sign, b' ' | b'+' | b'-')) {
            return false;
        }
        let is_lost = signs.contains(&b'-');
        // A side has the line: of a lost one those that lost it, of one that is there those that
        // didn't gain it.
        let has_it = |sign: u8| if is_lost { sign == b'-' } else { sign == b' ' };
        for (count, sign) in self.old.iter_mut().zip(&signs) {
            *count = count.saturating_sub(u32::from(has_it(*sign)));
        }
        self.new = self.new.saturating_sub(u32::from(!is_lost));
        let kind = match (is_lost, has_it(signs[0])) {
            (true, true) => LineKind::Removed,
            // Only another parent lost it: nothing that this review has to do with.
            (true, false) => return true,
            (false, true) => LineKind::Context,
            (false, false) if signs.iter().all(|sign| *sign == b'+') => LineKind::Added,
            (false, false) => LineKind::Merged,
        };
        let text = String::from_utf8_lossy(text);
        self.is_lossy |= matches!(text, std::borrow::Cow::Owned(_));
        // The header's numbers have been checked together with its counts, but a hunk with too many
        // lines of one side can still run over.
        if let Some(line) = self.counter.line(kind, text.into_owned()) {
            self.hunk.lines.push(line);
        }
        true
    }

    /// `\ No newline at end of file`, in whatever language, is about the line before.
    fn end_of_file(&mut self, lines: &mut Lines<'a>) {
        if lines.peek().is_some_and(|line| line.starts_with(b"\\")) {
            lines.next();
            if let Some(last) = self.hunk.lines.last_mut() {
                last.is_unterminated = true;
            }
        }
    }
}

//! What stands above a file's hunks: paths, modes, what happened to it.

use super::note::{NoteCode, Notes};
use super::path::{Name, alone, of_side, pair, without_prefixes};
use super::{Change, Content, FileDiff, Hunk};

/// A file while its lines are read.
#[derive(Debug, Default)]
pub(super) struct Draft {
    file: FileDiff,
    /// The two paths of the line that opened it.
    opened: Option<(String, String)>,
    /// Those of `--- ` and `+++ `.
    sides: Option<(Name, Name)>,
    /// Those of `rename from` and `copy from` with theirs.
    from: Option<String>,
    to: Option<String>,
    /// Whether git wrote it, and not plain `diff`.
    is_git: bool,
}

impl Draft {
    /// Opened by `diff --git `, whose rest is given.
    pub(super) fn git(rest: &[u8]) -> Self {
        Self { opened: pair(rest), is_git: true, ..Self::default() }
    }

    /// Opened by `diff --cc ` or `diff --combined `: there is one path and no prefix.
    pub(super) fn combined(rest: &[u8]) -> Self {
        let (path, _) = alone(rest);
        let opened = (!path.is_empty()).then(|| (path.clone(), path));
        Self { opened, is_git: true, ..Self::default() }
    }

    /// Opened by a line of git's that says what a submodule became: `NAME abc..def:`, perhaps with
    /// a remark behind, or `NAME contains modified content`.
    pub(super) fn submodule(rest: &[u8]) -> Self {
        let text = String::from_utf8_lossy(rest);
        let is_range = |text: &str| {
            let from = text.bytes().take_while(u8::is_ascii_hexdigit).count();
            from >= 4 && text[from..].starts_with("..")
        };
        let mut blanks = text.match_indices(' ').map(|(at, _)| at);
        let range = blanks.find(|at| is_range(&text[at + 1..]));
        let end = range.or_else(|| text.find(" contains "));
        let path = end.map(|end| text[..end].to_owned());
        let file = FileDiff { content: Content::Submodule, ..FileDiff::default() };
        Self { opened: path.map(|path| (path.clone(), path)), file, ..Self::default() }
    }

    /// Whether a further `--- ` opens another file.
    pub(super) fn has_sides(&self) -> bool {
        self.sides.is_some() || !self.file.hunks.is_empty()
    }

    pub(super) fn set_sides(&mut self, old: &[u8], new: &[u8], line: u32, notes: &mut Notes) {
        let (old, new) = (of_side(old), of_side(new));
        if !(old.is_well_formed && new.is_well_formed) {
            notes.add(NoteCode::PathMalformed, line);
        }
        self.sides = Some((old.name, new.name));
    }

    pub(super) fn push(&mut self, hunk: Hunk) {
        self.file.hunks.push(hunk);
    }

    pub(super) fn set_binary(&mut self) {
        self.file.content = Content::Binary;
    }

    /// Plain `diff` says in one line that two files differ.
    pub(super) fn set_binary_sides(&mut self, between: &[u8], line: u32, notes: &mut Notes) {
        self.set_binary();
        let split = between.windows(5).position(|five| five == b" and ");
        if let (None, Some(at)) = (&self.opened, split) {
            self.set_sides(&between[..at], &between[at + 5..], line, notes);
        }
    }

    /// Takes one line of git's extended header; false where it isn't one.
    pub(super) fn extend(&mut self, line: &[u8], number: u32, notes: &mut Notes) -> bool {
        if !self.is_git || self.has_sides() {
            return false;
        }
        let file = &mut self.file;
        let text = |rest: &[u8]| Some(String::from_utf8_lossy(rest).into_owned());
        let mut path = |rest: &[u8]| {
            let (path, is_well_formed) = alone(rest);
            if !is_well_formed {
                notes.add(NoteCode::PathMalformed, number);
            }
            Some(path)
        };
        if let Some(rest) = line.strip_prefix(b"old mode ") {
            file.old_mode = text(rest);
        } else if let Some(rest) = line.strip_prefix(b"new mode ") {
            file.new_mode = text(rest);
        } else if let Some(rest) = line.strip_prefix(b"deleted file mode ") {
            file.change = Change::Deleted;
            file.old_mode = text(rest);
        } else if let Some(rest) = line.strip_prefix(b"new file mode ") {
            file.change = Change::Added;
            file.new_mode = text(rest);
        } else if let Some(rest) = line.strip_prefix(b"rename from ") {
            file.change = Change::Renamed;
            self.from = path(rest);
        } else if let Some(rest) = line.strip_prefix(b"copy from ") {
            file.change = Change::Copied;
            self.from = path(rest);
        } else if let Some(rest) =
            line.strip_prefix(b"rename to ").or_else(|| line.strip_prefix(b"copy to "))
        {
            self.to = path(rest);
        } else if let Some(rest) = line.strip_prefix(b"similarity index ") {
            file.similarity = String::from_utf8_lossy(rest).trim_end_matches('%').parse().ok();
        } else if let Some(rest) = line.strip_prefix(b"mode ") {
            combined_modes(file, rest);
        } else if let Some(rest) = line.strip_prefix(b"index ") {
            index_mode(file, rest);
        } else {
            return line.starts_with(b"dissimilarity index ");
        }
        true
    }

    /// The file; none where nothing says what it is called.
    pub(super) fn finish(mut self) -> Option<FileDiff> {
        if self.is_git && self.sides.is_none() {
            let pair = self.opened.as_ref();
            let (old, new) = pair.map(|(old, new)| without_prefixes(old, new)).unzip();
            return self.named(old, new);
        }
        match self.sides.take() {
            Some((Name::Nothing, Name::Path(new))) => {
                self.file.change = Change::Added;
                let new = self.one(&new);
                self.named(None, Some(new))
            }
            Some((Name::Path(old), Name::Nothing)) => {
                self.file.change = Change::Deleted;
                let old = self.one(&old);
                self.named(Some(old.clone()), Some(old))
            }
            Some((Name::Path(old), Name::Path(new))) => {
                let (old, new) = self.two(&old, &new);
                self.named(Some(old), Some(new))
            }
            Some((Name::Nothing, Name::Nothing)) => None,
            None => {
                let (old, new) = self.opened.take().unzip();
                self.named(old, new)
            }
        }
    }

    /// Both sides' paths without prefixes. In a combined diff the line above has the bare path.
    fn two(&self, old: &str, new: &str) -> (String, String) {
        match &self.opened {
            Some((first, second)) if first == second => {
                let bare = |path: &str| {
                    let stripped = path.get(2..).filter(|rest| rest == first);
                    stripped.unwrap_or(path).to_owned()
                };
                (bare(old), bare(new))
            }
            _ => without_prefixes(old, new),
        }
    }

    /// The path of a file that only one side has: it has a prefix where the line above has two, or
    /// where there is no such line and it looks like it.
    fn one(&self, path: &str) -> String {
        let strip = |path: &str| {
            let rest = path.strip_prefix("a/").or_else(|| path.strip_prefix("b/"));
            rest.unwrap_or(path).to_owned()
        };
        match &self.opened {
            Some((old, new)) if old == path && new == path => path.to_owned(),
            Some((old, new)) if old != new => {
                let (old_bare, new_bare) = without_prefixes(old, new);
                let has_prefix = old_bare.len() < old.len();
                if has_prefix && (path == old || path == new) { new_bare } else { strip(path) }
            }
            _ => strip(path),
        }
    }

    fn named(mut self, old: Option<String>, new: Option<String>) -> Option<FileDiff> {
        let old = self.from.take().or(old);
        let new = self.to.take().or(new)?;
        let mut file = self.file;
        let is_new = file.change == Change::Added;
        file.old_path = old.filter(|old| *old != new && !is_new);
        file.path = new;
        let has_mode = |mode: &str| {
            file.new_mode.as_deref().or(file.old_mode.as_deref()).is_some_and(|own| own == mode)
        };
        if has_mode("160000") {
            file.content = Content::Submodule;
        } else if has_mode("120000") {
            file.content = Content::Symlink;
        }
        Some(file)
    }
}

/// `mode OLD,OLD..NEW` of a merge, whose first parent counts.
fn combined_modes(file: &mut FileDiff, rest: &[u8]) {
    let text = String::from_utf8_lossy(rest);
    if let Some((old, new)) = text.split_once("..") {
        file.old_mode = old.split(',').next().map(str::to_owned);
        file.new_mode = Some(new.to_owned());
    }
}

/// `index OLD..NEW MODE`, where the mode stands if it is the same on both sides.
fn index_mode(file: &mut FileDiff, rest: &[u8]) {
    let text = String::from_utf8_lossy(rest);
    if let Some((_, mode)) = text.split_once(' ') {
        file.old_mode.get_or_insert_with(|| mode.to_owned());
        file.new_mode.get_or_insert_with(|| mode.to_owned());
    }
}

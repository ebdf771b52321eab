//! Statements that go on over several lines.

use super::View;
use crate::language::Language;

/// How many lines of a statement are read before the one that is looked at.
const LINES_BEFORE_MAX: usize = 8;

/// Brackets that code opens, less those that it closes.
pub(super) fn open_brackets(code: &str) -> i64 {
    code.bytes().fold(0, |open, byte| match byte {
        b'(' | b'[' | b'{' => open + 1,
        b')' | b']' | b'}' => open - 1,
        _ => open,
    })
}

impl View<'_> {
    /// The code of a statement from its beginning to the end of a line.
    pub(crate) fn statement(&self, place: usize) -> String {
        let mut first = place;
        while first > 0 && place - first < LINES_BEFORE_MAX && !self.ends_statement(first - 1) {
            first -= 1;
        }
        let lines = self.lines[first..=place].iter();
        lines.map(|line| line.text().trim()).collect::<Vec<_>>().join(" ")
    }

    /// Whether no statement goes on behind a line.
    fn ends_statement(&self, place: usize) -> bool {
        let code = self.lines[place].code().trim_end();
        match self.language() {
            Language::Python | Language::Ruby => {
                !code.ends_with(['(', '[', '{', ',', '\\', '.', '+', '='])
            }
            _ => code.trim().is_empty() || code.ends_with([';', '{', '}', ':']),
        }
    }
}

//! What must hold at the end.

use super::shown::Printer;

/// Checks so far.
#[derive(Debug, Default)]
pub(super) struct Checks {
    failed: Vec<String>,
    held: usize,
}

impl Checks {
    /// Notes a check.
    pub(super) fn that(&mut self, holds: bool, what: impl Into<String>) {
        if holds {
            self.held += 1;
        } else {
            self.failed.push(what.into());
        }
    }

    /// Prints how they came out; whether all held.
    pub(super) fn verdict(self, printer: &Printer) -> bool {
        for what in &self.failed {
            printer.line("FAILED", what);
        }
        let all = self.held + self.failed.len();
        printer.line("verdict", &format!("{} of {all} checks held", self.held));
        self.failed.is_empty()
    }
}

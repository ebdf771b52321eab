//! What the demonstration prints: a line for each thing that happens, with its time.

use std::io::{self, Write};
use std::time::Instant;

/// Prints with the time since it was made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Printer {
    since: Instant,
}

impl Printer {
    pub(super) fn new() -> Self {
        Self { since: Instant::now() }
    }

    /// Seconds so far.
    pub(super) fn seconds(&self) -> f64 {
        self.since.elapsed().as_secs_f64()
    }

    /// A line of a part of the story. Whoever reads no more of it doesn't stop it.
    pub(super) fn line(&self, part: &str, text: &str) {
        let mut out = io::stdout().lock();
        let _read = writeln!(out, "{:7.2} s  {part:<9} {text}", self.seconds());
        let _read = out.flush();
    }

    /// A line without a time.
    pub(super) fn plain(text: &str) {
        let mut out = io::stdout().lock();
        let _read = writeln!(out, "{text}");
        let _read = out.flush();
    }
}

//! What happened, step by step, as one number: two runs of a seed must agree on it.

use std::fmt::{self, Write};
use std::time::Duration;

/// The steps of a run. Kept as text only where somebody wants to compare two runs.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: u64,
    steps: u64,
    lines: Option<Vec<String>>,
}

impl Trace {
    /// Nothing has happened yet.
    pub(crate) fn new(keeps_lines: bool) -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, steps: 0, lines: keeps_lines.then(Vec::new) }
    }

    /// Notes a step with its time.
    pub(crate) fn note(&mut self, at: Duration, what: fmt::Arguments<'_>) {
        self.steps += 1;
        let number = self.steps;
        // Writing into a number fails for nobody.
        let _never = writeln!(self, "{number} {} {what}", at.as_micros());
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{:>10} us  {what}", at.as_micros()));
        }
    }

    pub(crate) const fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) const fn steps(&self) -> u64 {
        self.steps
    }

    pub(crate) fn take_lines(&mut self) -> Vec<String> {
        self.lines.take().unwrap_or_default()
    }
}

impl Write for Trace {
    /// FNV-1a: the same on every machine and quick on short texts.
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(())
    }
}

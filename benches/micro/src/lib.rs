//! What the benchmarks share: how often they run, and how they print.
//!
//! A benchmark is a plain program. Under `cargo bench` it runs in full, every row at least five
//! times and with its peer in the same run; under `cargo test` it runs once with a few operations,
//! so that it can't rot. It prints medians and ranges, because the machines are noisy.

use std::time::Duration;

/// How much a benchmark does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// One run of a few operations, to see that it works.
    Tiny,
    /// Five runs of many.
    Full,
}

impl Size {
    /// Full where cargo says that it benches.
    #[must_use]
    pub fn from_arguments() -> Self {
        if std::env::args().any(|argument| argument == "--bench") { Self::Full } else { Self::Tiny }
    }

    /// How many runs a row has.
    #[must_use]
    pub const fn runs(self) -> usize {
        match self {
            Self::Tiny => 1,
            Self::Full => 5,
        }
    }

    /// `full` operations, or a few.
    #[must_use]
    pub const fn operations(self, full: usize) -> usize {
        match self {
            Self::Tiny => 64,
            Self::Full => full,
        }
    }
}

/// The runs of one row.
#[derive(Debug, Clone)]
pub struct Row {
    name: String,
    unit: &'static str,
    values: Vec<f64>,
}

impl Row {
    /// A row that has no runs yet.
    #[must_use]
    pub fn new(name: &str, unit: &'static str) -> Self {
        Self { name: name.to_owned(), unit, values: Vec::new() }
    }

    /// Adds operations per second.
    pub fn rate(&mut self, operations: usize, took: Duration) {
        #[expect(clippy::cast_precision_loss, reason = "a figure to read, not to reckon with")]
        self.values.push(operations as f64 / took.as_secs_f64());
    }

    /// Adds nanoseconds per operation.
    pub fn nanos(&mut self, operations: usize, took: Duration) {
        #[expect(clippy::cast_precision_loss, reason = "a figure to read, not to reckon with")]
        self.values.push(took.as_secs_f64() * 1e9 / operations as f64);
    }

    /// Adds microseconds.
    pub fn micros(&mut self, took: Duration) {
        self.values.push(took.as_secs_f64() * 1e6);
    }

    /// The median of the runs.
    #[must_use]
    pub fn median(&self) -> f64 {
        let mut sorted = self.values.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// Prints name, median and range.
    #[expect(clippy::print_stdout, reason = "a benchmark's purpose")]
    pub fn print(&self) {
        let low = self.values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = self.values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        println!(
            "{:<44} {:>12.1} {:<7} ({low:.1} to {high:.1}, {} runs)",
            self.name,
            self.median(),
            self.unit,
            self.values.len()
        );
    }
}

/// Prints the ratio of two medians.
#[expect(clippy::print_stdout, reason = "a benchmark's purpose")]
pub fn print_ratio(name: &str, ours: &Row, peer: &Row) {
    println!("{name:<44} {:>12.2} x", ours.median() / peer.median());
}

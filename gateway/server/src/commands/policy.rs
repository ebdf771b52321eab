//! `coppice policy check`: whether a bundle can be put in force, and what would change with it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use coppice_policy::{BundleError, CedarPolicy, Difference, PolicyRecord, Verdict, replay};
use thiserror::Error;

/// Why a bundle was not found sound.
#[derive(Debug, Error)]
pub enum PolicyCheckError {
    /// It can't be put in force.
    #[error("the bundle can not be put in force")]
    Bundle(#[source] BundleError),
    /// The records can't be read.
    #[error("the records in {} can not be read", .path.display())]
    Records {
        /// Where they should be.
        path: PathBuf,
        /// The operating system's reason.
        #[source]
        source: io::Error,
    },
    /// A line is no record of a decision.
    #[error("line {line} is no record of a decision")]
    Record {
        /// Which, from 1.
        line: usize,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
    /// Stdout is closed.
    #[error("can not write to stdout")]
    Stdout(#[source] io::Error),
}

impl PolicyCheckError {
    /// Whether what was to be checked is at fault, and not the check.
    #[must_use]
    pub const fn is_fault(&self) -> bool {
        matches!(self, Self::Bundle(_))
    }
}

/// Loads a bundle and prints what it is called; with records, one a line, also those that it would
/// decide otherwise.
///
/// # Errors
/// [`PolicyCheckError`].
pub fn check_policy(directory: &Path, records: Option<&Path>) -> Result<(), PolicyCheckError> {
    let policy = CedarPolicy::load(directory).map_err(PolicyCheckError::Bundle)?;
    let bundle = policy.reference();
    let title =
        format!("bundle {}\nhash {}\nstamp {}", bundle.version, bundle.hash, bundle.stamp());
    say(&title)?;
    let Some(path) = records else { return Ok(()) };
    let unreadable = |source| PolicyCheckError::Records { path: path.to_path_buf(), source };
    let file = BufReader::new(File::open(path).map_err(unreadable)?);
    let (mut tried, mut changed) = (0_u64, 0_u64);
    for (index, line) in file.lines().enumerate() {
        let line = line.map_err(unreadable)?;
        if line.trim().is_empty() {
            continue;
        }
        let record: PolicyRecord = serde_json::from_str(&line)
            .map_err(|source| PolicyCheckError::Record { line: index + 1, source })?;
        let difference = replay(&record, &policy);
        tried += 1;
        if difference.is_change() {
            changed += 1;
            say(&told(index + 1, &record, &difference))?;
        }
    }
    say(&format!("{tried} decisions tried, {changed} would change"))
}

fn told(line: usize, record: &PolicyRecord, difference: &Difference) -> String {
    let question = &record.question;
    let text = |verdict: &Verdict| serde_json::to_string(verdict).unwrap_or_default();
    let (before, after) = (text(&difference.before), text(&difference.after));
    let (action, resource) = (question.action.name(), &question.resource);
    format!("line {line}: {} {action} {resource:?}: {before} becomes {after}", question.tenant)
}

fn say(line: &str) -> Result<(), PolicyCheckError> {
    writeln!(io::stdout().lock(), "{line}").map_err(PolicyCheckError::Stdout)
}

//! Several runs as Markdown: medians and ranges for each scenario and store.
//!
//! **Invariant:** one table holds runs of one machine, build and scenario. What differs is refused by
//! its name, for a median over two builds is of neither.
//!
//! **Invariant:** every run that was found is in a table or is named with the reason why it isn't.
//! A run that missed a threshold is in the table, since leaving out the slow ones would make a scenario
//! look faster than it is; it is named as well. One whose generator was the bottleneck says nothing of
//! the target, and one with wrong answers nothing of a target that works: both are only named.

mod group;
mod read;
mod section;
mod spread;
#[cfg(test)]
mod tests;

use std::fmt::Write;
use std::path::PathBuf;

use thiserror::Error;

use self::group::{Group, Shared, shared};
pub use self::read::{ABOUT_FILE, Run, read};
use super::html::utc;

/// Fewer runs show no noise.
pub const RUNS_MIN: usize = crate::baseline::RUNS_MIN;

/// Why there are no tables.
#[derive(Debug, Error)]
pub enum TablesError {
    /// A path leads to no run.
    #[error("there is no run in {}", path.display())]
    Nothing {
        /// The path.
        path: PathBuf,
    },
    /// A file or directory can't be read.
    #[error("{} can not be read", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file holds something else.
    #[error("{} is no report", path.display())]
    Report {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A report is of another version of the format.
    #[error("{} has version {is} of the format, not {}", path.display(), super::VERSION)]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        is: u32,
    },
    /// What stands beside a report can't be understood.
    #[error("{} must hold texts with names", path.display())]
    About {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: toml::de::Error,
    },
    /// The same run twice would count twice.
    #[error("{one} and {other} are the same run")]
    Twice {
        /// One of them.
        one: String,
        /// The other.
        other: String,
    },
    /// Runs that can't stand in one table.
    #[error("{one} and {other} do not belong into one table of {scenario}: {}", differences.join("; "))]
    Mixed {
        /// Of which scenario.
        scenario: String,
        /// A run.
        one: String,
        /// Another one.
        other: String,
        /// What differs, with both values.
        differences: Vec<String>,
    },
}

/// The tables of these runs.
///
/// # Errors
/// [`TablesError::Twice`], [`TablesError::Mixed`]
pub fn markdown(runs: &[Run]) -> Result<String, TablesError> {
    twice(runs)?;
    let groups = Group::all(runs)?;
    let shared = shared(&groups);
    let mut text = String::new();
    // Writing to a string can't fail.
    let _written = write_all(&mut text, runs, &groups, &shared);
    Ok(text)
}

fn twice(runs: &[Run]) -> Result<(), TablesError> {
    let mut seen = std::collections::BTreeMap::new();
    for run in runs {
        let Some(report) = &run.report else { continue };
        let key = (&report.run, report.environment.began_at);
        if let Some(one) = seen.insert(key, &run.name) {
            return Err(TablesError::Twice { one: one.clone(), other: run.name.clone() });
        }
    }
    Ok(())
}

fn write_all(
    text: &mut String,
    runs: &[Run],
    groups: &[Group<'_>],
    shared: &Shared,
) -> std::fmt::Result {
    write!(text, "{}", section::begins(&section::runs(runs.len())))?;
    let began = runs.iter().filter_map(|run| Some(run.report.as_ref()?.environment.began_at));
    if let (Some(first), Some(last)) = (began.clone().min(), began.max()) {
        write!(text, ", begun from {} to {}", utc(first), utc(last))?;
    }
    writeln!(
        text,
        ". A figure is the median over the runs of a table (lowest to highest); latencies are of the \
         acknowledged, from the intended start, and service times from the moment of sending; errors \
         are a share of all tries, those that were tried again too. A phase \
         that doesn't count has no row. A run that missed a threshold is in the table and named below \
         it; one whose generator was the bottleneck, or whose answers were wrong, is only named.\n"
    )?;
    if !shared.facts.is_empty() {
        writeln!(text, "| Fingerprint | |\n| --- | --- |")?;
    }
    for (name, value) in &shared.facts {
        writeln!(text, "| {} | {} |", escaped(name), escaped(value))?;
    }
    for group in groups {
        section::write(text, group, shared)?;
    }
    Ok(())
}

/// Text that comes from elsewhere, so that Markdown takes it as text.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for one in text.chars() {
        match one {
            '\n' | '\r' => safe.push(' '),
            '\\' | '|' | '<' | '`' | '*' => safe.extend(['\\', one]),
            _ => safe.push(one),
        }
    }
    safe
}

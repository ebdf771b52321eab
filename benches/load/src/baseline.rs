//! Earlier runs as a baseline, and whether a run is worse.
//!
//! A baseline holds figures of at least [`RUNS_MIN`] runs. A figure is worse where it is outside of
//! their range on the wrong side *and* further from their median than a floor: [`FLOOR`] of it, and
//! of a latency [`FLOOR_MS`]. A range of five runs is narrow by chance; the floor keeps a run that is
//! slower by nothing that matters from failing.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::names::{OPERATIONS, operation_name};
use crate::recovery::median;
use crate::report::Environment;

/// Fewer runs show no noise.
pub const RUNS_MIN: usize = 5;
/// On a machine that others share, medians of the same build differ by this much.
pub const FLOOR: f64 = 0.10;
/// Latencies that differ by less are as good as equal to whoever waits.
pub const FLOOR_MS: f64 = 0.5;
/// Of the file.
const VERSION: u32 = 1;
/// A baseline's file is small; one that isn't is no baseline.
const FILE_BYTES_MAX: u64 = 16 * 1_024 * 1_024;

/// Figures of earlier runs of one scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    version: u32,
    scenario: String,
    environment: Environment,
    /// By figure, a value for each run.
    figures: BTreeMap<String, Vec<f64>>,
}

/// Why there is no baseline.
#[derive(Debug, Error)]
pub enum BaselineError {
    /// Too few runs.
    #[error("a baseline takes {RUNS_MIN} runs at least, not {runs}")]
    TooFew {
        /// How many there are.
        runs: usize,
    },
    /// It is of something else.
    #[error("{} is the baseline of {is}, not of {wanted}", path.display())]
    Other {
        /// The file.
        path: PathBuf,
        /// Its scenario.
        is: String,
        /// The run's.
        wanted: String,
    },
    /// It is of another version.
    #[error("{} has version {is} of the format, not {VERSION}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        is: u32,
    },
    /// The file can't be read or written.
    #[error("{} can not be read or written", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// What it holds is no baseline.
    #[error("{} is no baseline", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

/// A run against its baseline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// How many runs the baseline has.
    pub runs: u64,
    /// What is other than it was: machine, store. Where anything is, a difference may come from there.
    pub differences: Vec<String>,
    /// Each figure that is compared.
    pub figures: Vec<Compared>,
}

/// A figure against its baseline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Compared {
    /// Its name.
    pub figure: String,
    /// Of the baseline's runs.
    pub median: f64,
    /// Of the baseline's runs.
    pub lowest: f64,
    /// Of the baseline's runs.
    pub highest: f64,
    /// Of this run.
    pub is: f64,
    /// Whether it is a regression.
    pub is_worse: bool,
}

impl fmt::Display for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { figure, median, lowest, highest, is, .. } = self;
        write!(
            f,
            "{figure} is {is:.3} and was {median:.3} in the median ({lowest:.3} to {highest:.3})"
        )
    }
}

impl Comparison {
    /// The figures that are worse.
    pub fn regressions(&self) -> impl Iterator<Item = &Compared> {
        self.figures.iter().filter(|one| one.is_worse)
    }
}

/// Which way a figure is good; none for one that is neither. Only those of the phases that count
/// are compared, and no share of outcomes: those have thresholds.
fn is_more_better(figure: &str) -> Option<bool> {
    let (before, of_operation) = figure.rsplit_once('.').unwrap_or(("", figure));
    if !before.is_empty() && !OPERATIONS.map(operation_name).contains(&before) {
        return None;
    }
    match of_operation {
        "per_s" | "goodput_of_peak" => Some(true),
        "p50_ms" | "p90_ms" | "p99_ms" | "service_p50_ms" | "service_p99_ms" => Some(false),
        "memory_mb_max" | "recovery_ms_max" | "settle_ms" => Some(false),
        _ => None,
    }
}

impl Baseline {
    /// Makes one of the figures of several runs. A figure that a run lacks isn't compared.
    ///
    /// # Errors
    /// [`BaselineError::TooFew`]
    pub fn of(
        scenario: &str,
        environment: Environment,
        runs: &[BTreeMap<String, f64>],
    ) -> Result<Self, BaselineError> {
        if runs.len() < RUNS_MIN {
            return Err(BaselineError::TooFew { runs: runs.len() });
        }
        let mut figures: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for (name, value) in runs.iter().flatten() {
            if is_more_better(name).is_some() && value.is_finite() {
                figures.entry(name.clone()).or_default().push(*value);
            }
        }
        figures.retain(|_, values| values.len() == runs.len());
        let scenario = scenario.to_owned();
        Ok(Self { version: VERSION, scenario, environment, figures })
    }

    /// Reads the baseline of a scenario.
    ///
    /// # Errors
    /// [`BaselineError`]
    pub fn read(path: &Path, scenario: &str) -> Result<Self, BaselineError> {
        let file = |source| BaselineError::File { path: path.to_owned(), source };
        if fs::metadata(path).map_err(file)?.len() > FILE_BYTES_MAX {
            return Err(file(std::io::Error::other("it is too large")));
        }
        let text = fs::read_to_string(path).map_err(file)?;
        let content = |source| BaselineError::Content { path: path.to_owned(), source };
        let baseline: Self = serde_json::from_str(&text).map_err(content)?;
        let (path, is) = (path.to_owned(), baseline.version);
        if is != VERSION {
            return Err(BaselineError::Version { path, is });
        }
        if baseline.scenario != scenario {
            let (is, wanted) = (baseline.scenario, scenario.to_owned());
            return Err(BaselineError::Other { path, is, wanted });
        }
        Ok(baseline)
    }

    /// Writes it.
    ///
    /// # Errors
    /// [`BaselineError`]
    pub fn write(&self, path: &Path) -> Result<(), BaselineError> {
        let content = |source| BaselineError::Content { path: path.to_owned(), source };
        let text = serde_json::to_string_pretty(self).map_err(content)?;
        let file = |source| BaselineError::File { path: path.to_owned(), source };
        fs::write(path, text + "\n").map_err(file)
    }

    /// Holds the figures of a run against it. A figure that the run lacks is worse than any.
    #[must_use]
    pub fn compare(
        &self,
        environment: &Environment,
        figures: &BTreeMap<String, f64>,
    ) -> Comparison {
        let pairs = self.environment.comparable().into_iter().zip(environment.comparable());
        let differences = pairs
            .filter(|((_, was), (_, is))| was != is)
            .map(|((what, was), (_, is))| format!("{what} was {was:?} and is {is:?}"))
            .collect();
        let compared = self.figures.iter().filter_map(|(name, values)| {
            let median = median(values.iter().copied())?;
            let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
            let highest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let is_more_better = is_more_better(name)?;
            let worst = if is_more_better { 0.0 } else { f64::MAX };
            let is = figures.get(name).copied().unwrap_or(worst);
            let mut floor = median.abs() * FLOOR;
            if name.ends_with("_ms") {
                floor = floor.max(FLOOR_MS);
            }
            let is_worse = if is_more_better {
                is < lowest && median - is > floor
            } else {
                is > highest && is - median > floor
            };
            Some(Compared { figure: name.clone(), median, lowest, highest, is, is_worse })
        });
        let figures: Vec<Compared> = compared.collect();
        let runs = self.figures.values().map(Vec::len).max().unwrap_or(0) as u64;
        Comparison { runs, differences, figures }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(p99_ms: f64, per_s: f64) -> BTreeMap<String, f64> {
        [("add.p99_ms", p99_ms), ("per_s", per_s), ("main.p99_ms", p99_ms), ("errors", 0.5)]
            .map(|(name, value)| (name.to_owned(), value))
            .into()
    }

    /// p99 from 10 to 14 ms, median 12; rates from 900 to 1,100, median 1,000.
    fn baseline() -> Baseline {
        let runs =
            [(10.0, 1_000.0), (11.0, 900.0), (12.0, 1_100.0), (13.0, 1_000.0), (14.0, 1_000.0)];
        let runs = runs.map(|(p99, per_s)| run(p99, per_s));
        Baseline::of("steady", Environment::default(), &runs).unwrap()
    }

    fn worse(figures: &BTreeMap<String, f64>) -> Vec<String> {
        let comparison = baseline().compare(&Environment::default(), figures);
        comparison.regressions().map(|one| one.figure.clone()).collect()
    }

    #[test]
    fn worse_is_outside_of_the_range_and_beyond_the_floor() {
        assert!(worse(&run(14.0, 900.0)).is_empty(), "at the edge of the range");
        assert_eq!(worse(&run(14.1, 1_000.0)), ["add.p99_ms"]);
        assert_eq!(worse(&run(12.0, 890.0)), ["per_s"]);
        assert!(worse(&run(1.0, 9_000.0)).is_empty(), "better");
        assert_eq!(worse(&BTreeMap::new()), ["add.p99_ms", "per_s"], "it is gone");
    }

    #[test]
    fn what_is_outside_by_next_to_nothing_is_no_regression() {
        let same: Vec<_> = std::iter::repeat_n(run(12.0, 1_000.0), 5).collect();
        let baseline = Baseline::of("steady", Environment::default(), &same).unwrap();
        let worse = |p99, per_s| {
            let comparison = baseline.compare(&Environment::default(), &run(p99, per_s));
            comparison.regressions().count()
        };
        assert_eq!(worse(13.1, 910.0), 0);
        assert_eq!(worse(13.3, 890.0), 2);
        let small: Vec<_> = std::iter::repeat_n(run(1.0, 1_000.0), 5).collect();
        let small = Baseline::of("steady", Environment::default(), &small).unwrap();
        let comparison = small.compare(&Environment::default(), &run(1.4, 1_000.0));
        assert_eq!(comparison.regressions().count(), 0, "0.4 ms is nothing");
    }

    #[test]
    fn another_machine_is_said() {
        let other = Environment { processors: 64, ..Environment::default() };
        let comparison = baseline().compare(&other, &run(12.0, 1_000.0));
        assert_eq!(comparison.differences, ["processors was \"0\" and is \"64\""]);
    }

    #[test]
    fn a_baseline_comes_back_from_its_file_for_its_scenario_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("baseline.json");
        baseline().write(&path).unwrap();
        assert_eq!(Baseline::read(&path, "steady").unwrap(), baseline());
        assert!(matches!(Baseline::read(&path, "soak"), Err(BaselineError::Other { .. })));
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("\"version\": 1", "\"version\": 2")).unwrap();
        assert!(matches!(Baseline::read(&path, "steady"), Err(BaselineError::Version { .. })));
        fs::write(&path, "{").unwrap();
        assert!(matches!(Baseline::read(&path, "steady"), Err(BaselineError::Content { .. })));
    }

    #[test]
    fn fewer_than_five_runs_are_no_baseline() {
        let four: Vec<_> = std::iter::repeat_n(run(12.0, 1_000.0), 4).collect();
        let refused = Baseline::of("steady", Environment::default(), &four);
        assert!(matches!(refused, Err(BaselineError::TooFew { runs: 4 })));
    }
}

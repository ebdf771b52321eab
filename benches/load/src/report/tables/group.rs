//! Runs of one scenario on one store, and what tells them from others.

use std::collections::{BTreeMap, BTreeSet};

use super::{Run, TablesError};
use crate::report::plain::number;
use crate::report::{Conclusion, Report};
use crate::scenario::SHIPPED;

/// What a run is told apart by, by name.
pub(super) type Facts = BTreeMap<String, String>;

/// What a run's [`super::ABOUT_FILE`] says that is no part of its fingerprint.
const NO_FACTS: [&str; 3] = ["scenario", "store", "exit"];

/// Runs that may stand in one table.
#[derive(Debug)]
pub(super) struct Group<'a> {
    pub(super) scenario: String,
    pub(super) store: String,
    /// Those that figures are taken from.
    pub(super) measured: Vec<(&'a Run, &'a Report)>,
    /// Those that came to a report and measured something else than the target at work.
    pub(super) left_out: Vec<(&'a Run, &'a Report)>,
    /// Those that came to no report.
    pub(super) without: Vec<&'a Run>,
    pub(super) facts: Facts,
}

/// What all runs have in common, or all of one store.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) facts: Vec<(String, String)>,
    names: BTreeSet<String>,
}

impl<'a> Group<'a> {
    /// The runs by scenario and store, as the shipped scenarios are ordered.
    ///
    /// # Errors
    /// [`TablesError::Mixed`]
    pub(super) fn all(runs: &'a [Run]) -> Result<Vec<Self>, TablesError> {
        let mut groups: BTreeMap<_, Vec<&Run>> = BTreeMap::new();
        for run in runs {
            let (scenario, store) = (scenario(run), store(run));
            let shipped = SHIPPED.iter().position(|(name, _)| *name == scenario);
            let at = (shipped.unwrap_or(SHIPPED.len()), scenario, store != "sqlite", store);
            groups.entry(at).or_default().push(run);
        }
        let groups = groups.into_iter();
        groups.map(|((_, scenario, _, store), runs)| Self::of(scenario, store, &runs)).collect()
    }

    fn of(scenario: String, store: String, runs: &[&'a Run]) -> Result<Self, TablesError> {
        let mut group = Self {
            scenario,
            store,
            measured: Vec::new(),
            left_out: Vec::new(),
            without: Vec::new(),
            facts: Facts::new(),
        };
        let mut first: Option<(&Run, Facts)> = None;
        for run in runs {
            let Some(report) = &run.report else {
                group.without.push(run);
                continue;
            };
            let content = content(run, report);
            match &first {
                None => first = Some((run, content)),
                Some((one, known)) if *known != content => {
                    return Err(TablesError::Mixed {
                        scenario: group.scenario,
                        one: one.name.clone(),
                        other: run.name.clone(),
                        differences: differences(known, &content),
                    });
                }
                Some(_) => {}
            }
            group.facts = facts(run, report);
            match report.conclusion {
                Conclusion::Pass | Conclusion::Threshold => group.measured.push((run, report)),
                Conclusion::GeneratorLimited | Conclusion::Correctness => {
                    group.left_out.push((run, report));
                }
            }
        }
        Ok(group)
    }

    /// All runs that came to a report.
    pub(super) fn reported(&self) -> impl Iterator<Item = (&'a Run, &'a Report)> {
        self.measured.iter().chain(&self.left_out).copied()
    }

    /// What is of this group alone.
    pub(super) fn own<'b>(
        &'b self,
        shared: &'b Shared,
    ) -> impl Iterator<Item = (&'b String, &'b String)> {
        self.facts.iter().filter(|(name, _)| !shared.names.contains(*name))
    }
}

fn scenario(run: &Run) -> String {
    let said = || run.about.get("scenario").cloned();
    let of_report = run.report.as_ref().map(|report| report.scenario.clone());
    of_report.or_else(said).unwrap_or_else(|| "a scenario that is not known".to_owned())
}

fn store(run: &Run) -> String {
    let said = || run.about.get("store").cloned();
    let of_report = run.report.as_ref().and_then(|report| report.environment.store.clone());
    of_report.or_else(said).unwrap_or_else(|| "a store that is not known".to_owned())
}

/// The fingerprint of a run: what its report says and what was noted beside it.
fn facts(run: &Run, report: &Report) -> Facts {
    let environment = &report.environment;
    let noted = run.about.iter().filter(|(name, _)| !NO_FACTS.contains(&name.as_str()));
    let mut facts: Facts = noted.map(|(name, value)| (name.clone(), value.clone())).collect();
    facts.extend(environment.settings.clone());
    let gigabytes = |bytes| format!("{} GB", number(bytes as f64 / 1e9));
    let server = if environment.is_own {
        "started for the run, on the generator's machine".to_owned()
    } else {
        environment.target.clone()
    };
    let known = [
        ("processor", environment.processor.clone()),
        ("processors", Some(environment.processors.to_string())),
        ("memory", environment.memory_bytes.map(gigabytes)),
        ("kernel", environment.kernel.clone()),
        ("server", Some(server)),
        ("server version", environment.server_version.clone()),
        ("commit", environment.commit.clone()),
        ("generator threads", Some(report.generator.threads.to_string())),
    ];
    let known = known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    facts.extend(known);
    facts
}

/// The fingerprint, and what the scenario was.
fn content(run: &Run, report: &Report) -> Facts {
    let mut content = facts(run, report);
    let phase = |phase: &crate::report::Phase| {
        let seconds = (phase.to_ms - phase.from_ms) / 1e3;
        let counts = if phase.counts { "" } else { " uncounted" };
        format!("{} {seconds:.3} s{counts}", phase.name)
    };
    let phases: Vec<String> = report.phases.iter().map(phase).collect();
    let thresholds: Vec<&str> =
        report.thresholds.iter().map(|kept| kept.threshold.as_str()).collect();
    let faults: Vec<&str> = report.faults.iter().map(|fault| fault.name.as_str()).collect();
    content.extend([
        ("purpose".to_owned(), report.about.clone()),
        ("seed".to_owned(), report.seed.to_string()),
        ("phases".to_owned(), phases.join(", ")),
        ("thresholds".to_owned(), thresholds.join(", ")),
        ("faults".to_owned(), faults.join(", ")),
        ("lag allowed".to_owned(), format!("{} ms", number(report.generator.lag_p99_max_ms))),
    ]);
    content
}

fn differences(one: &Facts, other: &Facts) -> Vec<String> {
    let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let differing = names.into_iter().filter(|name| one.get(*name) != other.get(*name));
    let said = |value: Option<&String>| {
        value.map_or_else(|| "not said".to_owned(), |value| format!("{value:?}"))
    };
    differing
        .map(|name| format!("{name} is {} and {}", said(one.get(name)), said(other.get(name))))
        .collect()
}

/// What is the same in all groups, and what is the same in all groups of each store.
pub(super) fn shared(groups: &[Group<'_>]) -> Shared {
    let groups: Vec<&Group<'_>> =
        groups.iter().filter(|group| group.reported().next().is_some()).collect();
    let names: BTreeSet<&String> = groups.iter().flat_map(|group| group.facts.keys()).collect();
    let mut shared = Shared::default();
    for name in names {
        let mut by_store: BTreeMap<&str, BTreeSet<Option<&String>>> = BTreeMap::new();
        for group in &groups {
            by_store.entry(&group.store).or_default().insert(group.facts.get(name));
        }
        let all: BTreeSet<_> = by_store.values().flatten().copied().collect();
        let of_one = |values: &BTreeSet<Option<&String>>| values.len() == 1;
        let value = match all.first() {
            Some(Some(value)) if of_one(&all) => (*value).clone(),
            // One scenario on one store only would be a fact of the scenario.
            _ if by_store.values().all(of_one) && groups.len() > by_store.len() => {
                let known = by_store.iter().filter_map(|(store, values)| {
                    Some(format!("{store}: {}", values.first().copied().flatten()?))
                });
                known.collect::<Vec<_>>().join("; ")
            }
            _ => continue,
        };
        shared.names.insert(name.clone());
        shared.facts.push((name.clone(), value));
    }
    shared
}

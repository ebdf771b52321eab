//! Precision and recall over the labelled set in `tests/labelled`.
//!
//! A label is a finding that a careful reviewer wants; what no rule sees stays in the set as a miss.
//! The files hold tokens that are made up; `<cut>` stands within them, so that whoever scans the
//! repository for tokens finds none, and is taken out here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use coppice_code_review::steps::review;
use coppice_code_review::{Config, DiffInput, Node, rule, split};
use serde::Deserialize;

/// Below these the set's figures must not fall: precision and recall of each node, in percent.
const FLOORS: [(Node, usize, usize); 4] = [
    (Node::Security, 90, 90),
    (Node::Style, 90, 90),
    (Node::Logic, 90, 90),
    (Node::Performance, 90, 89),
];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Labels {
    about: String,
    #[serde(default)]
    config: Config,
    #[serde(default)]
    finding: Vec<Label>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
struct Label {
    file: String,
    line: u32,
    rule: String,
}

struct Case {
    name: String,
    diff: String,
    labels: Labels,
}

fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/labelled");
    let entries = fs::read_dir(folder).expect("the set is there");
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "diff"));
    paths.sort();
    let read = |path: PathBuf| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let bytes = fs::read(&path).expect("it is there to be read");
        let diff = String::from_utf8_lossy(&bytes).replace("<cut>", "");
        let labels = fs::read_to_string(path.with_extension("toml"));
        let labels = labels.unwrap_or_else(|error| panic!("{name}: {error}"));
        let labels = toml::from_str(&labels).unwrap_or_else(|error| panic!("{name}: {error}"));
        Case { name, diff, labels }
    };
    paths.into_iter().map(read).collect()
}

fn node_of(label: &Label) -> Node {
    rule::by_id(&label.rule).unwrap_or_else(|| panic!("no rule {}", label.rule)).node
}

/// What was right, too much and missing.
#[derive(Debug, Default)]
struct Score {
    right: usize,
    extra: usize,
    missed: usize,
}

impl Score {
    fn precision(&self) -> usize {
        percent(self.right, self.right + self.extra)
    }

    fn recall(&self) -> usize {
        percent(self.right, self.right + self.missed)
    }
}

fn percent(part: usize, whole: usize) -> usize {
    (part * 100).checked_div(whole).unwrap_or(100)
}

#[test]
#[expect(clippy::print_stdout, reason = "the figures are what this test is for")]
fn precision_and_recall_stay_above_their_floors() {
    let mut scores: BTreeMap<Node, Score> = BTreeMap::new();
    for case in cases() {
        let found: BTreeSet<Label> = review(&case.diff, &case.labels.config)
            .findings
            .into_iter()
            .map(|found| Label {
                file: found.file,
                line: found.line,
                rule: found.rule.into_owned(),
            })
            .collect();
        let wanted: BTreeSet<Label> = case.labels.finding.iter().cloned().collect();
        for label in found.union(&wanted) {
            let score = scores.entry(node_of(label)).or_default();
            let what = match (found.contains(label), wanted.contains(label)) {
                (true, true) => {
                    score.right += 1;
                    continue;
                }
                (true, false) => {
                    score.extra += 1;
                    "too much"
                }
                _ => {
                    score.missed += 1;
                    "missed"
                }
            };
            println!("{what}: {} {}:{} {}", case.name, label.file, label.line, label.rule);
        }
    }
    for (node, score) in &scores {
        let Score { right, extra, missed } = score;
        let (precision, recall) = (score.precision(), score.recall());
        println!(
            "{:<12} precision {precision} %, recall {recall} % ({right} right, {extra} too much, \
             {missed} missed)",
            node.name()
        );
    }
    for (node, precision, recall) in FLOORS {
        let score = &scores[&node];
        assert!(score.precision() >= precision, "{node:?}: precision {}", score.precision());
        assert!(score.recall() >= recall, "{node:?}: recall {}", score.recall());
    }
}

#[test]
fn the_set_is_large_and_speaks_of_lines_that_are_there() {
    let cases = cases();
    assert!(cases.len() >= 60, "{} diffs", cases.len());
    let clean = cases.iter().filter(|case| case.labels.finding.is_empty()).count();
    assert!(clean >= 10, "{clean} clean diffs");
    for case in cases {
        assert!(!case.labels.about.is_empty(), "{}", case.name);
        let files = split(&DiffInput { diff: case.diff }).files;
        for label in &case.labels.finding {
            let lines = files.iter().filter(|file| file.path == label.file);
            let mut lines = lines.flat_map(|file| &file.hunks).flat_map(|hunk| &hunk.lines);
            let stands = lines.any(|line| line.new == Some(label.line));
            assert!(stands, "{}: {}:{} isn't there", case.name, label.file, label.line);
            node_of(label);
        }
    }
}

#[test]
fn most_rules_have_a_label() {
    let cases = cases();
    let labels = cases.iter().flat_map(|case| &case.labels.finding);
    let labelled: BTreeSet<_> = labels.map(|label| label.rule.as_str()).collect();
    let without: Vec<_> =
        rule::all().map(|rule| rule.id).filter(|id| !labelled.contains(id)).collect();
    let all = rule::all().count();
    assert!(without.len() * 5 <= all, "{} of {all} have none: {without:?}", without.len());
}

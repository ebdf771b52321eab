//! Every code has a page that says what to do.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use coppice_api::{CODES, Code};
use coppice_core::{Entity, Rejection};
use coppice_domain::compliance::{Control, Erasure};
use coppice_domain::example::{Alarm, Contact, Counter};
use coppice_domain::ingress::Delivery;
use coppice_domain::plugin::{Breaker, PluginVersion};
use coppice_domain::policy::{PublishedBundle, TaskSchema};
use coppice_domain::treasury::{Account, Intent, Transfer};
use coppice_domain::workflow::Workflow;

/// Refusal codes of every entity kind that this build serves.
const REFUSALS: &[&[&str]] = &[
    <<Counter as Entity>::Rejection as Rejection>::CODES,
    <<Alarm as Entity>::Rejection as Rejection>::CODES,
    <<Contact as Entity>::Rejection as Rejection>::CODES,
    <<Control as Entity>::Rejection as Rejection>::CODES,
    <<Delivery as Entity>::Rejection as Rejection>::CODES,
    <<Erasure as Entity>::Rejection as Rejection>::CODES,
    <<Workflow as Entity>::Rejection as Rejection>::CODES,
    <<PluginVersion as Entity>::Rejection as Rejection>::CODES,
    <<Breaker as Entity>::Rejection as Rejection>::CODES,
    <<Account as Entity>::Rejection as Rejection>::CODES,
    <<Transfer as Entity>::Rejection as Rejection>::CODES,
    <<Intent as Entity>::Rejection as Rejection>::CODES,
    <<TaskSchema as Entity>::Rejection as Rejection>::CODES,
    <<PublishedBundle as Entity>::Rejection as Rejection>::CODES,
];

fn pages() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/problems")
}

fn page(code: Code) -> String {
    let path = pages().join(format!("{}.md", code.code));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn all() -> Vec<Code> {
    let refusals = REFUSALS.iter().copied().flatten().map(|code| Code::refusal(code));
    CODES.iter().copied().chain(refusals).collect()
}

#[test]
fn every_code_has_a_page_with_its_status_outcome_and_advice() {
    for code in all() {
        let page = page(code);
        let name = code.code;
        let heading = format!("# `{name}` ({})\n", code.status);
        assert!(page.starts_with(&heading), "{name}: the page starts with {heading:?}");
        for part in ["**What happened.**", "**Outcome.**", "**What to do.**"] {
            assert!(page.contains(part), "{name}: no {part}");
        }
    }
}

#[test]
fn the_index_lists_every_page_and_no_page_is_left_over() {
    let index = fs::read_to_string(pages().join("index.md")).unwrap();
    let mut expected = BTreeSet::from(["index.md".to_owned()]);
    for code in all() {
        let retry = if code.retryable { "yes" } else { "no" };
        let row = format!(
            "| [`{0}`]({0}.md) | {1} | {retry} | {2} |",
            code.code, code.status, code.title
        );
        assert!(index.contains(&row), "the index lacks {row}");
        expected.insert(format!("{}.md", code.code));
    }
    let found: BTreeSet<_> = fs::read_dir(pages())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(found, expected);
}

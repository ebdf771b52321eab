//! The page of all rules says what the code says.

use std::fs;
use std::path::Path;

use coppice_code_review::{document, rule};

#[test]
fn the_page_of_rules_is_what_the_code_makes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/code-review.md");
    let page = fs::read_to_string(path).unwrap();
    let hint = "make it anew: cargo run -p coppice-code-review --example rules_page";
    assert!(page == document::page(), "docs/code-review.md is old; {hint}");
}

#[test]
fn every_rule_has_one_row() {
    let page = document::page();
    for rule in rule::all() {
        let rows = page.lines().filter(|line| line.starts_with(&format!("| `{}` |", rule.id)));
        assert_eq!(rows.count(), 1, "{}", rule.id);
    }
}

//! The page of all rules, `docs/code-review.md`, made of the rules themselves.

use crate::config::{PerformanceConfig, SecurityConfig, StyleConfig};
use crate::diff::NOTES_MAX;
use crate::finding::{FINDINGS_MAX, Node};
use crate::rule::{self, Rule};
use crate::split::DIFF_BYTES_MAX;
use crate::summary::INLINE_COMMENTS_MAX;
use crate::{nodes, steps};

const HEAD: &str = "# Code review

The plugin `code-review` reads a unified diff and says what is wrong with its new lines. It uses no model: its nodes are static analysers over the lines of the new side and their context in the hunk. It sees no more of a file than the diff shows, so it misses what only the whole program tells, and its rules prefer silence to guessing.

This page is made of the code in `plugins/code-review` by `cargo run -p coppice-code-review --example rules_page`, and a test compares the two.

## Steps

";

/// The page.
#[must_use]
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    page.push_str(&format!(
        "{}: a diff is sorted into files, the four nodes look at them side by side, and what they \
         find is merged, ranked and summed up. Generated, vendored, lock, minified and data files \
         are left out with their reason.\n\n",
        steps::STEPS.map(|step| format!("`{step}`")).join(", ")
    ));
    settings(&mut page);
    for node in Node::ALL {
        page.push_str(&format!("\n## Rules: {}\n\n", node.name()));
        page.push_str("| Rule | Severity | Confidence | Languages | What it says | What to do |\n");
        page.push_str("| --- | --- | --- | --- | --- | --- |\n");
        for rule in rule::all().filter(|rule| rule.node == node) {
            row(&mut page, rule);
        }
    }
    page
}

fn settings(page: &mut String) {
    let style = StyleConfig::default();
    let security = SecurityConfig::default();
    let performance = PerformanceConfig::default();
    let rows = [
        (
            "style.line_length_max",
            style.line_length_max.to_string(),
            "The longest line, in characters",
        ),
        (
            "style.indent",
            "as_around".to_owned(),
            "`spaces`, `tabs`, or what the lines around have; Go, Python and YAML leave no choice",
        ),
        (
            "style.check_names",
            style.check_names.to_string(),
            "Whether names are held against the language's custom",
        ),
        (
            "style.todo_needs_issue",
            style.todo_needs_issue.to_string(),
            "Whether a note for later needs an issue or address",
        ),
        (
            "style.forbidden",
            "[]".to_owned(),
            "Patterns of your own: `pattern`, `message`, and perhaps `severity` and `paths`",
        ),
        (
            "security.entropy_bits_min",
            security.entropy_bits_min.to_string(),
            "From how many bits a character a text counts as random",
        ),
        ("security.allowed_secrets", "[]".to_owned(), "Texts that are no secrets"),
        (
            "performance.complexity_max",
            performance.complexity_max.to_string(),
            "Ways through a new function",
        ),
        (
            "performance.function_lines_max",
            performance.function_lines_max.to_string(),
            "Lines of a new function",
        ),
        (
            "performance.nesting_max",
            performance.nesting_max.to_string(),
            "Depth of blocks in a new function",
        ),
        (
            "summary.inline_comments_max",
            INLINE_COMMENTS_MAX.to_string(),
            "Comments on lines; no more than the default",
        ),
        ("disabled_rules", "[]".to_owned(), "Ids of rules that are switched off"),
    ];
    page.push_str(
        "## Settings of a tenant\n\n| Setting | Default | What it is |\n| --- | --- | --- |\n",
    );
    for (name, default, what) in rows {
        page.push_str(&format!("| `{name}` | `{default}` | {what} |\n"));
    }
    page.push_str(&format!(
        "\nLimits: {} MiB of diff, {FINDINGS_MAX} findings of a node, {NOTES_MAX} notes on what \
         couldn't be read. What is beyond is counted, never dropped in silence.\n",
        DIFF_BYTES_MAX >> 20
    ));
}

fn row(page: &mut String, rule: &Rule) {
    let languages: Vec<_> =
        nodes::languages_of(rule).into_iter().map(crate::Language::name).collect();
    let languages = if languages.is_empty() { "all".to_owned() } else { languages.join(", ") };
    let Rule { id, severity, confidence, message, why, advice, .. } = rule;
    let (severity, confidence) = (severity.title(), confidence.title());
    let cell = |text: &str| text.replace('|', "\\|");
    page.push_str(&format!(
        "| `{id}` | {severity} | {confidence} | {languages} | {} {} | {} |\n",
        cell(message),
        cell(why),
        cell(advice)
    ));
}

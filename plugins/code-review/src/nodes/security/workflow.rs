//! How things are built and deployed: workflows and images.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::bytes::Regex;

use crate::language::Language;
use crate::nodes::findings::Findings;
use crate::nodes::pattern::compile;
use crate::source::View;

use super::rules::*;

/// What strangers write of an event.
static UNTRUSTED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    compile(
        r"\$\{\{[^}]*\b(?:github\.event\.(?:(?:issue|pull_request|discussion|comment|review|review_comment)\.(?:title|body)|pull_request\.head\.(?:ref|label|repo\.default_branch)|head_commit\.(?:message|author\.\w+)|commits\b[^}]*(?:message|author)|pages\b[^}]*page_name)|github\.head_ref)\b",
    )
});

static BRANCH: LazyLock<Option<Regex>> = LazyLock::new(|| {
    compile(r"^\s*-?\s*uses\s*:\s*[\w.-]+/[\w./-]+@(?:main|master|develop|dev|latest|HEAD)\s*$")
});

static HEAD_OF_REQUEST: LazyLock<Option<Regex>> = LazyLock::new(|| {
    compile(
        r"\b(?:ref|repository)\s*:.*\$\{\{[^}]*(?:pull_request\.head\.(?:sha|ref|repo)|github\.head_ref|pull_request\.number)",
    )
});

static SECRET_VALUE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    compile(
        r"(?i)^\s*(?:ENV|ARG)\s+\w*(?:password|passwd|secret|token|api_?key|private_?key)\w*[=\s]\s*[^\s$]{4,}",
    )
});

fn is_match(regex: &LazyLock<Option<Regex>>, text: &str) -> bool {
    LazyLock::force(regex).as_ref().is_some_and(|regex| regex.is_match(text.as_bytes()))
}

pub(super) fn check(view: &View<'_>, findings: &mut Findings<'_>) {
    match view.language() {
        Language::Yaml if view.file.path.contains(".github/workflows/") => workflow(view, findings),
        Language::Dockerfile => image(view, findings),
        _ => {}
    }
}

fn workflow(view: &View<'_>, findings: &mut Findings<'_>) {
    // Whether the hunk shows the event that gives strangers' requests the repository's rights.
    let is_privileged = view.lines.iter().any(|line| {
        line.code().contains("pull_request_target") || line.code().contains("workflow_run")
    });
    // The column of the key whose script goes on.
    let mut script: Option<usize> = None;
    for (place, line) in view.lines.iter().enumerate() {
        let text = line.text().trim();
        if text.is_empty() {
            continue;
        }
        if script.is_some_and(|indent| line.indent() <= indent) {
            script = None;
        }
        let key = text.trim_start_matches("- ");
        let is_script = key.starts_with("run:") || key.starts_with("script:");
        if is_script {
            let column = line.indent() + (text.len() - key.len());
            let goes_on = key.ends_with(['|', '>', '-', '+']);
            script = goes_on.then_some(column);
        }
        let is_command = is_script || script.is_some() || reads_like_command(view, place);
        if is_command && is_match(&UNTRUSTED, line.text()) {
            findings.add(&WORKFLOW_INJECTION, view, place);
        }
        if is_match(&BRANCH, line.text()) {
            findings.add(&WORKFLOW_UNPINNED_ACTION, view, place);
        }
        if key.starts_with("permissions: write-all") {
            findings.add(&WORKFLOW_WRITE_ALL, view, place);
        }
        if is_privileged && is_match(&HEAD_OF_REQUEST, line.text()) {
            findings.add(&WORKFLOW_UNTRUSTED_CHECKOUT, view, place);
        }
    }
}

/// Where the script's key is above the hunk, a line without a key of its own is taken for a command.
fn reads_like_command(view: &View<'_>, place: usize) -> bool {
    let is_above = !view.lines[..place].iter().rev().take(40).any(|line| {
        let text = line.code().trim_start();
        text.ends_with(':') || text.contains(": ")
    });
    let text = view.lines[place].text().trim();
    let key = text.split(':').next().unwrap_or_default();
    let has_key =
        key.len() < text.len() && key.chars().all(|c| c.is_alphanumeric() || "_- ".contains(c));
    is_above && !has_key
}

fn image(view: &View<'_>, findings: &mut Findings<'_>) {
    let mut stages = BTreeSet::new();
    let mut user: Option<usize> = None;
    for (place, line) in view.lines.iter().enumerate() {
        let text = line.text().trim();
        let mut words = text.split_ascii_whitespace();
        let instruction = words.next().unwrap_or_default().to_ascii_uppercase();
        match instruction.as_str() {
            "FROM" => {
                let mut words = words.skip_while(|word| word.starts_with("--"));
                let image = words.next().unwrap_or_default();
                if is_floating(image) && !stages.contains(&image.to_ascii_lowercase()) {
                    findings.add(&DOCKER_FLOATING_TAG, view, place);
                }
                stages.extend(words.nth(1).map(str::to_ascii_lowercase));
            }
            "USER" => {
                let is_root = words.next().is_some_and(|user| user == "root" || user == "0");
                user = is_root.then_some(place);
            }
            "ENV" | "ARG" if is_match(&SECRET_VALUE, text) => {
                findings.add(&DOCKER_SECRET, view, place);
            }
            _ => {}
        }
    }
    // Only the last one counts.
    if let Some(place) = user {
        findings.add(&DOCKER_ROOT, view, place);
    }
}

/// Whether an image has no version; `scratch` has none to have.
fn is_floating(image: &str) -> bool {
    let name = image.rsplit('/').next().unwrap_or_default();
    let is_named = !image.is_empty() && image != "scratch" && !image.contains(['$', '@']);
    is_named && (name.ends_with(":latest") || !name.contains(':'))
}

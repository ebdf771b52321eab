//! What becomes of findings: merged, ranked, summed up, and passed on as plain JSON.

use coppice_code_review::steps::{StepError, review, run};
use coppice_code_review::{
    Config, DiffInput, Finding, MergeInput, Node, NodeInput, NodeOutput, Severity, SummaryInput,
    logic, merge, performance, rank, rule, security, split, style, summarise,
};
use proptest::prelude::*;
use serde_json::json;

fn finding(id: &str, file: &str, line: u32) -> Finding {
    let rule = rule::by_id(id).expect("the rule is there");
    Finding {
        rule: rule.id.into(),
        node: rule.node,
        severity: rule.severity,
        confidence: rule.confidence,
        file: file.to_owned(),
        line,
        message: rule.message.into(),
        evidence: String::new(),
        why: rule.why.into(),
        advice: rule.advice.into(),
    }
}

fn merged(findings: &[Finding]) -> Vec<Finding> {
    let one =
        |finding: &Finding| NodeOutput { findings: vec![finding.clone()], ..Default::default() };
    merge(&MergeInput { outputs: findings.iter().map(one).collect() }).findings
}

fn diff(path: &str, lines: &[&str]) -> String {
    let body: String = lines.iter().map(|line| format!("+{line}\n")).collect();
    format!("--- /dev/null\n+++ b/{path}\n@@ -0,0 +1,{} @@\n{body}", lines.len())
}

fn ids(review: &[Finding]) -> Vec<&str> {
    review.iter().map(|finding| finding.rule.as_ref()).collect()
}

#[test]
fn of_one_cause_at_one_place_the_worst_is_kept() {
    let waits = finding("performance/await-in-loop", "a.js", 3);
    let asks = finding("performance/query-in-loop", "a.js", 3);
    let elsewhere = finding("performance/await-in-loop", "a.js", 4);
    let other = finding("logic/loose-equality", "a.js", 3);
    let all = [waits, asks, elsewhere, other];
    assert_eq!(merged(&all).len(), 3);
    assert!(!merged(&all).contains(&all[0]));
    let output = merge(&MergeInput {
        outputs: vec![NodeOutput {
            findings: all.to_vec(),
            dropped: 2,
            problems: vec!["x".into()],
        }],
    });
    assert_eq!((output.duplicates, output.dropped, output.problems.len()), (1, 2, 1));
}

#[test]
fn findings_are_ranked_from_critical_to_low() {
    let all = [
        finding("style/line-length", "a.py", 1),
        finding("security/sql-injection", "b.py", 9),
        finding("logic/none-comparison", "a.py", 1),
        finding("security/tls-disabled", "a.py", 5),
        finding("security/tls-disabled", "a.py", 2),
    ];
    let ranked = rank(&merge(&MergeInput {
        outputs: vec![NodeOutput { findings: all.to_vec(), ..Default::default() }],
    }));
    let order: Vec<_> = ranked.findings.iter().map(|found| (found.severity, found.line)).collect();
    let expected = [
        (Severity::Critical, 9),
        (Severity::High, 2),
        (Severity::High, 5),
        (Severity::Low, 1),
        (Severity::Low, 1),
    ];
    assert_eq!(order, expected);
}

proptest! {
    #[test]
    fn neither_merging_nor_ranking_depends_on_the_order(
        picks in prop::collection::vec((0..100_usize, 0..3_u32), 0..20),
        turn in 0..20_usize,
    ) {
        let rules: Vec<_> = rule::all().map(|rule| rule.id).collect();
        let all: Vec<_> =
            picks.iter().map(|(pick, line)| finding(rules[pick % rules.len()], "a", *line)).collect();
        let mut turned = all.clone();
        if !turned.is_empty() {
            turned.rotate_left(turn % all.len());
            turned.reverse();
        }
        prop_assert_eq!(merged(&all), merged(&turned));
    }
}

#[test]
fn a_summary_counts_names_the_worst_and_caps_its_comments() {
    let lines: Vec<_> = (0..80).map(|at| format!("x{at} = y == None")).collect();
    let mut lines: Vec<_> = lines.iter().map(String::as_str).collect();
    lines.push("os.system(command)");
    let config: Config =
        serde_json::from_value(json!({"summary": {"inline_comments_max": 7}})).unwrap();
    let review = review(&(diff("a.py", &lines) + &diff("Cargo.lock", &["x"])), &config);
    let summary = review.summary;
    assert_eq!(summary.worst, Some(Severity::High));
    assert_eq!(summary.by_severity[&Severity::Low], 50, "one rule in one file is capped");
    assert_eq!(summary.by_node[&Node::Security], 1);
    assert_eq!((summary.comments.len(), summary.uncommented), (7, 44));
    assert_eq!(summary.comments[0].line, 81);
    let expected = "1 file with 81 new lines reviewed: 1 High, 50 Low. Look first at: A command is \
                    put together and given to a shell (a.py:81). Not reviewed: 1 lock file. 30 \
                    further findings were left out.";
    assert_eq!(summary.paragraph, expected);
    assert_eq!(summary.confidence_percent, 95);
}

#[test]
fn a_clean_diff_says_so() {
    let review = review(&diff("a.py", &["x = 1"]), &Config::default());
    assert_eq!(review.findings, []);
    assert_eq!(review.summary.paragraph, "1 file with 1 new line reviewed; nothing was found.");
    assert_eq!((review.summary.worst, review.summary.confidence_percent), (None, 100));
    assert!(!summarise(&SummaryInput::default()).paragraph.is_empty());
}

#[test]
fn no_evidence_of_any_node_shows_a_secret() {
    // Put together here, so that whoever scans this file finds no token.
    let token = ["ghp_", "q7Xv2LbT9sKd4WmZ8pRfYc3HnJ6uE1aG5oBt"].concat();
    let line =
        format!("    if a == None: os.system('x' + \"{token}\"); password = \"Tr4ktor-Wiese\"   ");
    let review = review(&diff("a.py", &[&line]), &Config::default());
    let nodes: std::collections::BTreeSet<_> =
        review.findings.iter().map(|found| found.node).collect();
    assert!(nodes.len() >= 3, "{nodes:?}");
    for found in &review.findings {
        assert!(!found.evidence.contains(&token[..12]), "{}: {}", found.rule, found.evidence);
        assert!(!found.evidence.contains("Wiese"), "{}: {}", found.rule, found.evidence);
    }
}

#[test]
fn a_tenant_switches_rules_off_and_forbids_patterns() {
    let text = diff("src/a.py", &["x = eval(y)", "now = datetime.now()  # datetime.now()"]);
    let config = json!({
        "disabled_rules": ["security/dynamic-code"],
        "style": {"forbidden": [
            {"pattern": "datetime\\.now", "message": "Use the clock.", "severity": "high"},
            {"pattern": "eval", "message": "Elsewhere only.", "paths": ["lib/"]},
            {"pattern": "(", "message": "It doesn't compile."},
        ]},
    });
    let config: Config = serde_json::from_value(config).unwrap();
    let review = review(&text, &config);
    assert_eq!(ids(&review.findings), ["style/forbidden-pattern"]);
    assert_eq!(review.findings[0].message, "Use the clock.");
    assert_eq!(review.findings[0].severity, Severity::High);
    let files = split(&DiffInput { diff: text }).files;
    let output = style(&NodeInput { files, config });
    assert_eq!(output.problems, ["forbidden pattern 2 can't be used"]);
    let misspelt = json!({"files": [], "config": {"stile": {}}});
    assert!(matches!(run("style", misspelt), Err(StepError::Input { step: "style", .. })));
}

#[test]
fn steps_by_name_give_what_the_functions_give() {
    let text =
        diff("a.py", &["def f(a=[]):", "    for b in a:", "        db.execute(b)", "    eval(a)"]);
    let files = split(&DiffInput { diff: text.clone() }).files;
    let input = NodeInput { files, config: Config::default() };
    let split = run("split", json!({ "diff": text })).unwrap();
    assert_eq!(split["files"], serde_json::to_value(&input.files).unwrap());
    type Analyser = fn(&NodeInput) -> NodeOutput;
    let nodes: [(&str, Analyser); 4] =
        [("security", security), ("style", style), ("logic", logic), ("performance", performance)];
    for (name, node) in nodes {
        let output = run(name, json!({ "files": split["files"] })).unwrap();
        assert_eq!(output, serde_json::to_value(node(&input)).unwrap(), "{name}");
        assert!(name == "style" || !output["findings"].as_array().unwrap().is_empty(), "{name}");
    }
    assert!(matches!(run("nothing", json!({})), Err(StepError::Unknown(_))));
}

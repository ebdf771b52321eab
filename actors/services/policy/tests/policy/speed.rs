//! How long decisions take: printed, and asserted on nothing.

use std::hint::black_box;
use std::time::{Duration, Instant};

use coppice_policy::{CedarPolicy, Policy, Question, Source};

use super::support::{asked, money, plugin, tool, with_data};

/// A hundred roles with fifty tools each.
fn many_roles() -> CedarPolicy {
    let mut data = Source::compiled_in().data;
    for role in 0..100 {
        let tools: Vec<_> = (0..50).map(|tool| format!("\"tool-{}\"", role + tool)).collect();
        data.push_str(&format!("[roles.role-{role}]\ntools = [{}]\n", tools.join(", ")));
    }
    with_data(&data)
}

fn times(policy: &CedarPolicy, question: &Question) -> [Duration; 2] {
    let mut took: Vec<Duration> = (0..2_000)
        .map(|_| {
            let begun = Instant::now();
            black_box(policy.decide(black_box(question))).unwrap();
            begun.elapsed()
        })
        .collect();
    took.sort_unstable();
    [took[took.len() / 2], took[took.len() * 99 / 100]]
}

#[test]
fn a_decision_takes_microseconds() {
    let policy = many_roles();
    let transaction = asked(coppice_policy::Action::RunAction, "transaction");
    for (name, question) in [
        ("use_tool", tool("role-50", "tool-80")),
        ("call_plugin", plugin("code-review", "review")),
        ("authorize_money", money("aws", "cloud", 100)),
        ("run_action", transaction.with_amount(1, "USD", 2)),
    ] {
        let [p50, p99] = times(&policy, &question);
        println!("{name}: p50 {p50:?}, p99 {p99:?}");
        assert!(policy.decide(&question).unwrap().allowed, "{name}");
    }
    let begun = Instant::now();
    drop(many_roles());
    println!("loading: {:?}", begun.elapsed());
}

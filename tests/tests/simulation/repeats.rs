//! A seed repeats its run, step by step, and planted bugs are found.

use std::process::Command;

use crate::nodes::Planted;
use crate::seeds::{hush, run_all};
use crate::world::run;

#[test]
fn a_seed_repeats_its_run_step_by_step() {
    hush();
    for seed in 0..20 {
        let [first, second] = [(); 2].map(|()| run(seed, Planted::Nothing, true));
        let differs = first.lines.iter().zip(&second.lines).find(|(one, other)| one != other);
        assert_eq!(differs, None, "SIM_SEED={seed}");
        assert_eq!((first.trace, first.steps), (second.trace, second.steps), "SIM_SEED={seed}");
    }
}

#[test]
fn a_seed_repeats_its_run_in_another_process() {
    hush();
    for seed in 0..4_u64 {
        let report = run(seed, Planted::Nothing, false);
        let expected =
            format!("SIM_SEED={seed} has {} steps, trace {:016x}", report.steps, report.trace);
        let program = std::env::current_exe().expect("a test knows its binary");
        let output = Command::new(program)
            .args(["--exact", "seeds_keep_every_promise", "--nocapture"])
            .env("SIM_SEED", seed.to_string())
            .output()
            .expect("a test can start itself");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains(&expected), "expected {expected} of:\n{said}");
    }
}

/// Finds a planted bug, and finds it again every time.
fn is_found(planted: Planted, expected: &str) {
    let (totals, failed) = run_all(0..200, planted);
    let (seed, report) = failed.expect("no seed finds it");
    let problem = report.verdict.clone().expect_err("a run that failed says why");
    println!("{planted:?}: SIM_SEED={seed}, run {} says: {problem}", totals.runs);
    assert!(problem.contains(expected), "SIM_SEED={seed}: {problem}");
    for _ in 0..5 {
        assert_eq!(run(seed, planted, false), report);
    }
}

#[test]
fn a_reply_before_its_commit_is_found() {
    is_found(Planted::ReplyBeforeCommit, "is answered at");
}

#[test]
fn an_effect_that_is_sent_twice_is_found() {
    is_found(Planted::DoubleEffect, "is called again");
}

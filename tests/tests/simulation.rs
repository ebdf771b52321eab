//! The runtime in a world that a seed decides: clients, faults of the store, crashes, lost leases,
//! jumps of the clock, and an outside that answers as it likes. What must hold is checked at every
//! step and at the end.
//!
//! A run is one current-thread runtime with paused time, so a seed repeats it exactly:
//! `SIM_SEED=... cargo test -p coppice-tests --test simulation seeds_keep`. With `SIM_TRACE=1` its
//! steps are printed. `SIM_SEEDS` is how many seeds are run.

#![allow(clippy::print_stdout, reason = "seeds belong to the test's output")]

#[path = "simulation/books.rs"]
mod books;
#[path = "simulation/checks.rs"]
mod checks;
#[path = "simulation/clients.rs"]
mod clients;
#[path = "simulation/fate.rs"]
mod fate;
#[path = "simulation/links.rs"]
mod links;
#[path = "simulation/nodes.rs"]
mod nodes;
#[path = "simulation/operator.rs"]
mod operator;
#[path = "simulation/outside.rs"]
mod outside;
#[path = "simulation/repeats.rs"]
mod repeats;
#[path = "simulation/seeds.rs"]
mod seeds;
#[path = "simulation/sim.rs"]
mod sim;
#[path = "simulation/trace.rs"]
mod trace;
#[path = "simulation/world.rs"]
mod world;

use std::time::Instant;

use nodes::Planted;
use seeds::{number, run_all};

/// Seeds in a run of CI; one in eleven of them is fresh.
const SEEDS: u64 = 10_000;

#[test]
fn seeds_keep_every_promise() {
    if let Some(seed) = number("SIM_SEED") {
        return one(seed);
    }
    let count = number("SIM_SEEDS").unwrap_or(SEEDS);
    let fresh = uuid::Uuid::new_v4().as_u64_pair().0;
    println!("SIM_SEEDS={count}, fresh ones from {fresh}");
    // A long run that was broken off goes on where it was.
    let first = number("SIM_FROM").unwrap_or(0);
    let fresh_count = count.saturating_sub(first) / 11;
    let fixed = first..count - fresh_count;
    let seeds = fixed.chain((0..fresh_count).map(move |offset| fresh.wrapping_add(offset)));
    let started = Instant::now();
    let (totals, failed) = run_all(seeds, Planted::Nothing);
    let seeds::Totals { runs, steps, events, calls, computed } = totals;
    let elapsed = started.elapsed();
    println!(
        "{runs} runs, {steps} steps, {events} events, {calls} calls, {computed} effects computed in \
         {elapsed:?}"
    );
    assert!(computed > 0 || runs < 100, "nothing was computed in {runs} runs");
    if let Some((seed, report)) = failed {
        let problem = report.verdict.unwrap_err();
        let again = "cargo test -p coppice-tests --test simulation seeds_keep";
        panic!("{problem}\nSIM_SEED={seed}; again with: SIM_SEED={seed} {again}");
    }
}

/// Runs one seed, with its steps where they are asked for.
fn one(seed: u64) {
    seeds::hush();
    let report = world::run(seed, Planted::Nothing, number("SIM_TRACE").is_some());
    report.lines.iter().for_each(|line| println!("{line}"));
    println!("SIM_SEED={seed} has {} steps, trace {:016x}", report.steps, report.trace);
    assert_eq!(report.verdict, Ok(()), "SIM_SEED={seed}");
}

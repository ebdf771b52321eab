//! The whole story with the real binary and SIGKILL: a webhook or a request in, a plan, calls of a
//! plugin in another process, approval, money reserved and posted. What the node leaves, and what
//! whoever it calls has seen, is what a run without a kill leaves.

#![allow(clippy::unwrap_used, reason = "what fails where it must not fails the test")]
#![allow(clippy::print_stdout, reason = "seeds and sums belong to the test's output")]

#[path = "story/crowd.rs"]
mod crowd;
#[path = "story/desk.rs"]
mod desk;
#[path = "story/node.rs"]
mod node;
#[path = "story/points.rs"]
mod points;
#[path = "story/tale.rs"]
mod tale;

/// The seed of a run's choices.
fn seed() -> u64 {
    let seed = std::env::var("SIM_SEED").map_or_else(
        |_| u64::from(std::process::id()) ^ uuid::Uuid::now_v7().as_u64_pair().0,
        |text| text.parse().expect("SIM_SEED is a number"),
    );
    println!("SIM_SEED={seed}");
    seed
}

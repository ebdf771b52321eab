//! Money on a node: authorizations under contention, through faults and crashes, and by the real
//! binary. What every test ends with is `coppice_testkit::conservation`.
//!
//! Where time is paused, a group that nobody ever completes or breaks comes back at once.

#![allow(clippy::unwrap_used, reason = "what fails where it must not fails the test")]
#![allow(clippy::print_stdout, reason = "seeds and sums belong to the test's output")]

#[path = "money/contention.rs"]
mod contention;
#[path = "money/crashes.rs"]
mod crashes;
#[path = "money/expiry.rs"]
mod expiry;
#[path = "money/kill.rs"]
mod kill;
#[path = "money/ledger.rs"]
mod ledger;
#[path = "money/policy.rs"]
mod policy;
#[path = "money/repeats.rs"]
mod repeats;
#[path = "money/routes.rs"]
mod routes;
#[path = "money/timeouts.rs"]
mod timeouts;
#[path = "money/world.rs"]
mod world;

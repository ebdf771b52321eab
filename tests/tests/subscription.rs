//! Projections: every event is folded once, whatever happens between; what can't be digested is
//! parked with its reason.

#![allow(clippy::print_stdout, reason = "seeds belong to the test's output")]
#![expect(clippy::unwrap_used, reason = "what fails where it must not fails the test")]

#[path = "subscription/deletions.rs"]
mod deletions;
#[path = "subscription/exactly_once.rs"]
mod exactly_once;
#[path = "subscription/model.rs"]
mod model;
#[path = "subscription/parking.rs"]
mod parking;

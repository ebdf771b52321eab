//! Commands to several entities that are accepted together or not at all.
//!
//! Time is paused, so a group that nobody ever completes or breaks comes back as `TimedOut` at once.

#![allow(clippy::print_stdout, reason = "seeds belong to the test's output")]
#![expect(clippy::unwrap_used, reason = "what fails where it must not fails the test")]

#[path = "linked/broken.rs"]
mod broken;
#[path = "linked/crossed.rs"]
mod crossed;
#[path = "linked/repeats.rs"]
mod repeats;
#[path = "linked/together.rs"]
mod together;
#[path = "linked/transfers.rs"]
mod transfers;
#[path = "linked/world.rs"]
mod world;

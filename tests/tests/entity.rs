//! One entity under its mailbox: repeats, crashes, limits, order, and what its row says.
//!
//! Time is paused, so a command that nobody answers comes back as `TimedOut` at once instead of
//! holding the suite up.

#![expect(clippy::unwrap_used, reason = "what fails where it must not fails the test")]

#[path = "entity/begun.rs"]
mod begun;
#[path = "entity/crashes.rs"]
mod crashes;
#[path = "entity/deleted.rs"]
mod deleted;
#[path = "entity/limits.rs"]
mod limits;
#[path = "entity/repeats.rs"]
mod repeats;
#[path = "entity/rows.rs"]
mod rows;
#[path = "entity/world.rs"]
mod world;

//! Workflows on the real runtime: whatever crashes, each step's result is recorded once, what is
//! called has the same keys, and every reservation ends.

#![expect(clippy::unwrap_used, reason = "what fails where it must not fails the test")]

#[path = "workflows/crashes.rs"]
mod crashes;
#[path = "workflows/guarded.rs"]
mod guarded;
#[path = "workflows/many.rs"]
mod many;
#[path = "workflows/world.rs"]
mod world;

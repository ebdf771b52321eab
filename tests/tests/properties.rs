//! What holds of every run: replay equals live state, snapshots change nothing, crashes change
//! nothing, codecs come back, and erased values break nothing.
//!
//! Each seeded case prints its `SIM_SEED` before it runs; the last one printed is the one that
//! failed.

#![allow(clippy::print_stdout, reason = "seeds belong to the test's output")]
#![expect(clippy::unwrap_used, reason = "what fails where it must not fails the test")]

#[path = "properties/codecs.rs"]
mod codecs;
#[path = "properties/crashes.rs"]
mod crashes;
#[path = "properties/erasure.rs"]
mod erasure;
#[path = "properties/replay.rs"]
mod replay;

//! Erasing a person: the key goes, and with it everything that was written under it.
//!
//! On a store in memory what the runtime does; on real files and with the real binary that nothing
//! readable is left.

#![expect(clippy::unwrap_used, reason = "what fails where it must not fails the test")]

#[path = "erasure/binary.rs"]
mod binary;
#[path = "damage/database.rs"]
mod database;
#[path = "erasure/haystack.rs"]
mod haystack;
#[path = "erasure/letters.rs"]
mod letters;
#[path = "erasure/memory.rs"]
mod memory;
#[path = "erasure/platform.rs"]
mod platform;
#[path = "erasure/records.rs"]
mod records;
#[path = "erasure/route.rs"]
mod route;
#[path = "erasure/world.rs"]
mod world;

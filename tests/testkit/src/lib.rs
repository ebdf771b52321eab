//! What the tests of the whole house stand on.
//!
//! | Module | What it is for |
//! |---|---|
//! | [`memory`] | a store in memory with fault points at every step, for simulations |
//! | [`clock`], [`lease`], [`random`] | time, ownership and chance that a test decides |
//! | [`history`], [`checker`] | what clients saw, and whether the journal bears it out |
//! | [`conservation`] | money in a journal, checked at every commit |
//! | [`sandbox`], [`mod@binary`], [`client`] | the real binary as a process, and a client that speaks to it |
//! | [`postgres`] | a private PostgreSQL server that a test stops hard, and databases on the shared one |
//! | [`proxy`] | cuts and stalls between a store and its PostgreSQL |
//! | [`rounds`] | latencies compared on a machine that others use |
//!
//! **Deliberately absent:** sleeps and retries that would hide a flaw. Whoever waits, waits for a
//! condition with a deadline.

#![warn(missing_docs)]

pub mod binary;
pub mod bytes;
pub mod checker;
pub mod client;
pub mod clock;
pub mod conservation;
pub mod history;
pub mod lease;
pub mod memory;
pub mod postgres;
pub mod proxy;
pub mod random;
pub mod receiver;
pub mod rounds;
pub mod sandbox;

pub use binary::binary;
pub use checker::{Checker, Summary, Told, Violation, read_whole_journal};
pub use client::Client;
pub use clock::VirtualClock;
pub use history::{Completion, History, Op, OpId};
pub use lease::TestLease;
pub use memory::{Action, Appends, Faults, Hold, MemoryStore, Observer, Point, Times};
pub use postgres::PostgresServer;
pub use proxy::Proxy;
pub use random::Random;
pub use receiver::Receiver;
pub use rounds::Rounds;
pub use sandbox::Sandbox;

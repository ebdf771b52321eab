//! Money: accounts, transfers between them, and intents to spend.
//!
//! The design, with its reasons, is `docs/adr/022-money-moves-in-linked-commits.md`; what is
//! guaranteed is `docs/money.md`. **Invariants:** amounts are whole minor units and are added with
//! checks; every movement of money is two entries of opposite amounts that [`plan`] puts in one
//! commit; what ends by time ends by `context.now`.
//!
//! **Deliberately absent:** conversion between assets, and any rule about who may spend on what.

pub mod account;
pub mod day;
pub mod intent;
pub mod money;
pub mod names;
pub mod plan;
pub mod reason;
pub mod transfer;

pub use self::account::Account;
pub use self::day::Day;
pub use self::intent::Intent;
pub use self::money::{Amount, Asset, InvalidAmount, InvalidAsset};
pub use self::reason::Reason;
pub use self::transfer::Transfer;

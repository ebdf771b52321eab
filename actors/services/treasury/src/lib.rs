//! Money: intents are authorized, posted and voided as linked commits over their accounts.
//!
//! **Owns:** which commits a step of money is made of and in which order it asks for them, the time
//! that an authorization has, the queue in front of the limits, and the ledger as a read model. What
//! an account, a transfer or an intent accepts is theirs to say (`coppice_domain::treasury`).
//!
//! **Invariants:** money moves in [`plan`](coppice_domain::treasury::plan)'s groups only, so both
//! sides of it are in one commit; an answer says what is durable; everything may be asked for again
//! and is done once, since intent and transfer say so themselves.
//!
//! **Deliberately absent:** who may spend on what. [`Permission`] is asked, and its record goes into
//! the decision's event whole.

#![warn(missing_docs)]

mod authorize;
mod call;
mod entities;
mod error;
mod handler;
pub mod ledger;
mod options;
mod permission;
mod queue;
mod settle;
mod treasury;
mod turns;

pub use authorize::Authorized;
pub use call::{Asker, Call};
pub use error::TreasuryError;
pub use handler::TreasuryHandler;
pub use options::{AssetLimits, TreasuryOptions};
pub use permission::{NoPolicy, Permission, Question, Unavailable, Verdict};
pub use settle::Settled;
pub use treasury::{NewIntent, NewTransfer, Shown, Treasury};

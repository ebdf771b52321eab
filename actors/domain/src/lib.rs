//! The business, pure: one folder per bounded context, in it one per entity kind.
//!
//! **Deliberately absent:** async, I/O, clocks, randomness. Every entity is a name and a few pure
//! functions (see [`coppice_core::Entity`]).

#![deny(clippy::wildcard_enum_match_arm)]

pub mod compliance;
pub mod example;
pub mod ingress;
pub mod plugin;
pub mod policy;
pub mod treasury;
pub mod workflow;

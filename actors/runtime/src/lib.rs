//! The shell around an entity.

#![warn(missing_docs)]

pub mod answer;
pub mod clock;
pub mod lease;

//! A load harness for any Coppice gateway.
//!
//! It is a client over HTTP with no back door: what it knows of a node it was told by the node's API.

pub mod check;
pub mod figures;
pub mod measured;
pub mod names;
pub mod record;
pub mod recovery;
#[cfg(test)]
mod sample;
pub mod threshold;

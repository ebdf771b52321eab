//! What the integration tests share: nodes in process, requests, and an entity kind that holds
//! personal data.

#![allow(clippy::missing_panics_doc, reason = "test support panics where a test should fail")]

pub mod bell;
pub mod clients;
pub mod inspection;
pub mod node;
pub mod profile;
pub mod running;
pub mod spans;
pub mod vault;

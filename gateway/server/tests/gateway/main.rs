//! The gateway by itself: a stand-in for the store, and one entity kind that does as it is told.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(unreachable_pub, reason = "modules of one test binary")]

mod api_keys;
mod auth;
mod bootstrap;
mod connections;
mod cors;
mod docs;
mod entities;
mod failures;
mod health;
mod http;
mod ingress;
mod logs;
mod metrics;
mod openapi;
mod support;
mod tls;
mod tokens;

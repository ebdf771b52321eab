//! The gateway and the node behind it.
//!
//! **Owns:** settings, authentication, routes, connections, the composition root and the commands
//! of the `coppice` binary. **Invariant:** every answer to a request that could be read carries an
//! `x-request-id`, and every error is a problem body that says what became of the request.
//!
//! **Deliberately absent:** rules about entities. A command goes through as the bytes it came as.

pub mod activity;
pub mod admission;
pub mod archive;
pub mod audit;
pub mod auth;
pub mod backup;
pub mod body;
pub mod bootstrap;
pub mod commands;
pub mod compose;
pub mod config;
pub mod cors;
mod crowd;
pub mod demo;
pub mod exchange;
pub mod health;
pub mod ingress;
pub mod inspection;
pub mod logging;
mod metered;
pub mod metrics;
pub mod observed;
pub mod openapi;
pub mod otlp;
mod own_node;
pub mod permissions;
mod places;
pub mod planning;
pub mod policy;
pub mod problem;
mod query;
pub mod rates;
pub mod registry;
pub mod replay;
pub mod routes;
mod seat;
pub mod serve;
pub mod state;
pub mod streams;
pub mod tls;
pub mod verification;
pub mod workflows;

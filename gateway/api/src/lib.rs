//! The HTTP API as types: what the gateway answers with and a client reads.
//!
//! **Owns:** bodies, header names, [`Problem`] and the catalogue of problem codes.
//! **Invariant:** every code has a status and a title here and a page under `docs/problems`.
//!
//! **Deliberately absent:** routes, HTTP libraries and rules. The load harness uses this crate and
//! must not pull in a server.

#![warn(missing_docs)]

pub mod activity;
pub mod api_key;
pub mod audit;
pub mod codes;
pub mod control;
pub mod entity;
pub mod health;
pub mod ingress;
pub mod inspect;
pub mod journal;
pub mod money;
pub mod older;
pub mod plugin;
pub mod policy;
pub mod problem;
pub mod subject;
pub mod workflow;

pub use codes::{CODES, Code};
pub use entity::{CommandAnswer, EntityView};
pub use health::{Health, Probe};
pub use problem::{ErrorObject, Outcome, Problem};

/// Names of the headers that have a meaning of their own here, as they travel: in lower case.
pub mod headers {
    /// The caller's name for one intention; a repeat with the same one gets the first answer.
    pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
    /// `true` on an answer that repeats the first one.
    pub const IDEMPOTENCY_HIT: &str = "idempotency-hit";
    /// Names one request in answers and logs.
    pub const REQUEST_ID: &str = "x-request-id";
    /// The longest that the caller waits for an answer, in milliseconds.
    pub const REQUEST_TIMEOUT_MS: &str = "x-request-timeout-ms";
    /// The place in the journal that an answer shows, for a later read.
    pub const POSITION: &str = "x-position";
    /// The place of an earlier answer, which a read must not be behind.
    pub const READ_AFTER: &str = "x-read-after";
    /// Where the answered request stands in its trace, as `traceparent` of the request.
    pub const TRACE_RESPONSE: &str = "traceresponse";
    /// Ties the requests of one conversation together; a UUID.
    pub const CORRELATION_ID: &str = "x-correlation-id";
}

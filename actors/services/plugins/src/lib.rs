//! Plugins in service.
//!
//! **Owns:** the [`Catalog`] of versions that may be called, the effect handler [`PluginHost`] that
//! calls them, their registration and health ([`Plugins`]), and the plugin [`builtin`] that every
//! node has. **Invariants:** nothing is called that the policy did not allow or that its circuit
//! breaker holds back; nothing is taken for an answer that its contract does not allow; one call
//! holds up no other, and no call outlives twice its time.
//!
//! **Deliberately absent:** deciding who may call what ([`Permission`] is asked), when a call is
//! tried again (the workflow's), secrets of tenants, TLS.

#![warn(missing_docs)]

pub mod breakers;
pub mod builtin;
mod calls;
mod catalog;
mod compute;
mod entities;
mod failure;
pub mod fetch;
mod host;
mod http;
mod keeper;
pub mod options;
pub mod permission;
mod registration;
mod request;
pub mod secrets;
mod service;

pub use breakers::{Admission, Breakers, RegistryBreakers, Standing, Unadmitted};
pub use catalog::{
    Catalog, Counts, Offer, Unavailable, VERSIONS_MAX, VersionHealth, VersionReport,
};
pub use compute::COMPUTED_BYTES_MAX;
pub use failure::{CallFailure, FailureDetail};
pub use host::{PLUGIN, PluginHost};
pub use options::PluginOptions;
pub use permission::{Action, Fact, Permission, Permit, PermitUnavailable, Question, Unasked};
pub use registration::{
    DeregisterError, HealthError, RegisterError, Registered, Registration, Word,
};
pub use request::{CallRequest, CallResponse};
pub use secrets::{PluginSecrets, SecretFault};
pub use service::{LoadError, Parts, Plugins};

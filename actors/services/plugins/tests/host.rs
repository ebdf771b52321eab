//! Plugins in service on a running node: what is called, what is made of its answers, and what its
//! breaker makes of them.

#![expect(clippy::unwrap_used, reason = "what fails where it must not fails the test")]

#[path = "host/memory.rs"]
mod backend;
#[path = "host/breakers.rs"]
mod breakers;
#[path = "host/builtin.rs"]
mod builtin;
#[path = "host/computed.rs"]
mod computed;
#[path = "host/impostor.rs"]
mod impostor;
#[path = "host/inside.rs"]
mod inside;
#[path = "host/misbehaviour.rs"]
mod misbehaviour;
#[path = "host/policy.rs"]
mod policy;
#[path = "host/registry.rs"]
mod registry;
#[path = "host/secrets.rs"]
mod secrets;
#[path = "host/world.rs"]
mod world;

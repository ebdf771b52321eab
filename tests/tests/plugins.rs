//! Plugins behind a gateway: their routes, and the example in Python.

#![expect(clippy::unwrap_used, reason = "what fails where it must not fails the test")]

#[path = "plugins/example.rs"]
mod example;
#[path = "plugins/routes.rs"]
mod routes;
#[path = "plugins/signed.rs"]
mod signed;

// What the handler's own tests have: a node with plugins, and plugins that do what they are told.
#[path = "../../actors/services/plugins/tests/host/memory.rs"]
mod backend;
#[path = "../../actors/services/plugins/tests/host/impostor.rs"]
#[expect(dead_code, reason = "shared with the handler's tests, which use all of it")]
mod impostor;
#[path = "../../actors/services/plugins/tests/host/world.rs"]
#[expect(dead_code, reason = "shared with the handler's tests, which use all of it")]
mod world;

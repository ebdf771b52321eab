//! Everything that is shown of plugins on the store in memory, on PostgreSQL: the handler's own tests,
//! the routes, and the example in Python.

#![expect(clippy::unwrap_used, reason = "what fails where it must not fails the test")]

mod backend {
    //! Worlds on a database of their own.

    use std::sync::Arc;

    use coppice_persistence::{PostgresOptions, SqlStore, Store};
    use coppice_testkit::VirtualClock;
    use coppice_testkit::postgres::shared_database;

    pub(crate) async fn fresh(_: &VirtualClock) -> Arc<dyn Store> {
        let url = shared_database().unwrap();
        let store = SqlStore::open_postgres(&url, PostgresOptions::default()).await;
        Arc::new(store.unwrap())
    }
}
#[path = "../../actors/services/plugins/tests/host/breakers.rs"]
mod breakers;
#[path = "../../actors/services/plugins/tests/host/builtin.rs"]
mod builtin;
#[path = "plugins/example.rs"]
mod example;
#[path = "../../actors/services/plugins/tests/host/impostor.rs"]
mod impostor;
#[path = "../../actors/services/plugins/tests/host/inside.rs"]
mod inside;
#[path = "../../actors/services/plugins/tests/host/misbehaviour.rs"]
mod misbehaviour;
#[path = "../../actors/services/plugins/tests/host/policy.rs"]
mod policy;
#[path = "../../actors/services/plugins/tests/host/registry.rs"]
mod registry;
#[path = "plugins/routes.rs"]
mod routes;
#[path = "../../actors/services/plugins/tests/host/secrets.rs"]
mod secrets;
#[path = "plugins/signed.rs"]
mod signed;
#[path = "../../actors/services/plugins/tests/host/world.rs"]
mod world;

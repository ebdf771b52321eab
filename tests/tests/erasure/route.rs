//! `DELETE /v1/subjects/{id}` against callers who may not, or ask for garbage.

use std::sync::Arc;

use coppice_core::{TenantId, Timestamp};
use coppice_persistence::{ApiKeyRow, Directory};
use coppice_runtime::{SystemClock, task};
use coppice_server::auth::{ApiKey, Auth};
use coppice_server::config::{self, Sources};
use coppice_server::observed::Observed;
use coppice_server::routes;
use coppice_server::serve::{ConnectionLimits, serve};
use coppice_server::state::{App, RequestLimits};
use coppice_testkit::client::Reply;
use coppice_testkit::{Client, MemoryStore};
use tokio::net::TcpListener;

use crate::world::{ADA, World, only};

/// May erase and nothing else, of the tenant that has the contacts.
const ERASER: &str = "sk_test_00000000000000000000000000000001";
/// May use entities and not erase.
const USER: &str = "sk_test_00000000000000000000000000000002";
/// May do everything, of another tenant.
const STRANGER: &str = "sk_test_00000000000000000000000000000003";

async fn served() -> (World, String) {
    let store = Arc::new(MemoryStore::default());
    for (tenant, text, scopes) in [
        ("default", ERASER, "subjects:write"),
        ("default", USER, "entities:read entities:write inspect:write"),
        ("theirs", STRANGER, "*"),
    ] {
        let (key, tenant) = (ApiKey::parse(text).unwrap(), TenantId::new(tenant).unwrap());
        let row = ApiKeyRow::new(
            key.hash().to_uuid(),
            tenant.clone(),
            key.prefix().to_owned(),
            key.hash(),
            scopes.to_owned(),
            Timestamp::EPOCH,
        );
        store.add_tenant(&tenant, "a tenant", &row).await.unwrap();
    }
    let world = World::start(store.clone(), only(1)).await;
    let config = config::load(&Sources::default()).unwrap().config;
    let app = App {
        registry: world.node.registry(),
        auth: Auth::new(store, Arc::new(SystemClock), &config.auth),
        limits: RequestLimits::from(&config.server),
        rates: coppice_server::rates::Rates::new(&config.rates),
        journal: None,
        streams: coppice_server::streams::Streams::from(&config.server),
        inspector: None,
        switches: None,
        planner: None,
        plugins: None,
        policy: None,
        eraser: Some(world.node.eraser()),
        treasury: None,
        ingress: None,
        observed: Observed::default(),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let limits = ConnectionLimits::from(&config.server);
    let router = routes::router(Arc::new(app));
    task::spawn(serve(listener, router, limits, std::future::pending()));
    (world, url)
}

async fn delete(url: &str, key: &str, subject: &str) -> Reply {
    Client::new(url, key).delete(&format!("/v1/subjects/{subject}")).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn erasing_needs_its_scope_and_reaches_no_other_tenant() {
    let (world, url) = served().await;
    world.register("a", "sub_ada", ADA, None).await.unwrap();
    let refused = delete(&url, USER, "sub_ada").await;
    assert_eq!((refused.status.as_u16(), refused.code()), (403, Some("scope_missing")));
    let nobody = delete(&url, "sk_test_00000000000000000000000000000009", "sub_ada").await;
    assert_eq!(nobody.status.as_u16(), 401);
    // Another tenant erases a subject of its own, which happens to be called alike.
    let strange = delete(&url, STRANGER, "sub_ada").await;
    assert_eq!(strange.status.as_u16(), 200, "{strange:?}");
    assert_eq!(world.name("a").await.as_deref(), Some(ADA[0]));

    let first = delete(&url, ERASER, "sub_ada").await;
    assert_eq!(first.status.as_u16(), 200, "{first:?}");
    assert_eq!(first.body["subject"], "sub_ada");
    assert_eq!(world.name("a").await, None);
    let again = delete(&url, ERASER, "sub_ada").await;
    assert_eq!(again.body, first.body, "asked again it says the same");
    let unheard = delete(&url, ERASER, "sub_nobody").await;
    assert_eq!(unheard.status.as_u16(), 200, "and tells nobody who was there: {unheard:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_subject_id_is_refused_with_a_code() {
    let (_world, url) = served().await;
    let long = "s".repeat(129);
    for subject in ["a%20b", "ada@example.org", "%ff", "%00", &long] {
        let refused = delete(&url, ERASER, subject).await;
        let found = (refused.status.as_u16(), refused.code(), refused.outcome());
        assert_eq!(found, (422, Some("invalid_subject_id"), Some("not_applied")), "{subject}");
    }
    let read = Client::new(&url, ERASER).get_path("/v1/subjects/s").await.unwrap();
    assert_eq!((read.status.as_u16(), read.code()), (405, Some("method_not_allowed")));
}

//! `/v1/inspect` against callers who ask for too much, for garbage, or for what is another's.
//!
//! The gateway and a node in process, on a store in memory.

#![expect(clippy::unwrap_used, reason = "what fails where it must not fails the test")]

use std::sync::Arc;
use std::time::Duration;

use coppice_core::{TenantId, Timestamp};
use coppice_persistence::{ApiKeyRow, Directory};
use coppice_runtime::{Activity, Clock, Failure, Node, Request, RuntimeOptions, SystemClock, task};
use coppice_server::auth::{ApiKey, Auth};
use coppice_server::config::{self, Sources};
use coppice_server::observed::Observed;
use coppice_server::rates::Rates;
use coppice_server::routes;
use coppice_server::serve::{ConnectionLimits, serve};
use coppice_server::state::{App, RequestLimits};
use coppice_server::streams::Streams;
use coppice_testkit::client::Reply;
use coppice_testkit::{Client, MemoryStore};
use coppice_tests::node::{Caller, add, until};
use coppice_tests::running::{command, run};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// May look, of the tenant `ours`.
const READER: &str = "sk_test_00000000000000000000000000000001";
/// May decide about dead letters and nothing else.
const WRITER: &str = "sk_test_00000000000000000000000000000002";
/// May use entities and not look into the node.
const USER: &str = "sk_test_00000000000000000000000000000003";
/// May do everything, of the tenant `theirs`.
const STRANGER: &str = "sk_test_00000000000000000000000000000004";

const ABSENT: &str = "00000000-0000-0000-0000-000000000000";

struct World {
    url: String,
    caller: Caller,
    _node: Node,
}

impl World {
    async fn start() -> Self {
        let store = MemoryStore::default();
        for (tenant, key, scopes) in [
            ("ours", READER, "inspect:read"),
            ("ours", WRITER, "inspect:write"),
            ("ours", USER, "entities:read entities:write"),
            ("theirs", STRANGER, "*"),
        ] {
            add_key(&store, tenant, key, scopes).await;
        }
        let store = Arc::new(store);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let (node, caller) =
            run(store.clone(), Arc::clone(&clock), RuntimeOptions::default(), None).await;
        let config = config::load(&Sources::default()).unwrap().config;
        let app = App {
            registry: node.registry(),
            auth: Auth::new(store, clock, &config.auth),
            limits: RequestLimits::from(&config.server),
            rates: Rates::new(&config.rates),
            journal: None,
            streams: Streams::from(&config.server),
            eraser: None,
            treasury: None,
            ingress: None,
            observed: Observed::default(),
            switches: None,
            planner: None,
            plugins: None,
            policy: None,
            inspector: Some(node.inspector()),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let limits = ConnectionLimits::from(&config.server);
        let router = routes::router(Arc::new(app));
        task::spawn(serve(listener, router, limits, std::future::pending()));
        Self { url, caller, _node: node }
    }

    fn client(&self, key: &str) -> Client {
        Client::new(&self.url, key)
    }

    async fn get(&self, key: &str, path: &str) -> Reply {
        self.client(key).get_path(&format!("/v1/inspect{path}")).await.unwrap()
    }

    async fn ours(&self, kind: &str, request: Request) -> Result<(), Failure> {
        let tenant = TenantId::new("ours").unwrap();
        self.caller.0.ask(kind, Request { tenant, ..request }).await.map(drop)
    }

    /// Makes so many dead letters of ours.
    async fn letters(&self, count: usize) {
        for entity in 0..count {
            for _ in 0..3 {
                let crash = command(&format!("p{entity}"), "crash", "{}", Some("poison"));
                self.ours("profile", crash).await.unwrap_err();
            }
        }
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while letters(&self.get(READER, "/dead-letters?limit=1000").await).len() < count {
            assert!(std::time::Instant::now() < deadline, "the letters were not written");
        }
    }
}

async fn add_key(store: &MemoryStore, tenant: &str, text: &str, scopes: &str) {
    let key = ApiKey::parse(text).unwrap();
    let tenant = TenantId::new(tenant).unwrap();
    let (id, prefix, hash) = (key.hash().to_uuid(), key.prefix().to_owned(), key.hash());
    let scopes = scopes.to_owned();
    let row = ApiKeyRow::new(id, tenant.clone(), prefix, hash, scopes, Timestamp::EPOCH);
    store.add_tenant(&tenant, "a tenant", &row).await.unwrap();
}

fn letters(reply: &Reply) -> Vec<Value> {
    reply.body["dead_letters"].as_array().unwrap_or_else(|| panic!("{reply:?}")).clone()
}

fn problem(reply: &Reply, status: u16, code: &str, what: &str) {
    assert_eq!((reply.status.as_u16(), reply.code()), (status, Some(code)), "{what}: {reply:?}");
    assert_eq!(reply.outcome(), Some("not_applied"), "{what}");
    assert_eq!(reply.content_type.as_deref(), Some("application/problem+json"), "{what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looking_and_deciding_each_need_their_scope() {
    let world = World::start().await;
    let looks = ["/tree", "/actors/counter", "/actors/counter/x", "/dead-letters"];
    for path in looks {
        for key in [USER, WRITER] {
            problem(&world.get(key, path).await, 403, "scope_missing", path);
        }
        let stranger = "sk_test_99999999999999999999999999999999";
        problem(&world.get(stranger, path).await, 401, "auth_invalid", path);
        let without = world.client(READER).http().get(format!("{}/v1/inspect{path}", world.url));
        assert_eq!(without.send().await.unwrap().status().as_u16(), 401, "{path}");
    }
    for wish in ["replay", "discard"] {
        let path = format!("/v1/inspect/dead-letters/{ABSENT}/{wish}");
        for key in [USER, READER] {
            let reply = world.client(key).post(&path, &json!({}), None).await.unwrap();
            problem(&reply, 403, "scope_missing", wish);
        }
        let reply = world.client(WRITER).post(&path, &json!({}), None).await.unwrap();
        problem(&reply, 404, "dead_letter_not_found", wish);
    }
    // Looking at an entity is no way around the scope that reading it needs, nor the other way.
    problem(
        &world.client(READER).get("x").await.unwrap(),
        403,
        "scope_missing",
        "reading an entity",
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_is_refused_with_a_code_and_never_guessed_at() {
    let world = World::start().await;
    for query in [
        "limit=-1",
        "limit=",
        "limit",
        "limit=1e3",
        "limit=0x10",
        "limit=18446744073709551616",
        "limit=1&limit=2",
        "LIMIT=1",
        "page=1",
        "=1",
        "limit=1;drop",
    ] {
        for path in ["/actors/counter", "/dead-letters", "/tree"] {
            let path = format!("{path}?{query}");
            problem(&world.get(READER, &path).await, 400, "malformed_request", &path);
        }
    }
    problem(&world.get(READER, "/dead-letters?after=x").await, 400, "malformed_request", "after");
    for (path, status, code) in [
        ("/actors/ghost", 404, "unknown_kind"),
        ("/actors/Counter", 404, "unknown_kind"),
        ("/actors/%00", 404, "unknown_kind"),
        ("/actors/ghost/x", 404, "unknown_kind"),
        ("/actors/counter/absent", 404, "entity_not_found"),
        ("/actors/counter/a%2Fb", 422, "invalid_entity_id"),
        ("/actors/counter/%F0%9F%8C%B3", 422, "invalid_entity_id"),
        ("/actors/%FF", 400, "malformed_request"),
        ("/actors/counter/%FF", 400, "malformed_request"),
        ("/actors", 404, "route_not_found"),
        ("/actors/counter/x/y", 404, "route_not_found"),
        ("/", 404, "route_not_found"),
        ("/tree/", 404, "route_not_found"),
    ] {
        problem(&world.get(READER, path).await, status, code, path);
    }
    let long = format!("/actors/counter/{}", "x".repeat(4_000));
    problem(&world.get(READER, &long).await, 422, "invalid_entity_id", "a long id");
    for id in ["x", "../tree", "%FF", "0", &"0".repeat(2_000)] {
        let path = format!("/v1/inspect/dead-letters/{id}/replay");
        let reply = world.client(WRITER).post(&path, &json!({}), None).await.unwrap();
        assert!((400..500).contains(&reply.status.as_u16()), "{path}: {reply:?}");
        assert!(reply.code().is_some(), "{path}: {reply:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_method_is_refused_with_a_problem() {
    let world = World::start().await;
    let replay = format!("/dead-letters/{ABSENT}/replay");
    for (method, path) in [
        (Method::POST, "/tree"),
        (Method::DELETE, "/dead-letters"),
        (Method::PUT, "/actors/counter"),
        (Method::GET, &*replay),
    ] {
        let request =
            world.client(READER).http().request(method, format!("{}/v1/inspect{path}", world.url));
        let response = request.bearer_auth(READER).send().await.unwrap();
        assert_eq!(response.status().as_u16(), 405, "{path}");
        assert!(response.headers().contains_key("x-request-id"), "{path}");
        assert!(response.headers().contains_key("allow"), "{path}");
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["code"], "method_not_allowed", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_sees_and_decides_about_its_own_only() {
    let world = World::start().await;
    world.ours("counter", add("x", 1, None)).await.unwrap();
    world.letters(1).await;
    let ours = letters(&world.get(READER, "/dead-letters").await);
    assert!(letters(&world.get(STRANGER, "/dead-letters").await).is_empty());
    assert_eq!(world.get(STRANGER, "/actors/counter").await.body["actors"], json!([]));
    assert_eq!(world.get(READER, "/actors/counter").await.body["actors"][0]["id"], "x");
    problem(&world.get(STRANGER, "/actors/counter/x").await, 404, "entity_not_found", "theirs");
    let id = ours[0]["id"].as_str().unwrap();
    for wish in ["replay", "discard"] {
        let path = format!("/v1/inspect/dead-letters/{id}/{wish}");
        let reply = world.client(STRANGER).post(&path, &json!({}), None).await.unwrap();
        problem(&reply, 404, "dead_letter_not_found", wish);
    }
    assert_eq!(letters(&world.get(READER, "/dead-letters").await), ours);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_any_size_show_every_letter_once_and_come_to_an_end() {
    let world = World::start().await;
    world.letters(23).await;
    for size in [1, 2, 7, 23, 1_000] {
        let (mut seen, mut after, mut pages) = (Vec::new(), None, 0);
        loop {
            let cursor = after.map_or(String::new(), |after: u64| format!("&after={after}"));
            let page = world.get(READER, &format!("/dead-letters?limit={size}{cursor}")).await;
            assert!(letters(&page).len() <= size, "{page:?}");
            seen.extend(letters(&page).into_iter().map(|letter| letter["number"].clone()));
            pages += 1;
            assert!(pages <= 24, "it never ends");
            match page.body["next_after"].as_u64() {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        let numbers: Vec<u64> = seen.iter().map(|number| number.as_u64().unwrap()).collect();
        assert_eq!(numbers.len(), 23, "pages of {size}: {numbers:?}");
        assert!(numbers.is_sorted_by(|a, b| a < b), "pages of {size}: {numbers:?}");
    }
    for after in [u64::MAX, i64::MAX.unsigned_abs(), i64::MAX.unsigned_abs() + 1] {
        let page = world.get(READER, &format!("/dead-letters?after={after}")).await;
        assert!(letters(&page).is_empty(), "{after}: {page:?}");
    }
    let none = world.get(READER, "/dead-letters?limit=0").await;
    assert!(letters(&none).is_empty() && none.body["next_after"].is_null(), "{none:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_of_actors_is_bounded_and_begins_with_what_waits_longest() {
    let world = World::start().await;
    for counter in 0..1_200 {
        world.ours("counter", add(&format!("c{counter:04}"), 1, None)).await.unwrap();
    }
    let list = async |query: &str| {
        let reply = world.get(READER, &format!("/actors/counter{query}")).await;
        let actors = reply.body["actors"].as_array().unwrap().clone();
        actors.iter().map(|actor| actor["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for (query, expected) in
        [("", 100), ("?limit=0", 0), ("?limit=3", 3), ("?limit=18446744073709551615", 1_000)]
    {
        let ids = list(query).await;
        assert_eq!(ids.len(), expected, "{query}");
        // Where nothing waits, by name.
        assert!(ids.iter().zip(0..).all(|(id, at)| *id == format!("c{at:04}")), "{query}: {ids:?}");
    }
    // One that is in its own code, and somebody who waits behind it.
    let blocked = ["block", "touch"].map(|name| {
        let (caller, request) = (world.caller.clone(), command("zz", name, "{}", None));
        let request = Request { tenant: TenantId::new("ours").unwrap(), ..request };
        task::spawn(async move { caller.0.ask("profile", request).await })
    });
    let seen = || {
        let reports = world.caller.0.actors("profile", &TenantId::new("ours").unwrap(), 1);
        reports.unwrap().pop().is_some_and(|report| report.activity == Activity::Deciding)
    };
    until("it holds its thread", seen).await;
    let first = world.get(READER, "/actors/profile/zz").await;
    assert_eq!(first.body["activity"], "deciding", "{first:?}");
    for task in blocked {
        drop(task.await.unwrap());
    }
}

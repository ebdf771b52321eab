//! Every route of the table, asked by another tenant, by a key without scopes, and by nobody. What
//! is asked is made of the table, so a new route is tried by being there.

#![expect(clippy::unwrap_used, reason = "what fails where it must not fails the test")]

use std::time::Duration;

use coppice_core::{EntityId, EntityKind, StreamKey, TenantId, Timestamp};
use coppice_persistence::{
    ApiKeyRow, DeadLetter, DeadLetters, Directory, LetterKind, LetterReason, SqlStore,
    SqliteOptions,
};
use coppice_server::auth::ApiKey;
use coppice_server::openapi::{Operation, Place, Verb};
use coppice_server::routes;
use coppice_testkit::{Sandbox, binary};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use tokio::time::timeout;
use uuid::Uuid;

/// May do everything that a tenant may, of another tenant.
const STRANGER: &str = "sk_test_00000000000000000000000000000003";
/// May do nothing, of the tenant that has everything.
const POWERLESS: &str = "sk_test_00000000000000000000000000000004";

/// What the owner's things are called, so that they show wherever they should not.
const MARK: &str = "the-owners-own";
/// What the owner's entity shows. Its name may stand among the stranger's own actors, who has asked
/// for one called so.
const SECRET: &str = "7919773";
const NOBODYS_HASH: &str = "0000000000000000000000000000000000000000000000000000000000000000";
const NOBODYS: &str = "nobody-has-one";
const NOBODYS_UUID: &str = "00000000-0000-4000-8000-000000000000";

/// Names in these are the caller's own to give: whoever has them elsewhere, the answer is the same
/// and nobody else's is touched.
const OWN_NAMES: &[&str] = &["erase_subject", "inspect_actor", "verify_hash"];

/// How long an answer that doesn't end is listened to.
const LISTEN: Duration = Duration::from_millis(300);
/// How long for more of one that says how long it is.
const PATIENCE: Duration = Duration::from_secs(20);

struct House {
    sandbox: Sandbox,
    client: Client,
    letter: String,
    key: String,
}

/// A command of the owner's that is out of delivery.
fn letter() -> DeadLetter {
    let (tenant, kind) = (TenantId::new("default").unwrap(), EntityKind::new("counter").unwrap());
    DeadLetter {
        number: 0,
        id: Uuid::from_u128(0x1234_5678_9abc_4def_8123_4567_89ab_cdef),
        key: StreamKey::new(tenant, kind, EntityId::new(MARK).unwrap()),
        message: Uuid::from_u128(7),
        kind: LetterKind::Command,
        name: "add".into(),
        body: Some(r#"{"n":1}"#.into()),
        reason: LetterReason::Crashed,
        detail: MARK.into(),
        attempts: 3,
        at: Timestamp::EPOCH,
    }
}

fn row(tenant: &TenantId, text: &str, scopes: &str) -> ApiKeyRow {
    let key = ApiKey::parse(text).unwrap();
    let (id, prefix, hash) = (key.hash().to_uuid(), key.prefix().to_owned(), key.hash());
    ApiKeyRow::new(id, tenant.clone(), prefix, hash, scopes.to_owned(), Timestamp::EPOCH)
}

impl House {
    /// A node with two tenants, of which the first has one of everything.
    async fn open() -> Self {
        let mut sandbox = Sandbox::builder(binary()).start().await.unwrap();
        sandbox.terminate().await.unwrap();
        let options = SqliteOptions::default();
        let store = SqlStore::open_sqlite(sandbox.data(), options).await.unwrap();
        let letter = letter();
        assert!(store.put_dead_letter(&letter).await.unwrap());
        for (tenant, text, scopes) in [("theirs", STRANGER, "*"), ("default", POWERLESS, "")] {
            let tenant = TenantId::new(tenant).unwrap();
            let row = row(&tenant, text, scopes);
            store.add_tenant(&tenant, "a tenant", &row).await.unwrap();
        }
        store.close().await;
        sandbox.restart().await.unwrap();
        let client = Client::builder().no_proxy().build().unwrap();
        let (letter, key) = (letter.id.to_string(), String::new());
        let mut house = Self { sandbox, client, letter, key };
        house.fill().await;
        house
    }

    async fn send(&self, key: Option<&str>, method: Method, path: &str) -> Response {
        let url = format!("{}{path}", self.sandbox.url());
        let mut request = self.client.request(method.clone(), url);
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        if method == Method::POST {
            request = request.json(&json!({ "n": 1 }));
        }
        // So that nothing of the stranger's own begins where the owner's has its name.
        request.header("if-match", "\"1\"").send().await.unwrap()
    }

    async fn owner(&self, method: Method, path: &str, body: Value) -> Value {
        let url = format!("{}{path}", self.sandbox.url());
        let key = self.sandbox.key();
        let request = self.client.request(method, url).bearer_auth(key);
        let request = if body.is_null() { request } else { request.json(&body) };
        let response = request.send().await.unwrap();
        let status = response.status();
        let body: Value = response.json().await.unwrap();
        assert!(status.is_success(), "{path}: {body}");
        body
    }

    async fn fill(&mut self) {
        self.owner(
            Method::POST,
            &format!("/v1/entities/counter/{MARK}/add"),
            json!({ "n": 7_919_773 }),
        )
        .await;
        let schema = json!({ "task_type": MARK, "schema": { "title": SECRET } });
        self.owner(Method::POST, "/v1/policy/schemas", schema).await;
        let keys = self.owner(Method::GET, "/v1/api-keys", Value::Null).await;
        let last = keys["api_keys"].as_array().and_then(|keys| keys.last()).unwrap();
        last["id"].as_str().unwrap().clone_into(&mut self.key);
    }

    /// What the owner sees of what it has.
    async fn seen(&self) -> Vec<Value> {
        let mut seen = Vec::new();
        for path in [
            format!("/v1/entities/counter/{MARK}"),
            format!("/v1/entities/counter/{MARK}/events"),
            "/v1/entities?kind=counter".to_owned(),
            format!("/v1/policy/schemas/{MARK}"),
            "/v1/inspect/dead-letters".to_owned(),
            "/v1/api-keys".to_owned(),
        ] {
            seen.push(self.owner(Method::GET, &path, Value::Null).await);
        }
        seen
    }

    /// The path of an operation with the owner's names in it, or with nobody's.
    fn path(&self, operation: &Operation, owners: bool) -> String {
        let mut path = operation.path.to_owned();
        let [theirs, nobodys] = match operation.family {
            "inspect" if operation.path.contains("dead-letters") => [&*self.letter, NOBODYS_UUID],
            "api keys" => [&*self.key, NOBODYS_UUID],
            _ => [MARK, NOBODYS],
        };
        let id = if owners { theirs } else { nobodys };
        let tenant = if owners { "default" } else { NOBODYS };
        for (name, text) in [
            ("{kind}", "counter"),
            ("{id}", id),
            ("{command}", "add"),
            ("{tenant}", tenant),
            ("{name}", "builtin"),
            ("{version}", "1.0.0"),
            ("{workflow_id}", id),
            ("{step_id}", id),
            ("{task_type}", id),
            ("{hash}", NOBODYS_HASH),
        ] {
            path = path.replace(name, text);
        }
        assert!(!path.contains('{'), "{path}: say what stands for its parameter");
        let query = operation.parameters.iter().filter(|of| of.place == Place::Query);
        match query.filter(|of| of.required).map(|of| of.name).collect::<Vec<_>>()[..] {
            [] => path,
            ["kind"] => path + "?kind=counter",
            ["action_type"] => path + "?action_type=monitoring",
            ref names => panic!("{path}: say what stands for {names:?}"),
        }
    }
}

fn method(operation: &Operation) -> Method {
    match operation.method {
        Verb::Get => Method::GET,
        Verb::Post => Method::POST,
        Verb::Delete => Method::DELETE,
    }
}

/// Status and body, as far as the body comes: some don't end.
async fn heard(mut response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    let mut text = String::new();
    let patience = if response.content_length().is_some() { PATIENCE } else { LISTEN };
    while let Ok(Ok(Some(chunk))) = timeout(patience, response.chunk()).await {
        text.push_str(&String::from_utf8_lossy(&chunk));
    }
    (status, text)
}

/// Without what differs from one request to the next, and without the name that was asked for.
fn plain(text: &str, path: &str, names: [&str; 2]) -> String {
    let Ok(mut body) = serde_json::from_str::<Value>(text) else { return text.to_owned() };
    for pointer in ["/request_id", "/error/request_id", "/erased_at", "/at"] {
        if let Some(member) = body.pointer_mut(pointer) {
            *member = Value::Null;
        }
    }
    let text = body.to_string().replace(path, "<path>");
    names.iter().fold(text, |text, name| text.replace(name, "<name>"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_route_shows_or_touches_what_another_tenant_has() {
    let house = House::open().await;
    let before = house.seen().await;
    let mut tried = 0;
    for operation in routes::operations() {
        let Some(_) = operation.scope else { continue };
        let name = operation.name;
        let mut answers = Vec::new();
        for owners in [true, false] {
            let path = house.path(operation, owners);
            let response = house.send(Some(STRANGER), method(operation), &path).await;
            let (status, text) = heard(response).await;
            let names = [&*house.letter, &*house.key, MARK, NOBODYS, NOBODYS_UUID];
            let asked = names.into_iter().find(|name| path.contains(name)).unwrap_or("<none>");
            answers.push((status, plain(&text, &path, [asked, asked])));
        }
        let [theirs, nobodys] = &answers[..] else { unreachable!() };
        let (status, text) = theirs;
        if ["{id}", "{task_type}"].into_iter().any(|name| operation.path.contains(name)) {
            assert_eq!(theirs, nobodys, "{name} tells what is there from what isn't");
            let refused = !(200..300).contains(status);
            assert!(refused || OWN_NAMES.contains(&name), "{name} answers {status}: {text}");
        }
        let shown = [MARK, SECRET, &house.letter, &house.key];
        for secret in shown.into_iter().filter(|word| *word != MARK || name != "inspect_actors") {
            assert!(!text.contains(secret), "{name} shows {secret}: {text}");
        }
        tried += 1;
    }
    assert!(tried >= 15, "{tried} routes");
    assert_eq!(house.seen().await, before, "something of the owner's has changed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_that_waits_is_its_tenants_alone_to_look_at_and_to_begin() {
    let house = House::open().await;
    let wallet = json!({
        "task_type": "monitor_wallet", "description": "watch it", "waits": true,
        "parameters": {"wallet_address": "0x1234567890abcdef"},
    });
    let taken = house.owner(Method::POST, "/v1/tasks", wallet).await;
    let id = taken["task_id"].as_str().unwrap();
    for (key, expected) in [(STRANGER, 404), (POWERLESS, 403)] {
        let begin = (format!("/v1/workflows/{id}/begin"), json!({}));
        for (path, body) in [begin, ("/plan/execute".to_owned(), json!({ "plan_id": id }))] {
            let url = format!("{}{path}", house.sandbox.url());
            let told = house.client.post(url).bearer_auth(key).json(&body).send().await.unwrap();
            assert_eq!(told.status().as_u16(), expected, "{path}");
        }
        let seen = house.send(Some(key), Method::GET, &format!("/plan/{id}")).await;
        assert_eq!(seen.status().as_u16(), expected);
    }
    let view = house.owner(Method::GET, &format!("/v1/workflows/{id}"), Value::Null).await;
    assert_eq!(view["status"], "pending");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_with_a_scope_asks_for_it() {
    let house = House::open().await;
    let before = house.seen().await;
    for operation in routes::operations() {
        let path = house.path(operation, true);
        let (name, method) = (operation.name, method(operation));
        for (key, status, code) in
            [(None, 401, "auth_invalid"), (Some(POWERLESS), 403, "scope_missing")]
        {
            let (found, text) = heard(house.send(key, method.clone(), &path).await).await;
            match operation.scope {
                None => assert!(![401, 403].contains(&found), "{name}: {text}"),
                Some(_) => {
                    let body: Value = serde_json::from_str(&text).unwrap_or_default();
                    assert_eq!((found, body["code"].as_str()), (status, Some(code)), "{name}");
                }
            }
        }
    }
    assert_eq!(house.seen().await, before);
}

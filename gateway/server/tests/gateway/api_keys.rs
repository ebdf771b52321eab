//! Keys as their tenant manages them: made, listed, rotated, revoked, noted and purged.

use std::future::pending;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, header};
use coppice_api::api_key::{ApiKeyList, ApiKeyState, CreatedApiKey};
use coppice_core::{TenantId, Timestamp};
use coppice_persistence::{ApiKeyRow, Directory};
use coppice_runtime::{Clock, SystemClock};
use coppice_server::auth::ApiKey;
use serde_json::{Value, json};
use tokio::time::timeout;
use uuid::Uuid;

use crate::http::{Reply, request};
use crate::support::{Gateway, KEY, config, gateway, gateway_with, row};

/// A key of the tenant `t` that manages keys and reads entities, and no more.
const CLERK: &str = "sk_live_11111111111111111111111111111111";
const DAY_US: i64 = 86_400_000_000;

fn clerk(gateway: &Gateway) {
    gateway.directory.add(row(CLERK, "keys:read keys:write entities:read"));
}

async fn call(gateway: &Gateway, key: &str, method: &str, path: &str) -> Reply {
    let request = Request::builder().method(method).uri(path);
    let request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
    gateway.send(request.body(Body::empty()).unwrap()).await
}

async fn create(gateway: &Gateway, key: &str, body: &Value, idempotency: Option<&str>) -> Reply {
    let mut request = Request::post("/v1/api-keys")
        .header(header::AUTHORIZATION, format!("Bearer {key}"))
        .header(header::CONTENT_TYPE, "application/json");
    if let Some(idempotency) = idempotency {
        request = request.header("idempotency-key", idempotency);
    }
    gateway.send(request.body(Body::from(body.to_string())).unwrap()).await
}

/// A key made with the key that may do everything.
async fn made(gateway: &Gateway, scopes: &[&str]) -> CreatedApiKey {
    let reply = create(gateway, KEY, &json!({"name": "n", "scopes": scopes}), None).await;
    assert_eq!(reply.status, 201, "{}", String::from_utf8_lossy(&reply.body));
    reply.json()
}

async fn rotate(gateway: &Gateway, id: Uuid, idempotency: Option<&str>) -> Reply {
    let mut request = request("POST", &format!("/v1/api-keys/{id}/rotate"));
    if let Some(idempotency) = idempotency {
        request = request.header("idempotency-key", idempotency);
    }
    gateway.send(request.body(Body::empty()).unwrap()).await
}

async fn listed(gateway: &Gateway) -> ApiKeyList {
    gateway.get("/v1/api-keys").await.json()
}

async fn state(gateway: &Gateway, id: Uuid) -> ApiKeyState {
    listed(gateway).await.api_keys.iter().find(|key| key.id == id).unwrap().state
}

async fn works(gateway: &Gateway, key: &str) -> bool {
    call(gateway, key, "GET", "/v1/entities/counter/a").await.status == 200
}

#[tokio::test]
async fn a_key_is_made_with_what_was_asked_for_and_its_text_is_shown_once() {
    let gateway = gateway();
    let body = json!({
        "name": "ci", "description": "the build", "user": "u-7",
        "scopes": ["entities:read", "keys:read"], "expires_in_s": 3600, "mode": "test",
    });
    let before = SystemClock.now();
    let reply = create(&gateway, KEY, &body, None).await;
    assert_eq!(reply.status, 201);
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert_eq!(reply.header("idempotency-hit"), None);
    let created: CreatedApiKey = reply.json();
    let text = created.key.unwrap();
    let key = ApiKey::parse(&text).unwrap();
    assert!(text.starts_with("sk_test_"));
    assert_eq!(created.view.prefix, key.prefix());
    let life = created.view.expires_at.unwrap() - created.view.created_at;
    assert_eq!(life, 3_600_000_000);
    assert!(created.view.created_at >= before.as_micros());
    assert!(works(&gateway, &text).await);
    let list = call(&gateway, &text, "GET", "/v1/api-keys").await;
    let seen = list.json::<ApiKeyList>();
    let seen = seen.api_keys.iter().find(|one| one.id == created.view.id).unwrap();
    assert_eq!(*seen, created.view);
    assert_eq!((seen.name.as_str(), seen.user.as_deref()), ("ci", Some("u-7")));
    let shown = String::from_utf8_lossy(&list.body).into_owned();
    assert!(!shown.contains(&text[20..]) && !shown.contains(&key.hash().to_string()), "{shown}");
}

#[tokio::test]
async fn a_key_that_is_not_described_well_is_refused() {
    let gateway = gateway();
    let good = json!({"name": "n", "scopes": ["entities:read"]});
    let with = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        body
    };
    for (body, word) in [
        (json!({"scopes": ["entities:read"]}), "name"),
        (json!({"name": "n"}), "scopes"),
        (with("name", json!("")), "name"),
        (with("name", json!("a\nb")), "name"),
        (with("name", json!("n".repeat(101))), "name"),
        (with("description", json!("d".repeat(501))), "description"),
        (with("user", json!("")), "user"),
        (with("scopes", json!([])), "scopes"),
        (with("scopes", json!(["entities:read", "entities:read"])), "twice"),
        (with("scopes", json!(["entities:read entities:write"])), "no scope"),
        (with("scopes", json!(["everything"])), "no scope"),
        (with("expires_in_s", json!(0)), "expires_in_s"),
        (with("expires_in_s", json!(u64::MAX)), "expires_in_s"),
        (with("mode", json!("prod")), "prod"),
        (with("tenant", json!("other")), "tenant"),
    ] {
        let problem = create(&gateway, KEY, &body, None).await.not_applied(422, "invalid_body");
        assert!(problem.detail.contains(word), "{body}: {}", problem.detail);
    }
    let broken = request("POST", "/v1/api-keys").header(header::CONTENT_TYPE, "application/json");
    let broken = gateway.send(broken.body(Body::from("{")).unwrap()).await;
    broken.not_applied(400, "malformed_json");
    assert_eq!(listed(&gateway).await.api_keys.len(), 1);
}

#[tokio::test]
async fn a_key_grants_no_scope_that_it_does_not_hold() {
    let gateway = gateway();
    clerk(&gateway);
    for scope in ["entities:write", "*", "inspect:read"] {
        let body = json!({"name": "n", "scopes": ["entities:read", scope]});
        let reply = create(&gateway, CLERK, &body, None).await;
        let problem = reply.not_applied(403, "scope_missing");
        assert!(problem.detail.contains(scope), "{}", problem.detail);
    }
    // Nor by taking another key over: a rotation would show it the text of one that holds more.
    let all = row(KEY, "*").id;
    let path = format!("/v1/api-keys/{all}/rotate");
    call(&gateway, CLERK, "POST", &path).await.not_applied(403, "scope_missing");
    assert!(works(&gateway, KEY).await);
    let body = json!({"name": "n", "scopes": ["entities:read"]});
    assert_eq!(create(&gateway, CLERK, &body, None).await.status, 201);
}

#[tokio::test]
async fn keys_are_managed_with_the_scopes_for_it_only() {
    let gateway = gateway();
    let reader = made(&gateway, &["keys:read"]).await;
    let writer = made(&gateway, &["keys:write"]).await;
    let (reader, writer) = (reader.key.unwrap(), writer.key.unwrap());
    let path = format!("/v1/api-keys/{}", row(KEY, "*").id);
    assert_eq!(call(&gateway, &reader, "GET", "/v1/api-keys").await.status, 200);
    call(&gateway, &writer, "GET", "/v1/api-keys").await.not_applied(403, "scope_missing");
    call(&gateway, &reader, "DELETE", &path).await.not_applied(403, "scope_missing");
    let body = json!({"name": "n", "scopes": ["keys:read"]});
    create(&gateway, &reader, &body, None).await.not_applied(403, "scope_missing");
    assert_eq!(call(&gateway, &writer, "DELETE", &path).await.status, 204);
    assert!(!works(&gateway, KEY).await, "a key may be revoked by one that holds less");
}

#[tokio::test]
async fn a_repeat_makes_no_second_key_and_shows_no_text() {
    let gateway = gateway();
    let body = json!({"name": "n", "scopes": ["entities:read"]});
    let first = create(&gateway, KEY, &body, Some("k")).await;
    let created: CreatedApiKey = first.json();
    let spaced = json!({"scopes": ["entities:read"], "description": "", "name": "n"});
    for again in [&body, &spaced] {
        let again = create(&gateway, KEY, again, Some("k")).await;
        assert_eq!(again.status, 201);
        assert_eq!(again.header("idempotency-hit"), Some("true"));
        let repeat: CreatedApiKey = again.json();
        assert_eq!((repeat.key.as_ref(), &repeat.view), (None, &created.view));
    }
    let other = json!({"name": "m", "scopes": ["entities:read"]});
    create(&gateway, KEY, &other, Some("k")).await.not_applied(422, "idempotency_key_reused");
    assert_eq!(listed(&gateway).await.api_keys.len(), 2);
    assert!(works(&gateway, &created.key.unwrap()).await);
}

#[tokio::test]
async fn a_list_is_paged_and_holds_the_tenants_own_keys_only() {
    let gateway = gateway();
    gateway.directory.add(ApiKeyRow {
        tenant: TenantId::new("other").unwrap(),
        ..row("sk_live_22222222222222222222222222222222", "*")
    });
    for _ in 0..4 {
        made(&gateway, &["entities:read"]).await;
    }
    let all: Vec<_> = listed(&gateway).await.api_keys.iter().map(|key| key.id).collect();
    assert_eq!(all.len(), 5);
    let (mut paged, mut path) = (Vec::new(), "/v1/api-keys?limit=2".to_owned());
    loop {
        let page: ApiKeyList = gateway.get(&path).await.json();
        paged.extend(page.api_keys.iter().map(|key| key.id));
        let Some(cursor) = page.next_cursor else { break };
        path = format!("/v1/api-keys?limit=2&cursor={cursor}");
    }
    assert_eq!(paged, all);
    gateway.get("/v1/api-keys?cursor=x").await.not_applied(400, "malformed_request");
}

#[tokio::test]
async fn another_tenants_key_is_as_one_that_is_not_there() {
    let gateway = gateway();
    let theirs = "sk_live_22222222222222222222222222222222";
    let other = ApiKeyRow { tenant: TenantId::new("other").unwrap(), ..row(theirs, "*") };
    let theirs_id = other.id;
    gateway.directory.add(other);
    for id in [theirs_id.to_string(), Uuid::from_u128(7).to_string(), "x".to_owned()] {
        for (method, path) in [
            ("DELETE", format!("/v1/api-keys/{id}")),
            ("POST", format!("/v1/api-keys/{id}/rotate")),
        ] {
            let reply = call(&gateway, KEY, method, &path).await;
            let problem = reply.not_applied(404, "api_key_not_found");
            assert_eq!(problem.detail, "there is no such API key");
        }
    }
    assert!(works(&gateway, theirs).await);
}

#[tokio::test]
async fn a_deleted_key_is_revoked_at_once_and_stays_listed() {
    let gateway = gateway();
    let created = made(&gateway, &["entities:read"]).await;
    let (id, text) = (created.view.id, created.key.unwrap());
    assert!(works(&gateway, &text).await);
    for _ in 0..2 {
        let path = format!("/v1/api-keys/{id}");
        let reply = gateway.send(request("DELETE", &path).body(Body::empty()).unwrap()).await;
        assert_eq!((reply.status.as_u16(), reply.body.len()), (204, 0));
        let refused = call(&gateway, &text, "GET", "/v1/entities/counter/a").await;
        assert!(refused.not_applied(401, "auth_invalid").detail.contains("revoked"));
    }
    assert_eq!(state(&gateway, id).await, ApiKeyState::Revoked);
    let problem = rotate(&gateway, id, None).await.not_applied(409, "api_key_not_active");
    assert!(problem.detail.contains("revoked"), "{}", problem.detail);
}

#[tokio::test]
async fn a_rotated_key_stays_valid_for_the_grace_period_beside_its_successor() {
    let gateway = gateway();
    let body = json!({
        "name": "n", "description": "d", "scopes": ["entities:read"], "expires_in_s": 864_000,
        "mode": "test",
    });
    let old: CreatedApiKey = create(&gateway, KEY, &body, None).await.json();
    let reply = rotate(&gateway, old.view.id, None).await;
    assert_eq!(reply.status, 201);
    let new: CreatedApiKey = reply.json();
    let (old_text, new_text) = (old.key.unwrap(), new.key.unwrap());
    assert_ne!(old_text, new_text);
    assert!(new_text.starts_with("sk_test_"));
    assert!(works(&gateway, &old_text).await && works(&gateway, &new_text).await);
    assert_eq!((&new.view.name, &new.view.scopes), (&old.view.name, &old.view.scopes));
    // As long a life as the old one was meant to have.
    assert_eq!(new.view.expires_at.unwrap() - new.view.created_at, 10 * DAY_US);
    let keys = listed(&gateway).await.api_keys;
    let rotating = keys.iter().find(|key| key.id == old.view.id).unwrap();
    assert_eq!(rotating.state, ApiKeyState::Rotating);
    assert_eq!(rotating.replaced_by, Some(new.view.id));
    assert_eq!(rotating.expires_at.unwrap() - new.view.created_at, DAY_US);
    let again = rotate(&gateway, old.view.id, None).await.not_applied(409, "api_key_not_active");
    assert!(again.detail.contains("rotating"), "{}", again.detail);
    assert_eq!(rotate(&gateway, new.view.id, None).await.status, 201, "the successor can be");
}

#[tokio::test]
async fn the_old_key_ends_with_its_grace_period_even_where_it_was_believed() {
    let mut config = config();
    config.auth.rotation_grace_s = 0;
    let gateway = gateway_with(&config);
    let old = made(&gateway, &["entities:read"]).await;
    let text = old.key.unwrap();
    assert!(works(&gateway, &text).await, "it is in the cache now");
    let new: CreatedApiKey = rotate(&gateway, old.view.id, None).await.json();
    assert!(!works(&gateway, &text).await);
    assert!(works(&gateway, &new.key.unwrap()).await);
    assert_eq!(state(&gateway, old.view.id).await, ApiKeyState::Expired);
}

#[tokio::test]
async fn a_repeated_rotation_names_the_successor_and_shows_no_text() {
    let gateway = gateway();
    let old = made(&gateway, &["entities:read"]).await.view.id;
    let new: CreatedApiKey = rotate(&gateway, old, Some("k")).await.json();
    let again = rotate(&gateway, old, Some("k")).await;
    assert_eq!((again.status.as_u16(), again.header("idempotency-hit")), (201, Some("true")));
    let repeat: CreatedApiKey = again.json();
    assert_eq!((repeat.key, repeat.view), (None, new.view));
    rotate(&gateway, old, Some("other")).await.not_applied(409, "api_key_not_active");
}

#[tokio::test]
async fn a_tenant_has_so_many_keys_and_no_more() {
    let mut config = config();
    config.auth.keys_per_tenant_max = 2;
    let gateway = gateway_with(&config);
    let second = made(&gateway, &["entities:read"]).await.view.id;
    let body = json!({"name": "n", "scopes": ["entities:read"]});
    create(&gateway, KEY, &body, None).await.not_applied(409, "api_keys_full");
    rotate(&gateway, second, None).await.not_applied(409, "api_keys_full");
    assert_eq!(state(&gateway, second).await, ApiKeyState::Active);
}

#[tokio::test]
async fn the_last_use_is_written_down_beside_requests() {
    let gateway = gateway();
    let created = made(&gateway, &["entities:read"]).await;
    let id = created.view.id;
    let text = created.key.unwrap();
    let used = async || {
        let keys = listed(&gateway).await.api_keys;
        keys.iter().find(|key| key.id == id).unwrap().last_used_at
    };
    let before = SystemClock.now().as_micros();
    assert!(works(&gateway, &text).await);
    assert_eq!(used().await, None, "no request waits for it");
    gateway.state.auth.write_uses().await;
    assert!(used().await.is_some_and(|at| at >= before));
    // Told to stop, the task writes what is left before it ends.
    let other = made(&gateway, &["entities:read"]).await;
    assert!(works(&gateway, other.key.as_deref().unwrap()).await);
    gateway.state.auth.keep(async {}).await;
    let keys = listed(&gateway).await.api_keys;
    assert!(keys.iter().any(|key| key.id == other.view.id && key.last_used_at.is_some()));
}

#[tokio::test]
async fn ended_keys_are_purged_once_they_are_old_enough() {
    let gateway = gateway();
    let ago = |days: i64| Some(SystemClock.now().saturating_add_micros(-days * DAY_US));
    for (number, revoked_at, expires_at) in
        [(3, ago(89), None), (4, ago(91), None), (5, None, ago(91)), (6, None, ago(1))]
    {
        let text = format!("sk_live_{}", number.to_string().repeat(32));
        gateway.directory.add(ApiKeyRow { revoked_at, expires_at, ..row(&text, "*") });
    }
    assert_eq!(listed(&gateway).await.api_keys.len(), 5);
    let keeping = gateway.state.auth.keep(pending());
    assert!(timeout(Duration::from_millis(20), keeping).await.is_err(), "it goes on");
    let left: Vec<_> = listed(&gateway).await.api_keys;
    assert_eq!(left.len(), 3, "{left:?}");
    let long_ago = Timestamp::from_micros(ago(90).unwrap().as_micros()).as_micros();
    assert!(left.iter().all(|key| key.revoked_at.is_none_or(|at| at > long_ago)));
}

#[tokio::test]
async fn a_store_that_fails_is_not_shown() {
    let gateway = gateway();
    let id = row(KEY, "*").id;
    assert!(gateway.directory.api_key(&TenantId::new("t").unwrap(), id).await.unwrap().is_some());
    assert!(works(&gateway, KEY).await);
    *gateway.directory.failing.lock() = true;
    let reply = gateway.get("/v1/api-keys").await;
    reply.not_applied(500, "internal_error");
    assert!(!String::from_utf8_lossy(&reply.body).contains("hunter2"));
}

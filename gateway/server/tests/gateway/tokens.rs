//! Tokens over HTTP: they count as a key does, and a caller is not told what is wrong with one.

use axum::body::Body;
use axum::http::{Request, header};
use coppice_api::api_key::CreatedApiKey;
use coppice_core::{TenantId, Timestamp};
use coppice_runtime::{Clock, SystemClock};
use coppice_server::auth::token::{Grant, issue};
use serde_json::json;

use crate::http::Reply;
use crate::support::{Gateway, config, gateway, jwt_secret};

fn token(tenant: &str, scopes: &str, issued: Timestamp) -> String {
    let grant = Grant {
        tenant: TenantId::new(tenant).unwrap(),
        subject: "alice".to_owned(),
        scopes: scopes.to_owned(),
        ttl_s: 60,
    };
    issue(&grant, &config().auth.jwt, Some(&jwt_secret()), issued).unwrap()
}

async fn call(gateway: &Gateway, token: &str, method: &str, path: &str, body: &str) -> Reply {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::AUTHORIZATION, format!("Bearer {token}"));
    gateway.send(request.body(Body::from(body.to_owned())).unwrap()).await
}

#[tokio::test]
async fn a_token_counts_as_a_key_does() {
    let gateway = gateway();
    let reader = token("t", "entities:read", SystemClock.now());
    for _ in 0..2 {
        let reply = call(&gateway, &reader, "GET", "/v1/entities/counter/a", "").await;
        assert_eq!(reply.status, 200);
    }
    assert_eq!(gateway.directory.lookups(), 0);
    let add = call(&gateway, &reader, "POST", "/v1/entities/counter/a/add", "{}").await;
    add.not_applied(403, "scope_missing");
    // It may make keys within its scopes, for its tenant.
    let maker = token("t", "keys:write entities:read", SystemClock.now());
    let body = json!({"name": "n", "scopes": ["entities:read"]}).to_string();
    let made = call(&gateway, &maker, "POST", "/v1/api-keys", &body).await;
    let key = made.json::<CreatedApiKey>().key.unwrap();
    assert_eq!(call(&gateway, &key, "GET", "/v1/entities/counter/a", "").await.status, 200);
    let body = json!({"name": "n", "scopes": ["entities:write"]}).to_string();
    let refused = call(&gateway, &maker, "POST", "/v1/api-keys", &body).await;
    refused.not_applied(403, "scope_missing");
}

#[tokio::test]
async fn a_token_reaches_its_own_tenant_only() {
    let gateway = gateway();
    let writer = token("other", "entities:write", SystemClock.now());
    let reply = call(&gateway, &writer, "POST", "/v1/entities/counter/a/add", "{}").await;
    assert_eq!(reply.status, 200);
    let asked = gateway.kind.last.lock().take().unwrap();
    assert_eq!(asked.tenant.as_str(), "other");
}

#[tokio::test]
async fn a_caller_is_told_that_a_token_is_over_and_nothing_else() {
    let gateway = gateway();
    let good = token("t", "*", SystemClock.now());
    let over = token("t", "*", SystemClock.now().saturating_add_micros(-3_600_000_000));
    let early = token("t", "*", SystemClock.now().saturating_add_micros(3_600_000_000));
    let (signed, _) = good.rsplit_once('.').unwrap();
    let unsigned = format!("{signed}.");
    let cases = [(&over, "expired"), (&early, "not accepted"), (&unsigned, "not accepted")];
    for (token, word) in cases {
        let reply = call(&gateway, token, "GET", "/v1/entities/counter/a", "").await;
        let problem = reply.not_applied(401, "auth_invalid");
        assert!(problem.detail.contains(word), "{}", problem.detail);
        assert!(reply.header("www-authenticate").unwrap().contains("invalid_token"));
    }
    assert!(gateway.kind.last.lock().is_none());
}

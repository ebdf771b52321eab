//! What goes in and what comes back where nothing is wrong.

use axum::body::Body;
use coppice_api::health::Status;
use coppice_api::{CommandAnswer, EntityView, Health};
use coppice_core::{CommandId, Sequence, TenantId};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::http::{command, request};
use crate::support::gateway;

#[tokio::test]
async fn a_command_goes_through_as_it_came_and_is_answered() {
    let gateway = gateway();
    let reply = gateway.add().await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("idempotency-hit"), None);
    let answer: CommandAnswer<Value> = reply.json();
    let expected =
        CommandAnswer { sequence: Sequence(7), reply: json!({"value": 7}), repeated: false };
    assert_eq!(answer, expected);
    assert_eq!(reply.body, serde_json::to_vec(&expected).unwrap(), "as the type serializes");

    let seen = gateway.kind.last.lock().clone().unwrap();
    assert_eq!(seen.tenant.as_str(), "t");
    assert_eq!(seen.id.as_str(), "a");
    assert_eq!(seen.command, "add");
    assert_eq!(seen.body, r#"{"n":1}"#);
    assert!(!seen.keyed);
    assert_eq!(seen.command_id.0.to_string(), reply.header("x-request-id").unwrap());
}

#[tokio::test]
async fn a_repeat_with_the_same_key_says_that_it_is_one() {
    let gateway = gateway();
    let send = |path: &'static str, key: &'static str| {
        let request = command(path).header("idempotency-key", key).body(Body::from("{}"));
        gateway.send(request.unwrap())
    };
    let first = send("/v1/entities/counter/a:b/add", "k").await;
    assert_eq!(first.header("idempotency-hit"), None);
    let seen = gateway.kind.last.lock().clone().unwrap();
    assert!(seen.keyed);
    let tenant = TenantId::new("t").unwrap();
    let route = "POST /v1/entities/counter/a:b/add";
    assert_eq!(seen.command_id, CommandId::from_idempotency_key(&tenant, route, "k"));

    let again = send("/v1/entities/counter/a%3Ab/add", "k").await;
    assert_eq!(again.header("idempotency-hit"), Some("true"));
    assert!(again.json::<CommandAnswer<Value>>().repeated);
    let other = send("/v1/entities/counter/a:b/add", "l").await;
    assert_eq!(other.header("idempotency-hit"), None);
}

#[tokio::test]
async fn an_empty_body_needs_no_content_type() {
    let gateway = gateway();
    let path = "/v1/entities/counter/a/add";
    let reply = gateway.send(request("POST", path).body(Body::empty()).unwrap()).await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn a_content_type_may_have_parameters_and_any_case() {
    let gateway = gateway();
    for content_type in ["application/json; charset=utf-8", "Application/JSON", "application/json "]
    {
        let request = request("POST", "/v1/entities/counter/a/add")
            .header("content-type", content_type)
            .body(Body::from("{}"));
        assert_eq!(gateway.send(request.unwrap()).await.status, 200, "{content_type}");
    }
}

#[tokio::test]
async fn an_entity_is_shown_with_its_sequence() {
    let gateway = gateway();
    let reply = gateway.get("/v1/entities/counter/a%40b").await;
    assert_eq!(reply.status, 200);
    let expected = EntityView {
        kind: "counter".to_owned(),
        id: "a@b".to_owned(),
        sequence: Sequence(7),
        state: json!({"value": 7}),
    };
    assert_eq!(reply.json::<EntityView<Value>>(), expected);
    assert_eq!(reply.body, serde_json::to_vec(&expected).unwrap(), "as the type serializes");
}

#[tokio::test]
async fn an_entity_without_events_is_not_found() {
    let problem = gateway().get("/v1/entities/counter/absent").await;
    let problem = problem.not_applied(404, "entity_not_found");
    assert_eq!(problem.instance, "/v1/entities/counter/absent");
}

#[tokio::test]
async fn the_callers_ids_are_kept() {
    let gateway = gateway();
    let correlation = Uuid::from_u128(7);
    let request = command("/v1/entities/counter/a/add")
        .header("x-request-id", "mine-1")
        .header("x-correlation-id", correlation.to_string())
        .body(Body::from("{}"));
    let reply = gateway.send(request.unwrap()).await;
    assert_eq!(reply.header("x-request-id"), Some("mine-1"));
    let seen = gateway.kind.last.lock().clone().unwrap();
    assert_eq!(seen.correlation.0, correlation);
    assert_ne!(seen.command_id.0, correlation);
}

#[tokio::test]
async fn health_needs_no_key() {
    let gateway = gateway();
    let request = axum::http::Request::builder().uri("/health").body(Body::empty());
    let reply = gateway.send(request.unwrap()).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.json::<Health>().status, Status::Ok);
}

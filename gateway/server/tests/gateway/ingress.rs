//! Webhooks: what is taken up, once, and what is refused before anything is looked at.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, header};
use coppice_api::ingress::{DeliveryAnswer, DeliveryOutcome};
use coppice_core::{
    Access, CommandId, Context, CorrelationId, EffectId, EffectOutcome, Entity, EntityId,
    EntityKind, Rejection, Sequence, StreamKey, TenantId, Timestamp,
};
use coppice_domain::ingress::Delivery;
use coppice_domain::ingress::delivery::{Event, State};
use coppice_runtime::{Answer, Failure, KindPort, Registry, View};
use coppice_server::config::{Config, Secret, WebhookSecrets};
use coppice_server::ingress::Ingress;
use coppice_server::planning::Templates;
use coppice_server::state::App;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use ring::hmac;
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use crate::http::Reply;
use crate::support::*;

const SECRET: &str = "It's a Secret to Everybody";
const OLD_SECRET: &str = "It was a Secret to Everybody";
const ID: &str = "72d3162e-cc78-11e3-81ab-4c9367dc0958";
const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// Deliveries as the domain decides them, in memory.
#[derive(Debug, Default)]
struct Deliveries {
    states: Mutex<BTreeMap<EntityId, (State, u64)>>,
    tenants: Mutex<Vec<TenantId>>,
    failure: Mutex<Option<Failure>>,
}

impl Deliveries {
    fn apply(&self, request: &coppice_runtime::Request) -> Result<Answer, Failure> {
        self.tenants.lock().push(request.tenant.clone());
        if let Some(failure) = self.failure.lock().clone() {
            return Err(failure);
        }
        let command = Delivery::parse(&request.command, &request.body)
            .map_err(|error| Failure::InvalidBody(error.to_string()))?;
        self.decide(&request.id, &command)
    }

    fn decide(
        &self,
        id: &EntityId,
        command: &<Delivery as Entity>::Command,
    ) -> Result<Answer, Failure> {
        let mut states = self.states.lock();
        let (state, sequence) = states.get(id).cloned().unwrap_or_default();
        let kind = EntityKind::new(Delivery::KIND).unwrap();
        let context = Context {
            now: Timestamp::from_micros(7),
            key: &StreamKey::new(TenantId::new("t").unwrap(), kind, id.clone()),
            sequence: Sequence(sequence),
            command_id: CommandId(Uuid::nil()),
            correlation: CorrelationId(Uuid::nil()),
        };
        let decision = Delivery::decide(&state, command, &context).map_err(|refusal| {
            Failure::Rejected { code: refusal.code(), detail: refusal.to_string() }
        })?;
        let events: &[Event] = &decision.events;
        let sequence = sequence + events.len() as u64;
        let state = events.iter().fold(state, Delivery::evolve);
        states.insert(id.clone(), (state, sequence));
        let reply = serde_json::to_string(&decision.reply).unwrap();
        Ok(Answer { sequence: Sequence(sequence), reply: reply.into(), repeated: false })
    }

    /// What is kept, by the source's id.
    fn seen(&self, delivery: &str) -> Value {
        let id = EntityId::new(&format!("github:{delivery}")).unwrap();
        let states = self.states.lock();
        let state = states.get(&id).map(|(state, _)| Delivery::view(state));
        serde_json::to_value(state).unwrap()
    }
}

impl KindPort for Deliveries {
    fn kind(&self) -> &'static str {
        Delivery::KIND
    }

    /// So that whatever goes in as a caller's own command meets nothing.
    fn access(&self) -> Access {
        Delivery::ACCESS
    }

    fn ask(&self, request: coppice_runtime::Request) -> BoxFuture<'_, Result<Answer, Failure>> {
        Box::pin(std::future::ready(self.apply(&request)))
    }

    fn view(
        &self,
        _tenant: TenantId,
        _id: EntityId,
        _deadline: Instant,
    ) -> BoxFuture<'_, Result<View, Failure>> {
        Box::pin(std::future::ready(Err(Failure::NotThere)))
    }
}

struct House {
    gateway: Gateway,
    ingress: Arc<Ingress>,
    deliveries: Arc<Deliveries>,
}

fn house() -> House {
    house_with(&config())
}

fn house_with(config: &Config) -> House {
    let secret = |text: &str| Secret::new(text.to_owned());
    let secrets = WebhookSecrets { current: secret(SECRET), previous: Some(secret(OLD_SECRET)) };
    house_of(config, Some(&secrets))
}

fn house_of(config: &Config, secrets: Option<&WebhookSecrets>) -> House {
    let plans = Templates::shipped().unwrap().names().map(str::to_owned).collect();
    let ingress = Arc::new(Ingress::new(&config.ingress, secrets, &plans).unwrap());
    let deliveries = Arc::new(Deliveries::default());
    let Gateway { state, kind, directory } = gateway_with(config);
    let app = Arc::try_unwrap(state).unwrap();
    let registry = Registry::new([deliveries.clone() as Arc<dyn KindPort>]);
    let state = Arc::new(App { registry, ingress: Some(Arc::clone(&ingress)), ..app });
    House { gateway: Gateway { state, kind, directory }, ingress, deliveries }
}

/// A webhook, and what of it is other than GitHub's would be.
struct Webhook<'a> {
    event: &'a str,
    delivery: &'a str,
    content: &'a str,
    secret: &'a str,
    body: Vec<u8>,
}

fn webhook<'a>(event: &'a str, body: &Value) -> Webhook<'a> {
    let body = body.to_string().into_bytes();
    Webhook { event, delivery: ID, content: JSON, secret: SECRET, body }
}

fn pull_request() -> Webhook<'static> {
    let body = json!({
        "action": "opened",
        "pull_request": { "number": 2, "draft": false },
        "repository": { "full_name": "a/b" },
    });
    webhook("pull_request", &body)
}

fn signature(secret: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, body);
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={hex}")
}

impl Webhook<'_> {
    fn headers(&self) -> axum::http::request::Builder {
        Request::builder()
            .method("POST")
            .uri("/ingress/github")
            .header(header::CONTENT_TYPE, self.content)
            .header("x-github-event", self.event)
            .header("x-github-delivery", self.delivery)
    }

    fn signed(self) -> Request<Body> {
        let signature = signature(self.secret, &self.body);
        let headers = self.headers().header("x-hub-signature-256", signature);
        headers.body(Body::from(self.body)).unwrap()
    }
}

impl House {
    async fn send(&self, webhook: Webhook<'_>) -> Reply {
        self.gateway.send(webhook.signed()).await
    }

    /// How many commands have reached the entities.
    fn asked(&self) -> usize {
        self.deliveries.tenants.lock().len()
    }
}

#[track_caller]
fn outcome(reply: &Reply, status: u16) -> DeliveryAnswer {
    let text = String::from_utf8_lossy(&reply.body);
    assert_eq!(reply.status.as_u16(), status, "{text}");
    assert_eq!(reply.header("content-type"), Some(JSON));
    reply.json()
}

#[tokio::test]
async fn both_forms_of_a_body_are_taken_up_for_the_configured_tenant() {
    for content in [JSON, "application/json; charset=utf-8", FORM] {
        let mut config = config();
        config.ingress.github.tenant = TenantId::new("hooked").unwrap();
        let house = house_with(&config);
        let mut webhook = Webhook { content, ..pull_request() };
        if content == FORM {
            let text = String::from_utf8(webhook.body).unwrap();
            let mut form = form_urlencoded::Serializer::new(String::new());
            webhook.body = form.append_pair("payload", &text).finish().into_bytes();
        }
        let hash = coppice_core::hash::sha256(&webhook.body).to_string();
        let reply = house.send(webhook).await;
        let expected = DeliveryAnswer {
            delivery: ID.to_owned(),
            outcome: DeliveryOutcome::Routed,
            plan: Some("pull_request_review".to_owned()),
            workflow: None,
        };
        assert_eq!(outcome(&reply, 202), expected, "{content}");
        assert_eq!(reply.header("x-position"), Some(&*format!("1.e.1.delivery.github:{ID}")));
        let seen = house.deliveries.seen(ID);
        assert_eq!(seen["body_sha256"], hash, "of the bytes as they came");
        assert_eq!(seen["event"]["repository"]["full_name"], "a/b");
        assert_eq!((&seen["status"], &seen["route"]["rule"]), (&json!("planning"), &json!(1)));
        assert_eq!(house.deliveries.tenants.lock().as_slice(), [config.ingress.github.tenant]);
    }
}

#[tokio::test]
async fn a_body_that_is_not_signed_well_is_not_looked_at() {
    let house = house();
    let good = signature(SECRET, &pull_request().body);
    let other = signature("another secret altogether", b"{");
    for (signatures, says) in [
        (vec![], "give the webhook a secret"),
        (vec![good.as_str(), good.as_str()], "once"),
        (vec!["sha256=00"], "64 hexadecimal digits"),
        (vec![good.as_str()], "not that of this body"),
        (vec![other.as_str()], "not that of this body"),
    ] {
        // No JSON, no form and no event: whatever looked at it would find something else.
        let webhook = Webhook { content: "text/plain", event: "", ..pull_request() };
        let headers = signatures.iter().fold(webhook.headers(), |headers, signature| {
            headers.header("x-hub-signature-256", *signature)
        });
        let reply = house.gateway.send(headers.body(Body::from("{")).unwrap()).await;
        let problem = reply.not_applied(401, "webhook_signature_invalid");
        assert!(problem.detail.contains(says), "{}", problem.detail);
        let challenge = reply.header("www-authenticate").unwrap();
        assert!(challenge.starts_with("X-Hub-Signature-256 "), "{challenge}");
    }
    assert_eq!(house.asked(), 0);
}

#[tokio::test]
async fn a_byte_that_was_changed_on_the_way_is_found() {
    let house = house();
    let signature = signature(SECRET, &pull_request().body);
    for at in [0, 20, pull_request().body.len() - 1] {
        let mut body = pull_request().body;
        body[at] ^= 1;
        let request = pull_request().headers().header("x-hub-signature-256", &signature);
        let reply = house.gateway.send(request.body(Body::from(body)).unwrap()).await;
        reply.not_applied(401, "webhook_signature_invalid");
    }
    assert_eq!(house.asked(), 0);
}

#[tokio::test]
async fn a_repeat_is_told_from_the_first_and_changes_nothing() {
    let house = house();
    assert_eq!(outcome(&house.send(pull_request()).await, 202).outcome, DeliveryOutcome::Routed);
    let before = house.deliveries.seen(ID);
    let again = outcome(&house.send(pull_request()).await, 200);
    assert_eq!(again.outcome, DeliveryOutcome::Repeated);
    assert_eq!((again.plan.as_deref(), again.workflow), (Some("pull_request_review"), None));
    assert_eq!(house.deliveries.seen(ID), before);
    // Under the secret before, too, and with the workflow once there is one.
    let id = EntityId::new(&format!("github:{ID}")).unwrap();
    let done = EffectOutcome::Done { response: r#"{"workflow":"w-1"}"#.into() };
    let planned = Delivery::on_effect(&State::default(), &EffectId("plan".into()), &done).unwrap();
    house.deliveries.decide(&id, &planned).unwrap();
    let webhook = Webhook { secret: OLD_SECRET, ..pull_request() };
    let again = outcome(&house.send(webhook).await, 200);
    assert_eq!(again.workflow.as_deref(), Some("w-1"));
}

#[tokio::test]
async fn a_delivery_with_another_body_is_refused() {
    let house = house();
    outcome(&house.send(pull_request()).await, 202);
    let before = house.deliveries.seen(ID);
    let reply = house.send(webhook("pull_request", &json!({ "action": "closed" }))).await;
    reply.not_applied(422, "delivery_body_differs");
    assert_eq!(house.deliveries.seen(ID), before, "what came first stands");
}

#[tokio::test]
async fn what_no_rule_routes_is_kept() {
    let house = house();
    for (event, delivery) in [("push", "one"), ("invented_yesterday", "two")] {
        let webhook = Webhook { delivery, ..webhook(event, &json!({ "ref": "refs/heads/x" })) };
        let answer = outcome(&house.send(webhook).await, 202);
        assert_eq!((answer.outcome, answer.plan), (DeliveryOutcome::Unrouted, None));
        let seen = house.deliveries.seen(delivery);
        assert_eq!((&seen["status"], &seen["event"]["type"]), (&json!("unrouted"), &json!(event)));
    }
}

#[tokio::test]
async fn a_ping_is_answered_and_nothing_is_kept() {
    let house = house();
    let reply = house.send(webhook("ping", &json!({ "zen": "Keep it logically awesome." }))).await;
    assert_eq!(outcome(&reply, 200).outcome, DeliveryOutcome::Pong);
    assert_eq!(house.asked(), 0);
}

#[tokio::test]
async fn without_a_secret_nothing_is_believed() {
    let house = house_of(&config(), None);
    let reply = house.send(pull_request()).await;
    reply.not_applied(503, "webhook_secret_missing");
    assert_eq!(reply.header("retry-after"), None, "waiting helps nobody");
    assert_eq!(house.asked(), 0);
}

#[tokio::test]
async fn event_and_delivery_are_named_once_and_as_github_names_them() {
    let house = house();
    let signature = signature(SECRET, &pull_request().body);
    for (events, deliveries) in [
        (vec![], vec![ID]),
        (vec!["push"], vec![]),
        (vec!["push", "push"], vec![ID]),
        (vec!["push"], vec![ID, ID]),
        (vec![""], vec![ID]),
        (vec!["pu sh"], vec![ID]),
        (vec!["push"], vec!["a:b"]),
        (vec!["push"], vec![&*"a".repeat(65)]),
    ] {
        let mut request = Request::builder().method("POST").uri("/ingress/github");
        request = request.header("content-type", JSON).header("x-hub-signature-256", &signature);
        for (name, values) in [("x-github-event", &events), ("x-github-delivery", &deliveries)] {
            request = values.iter().fold(request, |request, value| request.header(name, *value));
        }
        let request = request.body(Body::from(pull_request().body)).unwrap();
        house.gateway.send(request).await.not_applied(400, "webhook_header_invalid");
    }
    assert_eq!(house.asked(), 0);
}

#[tokio::test]
async fn what_is_signed_and_can_not_be_read_is_refused_as_what_it_is() {
    let house = house();
    let of = |content, body: &str| {
        let body = body.as_bytes().to_vec();
        Webhook { content, body, ..pull_request() }
    };
    for (webhook, status, code) in [
        (of("text/plain", "{}"), 415, "unsupported_media_type"),
        (of("", "{}"), 415, "unsupported_media_type"),
        (of(JSON, "{"), 400, "malformed_json"),
        (of(JSON, ""), 400, "malformed_json"),
        (of(FORM, "payload=%7B"), 400, "malformed_json"),
        (of(FORM, "body=%7B%7D"), 400, "malformed_json"),
        (of(JSON, &"[".repeat(10_000)), 400, "malformed_json"),
    ] {
        house.send(webhook).await.not_applied(status, code);
    }
    assert_eq!(house.asked(), 0);
}

#[tokio::test]
async fn a_body_may_be_as_large_as_the_setting_says_and_no_larger() {
    let mut config = config();
    assert_eq!(config.ingress.body_bytes_max, 25 << 20, "GitHub's own limit");
    // Above what is read where the request is served.
    config.ingress.body_bytes_max = 2 << 20;
    let house = house_with(&config);
    for (more, status) in [(0, 202), (1, 413)] {
        let mut webhook = pull_request();
        webhook.body.resize(config.ingress.body_bytes_max + more, b' ');
        let reply = house.send(webhook).await;
        assert_eq!(reply.status.as_u16(), status);
        if status == 413 {
            reply.not_applied(413, "body_too_large");
        }
    }
    assert!(config.ingress.body_bytes_max > config.server.body_bytes_max, "a limit of its own");
    assert_eq!(house.ingress.places.available_permits(), config.ingress.held_bytes_max);
}

#[tokio::test]
async fn bodies_take_no_more_room_than_there_is() {
    let mut config = config();
    config.ingress.body_bytes_max = 4_096;
    config.ingress.held_bytes_max = 4_096;
    let house = house_with(&config);
    let left = u32::try_from(pull_request().body.len()).unwrap() - 1;
    let others = house.ingress.places.try_acquire_many(4_096 - left).unwrap();
    let reply = house.send(pull_request()).await;
    reply.not_applied(503, "ingress_full");
    assert_eq!(reply.header("retry-after"), Some("1"));
    drop(others);
    outcome(&house.send(pull_request()).await, 202);
    assert_eq!(house.ingress.places.available_permits(), 4_096, "all places are free again");
}

#[tokio::test]
async fn a_storm_of_webhooks_is_held_back_by_a_rate_of_its_own() {
    let mut config = config();
    config.rates.ingress_per_s = 1;
    let house = house_with(&config);
    let unsigned = Webhook { secret: "somebody else's guess", ..pull_request() };
    house.send(unsigned).await.not_applied(401, "webhook_signature_invalid");
    let first = house.send(pull_request()).await;
    outcome(&first, 202);
    assert_eq!(first.header("ratelimit-policy"), Some("\"ingress\";q=1;w=1"));
    let held = house.send(pull_request()).await;
    held.not_applied(429, "rate_limited");
    assert_eq!(held.header("retry-after"), Some("1"));
    assert_eq!(house.asked(), 1, "what is not signed takes nothing of it");
}

#[tokio::test]
async fn what_the_node_can_not_do_is_told_to_the_sender() {
    let house = house();
    for (failure, status, code) in [
        (Failure::StoreUnavailable, 503, "store_unavailable"),
        (Failure::StoreFull, 507, "store_full"),
        (Failure::ShuttingDown, 503, "shutting_down"),
    ] {
        *house.deliveries.failure.lock() = Some(failure);
        house.send(pull_request()).await.not_applied(status, code);
    }
}

#[tokio::test]
async fn a_node_that_takes_no_webhooks_has_no_such_route() {
    let reply = gateway().send(pull_request().signed()).await;
    reply.not_applied(404, "route_not_found");
}

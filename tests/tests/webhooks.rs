//! GitHub's webhooks against the real binary: every example body that there is, and a kill.
//!
//! The examples are those of the npm package `@octokit/webhooks-examples`, fetched when the test
//! runs: bodies as GitHub and five versions of its Enterprise Server send them.

#![expect(clippy::unwrap_used, reason = "what fails where it must not fails the test")]

#[path = "webhooks/examples.rs"]
mod examples;
#[path = "webhooks/planning.rs"]
mod planning;

use std::collections::BTreeSet;

use coppice_domain::ingress::{NormalisedEvent, github};
use coppice_testkit::{Client, Sandbox, binary};
use examples::{Example, addresses};
use futures_util::{StreamExt, stream};
use reqwest::RequestBuilder;
use ring::hmac;
use serde_json::{Value, json};
use uuid::Uuid;

const SECRET: &str = "a secret of the tests and of nobody else";
const OLD_SECRET: &str = "the secret of the tests before that one";
const OTHER_SECRET: &str = "a secret that the node has never heard of";

/// Examples that are on their way at the same time.
const AT_ONCE: usize = 16;

/// Names of people in the package, as another program counts them.
const PEOPLE_NAMED: usize = 18;

async fn node() -> Sandbox {
    let builder = Sandbox::builder(binary()).env("COPPICE_GITHUB_WEBHOOK_SECRET", SECRET);
    builder.env("COPPICE_GITHUB_WEBHOOK_SECRET_PREVIOUS", OLD_SECRET).start().await.unwrap()
}

/// A body as GitHub would post it.
#[derive(Debug, Clone)]
struct Webhook {
    event: String,
    delivery: String,
    content: &'static str,
    body: String,
}

impl Webhook {
    fn json(event: &str, delivery: &str, body: &Value) -> Self {
        let (event, delivery) = (event.to_owned(), delivery.to_owned());
        Self { event, delivery, content: "application/json", body: body.to_string() }
    }

    fn in_a_form(self) -> Self {
        let mut form = form_urlencoded::Serializer::new(String::new());
        let body = form.append_pair("payload", &self.body).finish();
        Self { content: "application/x-www-form-urlencoded", body, ..self }
    }

    /// Status and body of the answer to it, signed under this secret.
    async fn post(&self, client: &Client, url: &str, secret: &str) -> (u16, Value) {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let tag = hmac::sign(&key, self.body.as_bytes());
        let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        self.post_with(client, url, &format!("sha256={hex}")).await
    }

    async fn post_with(&self, client: &Client, url: &str, signature: &str) -> (u16, Value) {
        let request: RequestBuilder = client.http().post(format!("{url}/ingress/github"));
        let answer = request
            .header("content-type", self.content)
            .header("user-agent", "GitHub-Hookshot/044aadd")
            .header("x-github-event", &self.event)
            .header("x-github-delivery", &self.delivery)
            .header("x-hub-signature-256", signature)
            .body(self.body.clone())
            .send()
            .await
            .unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }
}

fn delivery(number: usize) -> String {
    Uuid::from_u128(number as u128 + 1).to_string()
}

fn path(delivery: &str) -> String {
    format!("/v1/entities/delivery/github:{delivery}")
}

/// One example through the node: refused, taken up, told as a repeat, and shown.
async fn tried(client: &Client, sandbox: &Sandbox, number: usize, example: &Example) {
    let name = &example.name;
    let webhook = Webhook::json(&example.event, &delivery(number), &example.body);
    // GitHub sends the one or the other, as the webhook is set up.
    let webhook = if number.is_multiple_of(2) { webhook } else { webhook.in_a_form() };
    let url = sandbox.url();
    let (status, body) = webhook.post(client, url, OTHER_SECRET).await;
    assert_eq!((status, &body["code"]), (401, &json!("webhook_signature_invalid")), "{name}");
    let unsigned = webhook.post_with(client, url, "sha256=").await;
    assert_eq!(unsigned.0, 401, "{name}");

    let secret = if number.is_multiple_of(3) { OLD_SECRET } else { SECRET };
    let (status, body) = webhook.post(client, url, secret).await;
    assert_eq!(body["delivery"], delivery(number), "{name}");
    if example.event == "ping" {
        assert_eq!((status, &body["outcome"]), (200, &json!("pong")), "{name}");
        return;
    }
    assert_eq!(status, 202, "{name}: {body}");
    let first = body["outcome"].as_str().unwrap();
    assert!(["routed", "unrouted"].contains(&first), "{name}: {body}");
    let (status, again) = webhook.post(client, url, SECRET).await;
    assert_eq!((status, &again["outcome"]), (200, &json!("repeated")), "{name}");
    assert_eq!(again["plan"], body["plan"], "{name}");

    let shown = client.get_path(&path(&delivery(number))).await.unwrap();
    assert_eq!(shown.status, 200, "{name}: {}", shown.body);
    let state = &shown.body["state"];
    assert_eq!(state["status"] == "unrouted", first == "unrouted", "{name}: {state}");
    let event: NormalisedEvent = serde_json::from_value(state["event"].clone()).unwrap();
    assert_eq!(event, github::normalise(&example.event, &example.body), "{name}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_example_is_taken_up_once_with_a_good_signature_and_refused_with_a_bad_one() {
    let examples = examples::all();
    let sandbox = node().await;
    let client = Client::new(sandbox.url(), sandbox.key());
    let (client, sandbox) = (&client, &sandbox);
    let trials = examples.iter().enumerate();
    let trials = trials.map(|(number, example)| tried(client, sandbox, number, example));
    stream::iter(trials).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
    let log = sandbox.log_tail();
    assert!(![SECRET, OLD_SECRET].iter().any(|secret| log.contains(secret)), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_taken_up_is_there_after_a_kill() {
    let mut sandbox = node().await;
    let pull_request = json!({
        "action": "opened",
        "pull_request": { "number": 2, "draft": false },
        "repository": { "full_name": "a/b" },
    });
    let webhooks = [
        Webhook::json("pull_request", &delivery(1), &pull_request),
        Webhook::json("push", &delivery(2), &json!({ "ref": "refs/heads/x" })),
        Webhook::json("made_up", &delivery(3), &json!([1])).in_a_form(),
    ];
    let client = Client::new(sandbox.url(), sandbox.key());
    let mut first = Vec::new();
    for webhook in &webhooks {
        let (status, body) = webhook.post(&client, sandbox.url(), SECRET).await;
        assert_eq!(status, 202, "{body}");
        first.push(body);
    }
    sandbox.kill().unwrap();
    sandbox.restart().await.unwrap();
    let client = client.at(sandbox.url());
    for (webhook, first) in webhooks.iter().zip(first) {
        let (status, again) = webhook.post(&client, sandbox.url(), SECRET).await;
        assert_eq!((status, &again["outcome"]), (200, &json!("repeated")));
        assert_eq!((&again["delivery"], &again["plan"]), (&first["delivery"], &first["plan"]));
        let other = Webhook { body: format!("{} ", webhook.body), ..webhook.clone() };
        let (status, refused) = other.post(&client, sandbox.url(), SECRET).await;
        assert_eq!((status, &refused["code"]), (422, &json!("delivery_body_differs")));
        let shown = client.get_path(&path(&webhook.delivery)).await.unwrap();
        let expected = github::normalise(&webhook.event, &of(webhook, &pull_request));
        assert_eq!(shown.body["state"]["event"], serde_json::to_value(expected).unwrap());
        let events = client.get_path(&format!("{}/events", path(&webhook.delivery))).await.unwrap();
        let received = events.body.to_string().matches("delivery.received.v1").count();
        assert_eq!(received, 1, "taken up once: {}", events.body);
    }
}

/// What was sent, before it became a form.
fn of(webhook: &Webhook, pull_request: &Value) -> Value {
    match webhook.event.as_str() {
        "pull_request" => pull_request.clone(),
        "push" => json!({ "ref": "refs/heads/x" }),
        _ => json!([1]),
    }
}

/// Types of GitHub's Enterprise Server that its public documentation doesn't describe: they are of a
/// whole installation, and about no repository.
const OF_A_SERVER: [&str; 2] = ["enterprise", "user"];

/// Types that had no action in the versions of the Enterprise Server that there are examples of, and
/// have one on github.com.
const ONCE_WITHOUT_ACTION: [&str; 2] = ["deployment", "deployment_status"];

#[test]
fn normalisation_finds_who_where_and_what_wherever_github_puts_it() {
    let documented = examples::documented();
    let requires = |event: &str, member: &str| {
        documented.get(event).is_none_or(|of| of.required.contains(member))
    };
    let (mut nothing, mut once_without, mut of_a_server) = (set(), set(), set());
    let mut unsent = BTreeSet::new();
    for Example { name, event, body } in examples::all() {
        let normalised = github::normalise(&event, &body);
        let of = github::event_type(&event).unwrap_or_else(|| panic!("{event} is not known"));
        let is_server = name.starts_with("ghes-");
        let action = body["action"].as_str();
        assert_eq!(normalised.action.as_deref(), action, "{name}");
        assert!(action.is_none_or(|action| of.has_action(action)), "{name}: {action:?}");
        if action.is_some() == of.actions.is_empty() {
            assert!(is_server && action.is_none(), "{name}: {action:?}");
            once_without.insert(event.clone());
        }

        let repository = normalised.repository.as_ref();
        let full_name = repository.map(|repository| repository.full_name.as_str());
        assert_eq!(full_name, body["repository"]["full_name"].as_str(), "{name}");
        let id = repository.and_then(|repository| repository.id);
        assert_eq!(id, body["repository"]["id"].as_i64(), "{name}");
        if repository.is_none() && requires(&event, "repository") {
            of_a_server.insert(event.clone());
        }
        let sender = normalised.sender.as_ref();
        let login = sender.map(|sender| sender.login.as_str());
        assert_eq!(login, body["sender"]["login"].as_str(), "{name}");
        assert_eq!(sender.and_then(|of| of.id), body["sender"]["id"].as_i64(), "{name}");
        if sender.is_none() && requires(&event, "sender") {
            assert!(is_server, "{name} has no sender");
            unsent.insert((event.clone(), action.unwrap_or_default().to_owned()));
        }

        let subject = &normalised.subject;
        let named = [&subject.title, &subject.reference, &subject.sha, &subject.url];
        let told = named.iter().any(|text| text.is_some());
        let numbered = subject.id.or(subject.number).is_some();
        if !told && !numbered {
            nothing.insert(event.clone());
        }
    }
    assert_eq!(once_without, ONCE_WITHOUT_ACTION.map(str::to_owned).into());
    assert_eq!(of_a_server, OF_A_SERVER.map(str::to_owned).into());
    // Scanners of the Enterprise Server do these by themselves, where github.com names somebody.
    let by_scanners =
        [("code_scanning_alert", "reopened"), ("secret_scanning_alert_location", "created")];
    let by_scanners = by_scanners.map(|(event, action)| (event.to_owned(), action.to_owned()));
    assert_eq!(unsent, by_scanners.into());
    // Of a whole installation: its body says what was done and by whom, and names nothing else.
    assert_eq!(nothing, ["enterprise".to_owned()].into());
}

fn set() -> BTreeSet<String> {
    BTreeSet::new()
}

#[test]
fn every_type_and_action_that_github_documents_is_known() {
    let documented = examples::documented();
    // As many as the package has: fewer were not all found.
    assert_eq!(documented.len(), 66);
    let (mut actions, mut unknown) = (0, Vec::new());
    for (event, documented) in &documented {
        let of = github::event_type(event).unwrap_or_else(|| panic!("{event} is not known"));
        for action in &documented.actions {
            if !of.has_action(action) {
                unknown.push(format!("{event} {action}"));
            }
            actions += 1;
        }
        // `repository_dispatch` has an action that its sender makes up.
        let has_action = !documented.actions.is_empty() || documented.required.contains("action");
        if has_action == of.actions.is_empty() {
            unknown.push(format!("{event}: whether it has actions"));
        }
    }
    assert!(unknown.is_empty(), "{unknown:?}");
    assert!(actions > 180, "{actions}");
}

#[test]
fn of_people_a_normalised_event_holds_no_address_and_no_name() {
    let (mut met, mut names) = (0, 0);
    for Example { name, event, body } in examples::all() {
        let written = serde_json::to_string(&github::normalise(&event, &body)).unwrap();
        let found = addresses(&body.to_string());
        met += found.len();
        for address in found.iter().chain(&addresses(&written)) {
            assert!(!written.contains(address), "{name} keeps {address}: {written}");
        }
        for person in examples::people(&body) {
            names += 1;
            assert!(!written.contains(&person), "{name} keeps the name {person}: {written}");
        }
    }
    assert!(met >= 500, "only {met} addresses stood in the examples");
    // So many objects in the package have an address and a name of several words, which is how a
    // commit's people are written: all of them, for the package's version is pinned.
    assert_eq!(names, PEOPLE_NAMED, "names in the examples");
}

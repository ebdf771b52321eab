//! Requests that are signed, on the real binary and the example in Python, which checks them.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use coppice_plugin_sdk::Manifest;
use coppice_testkit::sandbox::OPERATOR_KEY;
use coppice_testkit::{Client, Sandbox, binary};
use ring::hmac;
use serde_json::{Value, json};

use crate::example::Process;

const KEY: &str = "a key of the tests and of nobody else";
const PATIENCE: Duration = Duration::from_secs(30);

fn signature(key: &str, seconds: u64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    let tag = hmac::sign(&key, format!("{seconds}.{body}").as_bytes());
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={seconds},v1={hex}")
}

/// The default bundle with the example among what every tenant may call.
async fn allow(operator: &Client) {
    let source = coppice_policy::Source::compiled_in();
    let data = source.data.replacen("plugins = [", "plugins = [\"word_count\", ", 1);
    assert_ne!(data, source.data);
    let files = json!({
        "bundle.toml": "version = \"signed\"\n", "data.toml": data,
        "policies.cedar": source.policies, "schema.cedarschema": source.schema,
    });
    let body = json!({"files": files, "reason": "a test"});
    let reply = operator.post("/v1/policy/bundles", &body, None).await.unwrap();
    assert_eq!(reply.status.as_u16(), 200, "{}", reply.body);
}

async fn shown(client: &Client, path: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let until = Instant::now() + PATIENCE;
    loop {
        let reply = client.get_path(path).await.unwrap();
        if holds(&reply.body) {
            return reply.body;
        }
        assert!(Instant::now() < until, "{path}: {}", reply.body);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_that_checks_signatures_answers_its_node_and_nobody_else() {
    let sandbox = Sandbox::builder(binary())
        .env("COPPICE_PLUGIN_SECRET__WORD_COUNT__SIGNING_KEY", KEY)
        .start()
        .await
        .unwrap();
    let client = Client::new(sandbox.url(), sandbox.key());
    allow(&Client::new(sandbox.url(), OPERATOR_KEY)).await;
    let mut process = Process::start_with(sandbox.url(), OPERATOR_KEY, Some(KEY)).await;
    let url = process.url().to_owned();
    process.says("word_count registered").await;
    let healthy = |body: &Value| body.to_string().contains("\"active\"");
    shown(&client, "/v1/plugins/word_count/health", healthy).await;
    let plan = json!({"name": "own", "steps": [{
        "id": "count", "plugin": "word_count", "capability": "count words",
        "input": {"text": "a rose is a rose"},
    }]});
    let begun = client.post("/v1/workflows", &json!({"objective": "o", "plan": plan}), None).await;
    let path = format!("/v1/workflows/{}", begun.unwrap().body["id"].as_str().unwrap());
    let ended = shown(&client, &path, |view| !view["ended_at"].is_null()).await;
    assert_eq!(ended["steps"][0]["output"]["words"], 5, "{ended}");
    let told = [ended.to_string(), sandbox.log_tail()];
    assert!(told.iter().all(|text| !text.contains(KEY)), "{told:?}");

    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let body = json!({"task_id": "t", "input": {"text": "a"}}).to_string();
    let good = signature(KEY, now, &body);
    for (header, status) in [
        (Some(good.clone()), 200),
        (None, 401),
        (Some(signature(KEY, now - 400, &body)), 401),
        (Some(signature(KEY, now + 400, &body)), 401),
        (Some(signature("the key of somebody else", now, &body)), 401),
        (Some(signature(KEY, now, &format!("{body} "))), 401),
        (Some(good.replace("v1=", "v2=")), 401),
        (Some(good.replacen("t=", "t=1", 1)), 401),
        (Some(String::new()), 401),
    ] {
        let request = client.http().post(format!("{url}/execute")).body(body.clone());
        let request = match &header {
            Some(header) => request.header("x-coppice-signature", header),
            None => request,
        };
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{header:?}");
    }
    let health = client.http().get(format!("{url}/health")).send().await.unwrap();
    assert_eq!(health.status().as_u16(), 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_is_refused_where_its_secrets_are_not_given_and_told_which() {
    let sandbox = Sandbox::builder(binary())
        .env("COPPICE_PLUGIN_SECRET__HAS__TOKEN", "hunter2hunter2")
        .start()
        .await
        .unwrap();
    let operator = Client::new(sandbox.url(), OPERATOR_KEY);
    let register = async |name: &str, secret: &str| {
        let manifest = Manifest::new(name, "1.0.0").capability("x").secret(secret);
        let body = json!({"manifest": manifest, "url": "http://127.0.0.1:9"});
        operator.post("/internal/registry/register", &body, None).await.unwrap()
    };
    assert_eq!(register("has", "TOKEN").await.status.as_u16(), 201);
    let missing = register("has-not", "TOKEN").await;
    assert_eq!((missing.status.as_u16(), missing.code()), (400, Some("plugin_refused")));
    let detail = missing.body["detail"].as_str().unwrap();
    assert!(detail.contains("COPPICE_PLUGIN_SECRET__HAS_NOT__TOKEN"), "{detail}");
    assert_eq!(register("has", "SIGNING_KEY").await.code(), Some("plugin_refused"));
    assert!(!sandbox.log_tail().contains("hunter2"));
}

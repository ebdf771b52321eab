//! Policy on the real binary: what its routes answer, that a changed bundle is put in force and
//! named by events from then on, and that one that doesn't load changes nothing.

#![expect(clippy::unwrap_used, reason = "what fails where it must not fails the test")]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use coppice_policy::{Action, CedarPolicy, Policy, Question, Source, Subject, SubjectKind};
use coppice_testkit::sandbox::{OPERATOR_KEY, SandboxError};
use coppice_testkit::{Client, Sandbox, binary};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

const PATIENCE: Duration = Duration::from_secs(30);

async fn ok(client: &Client, path: &str) -> Value {
    let reply = client.get_path(path).await.unwrap();
    assert_eq!(reply.status.as_u16(), 200, "{path}: {reply:?}");
    reply.body
}

async fn asked(client: &Client, path: &str, body: Value) -> Value {
    let reply = client.post(path, &body, None).await.unwrap();
    assert_eq!(reply.status.as_u16(), 200, "{path}: {reply:?}");
    reply.body
}

async fn refused(client: &Client, path: &str, body: Value) -> (u16, String) {
    let reply = client.post(path, &body, None).await.unwrap();
    (reply.status.as_u16(), reply.code().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_routes_answer_by_the_default_bundle() {
    let sandbox = Sandbox::builder(binary()).start().await.unwrap();
    let client = Client::new(sandbox.url(), sandbox.key());

    let rule = ok(&client, "/v1/policy?action_type=monitoring").await;
    assert_eq!((&rule["allowed"], &rule["requires_approval"]), (&json!(true), &json!(false)));
    assert_eq!(rule["policy_id"], "action-low-risk");
    assert_eq!(rule["rules"], json!({"risk_level": "low", "max_amount": []}));
    let rule = ok(&client, "/v1/policy?action_type=transaction").await;
    assert_eq!((&rule["allowed"], &rule["requires_approval"]), (&json!(true), &json!(true)));
    let most = json!({"asset": "ETH", "amount": "1000.0"});
    assert!(rule["rules"]["max_amount"].as_array().unwrap().contains(&most), "{rule}");
    let rule = ok(&client, "/v1/policy?action_type=sing").await;
    assert_eq!(
        (&rule["allowed"], &rule["reason_code"]),
        (&json!(false), &json!("action_not_allowed"))
    );
    assert_eq!(rule["rules"], Value::Null);

    let tool = |role: &str, tool: &str| json!({"role": role, "tool": tool});
    let may = asked(&client, "/v1/policy/check-tool", tool("researcher", "web.fetch")).await;
    assert_eq!((&may["allowed"], &may["policies"]), (&json!(true), &json!(["tool-use"])));
    let may = asked(&client, "/v1/policy/check-tool", tool("writer", "web.fetch")).await;
    assert_eq!((&may["allowed"], &may["reason_code"]), (&json!(false), &json!("tool_not_allowed")));

    let bundle = ok(&client, "/v1/policy/bundle").await;
    assert_eq!((&bundle["status"], &bundle["files"]), (&json!("in_force"), &Value::Null));
    assert_eq!(bundle["hash"], may["bundle"]["hash"]);
    let path = format!("/v1/policy/bundles/{}", bundle["version"].as_str().unwrap());
    assert_eq!(ok(&client, &path).await, bundle);
    let missing = client.get_path("/v1/policy/bundles/0.0.0").await.unwrap();
    assert_eq!(missing.code(), Some("policy_bundle_not_found"));
    let operator = Client::new(sandbox.url(), OPERATOR_KEY);
    let whole = ok(&operator, "/v1/policy/bundle").await;
    assert_eq!(whole["files"]["data.toml"], Source::compiled_in().data);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_intent_is_checked_against_schema_lists_and_rules() {
    let sandbox = Sandbox::builder(binary()).start().await.unwrap();
    let client = Client::new(sandbox.url(), sandbox.key());
    let intent = |to: Value, amount: i64| {
        json!({
            "task_type": "transfer_funds", "parameters": {"to": to},
            "amount": {"amount": amount, "asset": "USD", "scale": 2},
        })
    };
    let evaluate = "/v1/policy/evaluate-intent";
    let missing = refused(&client, evaluate, intent(json!("a"), 1)).await;
    assert_eq!(missing, (404, "schema_not_found".to_owned()));

    let schema = json!({"required": ["to"], "properties": {"to": {"type": "string"}}});
    let given = json!({"task_type": "transfer_funds", "schema": schema});
    let first = asked(&client, "/v1/policy/schemas", given.clone()).await;
    assert_eq!((&first["version"], &first["changed"]), (&json!(1), &json!(true)));
    let again = asked(&client, "/v1/policy/schemas", given).await;
    assert_eq!((&again["version"], &again["changed"]), (&json!(1), &json!(false)));
    let shown = ok(&client, "/v1/policy/schemas/transfer_funds").await;
    assert_eq!((&shown["schema"], &shown["hash"]), (&schema, &first["hash"]));

    let answer = asked(&client, evaluate, intent(json!("a"), 100_000)).await;
    assert_eq!(answer["reason_code"], "approval_required", "{answer}");
    assert_eq!((&answer["action_type"], &answer["risk"]), (&json!("transaction"), &json!("high")));
    assert_eq!(answer["schema"]["version"], 1);
    let answer = asked(&client, evaluate, intent(json!("a"), 100_001)).await;
    assert_eq!(
        (&answer["allowed"], &answer["reason_code"]),
        (&json!(false), &json!("over_ceiling"))
    );
    let answer = asked(&client, evaluate, intent(json!(7), 1)).await;
    let reason = &answer["reason_code"];
    assert_eq!((&answer["allowed"], reason), (&json!(false), &json!("parameters_invalid")));
    assert_eq!(answer["violations"][0]["at"], "/to");

    for (schema, code) in [
        (json!({"type": "texts"}), "task_schema_invalid"),
        (json!({"$ref": "http://127.0.0.1:1/"}), "task_schema_invalid"),
        (json!(true), "task_schema_invalid"),
        (json!({"title": "x".repeat(40_000)}), "task_schema_too_large"),
    ] {
        let given = json!({"task_type": "sing", "schema": schema});
        assert_eq!(refused(&client, "/v1/policy/schemas", given).await, (422, code.to_owned()));
    }
    for (body, code) in [
        (json!({"role": "coder"}), "invalid_body"),
        (json!({"role": "x".repeat(300), "tool": "x"}), "invalid_body"),
        (json!([]), "invalid_body"),
    ] {
        assert_eq!(refused(&client, "/v1/policy/check-tool", body).await, (422, code.to_owned()));
    }
    let told = refused(&client, "/v1/entities/task_schema/sing/register", json!({})).await;
    assert_eq!(told.1, "unknown_command", "callers register by the route");
}

/// Puts a bundle into a directory of its own and a link to it in the place that is looked at.
fn place(directory: &Path, source: &Source) {
    let (own, link) = (directory.join(source.hash().replace(':', "-")), directory.join("next"));
    fs::create_dir(&own).unwrap();
    for (file, text) in [
        ("bundle.toml", &source.title),
        ("data.toml", &source.data),
        ("policies.cedar", &source.policies),
        ("schema.cedarschema", &source.schema),
    ] {
        fs::write(own.join(file), text).unwrap();
    }
    std::os::unix::fs::symlink(own, &link).unwrap();
    fs::rename(link, directory.join("bundle")).unwrap();
}

fn of_version(version: &str) -> Source {
    let title = format!("version = \"{version}\"\n");
    Source { title, ..Source::compiled_in() }
}

async fn until(what: &str, client: &Client, path: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = ok(client, path).await;
        if holds(&found) {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain until {what}: {found}");
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_name_the_bundle_in_force_and_after_a_change_the_new_one() {
    let directory = tempfile::tempdir().unwrap();
    place(directory.path(), &of_version("one"));
    let mut sandbox = Sandbox::builder(binary())
        .env("COPPICE_POLICY__DIRECTORY", directory.path().join("bundle"))
        .env("COPPICE_POLICY__REFRESH_S", "1")
        .env("COPPICE_HEALTH__INTERVAL_MS", "100")
        .start()
        .await
        .unwrap();
    let client = Client::new(sandbox.url(), sandbox.key());
    let operator = Client::new(sandbox.url(), OPERATOR_KEY);
    client.add("x", 1, None).await.unwrap();
    let first = ok(&client, "/v1/policy/bundle").await;

    let mut second = of_version("two");
    second.data = second.data.replace("tools = [", "tools = [\"shell.exec\", ");
    place(directory.path(), &second);
    let bundle =
        until("it is in force", &client, "/v1/policy/bundle", |bundle| bundle["version"] == "two");
    let bundle = bundle.await;
    client.add("x", 1, None).await.unwrap();
    client.delete("/v1/entities/counter/x").await.unwrap();
    let tool = json!({"role": "writer", "tool": "shell.exec"});
    let may = asked(&client, "/v1/policy/check-tool", tool).await;
    assert_eq!((&may["allowed"], &may["bundle"]["version"]), (&json!(true), &json!("two")));
    let before = ok(&client, "/v1/policy/bundles/one").await;
    assert_eq!((&before["status"], &before["stamp"]), (&json!("superseded"), &first["stamp"]));

    let mut broken = of_version("three");
    broken.policies.push_str("permit (");
    place(directory.path(), &broken);
    let shows = |health: &Value| health.to_string().contains("no bundle that can be put in force");
    let health = until("it shows", &client, "/health", shows).await;
    assert_eq!(health["status"], "degraded");
    let told = ok(&operator, "/v1/policy/bundle").await;
    assert_eq!(told["version"], "two");
    assert!(told["last_problem"].as_str().unwrap().starts_with("policies.cedar:"), "{told}");
    client.add("y", 1, None).await.unwrap();

    let stamps = |events: Value| -> Vec<String> {
        let events = events["events"].as_array().unwrap().clone();
        events.iter().map(|event| event["policy_bundle"].as_str().unwrap().to_owned()).collect()
    };
    let of_x = stamps(ok(&client, "/v1/entities/counter/x/events").await);
    let [one, two] = [&first["stamp"], &bundle["stamp"]].map(|stamp| stamp.as_str().unwrap());
    assert_eq!(of_x, [one, two, two], "the tombstone as well");
    assert_eq!(stamps(ok(&client, "/v1/entities/counter/y/events").await), [two]);

    sandbox.terminate().await.unwrap();
    let verified = sandbox.run("verify", [] as [&str; 0]).unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
}

fn given(source: &Source, reason: &str) -> Value {
    json!({"reason": reason, "files": {
        "bundle.toml": source.title, "data.toml": source.data,
        "policies.cedar": source.policies, "schema.cedarschema": source.schema,
    }})
}

const BUNDLES: &str = "/v1/policy/bundles";

/// While `source` is in force.
async fn refuses_what_does_not_fit(client: &Client, operator: &Client, source: &Source) {
    let mut broken = of_version("three");
    broken.policies.push_str("permit (");
    let mut reused = source.clone();
    reused.data.push('\n');
    let mut of_compiled = Source::compiled_in();
    of_compiled.data.push('\n');
    let mut large = of_version("large");
    large.data.push_str(&"#".repeat(600_000));
    for (source, reason, code) in [
        (&broken, "r", "policy_bundle_invalid"),
        (&reused, "r", "policy_bundle_version_reused"),
        (&of_compiled, "r", "policy_bundle_version_reused"),
        (&large, "r", "policy_bundle_too_large"),
        (&of_version("four"), " ", "policy_bundle_reason_invalid"),
    ] {
        let told = refused(operator, BUNDLES, given(source, reason)).await;
        assert_eq!(told, (422, code.to_owned()));
    }
    let reply = operator.post(BUNDLES, &given(&broken, "r"), None).await.unwrap();
    let detail = reply.body["detail"].as_str().unwrap().to_owned();
    assert!(detail.starts_with("policies.cedar:"), "{detail}");
    let given = given(source, "r");
    let bare = client.post("/v1/entities/policy_bundle/platform/publish", &given, None).await;
    assert_eq!(bare.unwrap().code(), Some("unknown_command"), "callers publish by the route");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_published_bundle_decides_what_comes_after_it_also_after_the_node_was_killed() {
    let mut sandbox = Sandbox::builder(binary()).start().await.unwrap();
    let client = Client::new(sandbox.url(), sandbox.key());
    let operator = Client::new(sandbox.url(), OPERATOR_KEY);
    client.add("x", 1, None).await.unwrap();
    let first = ok(&client, "/v1/policy/bundle").await;
    assert_eq!(ok(&client, BUNDLES).await, json!({"publications": []}));

    let mut source = of_version("two");
    source.data = source.data.replace("tools = [", "tools = [\"shell.exec\", ");
    let two = given(&source, "the writers need a shell");
    let forbidden = refused(&client, BUNDLES, two.clone()).await;
    assert_eq!(forbidden, (403, "scope_missing".to_owned()), "it decides for every tenant");
    let tool = json!({"role": "writer", "tool": "shell.exec"});
    let may = asked(&client, "/v1/policy/check-tool", tool.clone()).await;
    assert_eq!(may["allowed"], false);

    let published = operator.post(BUNDLES, &two, Some("key-2")).await.unwrap();
    let (status, published) = (published.status.as_u16(), published.body);
    assert_eq!((status, &published["changed"]), (200, &json!(true)), "{published}");
    assert_eq!((&published["number"], &published["hash"]), (&json!(1), &json!(source.hash())));
    let may = asked(&client, "/v1/policy/check-tool", tool.clone()).await;
    assert_eq!((&may["allowed"], &may["bundle"]["hash"]), (&json!(true), &published["hash"]));
    client.add("x", 1, None).await.unwrap();

    let repeat = operator.post(BUNDLES, &two, Some("key-2")).await.unwrap().body;
    assert_eq!((&repeat["number"], &repeat["repeated"]), (&json!(1), &json!(true)));
    let again = asked(&operator, BUNDLES, two.clone()).await;
    assert_eq!((&again["number"], &again["changed"]), (&json!(1), &json!(false)));

    refuses_what_does_not_fit(&client, &operator, &source).await;
    sandbox.kill().unwrap();
    sandbox.restart().await.unwrap();
    let (client, operator) = (client.at(sandbox.url()), operator.at(sandbox.url()));
    let may = asked(&client, "/v1/policy/check-tool", tool.clone()).await;
    assert_eq!((&may["allowed"], &may["bundle"]["hash"]), (&json!(true), &published["hash"]));
    client.add("x", 1, None).await.unwrap();

    // And back: a publication like any other.
    let back = asked(&operator, BUNDLES, given(&Source::compiled_in(), "no shells")).await;
    assert_eq!((&back["number"], &back["stamp"]), (&json!(2), &first["stamp"]));
    assert_eq!(asked(&client, "/v1/policy/check-tool", tool).await["allowed"], false);
    sandbox.kill().unwrap();
    sandbox.restart().await.unwrap();
    let (client, operator) = (client.at(sandbox.url()), operator.at(sandbox.url()));
    let seen = ok(&client, BUNDLES).await["publications"].as_array().unwrap().clone();
    let named: Vec<_> = seen.iter().map(|of| (&of["number"], &of["version"])).collect();
    assert_eq!(named, [(&json!(2), &first["version"]), (&json!(1), &json!("two"))]);
    assert!(seen.iter().all(|of| of.get("reason").is_none()), "it is the operators' own");
    let told = ok(&operator, BUNDLES).await;
    assert_eq!(told["publications"][1]["reason"], "the writers need a shell");
    let before = ok(&operator, "/v1/policy/bundles/two").await;
    assert_eq!((&before["status"], &before["hash"]), (&json!("superseded"), &published["hash"]));
    assert_eq!(before["files"]["data.toml"], source.data);
    assert_eq!(ok(&client, "/v1/policy/bundles/two").await["files"], Value::Null);

    let events = ok(&client, "/v1/entities/counter/x/events").await;
    let stamps: Vec<_> =
        events["events"].as_array().unwrap().iter().map(|of| &of["policy_bundle"]).collect();
    assert_eq!(stamps, [&first["stamp"], &published["stamp"], &published["stamp"]]);
    sandbox.terminate().await.unwrap();
    let verified = sandbox.run("verify", [] as [&str; 0]).unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
}

/// Its word when a plan is made is not its word when the plan is carried out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_that_waited_is_carried_out_only_if_policy_still_allows_it() {
    let sandbox = Sandbox::builder(binary()).start().await.unwrap();
    let client = Client::new(sandbox.url(), sandbox.key());
    let operator = Client::new(sandbox.url(), OPERATOR_KEY);
    let wallet = json!({"task_type": "monitor_wallet", "wallet_address": "0x1234567890abcdef"});
    let plan = client.post("/plan/create", &wallet, None).await.unwrap();
    assert_eq!(plan.status.as_u16(), 201, "{}", plan.body);
    let execute = json!({"plan_id": plan.body["plan_id"]});
    let view = format!("/plan/{}", plan.body["plan_id"].as_str().unwrap());

    let mut source = of_version("two");
    source.data = source.data.replace("monitoring", "watching");
    asked(&operator, BUNDLES, given(&source, "nobody monitors any more")).await;
    let denied = (403, "policy_denied".to_owned());
    assert_eq!(refused(&client, "/task/start", wallet).await, denied);
    assert_eq!(refused(&client, "/plan/execute", execute.clone()).await, denied);
    assert_eq!(ok(&client, &view).await["status"], "pending");

    asked(&operator, BUNDLES, given(&Source::compiled_in(), "they do again")).await;
    let begun = client.post("/plan/execute", &execute, None).await.unwrap();
    assert_eq!(begun.status.as_u16(), 202, "{}", begun.body);
    let path = format!("/v1/audit/{}", plan.body["plan_id"].as_str().unwrap());
    let entries = ok(&client, &path).await["entries"].clone();
    let begun = entries.as_array().unwrap().iter().find(|of| of["type"] == "workflow.begun.v1");
    assert!(begun.unwrap()["data"]["policy"]["question"].is_object(), "{entries}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_stands_above_what_was_published_and_nothing_is_published_beside_it() {
    let directory = tempfile::tempdir().unwrap();
    place(directory.path(), &of_version("one"));
    let sandbox = Sandbox::builder(binary())
        .env("COPPICE_POLICY__DIRECTORY", directory.path().join("bundle"))
        .start()
        .await
        .unwrap();
    let operator = Client::new(sandbox.url(), OPERATOR_KEY);
    let told = refused(&operator, BUNDLES, given(&of_version("two"), "r")).await;
    assert_eq!(told, (409, "policy_bundle_from_directory".to_owned()));
    assert_eq!(ok(&operator, "/v1/policy/bundle").await["version"], "one");
}

fn check(arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(binary());
    let output = command.args(["policy", "check"]).args(arguments).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[test]
fn a_bundle_is_checked_and_tried_on_decisions_before_it_is_in_force() {
    let directory = tempfile::tempdir().unwrap();
    let place_of = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let mut stricter = of_version("two");
    stricter.data = stricter.data.replace("USD = \"1000.0\"", "USD = \"0.5\"");
    place(directory.path(), &stricter);
    let (code, said) = check(&[&place_of("bundle")]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("bundle two\n") && said.contains(&stricter.hash()), "{said}");

    let subject = Subject { kind: SubjectKind::Workflow, id: "w".to_owned(), role: String::new() };
    let question = Question::new("acme", subject, Action::AuthorizeMoney, "aws").trusted(true);
    let question = question.with_text("category", "cloud");
    let policy = CedarPolicy::compiled_in().unwrap();
    let records: Vec<_> = [50, 51]
        .map(|amount| policy.decide(&question.clone().with_amount(amount, "USD", 2)).unwrap())
        .iter()
        .map(|record| serde_json::to_string(record).unwrap())
        .collect();
    fs::write(place_of("records"), records.join("\n")).unwrap();
    let (code, said) = check(&[&place_of("bundle"), "--records", &place_of("records")]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("line 2: acme authorize_money \"aws\": \"allowed\" becomes"), "{said}");
    assert!(said.contains("2 decisions tried, 1 would change"), "{said}");

    fs::write(place_of("records"), "{}").unwrap();
    let (code, said) = check(&[&place_of("bundle"), "--records", &place_of("records")]);
    assert_eq!(code, Some(1), "{said}");
    let mut broken = of_version("three");
    broken.policies.push_str("permit (");
    place(directory.path(), &broken);
    let (code, said) = check(&[&place_of("bundle")]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("policies.cedar:"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_does_not_start_on_a_bundle_that_does_not_load() {
    let directory = tempfile::tempdir().unwrap();
    let mut broken = of_version("one");
    broken.policies.push_str("permit (");
    place(directory.path(), &broken);
    let started = Sandbox::builder(binary())
        .env("COPPICE_POLICY__DIRECTORY", directory.path().join("bundle"))
        .start()
        .await;
    let log = match started {
        Err(SandboxError::Ended { log, .. }) => log,
        other => panic!("{other:?}"),
    };
    assert!(log.contains("policies.cedar:"), "{log}");
}

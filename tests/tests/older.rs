//! The older paths on the real binary, in the words that their clients know.

#![expect(clippy::unwrap_used, reason = "what fails where it must not fails the test")]

use std::time::{Duration, Instant};

use coppice_server::openapi::Operation;
use coppice_server::routes;
use coppice_testkit::sandbox::OPERATOR_KEY;
use coppice_testkit::{Client, Sandbox, binary};
use serde_json::{Value, json};

/// How long a test waits for anything.
const PATIENCE: Duration = Duration::from_secs(30);

async fn post(client: &Client, path: &str, body: &Value) -> (u16, Value) {
    let reply = client.post(path, body, None).await.unwrap();
    (reply.status.as_u16(), reply.body)
}

async fn get(client: &Client, path: &str) -> Value {
    let reply = client.get_path(path).await.unwrap();
    assert!(reply.status.is_success(), "{path}: {}", reply.body);
    reply.body
}

async fn stands(client: &Client, task: &str, status: &str) -> Value {
    let until = Instant::now() + PATIENCE;
    loop {
        let view = get(client, &format!("/task/{task}/status")).await;
        if view["status"] == status {
            return view;
        }
        assert!(Instant::now() < until, "it never was {status}: {view}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The walk-through of the design that these paths come from, step by step.
#[tokio::test]
async fn a_wallet_is_monitored_as_the_walk_through_has_it() {
    let sandbox = Sandbox::builder(binary()).start().await.unwrap();
    let client = Client::new(sandbox.url(), sandbox.key());
    let start = json!({
        "task_type": "monitor_wallet",
        "wallet_address": "0x1234567890abcdef",
        "description": "Monitor wallet balance",
    });
    let (status, started) = post(&client, "/task/start", &start).await;
    assert_eq!(status, 202, "{started}");
    let task = started["task_id"].as_str().unwrap().to_owned();

    let waiting = stands(&client, &task, "waiting_approval").await;
    assert_eq!((&waiting["current_step"], &waiting["total_steps"]), (&json!(3), &json!(3)));
    let types: Vec<_> = waiting["steps"].as_array().unwrap().iter().map(|of| &of["type"]).collect();
    assert_eq!(types, ["check_balance", "policy_check", "monitor_action"]);
    assert_eq!(waiting["steps"][0]["result"]["balance"], "1000");
    assert_eq!(waiting["waiting_approval"], json!(["monitor"]));

    let yes = json!({"approved": true, "reason": "Approved for execution"});
    let (status, decided) = post(&client, &format!("/task/{task}/approve"), &yes).await;
    assert_eq!((status, &decided["task_id"]), (200, &json!(task)), "{decided}");
    let ended = stands(&client, &task, "completed").await;
    assert_eq!((&ended["current_step"], &ended["state"]), (&json!(3), &json!("success")));
    assert_eq!(get(&client, &format!("/task/{task}")).await, ended);

    let audit = get(&client, &format!("/audit/{task}")).await;
    assert_eq!(audit["kind"], "workflow");
    let logs = audit["logs"].as_array().unwrap();
    let named: Vec<_> = logs.iter().map(|of| (&of["step_index"], &of["step_type"])).collect();
    let types = ["check_balance", "policy_check", "monitor_action"].map(Value::from);
    let places = [0, 1, 2].map(Value::from);
    assert_eq!(named, places.iter().zip(&types).collect::<Vec<_>>());
    for log in logs {
        let path = format!("/execution/{task}/{}", log["step_id"].as_str().unwrap());
        let record = get(&client, &path).await;
        for hash in ["input_hash", "output_hash"] {
            assert_eq!(record[hash], log[hash]);
            assert_eq!(record[hash].as_str().unwrap().len(), 64);
        }
        assert_eq!(record["status"], "completed");
    }
    let hash = logs[2]["output_hash"].as_str().unwrap();
    let until = Instant::now() + PATIENCE;
    // The read model behind it follows.
    while get(&client, &format!("/audit/verify/{hash}")).await["verified"] != json!(true) {
        assert!(Instant::now() < until, "it never was verified");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    let twice = json!({"task_type": "x", "parameters": {"a": 1}, "a": 2});
    let (status, refused) = post(&client, "/task/start", &twice).await;
    assert_eq!((status, &refused["code"]), (422, &json!("invalid_body")), "which one is meant?");
    let (_, started) = post(&client, "/task/start", &start).await;
    let task = started["task_id"].as_str().unwrap();
    stands(&client, task, "waiting_approval").await;
    let no = json!({"approved": false, "reason": "no"});
    assert_eq!(post(&client, &format!("/task/{task}/approve"), &no).await.0, 200);
    stands(&client, task, "rejected").await;
}

/// Asks for a step that nobody has approved, and is told after a second that it waits. Whoever asks
/// again asks for the same step, as this does where the node was slower than that.
async fn waits(sandbox: &Sandbox, client: &Client, step: &Value) -> Value {
    let until = Instant::now() + PATIENCE;
    loop {
        let request = client.http().post(format!("{}/execute", sandbox.url()));
        let request = request.bearer_auth(sandbox.key()).header("x-request-timeout-ms", "1000");
        let reply = request.json(step).send().await.unwrap();
        let (status, body) = (reply.status().as_u16(), reply.json::<Value>().await.unwrap());
        match status {
            202 if body["status"] == "waiting_approval" => return body,
            202 => {}
            // The node was slower than that.
            408 | 503 | 504 => {}
            _ => panic!("{status} {body}"),
        }
        assert!(Instant::now() < until, "it never was to be approved: {body}");
    }
}

#[tokio::test]
async fn a_step_is_carried_out_by_itself_once_and_recorded_with_its_hashes() {
    let sandbox = Sandbox::builder(binary()).start().await.unwrap();
    let client = Client::new(sandbox.url(), sandbox.key());
    let step = |id: &str, of: &str, parameters: Value| json!({"task_id": "t", "step": {"step_id": id, "type": of, "parameters": parameters}});
    let check = step("1", "check_balance", json!({"wallet_address": "0x1234567890abcdef"}));
    let (status, record) = post(&client, "/execute", &check).await;
    assert_eq!((status, &record["status"]), (200, &json!("completed")), "{record}");
    assert_eq!(record["result"]["balance"], "1000");
    assert_eq!(record["input_hash"].as_str().unwrap().len(), 64);
    assert_eq!(post(&client, "/execute", &check).await, (200, record.clone()), "once");
    let own = record["task_id"].as_str().unwrap();
    for task in ["t", own] {
        assert_eq!(get(&client, &format!("/execution/{task}/1")).await, record);
    }
    let other = step("1", "check_balance", json!({"wallet_address": "0xabc"}));
    let (status, refused) = post(&client, "/execute", &other).await;
    assert_eq!((status, &refused["code"]), (422, &json!("idempotency_key_reused")));

    // What nobody knows is noted as such, and text is never taken for a reference.
    let sing = step("2", "sing", json!({"song": "$input.secret", "verses": ["$workflow.id"]}));
    let (status, record) = post(&client, "/execute", &sing).await;
    assert_eq!(status, 200, "{record}");
    assert_eq!(record["result"]["handled_as"], "generic_action");
    let sung = json!({"song": "$input.secret", "verses": ["$workflow.id"]});
    assert_eq!(record["result"]["parameters"], sung);

    let mut asks = step("3", "generic_action", json!({}));
    asks["step"]["requires_approval"] = json!(true);
    waits(&sandbox, &client, &asks).await;
    // Funds are moved with a person's approval, also where nobody asks for one, and up to the ceiling.
    for (id, amount, end) in [("4", "1.5", "completed"), ("5", "1000.5", "failed")] {
        let send = json!({
            "wallet_address": "0x1234567890abcdef", "to_address": "0xabc", "amount": amount,
        });
        let body = waits(&sandbox, &client, &step(id, "onchain_action", send)).await;
        let task = body["task_id"].as_str().unwrap();
        let yes = json!({"approved": true, "reason": "go on"});
        assert_eq!(post(&client, &format!("/task/{task}/approve"), &yes).await.0, 200);
        stands(&client, task, end).await;
    }
    for (task, step) in [("t", "9"), ("u", "1")] {
        let reply = client.get_path(&format!("/execution/{task}/{step}")).await.unwrap();
        assert_eq!(reply.code(), Some("workflow_not_found"));
    }
}

#[tokio::test]
async fn a_plan_is_made_looked_at_and_carried_out_once_also_by_a_node_that_was_killed_between() {
    let mut sandbox = Sandbox::builder(binary()).start().await.unwrap();
    let client = Client::new(sandbox.url(), sandbox.key());
    let wallet = json!({"task_type": "monitor_wallet", "wallet_address": "0x1234567890abcdef"});
    let made = client.post("/plan/create", &wallet, Some("one")).await.unwrap();
    assert_eq!(made.status.as_u16(), 201, "{}", made.body);
    let (plan, id) = (made.body.clone(), made.body["plan_id"].as_str().unwrap().to_owned());
    assert_eq!((&plan["task_id"], &plan["status"]), (&json!(id), &json!("pending")));
    let steps = json!([
        {"step_id": "balance", "type": "check_balance", "requires_approval": false},
        {"step_id": "policy", "type": "policy_check", "requires_approval": false},
        {"step_id": "monitor", "type": "monitor_action", "requires_approval": true},
    ]);
    assert_eq!(plan["steps"], steps);
    assert!(plan["analysis"].is_object() && plan["policy"].is_object(), "{plan}");
    let again = client.post("/plan/create", &wallet, Some("one")).await.unwrap();
    assert_eq!((again.status.as_u16(), &again.body), (201, &plan));

    sandbox.kill().unwrap();
    sandbox.restart().await.unwrap();
    let client = client.at(sandbox.url());
    assert_eq!(get(&client, &format!("/plan/{id}")).await, plan);
    let task = get(&client, &format!("/task/{id}")).await;
    assert_eq!((&task["state"], &task["current_step"]), (&json!("pending"), &json!(1)), "{task}");

    let execute = json!({"plan_id": id});
    let (status, begun) = post(&client, "/plan/execute", &execute).await;
    assert_eq!((status, &begun["task_id"]), (202, &json!(id)), "{begun}");
    stands(&client, &id, "waiting_approval").await;
    let (status, begun) = post(&client, "/plan/execute", &execute).await;
    assert_eq!((status, &begun["status"]), (202, &json!("waiting_approval")), "{begun}");
    let yes = json!({"approved": true, "reason": "go on"});
    assert_eq!(post(&client, &format!("/task/{id}/approve"), &yes).await.0, 200);
    stands(&client, &id, "completed").await;
    let (status, begun) = post(&client, "/plan/execute", &execute).await;
    assert_eq!((status, &begun["status"]), (202, &json!("completed")), "{begun}");
    let events = get(&client, &format!("/v1/audit/{id}")).await["entries"].clone();
    let of = |name: &str| {
        events.as_array().unwrap().iter().filter(|entry| entry["type"] == name).count()
    };
    assert_eq!((of("workflow.begun.v1"), of("workflow.step_finished.v1")), (1, 3), "{events}");

    let unknown = json!({"plan_id": "00000000-0000-4000-8000-000000000000"});
    let (status, refused) = post(&client, "/plan/execute", &unknown).await;
    assert_eq!((status, &refused["code"]), (404, &json!("workflow_not_found")));
}

#[tokio::test]
async fn an_objective_becomes_a_workflow_within_its_budget_and_only_active_ones_are_listed() {
    let sandbox = Sandbox::builder(binary()).start().await.unwrap();
    let client = Client::new(sandbox.url(), sandbox.key());
    let monitoring = json!({
        "objective": "watch", "plan": "monitor_wallet", "budget_cents": 250,
        "parameters": {"wallet_address": "0x1234567890abcdef"},
    });
    let (status, taken) = post(&client, "/workflows", &monitoring).await;
    assert_eq!((status, &taken["status"]), (201, &json!("PENDING")), "{taken}");
    let id = taken["id"].as_str().unwrap();
    stands(&client, id, "waiting_approval").await;
    let view = get(&client, &format!("/workflows/{id}")).await;
    assert_eq!(view["budget"], json!({"amount": 250, "asset": "USD"}));
    assert_eq!(view, get(&client, &format!("/v1/workflows/{id}")).await);

    let (_, note) = post(&client, "/workflows", &json!({"objective": "note it"})).await;
    stands(&client, note["id"].as_str().unwrap(), "completed").await;
    let ids = |list: &Value| -> Vec<Value> {
        list["workflows"].as_array().unwrap().iter().map(|of| of["id"].clone()).collect()
    };
    let until = Instant::now() + PATIENCE;
    while ids(&get(&client, "/workflows").await) != [json!(id)] {
        assert!(Instant::now() < until, "the ended one stays, or the other never comes");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // Another read model, which may be some steps behind.
    while ids(&get(&client, "/v1/workflows").await).len() != 2 {
        assert!(Instant::now() < until, "one of the two never comes");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (status, _) = post(&client, &format!("/workflows/{id}/cancel"), &json!({})).await;
    assert_eq!(status, 202);
    stands(&client, id, "failed").await;
    for objective in [String::new(), "x".repeat(2_001)] {
        let (status, refused) = post(&client, "/workflows", &json!({"objective": objective})).await;
        assert_eq!((status, &refused["code"]), (422, &json!("workflow_objective")));
    }
}

/// Every older path of another family answers as the route that it leads to.
#[tokio::test]
async fn older_paths_of_policy_money_and_control_answer_as_their_routes() {
    let sandbox = Sandbox::builder(binary()).start().await.unwrap();
    let client = Client::new(sandbox.url(), sandbox.key());
    let operator = Client::new(sandbox.url(), OPERATOR_KEY);
    let rule = get(&client, "/policy?action_type=transaction").await;
    assert_eq!(rule, get(&client, "/v1/policy?action_type=transaction").await);
    assert_eq!((&rule["allowed"], &rule["requires_approval"]), (&json!(true), &json!(true)));
    let asked = json!({"agent_role": "researcher", "tool_name": "web.fetch"});
    let (status, may) = post(&client, "/check-tool-allowed", &asked).await;
    assert_eq!((status, &may["allowed"]), (200, &json!(true)), "{may}");
    let schema = json!({"task_type": "sing", "schema": {"type": "object"}});
    assert_eq!(post(&client, "/schemas/register", &schema).await.0, 200);
    assert_eq!(get(&client, "/schemas/sing").await["schema"], schema["schema"]);
    let intent = json!({"task_type": "sing", "parameters": {}});
    let (status, answer) = post(&client, "/evaluate-intent", &intent).await;
    assert_eq!((status, &answer["violations"]), (200, &json!([])), "{answer}");
    let version = get(&client, "/v1/policy/bundle").await["version"].clone();
    let bundle = get(&client, &format!("/policy-bundle/{}", version.as_str().unwrap())).await;
    assert_eq!(bundle["status"], "in_force");
    let (status, refused) = post(&client, "/policies/publish", &json!({})).await;
    assert_eq!((status, &refused["code"]), (403, &json!("scope_missing")));

    for (path, body) in [
        ("/v1/money/accounts", json!({"asset": "USD"})),
        ("/v1/money/accounts", json!({"asset": "USD", "workflow_id": "w", "ceiling": 5_000})),
        ("/v1/money/transfers", json!({"to": "funding:USD.2", "amount": 5_000})),
    ] {
        assert_eq!(post(&client, path, &body).await.0, 201, "{path}");
    }
    let intent = json!({
        "amount": 100, "asset": "USD", "merchant": "acme", "category": "compute",
        "ttl_seconds": 3_600, "workflow_id": "w",
    });
    let (status, created) = post(&client, "/money/intents", &intent).await;
    assert_eq!(status, 201, "{created}");
    let id = created["id"].as_str().unwrap();
    let (_, decided) = post(&client, "/money/authorize", &json!({"intent_id": id})).await;
    assert!(["approved", "denied"].map(Value::from).contains(&decided["decision"]), "{decided}");
    let view = get(&client, &format!("/money/intents/{id}")).await;
    assert_eq!(view, get(&client, &format!("/v1/money/intents/{id}")).await);
    assert!(get(&client, "/ledger/w").await["transfers"].is_array());

    let reason = json!({"reason": "a drill"});
    assert_eq!(post(&client, "/control/freeze", &reason).await.0, 403);
    assert_eq!(post(&operator, "/control/freeze", &reason).await.0, 200);
    let (status, frozen) = post(&client, "/workflows", &json!({"objective": "o"})).await;
    assert_eq!((status, &frozen["code"]), (503, &json!("frozen")));
    assert_eq!(post(&operator, "/control/unfreeze", &reason).await.0, 200);
    assert_eq!(post(&client, "/workflows", &json!({"objective": "o"})).await.0, 201);
}

#[test]
fn every_older_path_asks_for_the_scope_of_a_route_below_v1() {
    let operations = routes::operations();
    let (older, others): (Vec<&Operation>, Vec<&Operation>) =
        operations.into_iter().partition(|of| of.family == "older paths");
    assert!(older.len() >= 24, "{}", older.len());
    for operation in older {
        let (path, scope) = (operation.path, operation.scope);
        assert!(!path.starts_with("/v1") && !path.starts_with("/internal"), "{path}");
        assert!(scope.is_some(), "{path}");
        assert!(others.iter().any(|of| of.scope == scope && of.method == operation.method));
    }
}

//! Tasks and workflows over HTTP, on the real binary: from a request to a trail that can be proven.

#![expect(clippy::unwrap_used, reason = "what fails where it must not fails the test")]

use std::time::{Duration, Instant};

use coppice_testkit::{Client, Sandbox, binary};
use serde_json::{Value, json};

/// How long a test waits for anything.
const PATIENCE: Duration = Duration::from_secs(30);

async fn post(client: &Client, path: &str, body: &Value, key: Option<&str>) -> (u16, Value) {
    let reply = client.post(path, body, key).await.unwrap();
    (reply.status.as_u16(), reply.body)
}

async fn get(client: &Client, path: &str) -> Value {
    let reply = client.get_path(path).await.unwrap();
    assert!(reply.status.is_success(), "{path}: {}", reply.body);
    reply.body
}

/// Waits until a task stands so.
async fn stands(client: &Client, task: &str, status: &str) -> Value {
    let until = Instant::now() + PATIENCE;
    loop {
        let view = get(client, &format!("/v1/tasks/{task}")).await;
        if view["status"] == status {
            return view;
        }
        assert!(Instant::now() < until, "it never was {status}: {view}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn monitoring() -> Value {
    json!({
        "task_type": "monitor_wallet",
        "description": "watch the wallet",
        "parameters": {"wallet_address": "0x1234567890abcdef"},
    })
}

async fn submitted(client: &Client, key: Option<&str>) -> String {
    let (status, body) = post(client, "/v1/tasks", &monitoring(), key).await;
    assert_eq!(status, 202, "{body}");
    body["task_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_task_is_planned_approved_carried_out_and_proven() {
    let sandbox = Sandbox::builder(binary()).start().await.unwrap();
    let client = Client::new(sandbox.url(), sandbox.key());
    let task = submitted(&client, Some("k")).await;
    let waiting = stands(&client, &task, "waiting_approval").await;
    // The template wants it, though neither the type of task nor policy does.
    let approval = &waiting["workflow"]["planning"]["approval"];
    assert_eq!(*approval, json!({"analysis": false, "policy": false, "template": true}));
    assert_eq!(waiting["workflow"]["approvals"], json!(["monitor"]));

    // A repeat is the same task; the same key for something else is refused.
    let (_, again) = post(&client, "/v1/tasks", &monitoring(), Some("k")).await;
    assert_eq!((&again["task_id"], &again["repeated"]), (&json!(task), &json!(true)));
    let mut other = monitoring();
    other["description"] = json!("something else");
    let (status, refused) = post(&client, "/v1/tasks", &other, Some("k")).await;
    assert_eq!((status, &refused["code"]), (422, &json!("idempotency_key_reused")));

    let approve = format!("/v1/tasks/{task}/approve");
    let yes = json!({"approved": true, "reason": "go on"});
    assert_eq!(post(&client, &approve, &yes, None).await.0, 200);
    let ended = stands(&client, &task, "success").await;
    assert_eq!(ended["workflow"]["steps_over"], 3);
    assert!(ended["result"].is_object(), "{ended}");
    let (status, late) = post(&client, &approve, &yes, None).await;
    assert_eq!((status, &late["code"]), (422, &json!("workflow_ended")));

    proven(&client, &task).await;
}

/// Every hash of the trail is proven by the journal, and no other is.
async fn proven(client: &Client, task: &str) {
    let trail = get(client, &format!("/v1/audit/{task}")).await;
    let entries = trail["entries"].as_array().unwrap();
    assert_eq!(entries.last().unwrap()["type"], "workflow.ended.v1");
    let hashes: Vec<&str> = entries
        .iter()
        .flat_map(|entry| [&entry["input_hash"], &entry["output_hash"]])
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(hashes.len(), 6, "an input and an output for each of three steps");
    let until = Instant::now() + PATIENCE;
    for hash in hashes {
        loop {
            let proof = get(client, &format!("/v1/audit/verify/{hash}")).await;
            if proof["count"] != 0 {
                assert_eq!(proof["verified"], true, "{proof}");
                assert_eq!(proof["places"][0]["workflow"], *task);
                break;
            }
            assert!(Instant::now() < until, "the read model never had {hash}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    let unknown = get(client, &format!("/v1/audit/verify/{}", "0".repeat(64))).await;
    assert_eq!((&unknown["verified"], &unknown["count"]), (&json!(false), &json!(0)));
}

#[tokio::test]
async fn a_refused_approval_and_a_cancellation_end_a_task() {
    let sandbox = Sandbox::builder(binary()).start().await.unwrap();
    let client = Client::new(sandbox.url(), sandbox.key());
    let task = submitted(&client, None).await;
    stands(&client, &task, "waiting_approval").await;
    let no = json!({"approved": false, "reason": "not today", "step_id": "monitor"});
    assert_eq!(post(&client, &format!("/v1/tasks/{task}/approve"), &no, None).await.0, 200);
    let rejected = stands(&client, &task, "rejected").await;
    assert!(rejected["workflow"]["reason"].as_str().unwrap().contains("not today"));

    let task = submitted(&client, None).await;
    stands(&client, &task, "waiting_approval").await;
    let reply = client.delete(&format!("/v1/tasks/{task}")).await.unwrap();
    assert_eq!(reply.status.as_u16(), 202);
    let cancelled = stands(&client, &task, "cancelled").await;
    assert_eq!(cancelled["workflow"]["steps"][2]["status"], "cancelled");
    let reply = client.delete("/v1/tasks/nobodys").await.unwrap();
    assert_eq!((reply.status.as_u16(), reply.code()), (404, Some("workflow_not_found")));
}

#[tokio::test]
async fn a_task_that_waits_is_pending_until_it_is_told_to_begin_or_cancelled() {
    let sandbox = Sandbox::builder(binary()).start().await.unwrap();
    let client = Client::new(sandbox.url(), sandbox.key());
    let mut waiting = monitoring();
    waiting["waits"] = json!(true);
    let request = client.http().post(format!("{}/v1/tasks", sandbox.url()));
    let request = request.bearer_auth(sandbox.key()).header("Prefer", "wait=20");
    let reply = request.json(&waiting).send().await.unwrap();
    assert_eq!(reply.status().as_u16(), 202, "there is no end to be waited for");
    let begun: Value = reply.json().await.unwrap();
    assert_eq!(begun["status"], "pending");
    let task = begun["task_id"].as_str().unwrap();
    let (_, other) = post(&client, "/v1/tasks", &waiting, None).await;
    let other = other["task_id"].as_str().unwrap();
    let view = get(&client, &format!("/v1/workflows/{task}")).await;
    assert_eq!((&view["steps"][2]["approval"], &view["steps_over"]), (&json!(true), &json!(0)));

    let cancelled = client.delete(&format!("/v1/tasks/{other}")).await.unwrap();
    assert_eq!((cancelled.status.as_u16(), &cancelled.body["status"]), (202, &json!("cancelled")));
    let (status, late) =
        post(&client, &format!("/v1/workflows/{other}/begin"), &json!({}), None).await;
    assert_eq!((status, &late["code"]), (422, &json!("workflow_ended")));
    // Both are in the lists, the one that has ended among all and the other among the active ones.
    for (path, expected) in
        [("/v1/tasks", vec![other, task]), ("/v1/tasks?active=true", vec![task])]
    {
        let until = Instant::now() + PATIENCE;
        loop {
            let list = get(&client, path).await;
            let tasks = list["tasks"].as_array().unwrap();
            let ids: Vec<_> = tasks.iter().map(|of| of["id"].as_str().unwrap()).collect();
            if ids == expected && tasks.last().unwrap()["status"] == "pending" {
                break;
            }
            assert!(Instant::now() < until, "{path}: {list}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    let begin = format!("/v1/workflows/{task}/begin");
    let (status, begun) = post(&client, &begin, &json!({}), Some("k")).await;
    assert_eq!((status, &begun["repeated"]), (202, &json!(false)), "{begun}");
    stands(&client, task, "waiting_approval").await;
    let (status, begun) = post(&client, &begin, &json!({}), Some("k")).await;
    assert_eq!((status, &begun["repeated"]), (202, &json!(true)), "{begun}");
}

#[tokio::test]
async fn tasks_are_listed_newest_first_and_the_active_ones_alone() {
    let sandbox = Sandbox::builder(binary()).start().await.unwrap();
    let client = Client::new(sandbox.url(), sandbox.key());
    let mut tasks = Vec::new();
    for _ in 0..5 {
        tasks.push(submitted(&client, None).await);
        stands(&client, tasks.last().unwrap(), "waiting_approval").await;
    }
    tasks.reverse();
    client.delete(&format!("/v1/tasks/{}", tasks[0])).await.unwrap();
    stands(&client, &tasks[0], "cancelled").await;
    let until = Instant::now() + PATIENCE;
    let ids = |list: &Value| -> Vec<String> {
        let tasks = list["tasks"].as_array().unwrap().iter();
        tasks.map(|task| task["id"].as_str().unwrap().to_owned()).collect()
    };
    loop {
        let all = get(&client, "/v1/tasks").await;
        let active = get(&client, "/v1/tasks?active=true").await;
        if ids(&all) == tasks && ids(&active) == tasks[1..] {
            assert_eq!(all["tasks"][0]["status"], "cancelled");
            assert_eq!(active["tasks"][0]["status"], "waiting_approval");
            break;
        }
        assert!(Instant::now() < until, "{all} {active}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let first = get(&client, "/v1/tasks?limit=2").await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = get(&client, &format!("/v1/tasks?limit=2&cursor={cursor}")).await;
    assert_eq!((ids(&first), ids(&second)), (tasks[..2].to_vec(), tasks[2..4].to_vec()));
}

#[tokio::test]
async fn a_killed_node_goes_on_where_it_was() {
    let mut sandbox = Sandbox::builder(binary()).start().await.unwrap();
    let client = Client::new(sandbox.url(), sandbox.key());
    let mut tasks = Vec::new();
    for number in 0..20 {
        tasks.push(submitted(&client, Some(&format!("k{number}"))).await);
    }
    sandbox.kill().unwrap();
    sandbox.restart().await.unwrap();
    let client = client.at(sandbox.url());
    for (number, task) in tasks.iter().enumerate() {
        // A client that was not answered asks again, and meets its task.
        assert_eq!(submitted(&client, Some(&format!("k{number}"))).await, *task);
        stands(&client, task, "waiting_approval").await;
        let yes = json!({"approved": true});
        post(&client, &format!("/v1/tasks/{task}/approve"), &yes, None).await;
        let ended = stands(&client, task, "success").await;
        assert!(ended["workflow"]["steps"].as_array().unwrap().iter().all(|s| s["tries"] == 1));
    }
}

#[tokio::test]
async fn a_plan_may_be_brought_along_and_one_that_can_not_be_carried_out_says_why() {
    let sandbox = Sandbox::builder(binary()).start().await.unwrap();
    let client = Client::new(sandbox.url(), sandbox.key());
    let step = |id: &str, needs: &[&str]| json!({"id": id, "needs": needs, "plugin": "builtin", "capability": "generic_action"});
    let plan = json!({"name": "own", "steps": [step("a", &[]), step("b", &["a"])]});
    let body = json!({"objective": "two steps", "plan": plan});
    let (status, begun) = post(&client, "/v1/workflows", &body, None).await;
    assert_eq!(status, 201, "{begun}");
    stands(&client, begun["id"].as_str().unwrap(), "success").await;

    let round = json!({"name": "own", "steps": [step("a", &["b"]), step("b", &["a"])]});
    for (body, status, code) in [
        (json!({"objective": "o", "plan": round}), 422, "circular_dependency"),
        (json!({"objective": "o", "plan": {"name": "x", "steps": []}}), 422, "plan_invalid"),
        (json!({"objective": "", "plan": plan}), 422, "workflow_objective"),
        (json!({"objective": "o"}), 422, "invalid_body"),
        (json!({"objective": "o", "template": "none"}), 404, "plan_not_found"),
        (
            json!({"objective": "o", "plan": plan, "budget": {"amount": 0, "asset": "USD"}}),
            422,
            "workflow_budget",
        ),
    ] {
        let (said, problem) = post(&client, "/v1/workflows", &body, None).await;
        assert_eq!((said, &problem["code"]), (status, &json!(code)), "{problem}");
    }
}

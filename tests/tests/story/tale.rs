//! One story from a signed webhook to posted money, whose node is killed at every point of it: after
//! each commit, and on both sides of each answer of the plugin that it calls.
//!
//! | Point | How it is met |
//! |---|---|
//! | after a commit | the process stands still between slices; it is killed where its journal has the events up to that commit |
//! | before an answer | the desk has the call and says nothing more |
//! | after an answer | the desk has answered; whether that is recorded is open |
//!
//! Every event of the story is in one of these commits, and between two events of one commit there is
//! no point. `COPPICE_TEST_POINTS` sets how many points of each kind a test takes, by `SIM_SEED`; all of them
//! where there are no more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use coppice_plugin_sdk::{InputEnvelope, OutputEnvelope};
use coppice_runtime::task;
use coppice_testkit::postgres::shared_database;
use coppice_testkit::{Client, Random, read_whole_journal};
use ring::hmac;
use serde_json::{Value, json};

use crate::desk::{Desk, Heard, Script, Side, Snare};
use crate::node::{Node, SECRET, Setting};
use crate::points::{Journal, kill_at};
use crate::seed;

const PLAN: &str = include_str!("plan.toml");
const DELIVERY: &str = "72d3162e-cc78-11e3-81ab-4c9367dc0958";
/// More commits than a story has.
const COMMITS_MAX: usize = 1_000;
/// How often a commit is tried that wasn't met exactly.
const TRIES: usize = 5;
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Calls of the desk in a run without a kill: five steps, and one of them twice.
const CALLS: usize = 6;
/// Members that tell when something happened, and so differ from run to run.
const TIMES: [&str; 6] = ["at", "began_at", "ended_at", "finished_at", "submitted_at", "timestamp"];

/// Where the node is killed.
#[derive(Debug, Clone, Copy)]
enum Kill {
    Never,
    /// After the commit with which the story has so many events.
    After(i64),
    Around(Snare),
}

/// Everything that a story leaves, without the times: the workflow, its ledger, the accounts, its
/// trail, what each entity's stream has, and what the desk was sent under each key.
type End = Value;

/// How a run went.
struct Run {
    end: End,
    /// Events of the story in the journal when the node was killed.
    killed_at: i64,
    /// Events up to the end of each commit.
    cuts: Vec<i64>,
    /// The type of the last event before the kill.
    killed_behind: String,
}

/// Fails `second` until that stands in the journal, and `billed` for good.
fn script(journal: Arc<OnceLock<Journal>>) -> Script {
    Arc::new(move |call: InputEnvelope, _| {
        let journal = Arc::clone(&journal);
        Box::pin(async move {
            let journal = journal.get().expect("it is set before the story begins");
            match call.capability.as_str() {
                "second" if !has_failure(journal).await => {
                    OutputEnvelope::failed(&call, "TRANSIENT", "not yet").into()
                }
                "billed" => OutputEnvelope::failed(&call, "INVALID_INPUT", "never").into(),
                of => {
                    let output = json!({ "of": of, "given": call.input });
                    OutputEnvelope::success(&call, "done").with_output(output).into()
                }
            }
        })
    })
}

async fn has_failure(journal: &Journal) -> bool {
    loop {
        match journal.has_failure().await {
            Some(has) => return has,
            // The file is locked by a process that stands still for a moment.
            None => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}

fn webhook() -> String {
    json!({
        "action": "opened",
        "pull_request": { "number": 2, "draft": false, "title": "A change", "head": { "sha": "aa" } },
        "repository": { "full_name": "a/b" },
        "sender": { "login": "somebody", "type": "User" },
    })
    .to_string()
}

/// Delivers the webhook, as a sender does who isn't sure.
async fn deliver(client: &Client, url: &str) -> Option<()> {
    let body = webhook();
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let tag = hmac::sign(&key, body.as_bytes());
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let request = client.http().post(format!("{url}/ingress/github"));
    let request = request
        .header("content-type", "application/json")
        .header("x-github-event", "pull_request")
        .header("x-github-delivery", DELIVERY)
        .header("x-hub-signature-256", format!("sha256={hex}"));
    let status = request.body(body).send().await.ok()?.status();
    assert!(status.is_success(), "{status}");
    Some(())
}

async fn get(client: &Client, path: &str) -> Option<Value> {
    let reply = client.get_path(path).await.ok()?;
    assert!(reply.status.is_success(), "{path}: {}", reply.body);
    Some(reply.body)
}

/// Sees the story through, whatever was done of it before: the workflow as it ended. None where the
/// node dies on the way.
async fn tell(client: Client, url: String) -> Option<Value> {
    deliver(&client, &url).await?;
    let until = Instant::now() + PATIENCE;
    let workflow = loop {
        let delivery = get(&client, &format!("/v1/entities/delivery/github:{DELIVERY}")).await?;
        if let Some(workflow) = delivery["state"]["workflow"].as_str() {
            break workflow.to_owned();
        }
        assert!(Instant::now() < until, "it was never planned: {delivery}");
        tokio::time::sleep(LOOK_EVERY).await;
    };
    let path = format!("/v1/workflows/{workflow}");
    loop {
        let view = get(&client, &path).await?;
        if !view["ended_at"].is_null() {
            return Some(view);
        }
        for step in view["approvals"].as_array().unwrap() {
            let yes = json!({ "step_id": step, "approved": true, "reason": "go on" });
            // It may have been decided before a kill, and the answer lost.
            client.post(&format!("{path}/approvals"), &yes, None).await.ok()?;
        }
        assert!(Instant::now() < until, "it never ended: {view}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The same without the times.
fn timeless(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.into_iter().filter(|(name, _)| !TIMES.contains(&name.as_str()));
            Value::Object(kept.map(|(name, value)| (name, timeless(value))).collect())
        }
        Value::Array(items) => {
            let mut items: Vec<Value> = items.into_iter().map(timeless).collect();
            // Both entries of a transfer are of one commit, in which they have no order.
            if items.iter().all(|item| item["account"].is_string()) {
                items.sort_by_key(|item| item["account"].to_string());
            }
            Value::Array(items)
        }
        other => other,
    }
}

/// Where two values differ first, and what is there.
fn difference(one: &Value, other: &Value) -> Option<String> {
    let (Value::Object(ones), Value::Object(others)) = (one, other) else {
        return (one != other).then(|| format!(": {one} and {other}"));
    };
    let names: BTreeSet<&String> = ones.keys().chain(others.keys()).collect();
    names.into_iter().find_map(|name| {
        let differs = difference(&one[name.as_str()], &other[name.as_str()])?;
        Some(format!("/{name}{differs}"))
    })
}

/// The trail of a workflow without hashes of events, which cover their times, and in no order.
fn trail(shown: &Value) -> Value {
    let of = |entry: &Value| {
        let kept = ["type", "step", "input_hash", "output_hash"];
        kept.map(|name| entry[name].to_string()).join(" ")
    };
    let mut entries: Vec<String> = shown["entries"].as_array().unwrap().iter().map(of).collect();
    entries.sort();
    json!(entries)
}

/// What was sent under each key, which is one body however often it was sent.
fn asked(heard: &BTreeMap<String, Heard>) -> BTreeMap<String, Value> {
    let body = |(key, heard): (&String, &Heard)| {
        assert_eq!(heard.bodies.len(), 1, "{key} came with other bodies: {:#?}", heard.bodies);
        let body: Value = serde_json::from_str(heard.bodies.first().unwrap()).unwrap();
        (key.clone(), timeless(body))
    };
    heard.iter().map(body).collect()
}

async fn run(kill: Kill, database: Option<String>) -> Run {
    // A node that stands still now and then decides about money late, and late is a denial.
    let variables = vec![("COPPICE_TREASURY__AUTHORIZE_TIMEOUT_MS", "20000".to_owned())];
    let setting = Setting { database, plan: Some(PLAN), variables };
    let snare = match kill {
        Kill::Around(snare) => Some(snare),
        Kill::Never | Kill::After(_) => None,
    };
    let seen = Arc::<OnceLock<Journal>>::default();
    let desk = Desk::start(script(Arc::clone(&seen)), snare).await;
    let mut node = Node::start(&setting).await;
    node.settle(&desk, 10_000).await;
    let journal = Journal::open(node.sandbox.data(), setting.database.as_deref()).await;
    seen.set(journal.clone()).unwrap();
    let before = journal.last().await.unwrap();

    let first = task::spawn(tell(node.client(), node.sandbox.url().to_owned()));
    let killed_at = match kill {
        Kill::Never => 0,
        Kill::After(events) => kill_at(&mut node.sandbox, &journal, before + events).await - before,
        Kill::Around(_) => {
            desk.sprung().await;
            node.sandbox.kill().unwrap();
            journal.last().await.unwrap() - before
        }
    };
    let view = match kill {
        Kill::Never => first.await.unwrap(),
        Kill::After(_) | Kill::Around(_) => {
            first.abort();
            node.sandbox.restart().await.unwrap();
            tell(node.client(), node.sandbox.url().to_owned()).await
        }
    };
    let view = view.expect("nobody kills it any more");
    finished(node, desk, journal, view, (before, killed_at)).await
}

/// Looks at everything that there is.
async fn finished(
    mut node: Node,
    desk: Desk,
    journal: Journal,
    workflow: Value,
    (before, killed_at): (i64, i64),
) -> Run {
    let id = workflow["id"].as_str().unwrap().to_owned();
    let client = node.client();
    let ledger = get(&client, &format!("/v1/ledger/{id}")).await.unwrap();
    let shown = get(&client, &format!("/v1/audit/{id}")).await.unwrap();
    let mut accounts = Vec::new();
    for account in ["funding:USD.2", &format!("budget:{id}:USD.2")] {
        accounts.push(get(&client, &format!("/v1/money/accounts/{account}")).await.unwrap());
    }
    journal.close().await;
    let (store, balanced) = node.leave().await;
    assert_eq!(balanced.pending, 0, "{balanced}");
    assert_eq!((balanced.posted, balanced.voided), (1, 1), "{balanced}");

    let mut streams = BTreeMap::<String, Vec<String>>::new();
    let mut killed_behind = String::new();
    for event in read_whole_journal(store.as_ref()).await.unwrap() {
        let of = i64::try_from(event.position.0).unwrap() - before;
        let event_type = event.record.body.event_type.to_string();
        if of == killed_at {
            killed_behind.clone_from(&event_type);
        }
        let key = &event.key;
        // How often a plugin failed in a row depends on which calls came twice.
        if of <= 0 || key.tenant().as_str() != "default" {
            continue;
        }
        // The day's cap has the day in its name.
        let id = if key.id().as_str().starts_with("cap:") { "cap" } else { key.id().as_str() };
        streams.entry(format!("{}/{id}", key.kind())).or_default().push(event_type);
    }
    let cuts = store.batches(0, COMMITS_MAX).await.unwrap().into_iter();
    let cuts = cuts.map(|batch| i64::try_from(batch.last.0).unwrap() - before);
    let cuts = cuts.filter(|events| *events > 0).collect();
    // Branches beside each other have no order.
    streams.values_mut().for_each(|types| types.sort());
    let end = json!({
        "workflow": timeless(workflow),
        "ledger": timeless(ledger),
        "accounts": timeless(Value::Array(accounts)),
        "trail": trail(&shown),
        "events": streams,
        "asked": asked(&desk.heard()),
    });
    Run { end, killed_at, cuts, killed_behind }
}

fn points_max() -> usize {
    std::env::var("COPPICE_TEST_POINTS").map_or(8, |text| text.parse().expect("a number of points"))
}

/// As many of them as a test may take.
fn share<T: Copy>(all: &[T], random: &mut Random) -> Vec<T> {
    let mut left = all.to_vec();
    let mut taken = Vec::new();
    while taken.len() < points_max() && !left.is_empty() {
        let at = usize::try_from(random.below(left.len() as u64)).unwrap();
        taken.push(left.swap_remove(at));
    }
    taken
}

async fn killed_at_every_point(database: impl Fn() -> Option<String>) {
    let mut random = Random::seeded(seed());
    let whole = run(Kill::Never, database()).await;
    assert_eq!(whole.end["workflow"]["status"], "success", "{:#}", whole.end);
    let asked = whole.end["asked"].as_object().unwrap().len();
    assert_eq!(asked, CALLS - 1, "every step has a key: {:#}", whole.end);
    let after = share(&whole.cuts, &mut random).into_iter().map(Kill::After);
    let around: Vec<Snare> = [Side::Before, Side::After]
        .into_iter()
        .flat_map(|side| (0..CALLS).map(move |call| Snare { call, side }))
        .collect();
    let around = share(&around, &mut random).into_iter().map(Kill::Around);
    let (mut exact, mut behind) = (0, BTreeSet::new());
    let kills: Vec<Kill> = after.chain(around).collect();
    let asked = kills.iter().filter(|kill| matches!(kill, Kill::After(_))).count();
    for kill in kills {
        // On a busy machine a slice may end behind the next commit: then that commit is tried again.
        for _ in 0..TRIES {
            let Run { end, killed_at, killed_behind, .. } = run(kill, database()).await;
            println!("{kill:?}: killed behind {killed_at}, {killed_behind}");
            let difference = difference(&end, &whole.end);
            assert_eq!(difference, None, "{kill:?}, behind event {killed_at}, {killed_behind}");
            behind.insert(killed_behind);
            let Kill::After(events) = kill else { break };
            if events == killed_at {
                exact += 1;
                break;
            }
        }
    }
    assert!(exact * 2 >= asked, "{exact} of {asked} commits were met exactly");
    println!(
        "{} commits, {asked} asked for, {exact} met exactly; killed behind {behind:?}",
        whole.cuts.len()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_killed_at_any_point_of_the_story_leaves_the_same_on_sqlite() {
    killed_at_every_point(|| None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_killed_at_any_point_of_the_story_leaves_the_same_on_postgresql() {
    killed_at_every_point(|| Some(shared_database().unwrap())).await;
}

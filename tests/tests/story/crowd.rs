//! Many workflows at once over the real treasury and policy, in a node that is killed again and
//! again, with a plugin that fails as it likes.
//!
//! `COPPICE_TEST_WORKFLOWS` sets how many (150), and one kill comes for every [`FOR_A_KILL`] of them;
//! `SIM_SEED` repeats a run's choices.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use coppice_plugin_sdk::{InputEnvelope, OutputEnvelope};
use coppice_testkit::conservation::Balanced;
use coppice_testkit::postgres::shared_database;
use coppice_testkit::{Client, Random};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::desk::{Body, Desk, NAME, Said, Script};
use crate::node::{Node, Setting};
use crate::seed;

/// Workflows for each kill.
const FOR_A_KILL: u64 = 20;
const CLIENTS: usize = 12;
const PATIENCE: Duration = Duration::from_secs(300);
/// Shorter than anybody's patience: the process may be dead.
const PAUSE: Duration = Duration::from_millis(20);
/// Between two looks at a workflow that hasn't ended.
const LOOK_EVERY: Duration = Duration::from_millis(150);
/// How often it is looked whether it is time for the next kill.
const LOOKS_MAX: u32 = 100;
/// What one workflow asks for at most, in cents.
const COSTS: u64 = 300;
/// Longer than the three seconds that the reservation of a slow step lasts.
const SLOW: Duration = Duration::from_millis(3_600);

fn workflows() -> u64 {
    let said = std::env::var("COPPICE_TEST_WORKFLOWS");
    said.map_or(150, |text| text.parse().expect("a number of workflows"))
}

/// What befalls a workflow, by its number and the seed: each of them befalls some.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Lot {
    /// Nothing, but for the desk's moods.
    Plain,
    /// Its budget has room for one payment of two.
    Poor,
    /// Its second payment is for what policy forbids.
    Forbidden,
    /// A person is asked, and agrees.
    Approved,
    /// A person is asked, and refuses; a reservation is there by then.
    Rejected,
    /// It is cancelled on the way.
    Cancelled,
    /// Its paid step takes longer than its reservation lasts.
    Slow,
    /// Its paid step fails for good.
    Failing,
}

impl Lot {
    fn of(seed: u64, number: u64) -> Self {
        match seed.wrapping_add(number) % 16 {
            0 => Self::Poor,
            1 => Self::Forbidden,
            2 | 3 => Self::Approved,
            4 => Self::Rejected,
            5 => Self::Cancelled,
            6 => Self::Slow,
            7 | 8 => Self::Failing,
            _ => Self::Plain,
        }
    }

    fn request(self, number: u64) -> Value {
        let step = |id: &str, needs: Value| {
            json!({
                "id": id, "needs": needs, "plugin": NAME, "capability": id,
                "input": { "lot": format!("{self:?}"), "number": number },
                "retry": { "tries": 8, "backoff_ms": 40, "backoff_max_ms": 1_500 },
            })
        };
        let pays = |amount: u64, category: &str, ttl: u32| {
            json!({
                "amount": amount, "asset": "USD", "merchant": "desk", "category": category,
                "ttl_seconds": ttl,
            })
        };
        // Computed with what comes before it, if nothing died between.
        let noted = |id: &str, of: &str| {
            json!({
                "id": id, "needs": [of], "plugin": "builtin", "capability": "generic_action",
                "input": { "of": format!("$steps.{of}.output") },
            })
        };
        let mut make = step("make", json!(["note"]));
        make["payment"] = pays(100, "work", if self == Self::Slow { 3 } else { 3_600 });
        let mut tell = step("tell", json!(["look"]));
        tell["payment"] =
            pays(200, if self == Self::Forbidden { "gambling" } else { "work" }, 3_600);
        let mut close = step("close", json!(["make", "tell"]));
        close["approval"] = json!(matches!(self, Self::Approved | Self::Rejected));
        let budget = if self == Self::Poor { COSTS - 50 } else { COSTS };
        json!({
            "objective": format!("number {number}"),
            "budget": { "amount": budget, "asset": "USD" },
            "plan": { "name": "crowd", "steps": [
                step("look", json!([])), noted("note", "look"), make, tell, close,
                noted("file", "close"),
            ] },
        })
    }
}

/// The desk's moods: by the call's key and number, so that a repeat may meet another one.
fn script(seed: u64) -> Script {
    Arc::new(move |call: InputEnvelope, times: u32| {
        let key = call.metadata.idempotency_key.clone().unwrap_or_default();
        let key = key.bytes().fold(seed, |sum, byte| sum.wrapping_mul(31) ^ u64::from(byte));
        let mood = Random::seeded(key ^ (u64::from(times) << 8)).below(100);
        let well = || OutputEnvelope::success(&call, "done").with_output(json!({ "mood": mood }));
        let lot = call.input["lot"].as_str().unwrap_or_default();
        let said: Said = match (lot, call.capability.as_str(), mood) {
            ("Failing", "make", _) => {
                OutputEnvelope::failed(&call, "INVALID_INPUT", "never").into()
            }
            ("Slow", "make", _) => Said { after: SLOW, ..well().into() },
            (_, _, 0..3) => Said { after: Duration::ZERO, body: Body::Nothing },
            (_, _, 3..6) => OutputEnvelope::failed(&call, "TRANSIENT", "not now").into(),
            (_, "tell", 6..8) => Said { after: Duration::ZERO, body: Body::Garbage },
            (_, _, 8..50) => Said { after: Duration::from_millis(mood), ..well().into() },
            _ => well().into(),
        };
        Box::pin(std::future::ready(said))
    })
}

struct Worker {
    server: watch::Receiver<Client>,
    seed: u64,
    submitted: Arc<AtomicU64>,
}

/// A workflow that was begun.
struct Begun {
    id: String,
    lot: Lot,
    was_cancelled: bool,
}

impl Worker {
    fn client(&self) -> Client {
        self.server.borrow().clone()
    }

    /// Either the server has moved, or it is tried where it was.
    async fn pause(&mut self, pause: Duration) {
        let _moved = timeout(pause, self.server.changed()).await;
    }

    /// Submits it until that is answered.
    async fn submit(&mut self, number: u64) -> Begun {
        let lot = Lot::of(self.seed, number);
        let (request, key) = (lot.request(number), format!("crowd-{number}"));
        let until = Instant::now() + PATIENCE;
        loop {
            let reply = self.client().post("/v1/workflows", &request, Some(&key)).await;
            if let Ok(reply) = reply {
                if let Some(id) = reply.body["id"].as_str() {
                    self.submitted.fetch_add(1, Ordering::Relaxed);
                    return Begun { id: id.to_owned(), lot, was_cancelled: false };
                }
                assert!(reply.status.is_server_error(), "{}", reply.body);
            }
            assert!(Instant::now() < until, "number {number} is never taken in");
            self.pause(PAUSE).await;
        }
    }

    /// One look at it, and what is to be done about it: its view, once it has ended.
    async fn attend(&self, begun: &mut Begun) -> Option<Value> {
        let path = format!("/v1/workflows/{}", begun.id);
        let client = self.client();
        let view = client.get_path(&path).await.ok().filter(|reply| reply.status == 200)?.body;
        if !view["ended_at"].is_null() {
            return Some(view);
        }
        if begun.lot == Lot::Cancelled && !begun.was_cancelled && view["steps_over"] != 0 {
            let reply = client.post(&format!("{path}/cancel"), &json!({}), None).await;
            begun.was_cancelled = reply.is_ok_and(|reply| reply.status.is_success());
        }
        for step in view["approvals"].as_array()? {
            let word = json!({ "step_id": step, "approved": begun.lot != Lot::Rejected });
            // One that was decided before a kill is refused, and that is well.
            let _decided = client.post(&format!("{path}/approvals"), &word, None).await;
        }
        None
    }

    /// Submits every workflow of its share, and then sees each to its end.
    async fn run(mut self, numbers: Vec<u64>) -> Vec<(Lot, Value)> {
        let mut open = Vec::new();
        for number in numbers {
            open.push(self.submit(number).await);
        }
        let (mut ended, until) = (Vec::new(), Instant::now() + PATIENCE);
        while !open.is_empty() {
            let mut left = Vec::new();
            for mut begun in open {
                match self.attend(&mut begun).await {
                    Some(view) => ended.push((begun.lot, view)),
                    None => left.push(begun),
                }
            }
            open = left;
            let first = open.first().map(|begun| (&begun.id, begun.lot));
            assert!(Instant::now() < until, "{} never ended, the first is {first:?}", open.len());
            self.pause(LOOK_EVERY).await;
        }
        ended
    }
}

fn step<'a>(view: &'a Value, id: &str) -> &'a Value {
    let steps = view["steps"].as_array().unwrap();
    steps.iter().find(|shown| shown["id"] == id).unwrap()
}

/// What has become of a payment, as its workflow has it: nothing was reserved where it is none.
fn settlement<'a>(view: &'a Value, id: &str) -> Option<&'a str> {
    step(view, id)["settlement"].as_str()
}

/// What is noted of a step is what it gave, and is there where it gave something and the workflow
/// went on.
fn check_notes(lot: Lot, view: &Value) {
    for (id, of) in [("note", "look"), ("file", "close")] {
        let (note, noted) = (step(view, id), step(view, of));
        if note["status"] == "success" {
            assert_eq!(note["output"]["parameters"]["of"], noted["output"], "{view}");
        } else {
            let went_on = noted["status"] == "success" && lot != Lot::Cancelled;
            assert!(!went_on || lot == Lot::Rejected, "{id} was left out: {view}");
        }
    }
}

/// How payments ended, counted, each compared with what the treasury has of its intent.
async fn payments(client: &Client, ended: &[(Lot, Value)]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::<String, usize>::new();
    for (lot, view) in ended {
        for step in view["steps"].as_array().unwrap() {
            let Some(intent) = step["intent"].as_str() else { continue };
            let shown = client.get_path(&format!("/v1/money/intents/{intent}")).await.unwrap().body;
            let of = match step["settlement"].as_str() {
                Some(settlement) => {
                    assert_eq!(shown["status"], settlement, "{lot:?}: {step} {shown}");
                    settlement.to_owned()
                }
                None => {
                    // Perhaps since its time was over before it was decided.
                    assert_eq!(shown["decision"], "denied", "{lot:?}: {step} {shown}");
                    format!("denied: {}", shown["reason_code"].as_str().unwrap())
                }
            };
            // What was paid for was done, and what was done was paid for unless that had run out.
            match (step["status"].as_str().unwrap(), of.as_str()) {
                ("success" | "partial", "posted" | "expired") => {}
                ("failed" | "cancelled" | "skipped", "voided" | "expired") => {}
                ("failed", denied) if denied.starts_with("denied") => {}
                other => panic!("{lot:?}: {other:?} {step}"),
            }
            *counts.entry(of).or_default() += 1;
        }
    }
    counts
}

fn check(ended: &[(Lot, Value)], counts: &BTreeMap<String, usize>, balanced: Balanced) {
    let count = |name: &str| counts.get(name).copied().unwrap_or_default();
    assert_eq!(balanced.pending, 0, "{balanced}");
    assert_eq!(balanced.approved, balanced.posted + balanced.voided + balanced.expired);
    assert_eq!(balanced.posted, count("posted"), "{balanced} {counts:?}");
    assert_eq!(balanced.voided, count("voided"), "{balanced} {counts:?}");
    assert_eq!(balanced.expired, count("expired"), "{balanced} {counts:?}");
    for reason in ["budget_exceeded", "daily_cap_exceeded", "policy_denied"] {
        let denied = count(&format!("denied: {reason}"));
        assert!(denied > 0, "nothing was denied by {reason}: {counts:?}");
    }
    for end in ["posted", "voided", "expired"] {
        assert!(count(end) > 0, "nothing was {end}: {counts:?}");
    }
    for (lot, view) in ended {
        check_notes(*lot, view);
        let status = view["status"].as_str().unwrap();
        let fits = match lot {
            Lot::Rejected => ["rejected", "partial", "failed"].contains(&status),
            Lot::Cancelled => ["cancelled", "success", "partial", "failed"].contains(&status),
            Lot::Forbidden | Lot::Poor | Lot::Failing => ["partial", "failed"].contains(&status),
            Lot::Plain | Lot::Approved | Lot::Slow => {
                ["success", "partial", "failed"].contains(&status)
            }
        };
        assert!(fits, "{lot:?}: {view}");
        if *lot == Lot::Failing {
            assert_ne!(settlement(view, "make"), Some("posted"), "{view}");
        }
    }
}

/// The failures of steps, counted.
fn failures(ended: &[(Lot, Value)]) -> BTreeMap<String, usize> {
    let steps = ended.iter().flat_map(|(_, view)| view["steps"].as_array().unwrap());
    let codes = steps.filter_map(|step| Some((&step["id"], step["error"]["code"].as_str()?)));
    let mut counts = BTreeMap::new();
    for (id, code) in codes {
        *counts.entry(format!("{id} {code}")).or_default() += 1;
    }
    counts
}

async fn many_through_kills(database: Option<String>) {
    let seed = seed();
    let mut random = Random::seeded(seed);
    let (count, since) = (workflows(), Instant::now());
    // The day has room for one workflow in three.
    // Reached also where a busy machine lets many a plugin's call time out, and work ends unpaid.
    let cap = (count * COSTS / 3).to_string();
    let variables = vec![
        ("COPPICE_TREASURY__GLOBAL_DAILY_CAP_CENTS", cap),
        ("COPPICE_TREASURY__AUTHORIZE_TIMEOUT_MS", "10000".to_owned()),
        // A breaker that opens is one more thing that happens, and closes again within the test.
        ("COPPICE_PLUGINS__COOLDOWN_S", "1".to_owned()),
        // A node that is killed once a second takes calls and deliveries with it again and again
        // that are not to blame; here none is to wait for an operator.
        ("COPPICE_EFFECTS__STARTS_MAX", "1000".to_owned()),
        ("COPPICE_RUNTIME__MESSAGE_CRASHES_MAX", "1000".to_owned()),
    ];
    let setting = Setting { database, variables, plan: None };
    let desk = Desk::start(script(seed), None).await;
    let mut node = Node::start(&setting).await;
    let funds = i64::try_from(count * COSTS).unwrap();
    node.settle(&desk, funds).await;

    let (server, seen) = watch::channel(node.client());
    let submitted = Arc::new(AtomicU64::new(0));
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let submitted = Arc::clone(&submitted);
        let worker = Worker { server: seen.clone(), seed, submitted };
        clients.spawn(worker.run((0..count).skip(client).step_by(CLIENTS).collect()));
    }
    let kills = count / FOR_A_KILL;
    for _ in 0..kills {
        let target = desk.calls() + usize::try_from(1 + random.below(4 * FOR_A_KILL)).unwrap();
        // The last workflows may end without so many calls more.
        for _ in 0..LOOKS_MAX {
            if desk.calls() >= target {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        node.sandbox.kill().unwrap();
        node.sandbox.restart().await.unwrap();
        server.send_replace(node.client());
    }
    let ended: Vec<(Lot, Value)> = clients.join_all().await.into_iter().flatten().collect();
    assert_eq!(ended.len() as u64, count);
    for (key, heard) in desk.heard() {
        assert_eq!(heard.bodies.len(), 1, "{key} came with other bodies: {:#?}", heard.bodies);
    }
    let counts = payments(&node.client(), &ended).await;
    let letters = node.client().get_path("/v1/inspect/dead-letters").await.unwrap().body;
    assert_eq!(letters["dead_letters"], json!([]), "{letters}");
    let (_store, balanced) = node.leave().await;
    println!(
        "{count} workflows, {kills} kills, {} calls, {:?}: {balanced}; {counts:?}; failed {:?}",
        desk.calls(),
        since.elapsed(),
        failures(&ended),
    );
    check(&ended, &counts, balanced);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_reservation_of_many_workflows_ends_through_failures_and_kills_on_sqlite() {
    many_through_kills(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_reservation_of_many_workflows_ends_through_failures_and_kills_on_postgresql() {
    many_through_kills(Some(shared_database().unwrap())).await;
}

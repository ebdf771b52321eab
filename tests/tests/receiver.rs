//! Effects of the real binary, seen from the other side: through kills and pauses, every ring is
//! heard under its key, and an operator sees and decides what is left.
//!
//! `COPPICE_TEST_SUSPENDED_S` sets for how many seconds a process is suspended (3), `SIM_SEED`
//! repeats a run's choices.

#![expect(clippy::unwrap_used, reason = "what fails where it must not fails the test")]
#![expect(clippy::print_stdout, reason = "seeds belong to the test's output")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use coppice_testkit::receiver::Received;
use coppice_testkit::sandbox::SandboxBuilder;
use coppice_testkit::{Random, Receiver, Sandbox, binary};
use coppice_tests::inspection;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const ALARMS: u32 = 30;
const TIMERS: u32 = 4;
const KILLS: u32 = 12;
const PATIENCE: Duration = Duration::from_secs(90);

/// A client of a node that comes and goes.
struct Http {
    client: reqwest::Client,
    key: String,
}

impl Http {
    fn new(sandbox: &Sandbox) -> Self {
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10));
        Self { client: client.build().unwrap(), key: sandbox.key().to_owned() }
    }

    async fn send(
        &self,
        sandbox: &Sandbox,
        method: Method,
        path: &str,
        body: Option<(&str, Value)>,
    ) -> Option<(StatusCode, Value)> {
        let url = format!("{}{path}", sandbox.url());
        let mut request = self.client.request(method, url).bearer_auth(&self.key);
        if let Some((key, body)) = body {
            request = request.header("idempotency-key", key).json(&body);
        }
        let response = request.send().await.ok()?;
        Some((response.status(), response.json().await.ok()?))
    }

    async fn get(&self, sandbox: &Sandbox, path: &str) -> Value {
        let (status, body) = self.send(sandbox, Method::GET, path, None).await.unwrap();
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        body
    }

    /// Waits until an alarm shows a number.
    async fn shows(&self, sandbox: &Sandbox, alarm: &str, field: &str, number: u32) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let view = self.get(sandbox, &format!("/v1/entities/alarm/{alarm}")).await;
            if view["state"][field] == number {
                return;
            }
            assert!(Instant::now() < deadline, "{alarm}: {field} never was {number}: {view}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn seed() -> u64 {
    let seed = match std::env::var("SIM_SEED") {
        Ok(text) => text.parse().unwrap(),
        Err(_) => SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs(),
    };
    println!("SIM_SEED={seed}");
    seed
}

fn suspended() -> Duration {
    let seconds = std::env::var("COPPICE_TEST_SUSPENDED_S");
    Duration::from_secs(seconds.map_or(3, |text| text.parse().expect("a number of seconds")))
}

fn house(receiver: &Receiver) -> SandboxBuilder {
    Sandbox::builder(binary()).env("COPPICE_EFFECTS__BELL_URL", receiver.url())
}

async fn start(receiver: &Receiver) -> Sandbox {
    house(receiver).start().await.unwrap()
}

/// How many timers may be left to set when so many kills are left.
fn left_after(kills_left: u32) -> usize {
    (ALARMS * TIMERS * kills_left / KILLS) as usize
}

/// Distinct keys with how often each came; the bodies of one key are the same.
fn by_key(received: &[Received]) -> BTreeMap<String, usize> {
    let mut keys: BTreeMap<String, (String, usize)> = BTreeMap::new();
    for Received { key, body } in received {
        let seen = keys.entry(key.clone()).or_insert_with(|| (body.clone(), 0));
        assert_eq!(&seen.0, body, "two bodies under the key {key}");
        seen.1 += 1;
    }
    keys.into_iter().map(|(key, (_, count))| (key, count)).collect()
}

#[tokio::test]
async fn every_ring_is_heard_under_its_key_through_kills() {
    let mut random = Random::seeded(seed());
    let receiver = Receiver::start(Duration::from_millis(40), 7).await.unwrap();
    // A node that is killed time and again takes calls and deliveries with it again and again that are
    // not to blame; here none is to wait for an operator.
    let builder = house(&receiver)
        .env("COPPICE_EFFECTS__STARTS_MAX", "1000")
        .env("COPPICE_RUNTIME__MESSAGE_CRASHES_MAX", "1000");
    let mut sandbox = builder.start().await.unwrap();
    let http = Http::new(&sandbox);
    let mut unset: Vec<(u32, u32)> =
        (0..ALARMS).flat_map(|alarm| (0..TIMERS).map(move |timer| (alarm, timer))).collect();
    for kills_left in (0..KILLS).rev() {
        let until = Instant::now() + Duration::from_millis(50 + random.below(400));
        // Each life sets its share at least, however slow the machine is.
        while Instant::now() < until || unset.len() > left_after(kills_left) {
            let Some((alarm, timer)) = unset.last().copied() else {
                // Killed at once, again and again, effects would count as what ends the process.
                tokio::time::sleep(Duration::from_millis(5)).await;
                continue;
            };
            let path = format!("/v1/entities/alarm/a{alarm}/set");
            let mode = if alarm % 3 == 0 { "at_most_once" } else { "retry" };
            let body = json!({
                "timer": format!("t{timer}"),
                "in_ms": random.below(1_500),
                "mode": mode,
                "counter": format!("c{alarm}"),
            });
            let key = format!("{alarm}-{timer}");
            let sent = http.send(&sandbox, Method::POST, &path, Some((&key, body))).await;
            assert_eq!(sent.unwrap().0, StatusCode::OK);
            unset.pop();
        }
        sandbox.kill().unwrap();
        sandbox.restart().await.unwrap();
    }
    assert_eq!(unset, [], "every life has set its share");
    for alarm in 0..ALARMS {
        let name = format!("a{alarm}");
        http.shows(&sandbox, &name, "rung", TIMERS).await;
        if alarm % 3 != 0 {
            // The bell and the counter of every ring.
            http.shows(&sandbox, &name, "heard", 2 * TIMERS).await;
        }
        let deadline = Instant::now() + PATIENCE;
        let counter = format!("/v1/entities/counter/c{alarm}");
        while http.get(&sandbox, &counter).await["state"]["value"] != TIMERS {
            assert!(Instant::now() < deadline, "{alarm} was not told");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    // An at-most-once ring that was cut off is with the operator, or was never sent.
    let letters = http.get(&sandbox, "/v1/inspect/dead-letters").await;
    let letters = letters["dead_letters"].as_array().unwrap().clone();
    let unknown = |letter: &Value| letter["reason"] == "outcome_unknown";
    assert!(letters.iter().all(unknown), "{letters:?}");
    for letter in &letters {
        let id = letter["id"].as_str().unwrap();
        let path = format!("/v1/inspect/dead-letters/{id}/discard");
        let discarded = http.send(&sandbox, Method::POST, &path, Some((id, json!({})))).await;
        assert_eq!(discarded.unwrap().0, StatusCode::OK);
    }
    for alarm in 0..ALARMS {
        http.shows(&sandbox, &format!("a{alarm}"), "outstanding", 0).await;
    }
    let counts = by_key(&receiver.received());
    let (rings, lost) = ((ALARMS * TIMERS) as usize, letters.len());
    assert!(counts.len() <= rings && counts.len() >= rings - lost, "{} keys", counts.len());
    println!("{rings} rings, {lost} with the operator, {} calls", receiver.received().len());
    let once: Vec<Received> = receiver.received();
    let status = sandbox.terminate().await.unwrap();
    assert!(status.success(), "{}", sandbox.log_tail());
    // Nothing is sent once everything is recorded.
    sandbox.restart().await.unwrap();
    http.shows(&sandbox, "a0", "outstanding", 0).await;
    assert_eq!(receiver.received(), once);
}

#[tokio::test]
async fn a_process_that_was_suspended_rings_what_was_due_and_once() {
    let receiver = Receiver::start(Duration::ZERO, 7).await.unwrap();
    let sandbox = start(&receiver).await;
    let http = Http::new(&sandbox);
    let body = json!({"timer": "t", "in_ms": 2_000});
    let path = "/v1/entities/alarm/a/set";
    let sent = http.send(&sandbox, Method::POST, path, Some(("k", body))).await.unwrap();
    assert_eq!(sent.0, StatusCode::OK);
    sandbox.suspend().unwrap();
    let (suspended, started) = (suspended(), Instant::now());
    tokio::time::sleep(suspended).await;
    assert!(receiver.received().is_empty());
    sandbox.resume().unwrap();
    http.shows(&sandbox, "a", "heard", 1).await;
    println!("rang {:?} after it was resumed", started.elapsed() - suspended);
    assert_eq!(receiver.received().len(), 1);
    // The time that it did not have counts as nobody's hang or crash.
    let look = http.get(&sandbox, "/v1/inspect/tree").await;
    assert_eq!(inspection::fallen(&look), [""; 0]);
    // It is idle ever since: a late second ring would have come by the end of an orderly stop.
    let mut sandbox = sandbox;
    assert!(sandbox.terminate().await.unwrap().success(), "{}", sandbox.log_tail());
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test]
async fn a_ring_that_nobody_answered_is_replayed_by_an_operator_and_heard_once() {
    let receiver = Receiver::start(Duration::ZERO, 7).await.unwrap();
    receiver.hang_up(true);
    let sandbox = start(&receiver).await;
    let http = Http::new(&sandbox);
    for (alarm, mode) in [("careful", "at_most_once"), ("patient", "retry")] {
        let body = json!({"timer": "t", "in_ms": 1, "mode": mode});
        let path = format!("/v1/entities/alarm/{alarm}/set");
        http.send(&sandbox, Method::POST, &path, Some((alarm, body))).await.unwrap();
    }
    // Whoever hangs up may have heard: nobody knows, so it is the operator's to decide.
    let deadline = Instant::now() + PATIENCE;
    let letters = loop {
        let list = http.get(&sandbox, "/v1/inspect/dead-letters").await;
        let letters = list["dead_letters"].as_array().unwrap().clone();
        if letters.len() == 2 {
            break letters;
        }
        assert!(Instant::now() < deadline, "{letters:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(receiver.received(), []);
    receiver.hang_up(false);
    for letter in &letters {
        assert_eq!((&letter["message"], &letter["name"]), (&json!("effect"), &json!("bell-1")));
        assert_eq!(letter["reason"], "outcome_unknown", "{letter}");
        let (alarm, id) = (letter["entity"].as_str().unwrap(), letter["id"].as_str().unwrap());
        let path = format!("/v1/inspect/dead-letters/{id}/replay");
        let replayed = http.send(&sandbox, Method::POST, &path, Some((id, json!({})))).await;
        assert_eq!(replayed.unwrap(), (StatusCode::OK, json!({ "id": id })));
        http.shows(&sandbox, alarm, "heard", 1).await;
        http.shows(&sandbox, alarm, "outstanding", 0).await;
        // The letter is gone: a second replay by a hasty operator finds nothing and sends nothing.
        let again = http.send(&sandbox, Method::POST, &path, Some((id, json!({})))).await;
        let (status, problem) = again.unwrap();
        assert_eq!((status.as_u16(), &problem["code"]), (404, &json!("dead_letter_not_found")));
    }
    let left = http.get(&sandbox, "/v1/inspect/dead-letters").await;
    assert_eq!(left["dead_letters"], json!([]));
    let keys = by_key(&receiver.received());
    assert_eq!(keys.into_values().collect::<Vec<_>>(), [1, 1], "each under a key of its own");
}

#[tokio::test]
async fn an_operator_sees_the_tree_and_its_actors() {
    let receiver = Receiver::start(Duration::ZERO, 7).await.unwrap();
    let sandbox = start(&receiver).await;
    let http = Http::new(&sandbox);
    let body = json!({"timer": "t", "in_ms": 1});
    http.send(&sandbox, Method::POST, "/v1/entities/alarm/a/set", Some(("k", body))).await.unwrap();
    http.shows(&sandbox, "a", "heard", 1).await;

    let first = http.get(&sandbox, "/v1/inspect/tree").await;
    let names: Vec<&str> = first["tree"]["children"]
        .as_array()
        .unwrap()
        .iter()
        .map(|child| child["name"].as_str().unwrap())
        .collect();
    let expected = [
        "writer",
        "subscriptions",
        "system",
        "regions",
        "effects",
        "schedulers",
        "health",
        "gateway",
        "api-keys",
        "plugins",
        "policy",
        "freezer",
    ];
    assert_eq!(names, expected);
    assert_eq!(first["tree"]["strategy"], "rest_for_one");
    let regions = first["tree"]["children"][3]["children"].as_array().unwrap();
    assert!(regions.iter().any(|region| region["name"] == "alarm"), "{regions:?}");
    let pool = &first["pools"][0];
    assert_eq!((&pool["name"], &pool["calls_total"]), (&json!("bell"), &json!(1)), "{pool}");
    let second = http.get(&sandbox, "/v1/inspect/tree").await;
    assert!(second["sequence"].as_u64() > first["sequence"].as_u64());
    assert!(second["at"].as_i64() >= first["at"].as_i64());

    let actor = http.get(&sandbox, "/v1/inspect/actors/alarm/a").await;
    assert_eq!(
        (&actor["temperature"], &actor["waits_for"]),
        (&json!("running"), &json!("nothing"))
    );
    let listed = http.get(&sandbox, "/v1/inspect/actors/alarm?limit=5").await;
    assert_eq!(listed["actors"][0]["id"], "a");
    for (path, code) in [
        ("/v1/inspect/actors/alarm/nobody", "entity_not_found"),
        ("/v1/inspect/actors/ghost/a", "unknown_kind"),
        ("/v1/inspect/actors/ghost", "unknown_kind"),
        ("/v1/inspect/dead-letters?after=x", "malformed_request"),
        ("/v1/inspect/dead-letters?page=1", "malformed_request"),
    ] {
        let (_, problem) = http.send(&sandbox, Method::GET, path, None).await.unwrap();
        assert_eq!(problem["code"], code, "{path}: {problem}");
    }
    for wish in ["replay", "discard"] {
        let path = format!("/v1/inspect/dead-letters/{}/{wish}", uuid::Uuid::nil());
        let (status, problem) =
            http.send(&sandbox, Method::POST, &path, Some(("k", json!({})))).await.unwrap();
        assert_eq!((status.as_u16(), &problem["code"]), (404, &json!("dead_letter_not_found")));
    }
}

//! Requests and answers in the shapes of the gateway.

use bytes::Bytes;
use http_body_util::Full;
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::Stub;
use super::world::{Counter, Event, World};

/// Rows of a page unless the request says otherwise, and at most.
const ROWS: (usize, usize) = (100, 1_000);

type Answer = Response<Full<Bytes>>;

/// The answer; none where the connection is to break.
pub(super) fn answer(world: &mut World, parts: &Parts, body: &[u8]) -> Option<Answer> {
    let path: Vec<&str> = parts.uri.path().trim_matches('/').split('/').collect();
    if path == ["health", "ready"] {
        return Some(json(StatusCode::OK, &json!({"ok": true, "reasons": []})));
    }
    let bearer = format!("Bearer {}", Stub::KEY);
    if header(parts, "authorization") != Some(&bearer) {
        return Some(problem(parts, StatusCode::UNAUTHORIZED, "unauthenticated", "not_applied"));
    }
    match (&parts.method, path.as_slice()) {
        (&Method::POST, ["v1", "entities", "counter", id, "add"]) => add(world, parts, id, body),
        (&Method::GET, ["v1", "entities", "counter", id]) => Some(read(world, parts, id)),
        (&Method::GET, ["v1", "entities", "counter", id, "events"]) => {
            Some(events(world, parts, id))
        }
        (&Method::GET, ["v1", "entities"]) => Some(list(world, parts)),
        (&Method::GET, ["metrics"]) => Some(metrics(world)),
        _ => Some(problem(parts, StatusCode::NOT_FOUND, "not_found", "not_applied")),
    }
}

fn add(world: &mut World, parts: &Parts, id: &str, body: &[u8]) -> Option<Answer> {
    world.commands += 1;
    if world.strikes(world.faults.break_before_every) {
        return None;
    }
    if world.strikes(world.faults.overload_every) {
        let status = StatusCode::TOO_MANY_REQUESTS;
        let mut answer = problem(parts, status, "mailbox_full", "not_applied");
        answer.headers_mut().insert("retry-after", "1".parse().expect("it is a value"));
        return Some(answer);
    }
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let Some(n) = body["n"].as_i64() else {
        return Some(problem(parts, StatusCode::BAD_REQUEST, "malformed_request", "not_applied"));
    };
    let key = header(parts, "idempotency-key");
    let added = world.add(id, key, header(parts, "x-correlation-id").unwrap_or_default(), n);
    if world.strikes(world.faults.break_after_every) {
        return None;
    }
    if world.strikes(world.faults.unknown_every) {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        return Some(problem(parts, status, "outcome_unknown", "unknown"));
    }
    let answer = json!({
        "sequence": added.sequence,
        "reply": {"value": added.value},
        "repeated": added.repeated,
    });
    Some(json(StatusCode::OK, &answer))
}

fn read(world: &mut World, parts: &Parts, id: &str) -> Answer {
    world.reads += 1;
    let Some(counter) = world.counters.get(id).filter(|counter| counter.sequence > 0) else {
        return problem(parts, StatusCode::NOT_FOUND, "entity_not_found", "not_applied");
    };
    let mut shown = (counter.sequence, counter.value);
    if world.misreads(world.faults.misread_every) {
        shown.1 += 1;
    }
    if world.misreads(world.faults.stale_every) && counter.sequence > 1 {
        shown = (counter.sequence - 1, counter.value_before);
    }
    let state = json!({"value": shown.1});
    json(StatusCode::OK, &json!({"kind": "counter", "id": id, "sequence": shown.0, "state": state}))
}

fn events(world: &World, parts: &Parts, id: &str) -> Answer {
    let Some(counter) = world.counters.get(id) else {
        return problem(parts, StatusCode::NOT_FOUND, "entity_not_found", "not_applied");
    };
    let from: usize = asked(parts, "cursor").and_then(|text| text.parse().ok()).unwrap_or(0);
    let limit = limit(parts);
    let page: Vec<Value> = counter.events.iter().skip(from).take(limit).map(shown).collect();
    let next = from + page.len();
    let next = (next < counter.events.len()).then(|| next.to_string());
    json(StatusCode::OK, &json!({"events": page, "next_cursor": next}))
}

fn shown(event: &Event) -> Value {
    let uuid = |high: u64, low: u64| {
        let low = format!("{low:016x}");
        format!("{:08x}-0000-8000-{}-{}", high, &low[..4].replace("0000", "8000"), &low[4..])
    };
    json!({
        "position": event.position,
        "kind": "counter",
        "id": event.id,
        "sequence": event.sequence,
        "event_id": uuid(1, event.position),
        "type": "counter.added.v1",
        "recorded_at": 1_795_816_965_000_000_u64 + event.position,
        "causation": uuid(2, event.position),
        "correlation": event.correlation,
        "workflow": null,
        "policy_bundle": null,
        "subject": null,
        "previous_hash": hash(&event.id, event.sequence - 1),
        "hash": hash(&event.id, event.sequence),
        "data": {"n": event.n},
    })
}

/// What stands for an event's hash: it chains by itself.
fn hash(id: &str, sequence: u64) -> String {
    let of_id = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{of_id:032x}{sequence:032x}")
}

fn list(world: &World, parts: &Parts) -> Answer {
    let after = asked(parts, "cursor").unwrap_or_default();
    let limit = limit(parts);
    let behind = world
        .counters
        .range::<str, _>((std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded));
    let there: Vec<(&String, &Counter)> =
        behind.filter(|(_, counter)| counter.sequence > 0).take(limit + 1).collect();
    let page = there
        .iter()
        .take(limit)
        .map(|(id, counter)| json!({"kind": "counter", "id": id, "sequence": counter.sequence}));
    let page: Vec<Value> = page.collect();
    let next = (there.len() > limit).then(|| page[limit - 1]["id"].clone());
    json(StatusCode::OK, &json!({"entities": page, "next_cursor": next}))
}

fn metrics(world: &World) -> Answer {
    let text = format!(
        "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes 1048576.0\n\
         # TYPE stub_commands counter\nstub_commands_total{{of=\"counter\"}} {}\n# EOF\n",
        world.commands
    );
    let answer = Response::builder().header("content-type", "application/openmetrics-text");
    answer.body(Full::new(text.into())).expect("the parts are well formed")
}

fn problem(parts: &Parts, status: StatusCode, code: &str, outcome: &str) -> Answer {
    let body = json!({
        "type": format!("/problems/{code}"),
        "title": "The stub says so",
        "status": status.as_u16(),
        "detail": "the stub says so",
        "instance": parts.uri.path(),
        "code": code,
        "request_id": "0193499f-5a10-7a33-9b7e-2a1f8e5c6d41",
        "outcome": outcome,
    });
    let mut answer = json(status, &body);
    let kind = "application/problem+json".parse().expect("it is a value");
    answer.headers_mut().insert("content-type", kind);
    answer
}

fn json(status: StatusCode, body: &Value) -> Answer {
    let answer = Response::builder().status(status).header("content-type", "application/json");
    answer.body(Full::new(body.to_string().into())).expect("the parts are well formed")
}

fn header<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    parts.headers.get(name).and_then(|value| value.to_str().ok())
}

fn asked<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    let pairs = parts.uri.query()?.split('&');
    pairs
        .filter_map(|pair| pair.split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
}

fn limit(parts: &Parts) -> usize {
    let asked = asked(parts, "limit").and_then(|text| text.parse().ok());
    asked.unwrap_or(ROWS.0).clamp(1, ROWS.1)
}

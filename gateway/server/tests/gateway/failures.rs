//! Every failure of the runtime and every fault of a request, as a client sees it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::{Body, Bytes};
use coppice_api::Outcome;
use coppice_core::Target;
use coppice_runtime::Failure;
use futures_util::stream;

use crate::http::{command, request};
use crate::support::{config, gateway, gateway_with};

/// Every failure with the status and code that stand for it, and whether `Retry-After` is given.
fn failures() -> Vec<(Failure, u16, &'static str, bool)> {
    let damaged =
        Failure::Damaged { stream: "t/counter/a".into(), problem: "event 3 does not match".into() };
    vec![
        (Failure::UnknownKind("x".into()), 404, "unknown_kind", false),
        (Failure::UnknownCommand("x".into()), 404, "unknown_command", false),
        (Failure::InvalidBody("no n".into()), 422, "invalid_body", false),
        (Failure::Rejected { code: "overflow", detail: "too much".into() }, 422, "overflow", false),
        (Failure::KeyReused, 422, "idempotency_key_reused", false),
        (Failure::MailboxFull { depth: 3 }, 429, "mailbox_full", true),
        (Failure::MessageQuarantined, 409, "message_quarantined", false),
        (Failure::EntityQuarantined, 409, "entity_quarantined", false),
        (Failure::Undigested, 500, "internal_error", false),
        (Failure::ResidentsFull, 503, "residents_full", true),
        (Failure::Frozen(Target::Everything), 503, "frozen", true),
        (Failure::NotOwner, 503, "not_owner", true),
        (Failure::Crashed, 503, "actor_crashed", true),
        (Failure::DeadlineExceeded, 503, "deadline_exceeded", true),
        (Failure::TimedOut, 504, "timed_out", false),
        (Failure::Conflict, 409, "conflict", false),
        (Failure::Unlinked, 409, "link_broken", false),
        (Failure::StoreUnavailable, 503, "store_unavailable", true),
        (Failure::StoreFull, 507, "store_full", false),
        (damaged, 500, "journal_damaged", false),
        (Failure::SubjectErased, 409, "subject_erased", false),
        (Failure::PersonalDataLocked, 503, "personal_data_locked", false),
        (Failure::ShuttingDown, 503, "shutting_down", true),
    ]
}

#[tokio::test]
async fn every_failure_of_a_command_has_its_status_code_and_outcome() {
    let gateway = gateway();
    for (failure, status, code, retry) in failures() {
        *gateway.kind.failure.lock() = Some(failure.clone());
        let reply = gateway.add().await;
        let problem = reply.problem(status, code);
        let unknown = failure.outcome() == coppice_runtime::Outcome::Unknown;
        assert_eq!(problem.outcome == Outcome::Unknown, unknown, "{code}");
        assert_eq!(reply.header("retry-after").is_some(), retry, "{code}");
        assert_eq!(problem.instance, "/v1/entities/counter/a/add");
    }
}

#[tokio::test]
async fn a_read_that_fails_has_changed_nothing() {
    let gateway = gateway();
    for (failure, status, code, _) in failures() {
        *gateway.kind.failure.lock() = Some(failure);
        gateway.get("/v1/entities/counter/a").await.not_applied(status, code);
    }
}

/// Before the body is read: it never comes.
#[tokio::test]
async fn a_node_with_as_much_under_way_as_it_may_takes_no_more_and_still_reads() {
    let mut config = config();
    config.server.commands_open_max = 3;
    let gateway = gateway_with(&config);
    let open = |commands| gateway.kind.commands_open.store(commands, Ordering::SeqCst);
    open(2);
    assert_eq!(gateway.add().await.status, 200);
    for commands in [3, 4, usize::MAX] {
        open(commands);
        let never = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        let request = command("/v1/entities/counter/a/add").body(never).unwrap();
        let refused = gateway.send(request).await;
        refused.not_applied(503, "overloaded");
        assert_eq!(refused.header("retry-after"), Some("1"));
        let delete = request_of("DELETE", "/v1/entities/counter/a");
        gateway.send(delete).await.not_applied(503, "overloaded");
        assert_eq!(gateway.get("/v1/entities/counter/a").await.status, 200);
        assert_eq!(gateway.get("/v1/api-keys").await.status, 200, "operators are let in");
    }
    open(0);
    assert_eq!(gateway.add().await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_for_the_load_hears_so_after_a_pause() {
    let mut config = config();
    config.server.commands_open_max = 3;
    config.server.refusal_pause_ms = 200;
    let gateway = gateway_with(&config);
    gateway.kind.commands_open.store(3, Ordering::SeqCst);
    // No longer than the client waits.
    for (timeout_ms, waits_ms) in [("9000", 200), ("50", 50)] {
        let started = tokio::time::Instant::now();
        let request =
            command("/v1/entities/counter/a/add").header("x-request-timeout-ms", timeout_ms);
        let request = request.body(Body::from(r#"{"amount":1}"#)).unwrap();
        gateway.send(request).await.not_applied(503, "overloaded");
        let waited = started.elapsed().as_millis();
        assert!((waits_ms..waits_ms + 10).contains(&waited), "{timeout_ms}: {waited} ms");
    }
    let started = tokio::time::Instant::now();
    assert_eq!(gateway.get("/v1/entities/counter/a").await.status, 200);
    assert!(started.elapsed().as_millis() < 10, "who isn't refused doesn't wait");
}

#[tokio::test(start_paused = true)]
async fn a_request_has_the_time_that_its_client_gives_it_and_no_more_than_the_node_does() {
    let gateway = gateway();
    for (asked, waits_ms) in [("50", 50), ("86400000", 30_000)] {
        let started = tokio::time::Instant::now();
        let never = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        let request = command("/v1/entities/counter/a/add").header("x-request-timeout-ms", asked);
        gateway.send(request.body(never).unwrap()).await.not_applied(408, "body_timeout");
        let waited = started.elapsed().as_millis();
        assert!((waits_ms..waits_ms + 10).contains(&waited), "{asked}: {waited} ms");
    }
}

fn request_of(method: &str, path: &str) -> axum::http::Request<Body> {
    request(method, path).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn a_damaged_journal_is_named_to_its_owner() {
    let gateway = gateway();
    let stream = "t/counter/a".to_owned();
    let problem = "event 3 does not match its hash".to_owned();
    *gateway.kind.failure.lock() = Some(Failure::Damaged { stream, problem });
    let detail = gateway.add().await.problem(500, "journal_damaged").detail;
    assert!(detail.contains("t/counter/a") && detail.contains("event 3"), "{detail}");
}

#[tokio::test]
async fn a_body_that_is_no_json_is_told_from_one_that_does_not_fit() {
    let gateway = gateway();
    *gateway.kind.failure.lock() = Some(Failure::InvalidBody("it does not fit".to_owned()));
    let send = |body: &'static [u8]| {
        let request = command("/v1/entities/counter/a/add").body(Body::from(body));
        gateway.send(request.unwrap())
    };
    for body in [&b"{"[..], b"{\"n\":}", b"{} {}", b"\"\xff\"", b"nope"] {
        send(body).await.not_applied(400, "malformed_json");
    }
    for body in [&b""[..], b"{}", b"[1]", b"{\"n\":\"1\"}", b"null"] {
        send(body).await.not_applied(422, "invalid_body");
    }
}

#[tokio::test]
async fn a_body_must_say_that_it_is_json() {
    let gateway = gateway();
    let path = "/v1/entities/counter/a/add";
    let bare = request("POST", path).body(Body::from("{}")).unwrap();
    gateway.send(bare).await.not_applied(415, "unsupported_media_type");
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""]
    {
        let request =
            request("POST", path).header("content-type", content_type).body(Body::from("{}"));
        gateway.send(request.unwrap()).await.not_applied(415, "unsupported_media_type");
    }
    assert!(gateway.kind.last.lock().is_none(), "nothing reached the entity");
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_and_one_at_the_limit_is_not() {
    let mut config = config();
    config.server.body_bytes_max = 10;
    let gateway = gateway_with(&config);
    let send = |body: Body| gateway.send(command("/v1/entities/counter/a/add").body(body).unwrap());
    assert_eq!(send(Body::from("0123456789")).await.status, 200);
    send(Body::from("01234567890")).await.not_applied(413, "body_too_large");

    let pieces = |count: usize| {
        let piece = || Ok::<_, std::io::Error>(Bytes::from_static(b"01234"));
        Body::from_stream(stream::iter(std::iter::repeat_with(piece).take(count)))
    };
    assert_eq!(send(pieces(2)).await.status, 200);
    assert_eq!(gateway.kind.last.lock().clone().unwrap().body, "0123401234");
    send(pieces(3)).await.not_applied(413, "body_too_large");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_refused() {
    let broken = Err::<Bytes, _>(std::io::Error::other("gone"));
    let body = Body::from_stream(stream::iter([Ok(Bytes::from_static(b"{")), broken]));
    let request = command("/v1/entities/counter/a/add").body(body).unwrap();
    gateway().send(request).await.not_applied(400, "malformed_request");
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_given_up() {
    let mut config = config();
    config.server.request_timeout_ms = 5;
    let body = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
    let request = command("/v1/entities/counter/a/add").body(body).unwrap();
    gateway_with(&config).send(request).await.not_applied(408, "body_timeout");
}

#[tokio::test]
async fn an_id_outside_its_alphabet_is_refused() {
    let gateway = gateway();
    for id in ["a%20b", "a%2Fb", "%C3%A9", "%ff", &"a".repeat(129)] {
        let path = format!("/v1/entities/counter/{id}");
        gateway.get(&path).await.not_applied(422, "invalid_entity_id");
        let request = command(&format!("{path}/add")).body(Body::from("{}")).unwrap();
        gateway.send(request).await.not_applied(422, "invalid_entity_id");
    }
}

#[tokio::test]
async fn a_kind_that_the_node_does_not_have_is_not_found() {
    let gateway = gateway();
    for kind in ["nothing", "No%20Kind", "%22"] {
        gateway.get(&format!("/v1/entities/{kind}/a")).await.not_applied(404, "unknown_kind");
        let request = command(&format!("/v1/entities/{kind}/a/add")).body(Body::from("{}"));
        gateway.send(request.unwrap()).await.not_applied(404, "unknown_kind");
    }
}

#[tokio::test]
async fn a_malformed_idempotency_key_is_refused() {
    let gateway = gateway();
    for key in ["", "a b", &"k".repeat(256)] {
        let request = command("/v1/entities/counter/a/add").header("idempotency-key", key);
        let reply = gateway.send(request.body(Body::from("{}")).unwrap()).await;
        reply.not_applied(400, "invalid_idempotency_key");
    }
    assert!(gateway.kind.last.lock().is_none(), "nothing reached the entity");
}

#[tokio::test]
async fn paths_and_methods_that_do_not_exist_are_problems_too() {
    let gateway = gateway();
    for path in ["/", "/v1", "/v1/entities", "/v1/entities/counter", "/v1/entities/counter/a/add/x"]
    {
        gateway.get(path).await.not_applied(404, "route_not_found");
    }
    for (method, path, allow) in [
        ("PUT", "/v1/entities/counter/a/add", "POST"),
        ("GET", "/v1/entities/counter/a/add", "POST"),
        ("POST", "/v1/entities/counter/a", "GET,HEAD,DELETE"),
        ("DELETE", "/health", "GET,HEAD"),
    ] {
        let reply = gateway.send(request(method, path).body(Body::empty()).unwrap()).await;
        reply.not_applied(405, "method_not_allowed");
        assert_eq!(reply.header("allow"), Some(allow), "{method} {path}");
    }
}

#[tokio::test]
async fn the_deadline_is_the_request_timeout_from_now() {
    let gateway = gateway();
    let timeout = Duration::from_secs(30);
    let before = tokio::time::Instant::now();
    gateway.add().await;
    let deadline = gateway.kind.last.lock().clone().unwrap().deadline;
    assert!(deadline >= before + timeout);
    assert!(deadline <= tokio::time::Instant::now() + timeout);
}

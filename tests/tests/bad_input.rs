//! Bad input of every kind, each answered with a clear code and outcome: nothing changed, nothing
//! lost, nothing hung.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "bad_input/damaged.rs"]
mod damaged;
#[path = "damage/database.rs"]
mod database;
#[path = "bad_input/full.rs"]
mod full;
#[path = "bad_input/wire.rs"]
mod wire;

use coppice_core::CommandId;
use coppice_testkit::{Client, Sandbox, binary, read_whole_journal};
use coppice_tests::node::{route, tenant};
use reqwest::Method;
use reqwest::header::HeaderValue;
use wire::{ADD, Wire, is_raw_problem, send};

async fn sandbox() -> Sandbox {
    Sandbox::builder(binary()).start().await.unwrap()
}

#[tokio::test]
async fn a_body_that_is_no_json_is_refused() {
    let sandbox = sandbox().await;
    let wire = Wire::new(&sandbox);
    for body in [
        &b"{"[..],
        b"{\"n\":1",
        b"{\"n\":1}}",
        b"{'n':1}",
        b"n=1",
        b" ",
        b"\0",
        b"\xef\xbb\xbf{\"n\":1}",
        b"{\"n\":01}",
        b"{\"n\":NaN}",
        b"{\"\xff\":1}",
    ] {
        let answer = send(wire.command(ADD, body.to_vec())).await;
        let detail = answer.is_problem(400, "malformed_json");
        assert!(!detail.is_empty(), "{body:?}");
    }
    assert_eq!(wire.value().await, 0);
}

#[tokio::test]
async fn a_body_that_does_not_fit_the_command_is_refused() {
    let sandbox = sandbox().await;
    let wire = Wire::new(&sandbox);
    let deep = format!("{{\"n\":{}1{}}}", "[".repeat(20_000), "]".repeat(20_000));
    for body in [
        "",
        "{}",
        "null",
        "1",
        "\"n\"",
        "[]",
        "{\"n\":\"1\"}",
        "{\"n\":null}",
        "{\"n\":true}",
        "{\"n\":[1]}",
        "{\"n\":1.5}",
        "{\"n\":1.0}",
        "{\"n\":1e2}",
        "{\"n\":9223372036854775808}",
        "{\"n\":-9223372036854775809}",
        "{\"n\":1,\"m\":2}",
        "{\"N\":1}",
        "{\"n\":1,\"n\":2}",
        &deep,
    ] {
        let answer = send(wire.command(ADD, body.to_owned())).await;
        assert_eq!(answer.status, 422, "{body:.80} gave {answer:?}");
        answer.is_problem(422, "invalid_body");
    }
    assert_eq!(wire.value().await, 0);
}

#[tokio::test]
async fn an_array_in_place_of_the_arguments_is_refused() {
    // Arguments have names; a list of values that happens to fit is no command.
    let sandbox = sandbox().await;
    let wire = Wire::new(&sandbox);
    send(wire.command(ADD, "[1]")).await.is_problem(422, "invalid_body");
    assert_eq!(wire.value().await, 0);
}

#[tokio::test]
async fn kinds_commands_and_paths_that_are_not_there_are_named() {
    let sandbox = sandbox().await;
    let wire = Wire::new(&sandbox);
    let body = "{\"n\":1}";
    for (path, code) in [
        ("/v1/entities/nosuch/a/add", "unknown_kind"),
        ("/v1/entities/Counter/a/add", "unknown_kind"),
        ("/v1/entities/%22%3Cb%3E/a/add", "unknown_kind"),
        ("/v1/entities/counter/a/subtract", "unknown_command"),
        ("/v1/entities/counter/a/ADD", "unknown_command"),
        ("/v1/entities/counter/a/add/", "route_not_found"),
        ("/v1/entities/counter/a/add/more", "route_not_found"),
        ("/v2/entities/counter/a/add", "route_not_found"),
        ("/", "route_not_found"),
    ] {
        send(wire.command(path, body)).await.is_problem(404, code);
    }
    for (path, code) in [
        ("/v1/entities/nosuch/a", "unknown_kind"),
        ("/v1/entities/counter/a", "entity_not_found"),
        ("/v1/entities/counter", "route_not_found"),
    ] {
        send(wire.keyed(Method::GET, path)).await.is_problem(404, code);
    }
}

#[tokio::test]
async fn ids_out_of_their_alphabet_are_refused() {
    let sandbox = sandbox().await;
    let wire = Wire::new(&sandbox);
    let long = "a".repeat(129);
    let ids = ["a%20b", "a%2Fb", "a%00", "%C3%A9", "%zz", "a+b", "a%0d%0aX: y", "%FF", &long];
    for id in ids {
        let path = format!("/v1/entities/counter/{id}");
        let add = send(wire.command(&format!("{path}/add"), "{\"n\":1}")).await;
        add.is_problem(422, "invalid_entity_id");
        send(wire.keyed(Method::GET, &path)).await.is_problem(422, "invalid_entity_id");
    }
    // A path that isn't UTF-8, wherever it isn't.
    for path in ["/v1/entities/%FF/a/add", "/v1/entities/counter/a/%FF"] {
        send(wire.command(path, "{\"n\":1}")).await.is_problem(422, "invalid_entity_id");
    }
    let longest = format!("/v1/entities/counter/{}/add", "a".repeat(128));
    send(wire.command(&longest, "{\"n\":1}")).await.is_accepted();
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_whichever_way_it_comes() {
    let sandbox = sandbox().await;
    let wire = Wire::new(&sandbox);
    for length in [65_537, 300_000, 1 << 20] {
        let answer = send(wire.command(ADD, vec![b' '; length])).await;
        answer.is_problem(413, "body_too_large");
    }
    let chunk = format!("8000\r\n{}\r\n", " ".repeat(0x8000));
    let head = wire.raw_add("transfer-encoding: chunked\r\n");
    let answer = wire.raw(format!("{head}{}0\r\n\r\n", chunk.repeat(3)).as_bytes());
    is_raw_problem(&answer, 413, "body_too_large");
    // The largest that is taken, so that the limit is where it is said to be.
    let largest = "{\"n\":1}".to_owned() + &" ".repeat(65_536 - 7);
    send(wire.command(ADD, largest)).await.is_accepted();
    assert_eq!(wire.value().await, 1);
}

#[tokio::test]
async fn a_body_that_breaks_off_or_never_comes_is_not_waited_for() {
    let sandbox = Sandbox::builder(binary())
        .env("COPPICE_SERVER__REQUEST_TIMEOUT_MS", "2000")
        .start()
        .await
        .unwrap();
    let wire = Wire::new(&sandbox);
    let part = wire.raw_add("content-length: 100\r\n") + "{\"n\":1}";
    is_raw_problem(&wire.raw(part.as_bytes()), 408, "body_timeout");
    let chunked = wire.raw_add("transfer-encoding: chunked\r\n");
    let answer = wire.raw(format!("{chunked}7\r\n{{\"n\":1}}\r\n").as_bytes());
    is_raw_problem(&answer, 408, "body_timeout");
    let answer = wire.raw(format!("{chunked}zz\r\n{{\"n\":1}}\r\n").as_bytes());
    is_raw_problem(&answer, 400, "malformed_request");
    // A client that closes in the middle may get no answer; the command must not be taken.
    let answer = wire.raw_and_closed(part.as_bytes());
    assert!(!answer.contains("HTTP/1.1 2"), "{answer}");
    assert_eq!(wire.value().await, 0);
    wire.add(1).await.is_accepted();
}

#[tokio::test]
async fn what_is_no_http_ends_its_connection_and_nothing_else() {
    let sandbox = sandbox().await;
    let wire = Wire::new(&sandbox);
    let double = wire.raw_add("content-length: 7\r\ncontent-length: 8\r\n") + "{\"n\":1}";
    let long = format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "a".repeat(20_000));
    for bytes in ["\0\u{1}\u{2}\r\n\r\n", "GET\r\n\r\n", &double, &long] {
        let answer = wire.raw(bytes.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 4"), "{bytes:.60} was answered with {answer}");
    }
    assert_eq!(wire.value().await, 0);
    wire.add(1).await.is_accepted();
}

#[tokio::test]
async fn keys_that_are_missing_or_wrong_are_refused() {
    let sandbox = sandbox().await;
    let wire = Wire::new(&sandbox);
    let ours = sandbox.key();
    let challenge = |answer: &wire::Answer| {
        answer.is_problem(401, "auth_invalid");
        let header = answer.header("www-authenticate").expect("a 401 has a challenge");
        assert!(header.starts_with("Bearer"), "{header}");
    };
    let post = || {
        let json = HeaderValue::from_static("application/json");
        wire.bare(Method::POST, ADD).header("content-type", json).body("{\"n\":1}")
    };
    challenge(&send(post()).await);
    challenge(&send(wire.bare(Method::GET, "/v1/entities/counter/a")).await);
    // Unknown, cut short, too long, of another case, of live mode, no key at all.
    let wrong = [
        format!("Bearer {}", ours.replace("0011", "1100")),
        format!("Bearer {}", &ours[..ours.len() - 1]),
        format!("Bearer {ours}0"),
        format!("Bearer {}", ours.to_uppercase()),
        format!("Bearer {}", ours.replace("test", "live")),
        format!("Bearer {}", "a".repeat(4_000)),
        format!("Basic {ours}"),
        ours.to_owned(),
        "Bearer".to_owned(),
        String::new(),
    ];
    for text in &wrong {
        challenge(&send(post().header("authorization", text)).await);
    }
    let bytes = HeaderValue::from_bytes(b"Bearer sk_test_\xff").unwrap();
    challenge(&send(post().header("authorization", bytes)).await);
    // Twice, even though the first is right.
    challenge(&send(post().bearer_auth(ours).bearer_auth(&ours[1..])).await);
    assert_eq!(wire.value().await, 0);
}

#[tokio::test]
async fn a_key_that_was_revoked_or_has_expired_is_refused() {
    for column in ["revoked_at", "expires_at"] {
        let mut sandbox = sandbox().await;
        Wire::new(&sandbox).add(1).await.is_accepted();
        sandbox.terminate().await.unwrap();
        let text = match column {
            "revoked_at" => "UPDATE api_keys SET revoked_at = unixepoch() * 1000000 - 1",
            _ => "UPDATE api_keys SET expires_at = unixepoch() * 1000000 - 1",
        };
        database::damage(sandbox.data(), None, &[text]).await;
        sandbox.restart().await.unwrap();
        let answer = Wire::new(&sandbox).add(1).await;
        let detail = answer.is_problem(401, "auth_invalid");
        assert!(detail.contains(&column[..6]), "{column}: {detail}");
    }
}

#[tokio::test]
async fn idempotency_keys_that_are_none_are_refused() {
    let sandbox = sandbox().await;
    let wire = Wire::new(&sandbox);
    let with = |key: &[u8]| {
        let key = HeaderValue::from_bytes(key).unwrap();
        wire.command(ADD, "{\"n\":1}").header("idempotency-key", key)
    };
    let long = "k".repeat(256);
    for key in [&b""[..], b"a b", b"a\tb", b"\xff", "\u{e9}".as_bytes(), long.as_bytes()] {
        send(with(key)).await.is_problem(400, "invalid_idempotency_key");
    }
    let twice = with(b"k").header("idempotency-key", "k");
    send(twice).await.is_problem(400, "invalid_idempotency_key");
    assert_eq!(wire.value().await, 0);
    send(with("k".repeat(255).as_bytes())).await.is_accepted();
}

#[tokio::test]
async fn an_idempotency_key_is_good_for_one_body() {
    let mut sandbox = sandbox().await;
    for round in 0..2 {
        let wire = Wire::new(&sandbox);
        let with = |body: &'static str| wire.command(ADD, body).header("idempotency-key", "k");
        let first = send(with("{\"n\":1}")).await;
        first.is_accepted();
        assert_eq!(first.body["repeated"], round > 0);
        for other in ["{\"n\":2}", "{\"n\": 1}"] {
            send(with(other)).await.is_problem(422, "idempotency_key_reused");
        }
        // A body that isn't one is no reuse, and an overflow isn't decided before the key is known.
        send(with("{")).await.is_problem(400, "malformed_json");
        let overflow = with("{\"n\":9223372036854775807}");
        send(overflow).await.is_problem(422, "idempotency_key_reused");
        assert_eq!(wire.value().await, 1);
        // The second round finds the key in the journal, not in memory.
        sandbox.restart().await.unwrap();
    }
}

#[tokio::test]
async fn another_content_type_or_method_is_refused() {
    let sandbox = sandbox().await;
    let wire = Wire::new(&sandbox);
    for content_type in ["text/plain", "application/jsonp", "application/x-www-form-urlencoded", ""]
    {
        let request = wire.keyed(Method::POST, ADD).header("content-type", content_type);
        let answer = send(request.body("{\"n\":1}")).await;
        answer.is_problem(415, "unsupported_media_type");
    }
    let untyped = send(wire.keyed(Method::POST, ADD).body("{\"n\":1}")).await;
    untyped.is_problem(415, "unsupported_media_type");
    for (method, path, allowed) in [
        (Method::GET, ADD, "POST"),
        (Method::PUT, ADD, "POST"),
        (Method::PUT, "/v1/entities/counter/a", "DELETE"),
        (Method::POST, "/v1/entities/counter/a", "GET"),
        (Method::POST, "/health", "GET"),
    ] {
        let answer = send(wire.keyed(method, path)).await;
        answer.is_problem(405, "method_not_allowed");
        assert!(answer.header("allow").is_some_and(|allow| allow.contains(allowed)), "{answer:?}");
    }
    assert_eq!(wire.value().await, 0);
    let charset = wire.keyed(Method::POST, ADD);
    let charset = charset.header("content-type", "Application/JSON; charset=utf-8");
    send(charset.body("{\"n\":1}")).await.is_accepted();
}

#[tokio::test]
async fn an_add_beyond_the_range_is_refused_and_changes_nothing() {
    let sandbox = sandbox().await;
    let wire = Wire::new(&sandbox);
    for (n, one_more) in [(i64::MAX, 1), (i64::MIN, -1)] {
        wire.add(n).await.is_accepted();
        let answer = wire.add(one_more).await;
        let detail = answer.is_problem(422, "counter_overflow");
        assert!(detail.contains(&n.to_string()), "{detail}");
        assert_eq!(wire.value().await, n);
        // Back to zero; the largest has a negative and the smallest is not needed again.
        wire.add(n.saturating_neg()).await.is_accepted();
    }
}

#[tokio::test]
async fn the_route_that_the_tests_hash_is_the_one_that_the_server_hashes() {
    let mut sandbox = sandbox().await;
    let client = Client::new(sandbox.url(), sandbox.key());
    // An id that travels escaped is hashed as it was meant.
    for (sent, meant) in [("a", "a"), ("b%3Ac", "b:c")] {
        let key = format!("key-{sent}");
        client.add(sent, 1, Some(&key)).await.unwrap();
        let again = client.add(meant, 1, Some(&key)).await.unwrap();
        assert_eq!(again.repeated(), Some(true), "{meant}");
        assert!(route(meant).ends_with(&Client::add_route(meant)), "{}", route(meant));
    }
    sandbox.terminate().await.unwrap();
    let store = full::open(sandbox.data()).await;
    let journal = read_whole_journal(&store).await.unwrap();
    let causes: Vec<_> = journal.iter().map(|event| event.record.body.causation).collect();
    let hashed = |id, key| CommandId::from_idempotency_key(&tenant(), &route(id), key);
    assert_eq!(causes, [hashed("a", "key-a"), hashed("b:c", "key-b%3Ac")]);
}

//! Keys: which count, which don't, and for how long that is believed.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Request, header};
use coppice_core::{TenantId, Timestamp};
use coppice_runtime::{Clock, SystemClock};
use coppice_server::auth::{AuthError, Invalid, Scope};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::http::Reply;
use crate::support::{Gateway, KEY, config, gateway, gateway_with, row};

const OTHER: &str = "sk_live_01234567ffffffffffffffffffffffff";

async fn get_with(gateway: &Gateway, values: &[&str]) -> Reply {
    let mut request = Request::builder().uri("/v1/entities/counter/a");
    for value in values {
        request = request.header(header::AUTHORIZATION, *value);
    }
    gateway.send(request.body(Body::empty()).unwrap()).await
}

async fn get_as(gateway: &Gateway, key: &str) -> Reply {
    get_with(gateway, &[&format!("Bearer {key}")]).await
}

#[tokio::test]
async fn no_key_or_a_wrong_one_is_refused_with_a_challenge() {
    let gateway = gateway();
    let twice = format!("Bearer {KEY}");
    let cases: &[(&[&str], bool)] = &[
        (&[], false),
        (&[KEY], false),
        (&["Basic dTpw"], false),
        (&["Bearer"], false),
        (&[&twice, &twice], false),
        (&["Bearer sk_test_123"], true),
        (&["Bearer sk_test_0123456789ABCDEF0123456789ABCDEF"], true),
        (&["Bearer sk_test_ffffffffffffffffffffffffffffffff"], true),
        (&["Bearer sk_test_01234567ffffffffffffffffffffffff"], true),
    ];
    for (values, presented) in cases {
        let reply = get_with(&gateway, values).await;
        let problem = reply.not_applied(401, "auth_invalid");
        let challenge = reply.header("www-authenticate").unwrap();
        assert!(challenge.starts_with("Bearer realm="), "{challenge}");
        assert_eq!(challenge.contains("invalid_token"), *presented, "{values:?}");
        assert!(!problem.detail.contains("ffff"), "the key is not repeated");
    }
    assert!(gateway.kind.last.lock().is_none());
}

#[tokio::test]
async fn the_scheme_is_read_in_any_case() {
    let gateway = gateway();
    for scheme in ["Bearer", "bearer", "BEARER"] {
        assert_eq!(get_with(&gateway, &[&format!("{scheme} {KEY}")]).await.status, 200);
    }
}

#[tokio::test]
async fn keys_that_share_a_prefix_are_told_apart() {
    let gateway = gateway();
    let mut other = row(OTHER, "*");
    other.tenant = TenantId::new("other").unwrap();
    gateway.directory.add(other);
    assert_eq!(get_as(&gateway, OTHER).await.status, 200);
    assert_eq!(get_as(&gateway, KEY).await.status, 200);
    get_as(&gateway, "sk_live_01234567eeeeeeeeeeeeeeeeeeeeeeee")
        .await
        .not_applied(401, "auth_invalid");
}

#[tokio::test]
async fn expired_and_revoked_keys_are_refused_and_say_so() {
    let gateway = gateway();
    let mut expired = row("sk_live_11111111111111111111111111111111", "*");
    expired.expires_at = Some(SystemClock.now());
    let mut revoked = row("sk_live_22222222222222222222222222222222", "*");
    revoked.revoked_at = Some(Timestamp::EPOCH);
    gateway.directory.add(expired);
    gateway.directory.add(revoked);
    for (key, word) in [("1", "expired"), ("2", "revoked")] {
        let reply = get_as(&gateway, &format!("sk_live_{}", key.repeat(32))).await;
        let problem = reply.not_applied(401, "auth_invalid");
        assert!(problem.detail.contains(word), "{}", problem.detail);
    }
}

#[tokio::test]
async fn a_key_does_only_what_its_scopes_say() {
    let gateway = gateway();
    gateway.directory.add(row(OTHER, "something:else entities:read"));
    assert_eq!(get_as(&gateway, OTHER).await.status, 200);
    let command = Request::post("/v1/entities/counter/a/add")
        .header(header::AUTHORIZATION, format!("Bearer {OTHER}"))
        .header(header::CONTENT_TYPE, "application/json");
    let reply = gateway.send(command.body(Body::from("{}")).unwrap()).await;
    let problem = reply.not_applied(403, "scope_missing");
    assert!(problem.detail.contains("entities:write"), "{}", problem.detail);
    assert!(gateway.kind.last.lock().is_none());
}

/// Verifies a key at a time of the test's choice.
async fn verify_at(gateway: &Gateway, key: &str, now: Instant) -> bool {
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, format!("Bearer {key}").parse().unwrap());
    let deadline = Instant::now() + Duration::from_secs(30);
    gateway.state.auth.authenticate(&headers, Scope::EntitiesRead, now, deadline).await.is_ok()
}

#[tokio::test]
async fn a_verified_key_is_looked_up_once_per_ttl() {
    let gateway = gateway();
    let start = Instant::now();
    for seconds in [0, 1, 150, 299] {
        assert!(verify_at(&gateway, KEY, start + Duration::from_secs(seconds)).await);
    }
    assert_eq!(gateway.directory.lookups(), 1);
    assert!(verify_at(&gateway, KEY, start + Duration::from_secs(300)).await);
    assert_eq!(gateway.directory.lookups(), 2);
}

#[tokio::test]
async fn a_refused_key_is_believed_refused_for_a_moment_only() {
    let gateway = gateway();
    let start = Instant::now();
    for millis in [0, 10, 999] {
        assert!(!verify_at(&gateway, OTHER, start + Duration::from_millis(millis)).await);
    }
    assert_eq!(gateway.directory.lookups(), 1);
    gateway.directory.add(row(OTHER, "*"));
    assert!(verify_at(&gateway, OTHER, start + Duration::from_secs(1)).await);
}

#[tokio::test]
async fn a_revoked_key_is_refused_at_once() {
    let gateway = gateway();
    assert_eq!(get_as(&gateway, KEY).await.status, 200);
    let key = row(KEY, "*");
    let other = TenantId::new("other").unwrap();
    assert!(!gateway.state.auth.revoke(&other, key.id).await.unwrap(), "not that tenant's key");
    assert_eq!(get_as(&gateway, KEY).await.status, 200);
    assert!(gateway.state.auth.revoke(&key.tenant, key.id).await.unwrap());
    get_as(&gateway, KEY).await.not_applied(401, "auth_invalid");
}

#[tokio::test]
async fn a_look_up_that_a_revocation_overtakes_is_not_believed_afterwards() {
    let gateway = gateway();
    let directory = &gateway.directory;
    directory.gate.forget_permits(Semaphore::MAX_PERMITS);
    let key = row(KEY, "*");
    let overtaken = get_as(&gateway, KEY);
    let revocation = async {
        // The rows are read, and the look-up waits.
        while directory.lookups.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        assert!(gateway.state.auth.revoke(&key.tenant, key.id).await.unwrap());
        directory.gate.add_permits(1);
    };
    tokio::join!(overtaken, revocation);
    get_as(&gateway, KEY).await.not_applied(401, "auth_invalid");
}

#[tokio::test]
async fn a_key_that_will_expire_is_not_believed_longer() {
    let gateway = gateway();
    let mut brief = row(OTHER, "*");
    brief.expires_at = Some(SystemClock.now().saturating_add_micros(2_000_000));
    gateway.directory.add(brief);
    assert_eq!(get_as(&gateway, OTHER).await.status, 200);
    let give_up = tokio::time::Instant::now() + Duration::from_secs(60);
    while get_as(&gateway, OTHER).await.status == 200 {
        assert!(tokio::time::Instant::now() < give_up, "still believed");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_went_wrong_inside_is_not_shown() {
    let gateway = gateway();
    *gateway.directory.failing.lock() = true;
    let reply = get_as(&gateway, KEY).await;
    reply.not_applied(500, "internal_error");
    assert!(!String::from_utf8_lossy(&reply.body).contains("hunter2"));
    *gateway.directory.failing.lock() = false;
    assert_eq!(get_as(&gateway, KEY).await.status, 200, "an error is not believed at all");
}

#[tokio::test]
async fn look_ups_that_queue_too_long_are_given_up() {
    let mut config = config();
    config.auth.lookups_max = 1;
    config.server.request_timeout_ms = 100;
    let gateway = gateway_with(&config);
    gateway.directory.gate.forget_permits(Semaphore::MAX_PERMITS);
    let stuck = get_as(&gateway, OTHER);
    let queued = get_as(&gateway, KEY);
    tokio::select! {
        biased;
        _ = stuck => panic!("the first look-up has no permit"),
        reply = queued => { reply.not_applied(503, "deadline_exceeded"); }
    }
}

/// What a stream waits for: the end of its caller's standing.
#[tokio::test]
async fn whoever_stays_is_told_at_once_that_the_key_was_revoked_and_soon_that_it_has_expired() {
    const OFTEN: Duration = Duration::from_millis(20);
    const SELDOM: Duration = Duration::from_secs(3_600);
    let gateway = gateway();
    let auth = &gateway.state.auth;
    let headers = |key: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, format!("Bearer {key}").parse().unwrap());
        headers
    };
    let (known, other) = (headers(KEY), headers(OTHER));
    let mut staying = std::pin::pin!(auth.lapse(&known, Scope::EntitiesRead, SELDOM));
    let waits = tokio::time::timeout(Duration::from_millis(50), &mut staying).await;
    assert!(waits.is_err(), "it stays while nothing happens");
    let key = row(KEY, "*");
    assert!(auth.revoke(&key.tenant, key.id).await.unwrap());
    let ended = tokio::time::timeout(Duration::from_secs(30), staying).await.unwrap();
    assert!(matches!(ended, AuthError::Invalid(Invalid::Revoked)), "{ended:?}");

    let mut expiring = row(OTHER, "*");
    let soon = SystemClock.now().saturating_add_micros(200_000);
    expiring.expires_at = Some(soon);
    gateway.directory.add(expiring);
    let ended = auth.lapse(&other, Scope::EntitiesRead, OFTEN).await;
    assert!(matches!(ended, AuthError::Invalid(Invalid::Expired)), "{ended:?}");
    assert!(SystemClock.now() >= soon);
}

#[tokio::test]
async fn whoever_stays_stays_while_the_keys_can_not_be_read() {
    let gateway = gateway();
    *gateway.directory.failing.lock() = true;
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, format!("Bearer {KEY}").parse().unwrap());
    let often = Duration::from_millis(5);
    let staying = gateway.state.auth.lapse(&headers, Scope::EntitiesRead, often);
    let mut staying = std::pin::pin!(staying);
    let waits = tokio::time::timeout(Duration::from_millis(100), &mut staying).await;
    assert!(waits.is_err());
    assert!(gateway.directory.lookups() > 1, "it asks again");
    *gateway.directory.failing.lock() = false;
    let lacking = gateway.state.auth.lapse(&headers, Scope::EntitiesRead, often);
    let waits = tokio::time::timeout(Duration::from_millis(50), lacking).await;
    assert!(waits.is_err(), "the key is good");
}

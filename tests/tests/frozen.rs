//! A process that is suspended past its lease, taken over, and woken again.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

use coppice_testkit::{Client, Sandbox, binary, postgres};
use coppice_tests::node::PATIENCE;
use tokio::time::Instant;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_node_that_was_taken_over_answers_nothing_from_its_old_state() {
    let url = postgres::shared_database().unwrap();
    // A's is awaited; B's must not run out while A is asked.
    let start = |lease_ms: &str| {
        let builder = Sandbox::builder(binary()).database(&url);
        builder.env("COPPICE_RUNTIME__LEASE_MS", lease_ms).start()
    };
    let a = start("5000").await.unwrap();
    let a_client = Client::new(a.url(), a.key());
    assert_eq!(a_client.add("x", 1, None).await.unwrap().value(), Some(1));
    assert_eq!(a_client.add("full", i64::MAX, None).await.unwrap().value(), Some(i64::MAX));

    a.suspend().unwrap();
    // B waits until A's lease has run out on the database's clock.
    let b = start("600000").await.unwrap();
    let b_client = Client::new(b.url(), b.key());
    assert_eq!(b_client.add("x", 10, None).await.unwrap().value(), Some(11));
    a.resume().unwrap();

    for _ in 0..20 {
        let read = a_client.get("x").await.unwrap();
        assert_eq!(read.code(), Some("not_owner"), "a read: {read:?}");
        let refusal = a_client.add("full", 1, None).await.unwrap();
        assert_eq!(refusal.code(), Some("not_owner"), "a refusal: {refusal:?}");
        let add = a_client.add("x", 100, None).await.unwrap();
        assert_eq!(add.code(), Some("not_owner"), "an add: {add:?}");
        assert_eq!(add.outcome(), Some("not_applied"));
    }
    assert_eq!(b_client.get("x").await.unwrap().value(), Some(11));

    // Once B is gone in order, A owns the shards again, without a restart.
    let mut b = b;
    assert!(b.terminate().await.unwrap().success());
    let deadline = Instant::now() + PATIENCE;
    loop {
        let read = a_client.get("x").await.unwrap();
        if read.value().is_some() {
            assert_eq!(read.value(), Some(11), "what B wrote is what A reads");
            break;
        }
        assert!(Instant::now() < deadline, "A never owned its shards again: {read:?}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_node_succeeds_its_own_lease_at_once() {
    let url = postgres::shared_database().unwrap();
    let builder = Sandbox::builder(binary()).database(&url);
    let mut a = builder.env("COPPICE_RUNTIME__LEASE_MS", "600000").start().await.unwrap();
    let client = Client::new(a.url(), a.key());
    client.add("x", 1, None).await.unwrap();
    let started = Instant::now();
    a.restart().await.unwrap();
    assert!(started.elapsed() < PATIENCE, "it did not wait for ten minutes");
    let client = client.at(a.url());
    assert_eq!(client.add("x", 1, None).await.unwrap().value(), Some(2));
}

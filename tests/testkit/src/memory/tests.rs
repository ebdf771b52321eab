//! The faults of a connection and what outlives it. The semantics of the store itself are the
//! conformance suite's.

use std::time::Duration;

use coppice_core::envelope::EventBody;
use coppice_core::{
    CommandId, CorrelationId, EntityId, EntityKind, Epoch, EventRecord, ShardId, StreamHead,
    TenantId, Timestamp,
};
use coppice_persistence::{
    Attempts, ClaimOutcome, DeadLetters, Journal, Leases, MessageRef, ShardClaim, Snapshots,
    StoreError, StreamAppend, Tried, Unit, UnitOutcome,
};
use uuid::Uuid;

use super::*;
use crate::clock::VirtualClock;

fn key() -> StreamKey {
    StreamKey::new(
        TenantId::new("acme").unwrap(),
        EntityKind::new("counter").unwrap(),
        EntityId::new("c").unwrap(),
    )
}

fn claim(owner: &str, duration: Option<Duration>) -> ShardClaim {
    ShardClaim { owner: owner.to_owned(), count: 1, duration, succeed_own: false }
}

/// One event on an empty stream, under the first epoch.
fn unit() -> Unit {
    let expected = StreamHead::genesis(&key());
    let body = EventBody {
        event_type: "counter.added.v1".into(),
        payload: r#"{"n":1}"#.into(),
        recorded_at: Timestamp::EPOCH,
        causation: CommandId(Uuid::nil()),
        correlation: CorrelationId(Uuid::nil()),
        workflow: None,
        policy_bundle: None,
        subject: None,
        key_id: None,
    };
    Unit {
        appends: vec![StreamAppend {
            key: key(),
            shard: ShardId(0),
            epoch: Epoch(1),
            expected,
            events: vec![EventRecord::chain(expected, body)],
            commands: Vec::new(),
            wake_at: None,
            owes: false,
            waits_as_before: false,
        }],
    }
}

async fn claimed() -> MemoryStore {
    let store = MemoryStore::default();
    let outcome = store.claim(&claim("a", None)).await.unwrap();
    assert!(matches!(outcome, ClaimOutcome::Granted(_)));
    store
}

async fn is_written(store: &MemoryStore) -> bool {
    store.connect(Faults::default()).entity(&key()).await.unwrap().is_some()
}

fn is_unavailable<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Unavailable { .. }))
}

#[tokio::test]
async fn a_failure_before_the_append_writes_nothing_and_one_after_it_everything() {
    let store = claimed().await;
    store.faults().arm(Point::BeforeAppend, Action::Unavailable, Times::Next(1));
    assert!(is_unavailable(&store.append(&[unit()]).await));
    assert!(!is_written(&store).await);

    store.faults().arm(Point::AfterAppendBeforeAnswer, Action::Unavailable, Times::Next(1));
    assert!(is_unavailable(&store.append(&[unit()]).await));
    assert!(is_written(&store).await);

    // The same again tells.
    assert_eq!(store.append(&[unit()]).await.unwrap(), [UnitOutcome::Committed]);
    assert_eq!(store.read_journal(Position(0), 9).await.unwrap().len(), 1);
    assert_eq!(store.faults().fired(Point::BeforeAppend), 1);
    assert_eq!(store.faults().calls(Point::BeforeAppend), 3);
}

#[tokio::test]
async fn a_full_store_writes_nothing() {
    let store = claimed().await;
    store.faults().arm(Point::BeforeAppend, Action::Full, Times::Next(1));
    assert!(matches!(store.append(&[unit()]).await, Err(StoreError::Full)));
    assert!(!is_written(&store).await);
}

#[tokio::test]
async fn an_append_is_held_before_the_write_and_after_it() {
    for (point, written) in [(Point::BeforeAppend, false), (Point::AfterAppendBeforeAnswer, true)] {
        let store = claimed().await;
        let hold = store.faults().hold(point, Times::Always);
        let units = [unit()];
        let test = async {
            hold.reached(1).await;
            assert_eq!(is_written(&store).await, written);
            hold.release();
        };
        let (outcome, ()) = tokio::join!(store.append(&units), test);
        assert_eq!(outcome.unwrap(), [UnitOutcome::Committed]);
    }
}

#[tokio::test]
async fn a_held_append_that_goes_on_after_a_succession_is_refused() {
    let store = claimed().await;
    let other = store.connect(Faults::default());
    store.release("a").await.unwrap();
    let hold = store.faults().hold(Point::BeforeAppend, Times::Next(1));
    let units = [unit()];
    let test = async {
        hold.reached(1).await;
        other.claim(&claim("b", None)).await.unwrap();
        hold.release_one();
    };
    let (outcome, ()) = tokio::join!(store.append(&units), test);
    let refused = [UnitOutcome::Refused(vec![(0, coppice_persistence::Refusal::Epoch)])];
    assert_eq!(outcome.unwrap(), refused);
}

#[tokio::test]
async fn faults_are_of_a_connection_and_the_data_of_the_database() {
    let store = claimed().await;
    let other = store.connect(Faults::default());
    store.faults().arm(Point::Entity, Action::Unavailable, Times::Always);
    other.append(&[unit()]).await.unwrap();
    assert!(is_unavailable(&store.entity(&key()).await));
    assert!(is_unavailable(&store.clone().entity(&key()).await));
    assert!(other.entity(&key()).await.unwrap().is_some());
    store.faults().clear();
    assert!(store.entity(&key()).await.unwrap().is_some());
}

#[tokio::test]
async fn reads_and_snapshots_fail_at_their_own_points() {
    let store = claimed().await;
    for point in [Point::ReadStream, Point::Snapshot, Point::SaveSnapshots] {
        store.faults().arm(point, Action::Unavailable, Times::Next(1));
    }
    assert!(is_unavailable(&store.read_stream(&key(), coppice_core::Sequence(0), 1).await));
    assert!(is_unavailable(&store.snapshot(&key()).await));
    assert!(is_unavailable(&store.save_snapshots(&[]).await));
    assert!(store.save_snapshots(&[]).await.is_ok());
}

#[tokio::test]
async fn a_try_is_counted_before_its_answer_is_lost() {
    let store = MemoryStore::default();
    let message = MessageRef { stream: key().stream(), message: Uuid::nil() };
    let message = Tried { message, epoch: Epoch(1) };
    let count = async || store.count_attempts(&[message], Timestamp::EPOCH).await;
    store.faults().arm(Point::BeforeAttempts, Action::Full, Times::Next(1));
    assert!(matches!(count().await, Err(StoreError::Full)));
    assert_eq!(count().await.unwrap(), [1]);
    store.faults().arm(Point::AfterAttempts, Action::Unavailable, Times::Next(1));
    assert!(is_unavailable(&count().await));
    assert_eq!(count().await.unwrap(), [3]);
    store.faults().arm(Point::AfterAttempts, Action::Unavailable, Times::Next(1));
    assert!(is_unavailable(&store.drop_attempts(&[message]).await));
    assert_eq!(count().await.unwrap(), [1]);
    store.faults().arm(Point::BeforeAttempts, Action::Unavailable, Times::Next(1));
    let later = Timestamp::from_micros(1);
    assert!(is_unavailable(&store.drop_stale_attempts(later, 9).await));
    assert_eq!(store.drop_stale_attempts(later, 9).await.unwrap(), 1);
}

#[tokio::test]
async fn letters_fail_at_their_own_point() {
    let store = MemoryStore::default();
    store.faults().arm(Point::DeadLetters, Action::Unavailable, Times::Next(3));
    assert!(is_unavailable(&store.dead_letter(Uuid::nil()).await));
    assert!(is_unavailable(&store.dead_letters(None, 0, 9).await));
    assert!(is_unavailable(&store.remove_dead_letter(Uuid::nil(), ShardId(0), Epoch(1)).await));
    assert!(store.dead_letters(None, 0, 9).await.unwrap().is_empty());
}

#[tokio::test]
async fn chances_follow_the_seed() {
    let fails = async |seed| {
        let store = MemoryStore::default().connect(Faults::seeded(seed));
        store.faults().arm(Point::Entity, Action::Unavailable, Times::PerMille(300));
        let mut fails = Vec::new();
        for _ in 0..100 {
            fails.push(store.entity(&key()).await.is_err());
        }
        fails
    };
    assert_eq!(fails(1).await, fails(1).await);
    assert_ne!(fails(1).await, fails(2).await);
}

#[tokio::test]
async fn leases_end_by_the_injected_clock() {
    let clock = VirtualClock::default();
    let store = MemoryStore::new(Arc::new(clock.clone()));
    let seconds = Duration::from_secs;
    store.claim(&claim("a", Some(seconds(10)))).await.unwrap();
    clock.advance(seconds(4));
    let held = ClaimOutcome::Held { owner: "a".into(), remaining: Some(seconds(6)) };
    assert_eq!(store.claim(&claim("b", None)).await.unwrap(), held);
    clock.advance(seconds(6));
    let granted = store.claim(&claim("b", None)).await.unwrap();
    assert_eq!(granted, ClaimOutcome::Granted([(ShardId(0), Epoch(2))].into()));
}

#[tokio::test]
async fn a_crash_loses_the_handles_and_nothing_else() {
    let database = claimed().await;
    let process = database.clone();
    process.append(&[unit()]).await.unwrap();
    drop(process);
    assert!(is_written(&database).await);
}

#[tokio::test]
async fn what_is_stored_can_be_tampered_with() {
    let store = claimed().await;
    store.append(&[unit()]).await.unwrap();
    let alter = |event: &mut StoredEvent| event.record.body.payload = "[]".into();
    assert!(store.tamper_with_event(Position(1), alter));
    assert!(!store.tamper_with_event(Position(2), alter));
    let events = store.read_journal(Position(0), 1).await.unwrap();
    assert_ne!(events[0].record.computed_hash(), events[0].record.hash);
    assert!(!store.tamper_with_snapshot(&key(), |_| ()));
}

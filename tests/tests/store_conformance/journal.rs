//! Positions, batches, and reading the journal while it grows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use coppice_core::{Epoch, Hash, Position, Sequence, StoredEvent};
use coppice_persistence::{BatchRow, Store, chain};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::fixture::*;

/// How long the readers wait for the writers before the case fails.
const PATIENCE: Duration = Duration::from_secs(60);

fn positions(events: &[StoredEvent]) -> Vec<u64> {
    events.iter().map(|event| event.position.0).collect()
}

/// Walks the chain over batches beside the events that they cover.
fn check_batches(batches: &[BatchRow], events: &[StoredEvent]) {
    let mut previous = BatchRow {
        number: 0,
        first: Position(0),
        last: Position(0),
        previous_hash: Hash::ZERO,
        hash: Hash::ZERO,
    };
    let mut rest = events;
    for batch in batches {
        assert_eq!(batch.number, previous.number + 1);
        assert_eq!(batch.first, previous.last.next(), "batch {}", batch.number);
        assert!(batch.last >= batch.first, "batch {}", batch.number);
        assert_eq!(batch.previous_hash, previous.hash, "batch {}", batch.number);
        let count = usize::try_from(batch.last.0 - previous.last.0).unwrap();
        let (covered, after) = rest.split_at(count);
        rest = after;
        assert_eq!(covered[0].position, batch.first);
        let hashes = covered.iter().map(|event| event.record.hash);
        let hash = chain::batch_hash(previous.hash, batch.number, batch.first, batch.last, hashes);
        assert_eq!(batch.hash, hash, "batch {}", batch.number);
        previous = batch.clone();
    }
    assert_eq!(rest, [], "events outside of any batch");
}

/// Refused units, refused batches and repeats use up no position and no batch number.
pub(crate) async fn positions_stay_dense_after_refusals(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    write(&*store, &pen, &key("c"), 2).await;
    let good = |id: &str| pen.begin(&key(id)).events(2).unit();
    let bad = |id: &str| pen.begin(&key(id)).events(2).epoch(Epoch(0)).unit();
    let bad_pair = linked(["p", "c"].map(|id| pen.begin(&key(id)).event("other")));
    store.append(&[bad("x"), bad("y")]).await.unwrap();
    store.append(&[good("d"), bad("x"), good("e"), bad_pair, good("f")]).await.unwrap();
    store.append(&[good("d"), good("e")]).await.unwrap();
    commit(&*store, &[good("g")]).await;
    let events = journal(&*store).await;
    assert_eq!(positions(&events), (1..=10).collect::<Vec<_>>());
    let found = batches(&*store).await;
    assert_eq!(found.len(), 3);
    check_batches(&found, &events);
}

/// The chain over batches, from commits of all shapes.
pub(crate) async fn batches_chain_over_their_events(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    let mut heads = BTreeMap::new();
    for round in 0..20_usize {
        let units: Vec<_> = (0..=round % 4)
            .map(|number| {
                let key = key(&format!("c{}", (round + number) % 7));
                let head = heads.get(&key.stream()).copied();
                let draft = head.map_or_else(|| pen.begin(&key), |head| pen.at(&key, head));
                let draft = draft.events(1 + (round * number) % 5).command(round as u128);
                heads.insert(key.stream(), draft.head());
                draft.unit()
            })
            .collect();
        commit(&*store, &units).await;
    }
    let found = batches(&*store).await;
    assert_eq!(found.len(), 20);
    check_batches(&found, &journal(&*store).await);
}

/// Batches are read in pages after a number.
pub(crate) async fn batches_are_read_in_pages(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    for number in 0..5 {
        write(&*store, &pen, &key(&format!("c{number}")), 1).await;
    }
    let page = async |after, limit| {
        let batches = store.batches(after, limit).await.unwrap();
        batches.iter().map(|batch| batch.number).collect::<Vec<_>>()
    };
    assert_eq!(page(0, 2).await, [1, 2]);
    assert_eq!(page(2, 2).await, [3, 4]);
    assert_eq!(page(4, 2).await, [5]);
    assert_eq!(page(5, 2).await, [0; 0]);
    assert_eq!(page(0, 0).await, [0; 0]);
}

/// The journal is read in pages after a position, over all streams.
pub(crate) async fn the_journal_is_read_in_pages(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    write(&*store, &pen, &key("c"), 3).await;
    write(&*store, &pen, &key("d"), 4).await;
    let page =
        async |after, limit| positions(&store.read_journal(Position(after), limit).await.unwrap());
    assert_eq!(page(0, 5).await, [1, 2, 3, 4, 5]);
    assert_eq!(page(5, 5).await, [6, 7]);
    assert_eq!(page(7, 5).await, [0; 0]);
    assert_eq!(page(0, 0).await, [0; 0]);
    assert_eq!(page(6, 1_000).await, [7]);
    let events = journal(&*store).await;
    assert_eq!(events[..3], stream(&*store, &key("c")).await[..]);
    assert_eq!(events[3..], stream(&*store, &key("d")).await[..]);
}

/// Readers that tail the journal while writers append see each position once, in order, with
/// nothing left out, and the order within a stream is the stream's.
pub(crate) async fn tailing_misses_nothing_while_writers_append(store: Arc<dyn Store>) {
    const WRITERS: u64 = 6;
    const ROUNDS: u64 = 40;
    const EVENTS: u64 = 3;
    const TOTAL: u64 = WRITERS * ROUNDS * EVENTS;
    let pen = claim(&*store, "a").await;
    let mut tasks = JoinSet::new();
    for writer in 0..WRITERS {
        let (store, pen) = (Arc::clone(&store), pen.clone());
        tasks.spawn(async move {
            let key = key(&format!("w{writer}"));
            let mut draft = pen.begin(&key);
            for _ in 0..ROUNDS {
                let next = draft.events(usize::try_from(EVENTS).unwrap());
                let head = next.head();
                commit(&*store, &[next.unit()]).await;
                draft = pen.at(&key, head);
            }
        });
    }
    for limit in [1, 7, 1_000] {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let tail = tail_until(&*store, TOTAL, limit);
            let events = timeout(PATIENCE, tail).await.expect("the tail reaches the end");
            assert_eq!(positions(&events), (1..=TOTAL).collect::<Vec<_>>());
            let mut heads: BTreeMap<_, Sequence> = BTreeMap::new();
            for event in events {
                let last = heads.entry(event.key.stream()).or_default();
                assert_eq!(event.record.sequence, last.next());
                *last = event.record.sequence;
            }
        });
    }
    tasks.join_all().await;
    check_batches(&batches(&*store).await, &journal(&*store).await);
}

async fn tail_until(store: &dyn Store, total: u64, limit: usize) -> Vec<StoredEvent> {
    let mut events: Vec<StoredEvent> = Vec::new();
    while (events.len() as u64) < total {
        let after = events.last().map_or(Position(0), |event| event.position);
        events.extend(store.read_journal(after, limit).await.unwrap());
        tokio::task::yield_now().await;
    }
    events
}

/// At no position while it is empty.
pub(crate) async fn the_journal_ends_at_its_last_event(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    assert_eq!(store.last_position().await.unwrap(), Position(0));
    write(&*store, &pen, &key("a"), 3).await;
    write(&*store, &pen, &key("b"), 1).await;
    let last = journal(&*store).await.last().unwrap().position;
    assert_eq!(store.last_position().await.unwrap(), last);
}

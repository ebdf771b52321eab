//! The latest snapshot of each entity.

use std::sync::Arc;

use coppice_core::hash::sha256;
use coppice_core::{Hash, Sequence, StreamHead};
use coppice_persistence::{Snapshot, Store};

use crate::fixture::*;

fn snapshot(id: &str, sequence: u64, state: &[u8]) -> Snapshot {
    Snapshot {
        key: key(id),
        head: StreamHead { sequence: Sequence(sequence), hash: sha256(&sequence.to_be_bytes()) },
        layout: 1,
        digest: sha256(state),
        state: state.to_vec(),
        taken_at: NOW,
    }
}

async fn stored(store: &dyn Store, id: &str) -> Option<Snapshot> {
    store.snapshot(&key(id)).await.unwrap()
}

/// Every field and every byte, the empty state and a large one.
pub(crate) async fn a_snapshot_reads_back_as_it_was(store: Arc<dyn Store>) {
    assert_eq!(stored(&*store, "c").await, None);
    let every_byte: Vec<u8> = (0..=255).collect();
    let snapshots = [
        Snapshot { layout: u32::MAX, taken_at: at(i64::MIN), ..snapshot("c", 7, &every_byte) },
        Snapshot { layout: 0, taken_at: at(i64::MAX), ..snapshot("empty", 1, b"") },
        snapshot("large", 3, &every_byte.repeat(8_192)),
    ];
    store.save_snapshots(&snapshots).await.unwrap();
    for snapshot in snapshots {
        assert_eq!(stored(&*store, snapshot.key.id().as_str()).await, Some(snapshot));
    }
    store.save_snapshots(&[]).await.unwrap();
}

/// A newer one takes the older one's place; an older one that comes late doesn't.
pub(crate) async fn the_newest_snapshot_stays(store: Arc<dyn Store>) {
    let [five, six] = [snapshot("c", 5, b"five"), snapshot("c", 6, b"six")];
    let other = snapshot("d", 1, b"other");
    store.save_snapshots(std::slice::from_ref(&five)).await.unwrap();
    store.save_snapshots(&[six.clone(), other.clone()]).await.unwrap();
    assert_eq!(stored(&*store, "c").await.as_ref(), Some(&six));
    let newer_other = snapshot("d", 2, b"newer");
    store.save_snapshots(&[five, newer_other.clone()]).await.unwrap();
    assert_eq!(stored(&*store, "c").await, Some(six));
    assert_eq!(stored(&*store, "d").await, Some(newer_other));
    // The sequence decides, by number and not as text.
    let [nine, ten] = [snapshot("e", 9, b"nine"), snapshot("e", 10, b"ten")];
    store.save_snapshots(&[nine]).await.unwrap();
    store.save_snapshots(std::slice::from_ref(&ten)).await.unwrap();
    assert_eq!(stored(&*store, "e").await, Some(ten));
}

/// Two of one entity in one call, in either order.
pub(crate) async fn of_two_snapshots_in_one_call_the_newer_stays(store: Arc<dyn Store>) {
    for (id, sequences) in [("up", [1, 2]), ("down", [2, 1])] {
        let both = sequences.map(|sequence| snapshot(id, sequence, &[sequence.to_le_bytes()[0]]));
        store.save_snapshots(&both).await.unwrap();
        assert_eq!(stored(&*store, id).await, Some(snapshot(id, 2, &[2])));
    }
}

/// After a change of layout the same point is taken again: the one taken last stands, or the
/// entity would be replayed for ever.
pub(crate) async fn a_snapshot_of_the_same_point_takes_its_place(store: Arc<dyn Store>) {
    store.save_snapshots(&[snapshot("c", 5, b"old layout")]).await.unwrap();
    let retaken = Snapshot { layout: 2, ..snapshot("c", 5, b"new layout") };
    store.save_snapshots(std::slice::from_ref(&retaken)).await.unwrap();
    assert_eq!(stored(&*store, "c").await, Some(retaken));
}

/// A snapshot is the store's to keep and not to judge: its head may be one that the journal never
/// had.
pub(crate) async fn a_snapshot_is_not_judged_by_the_store(store: Arc<dyn Store>) {
    let mut odd = snapshot("never-written", 1_000_000, b"odd");
    odd.head.hash = Hash::ZERO;
    odd.digest = Hash::ZERO;
    store.save_snapshots(std::slice::from_ref(&odd)).await.unwrap();
    assert_eq!(stored(&*store, "never-written").await, Some(odd));
}

//! Pieces of the journal, for whoever follows a part of it.

use std::sync::Arc;

use coppice_core::{EntityId, EntityKind, Position, Sequence};
use coppice_persistence::{EventScope, JournalRead, Store};

use crate::fixture::*;

fn of(tenant_name: &str, kind: Option<&str>, id: Option<&str>) -> Option<EventScope> {
    Some(EventScope {
        tenant: tenant(tenant_name),
        kind: kind.map(|kind| EntityKind::new(kind).unwrap()),
        id: id.map(|id| EntityId::new(id).unwrap()),
    })
}

fn from(scope: Option<EventScope>, after: u64) -> JournalRead {
    let (after, after_sequence) = (Position(after), Sequence(0));
    JournalRead { scope, after, after_sequence, events_max: 100, bytes_max: 10_000, span: 1_000 }
}

/// Positions of the events, the place that was looked at, and the journal's end.
async fn piece(store: &dyn Store, read: &JournalRead) -> (Vec<u64>, u64, u64) {
    let piece = store.follow(read).await.unwrap();
    let whole = store.read_journal(Position(0), 1_000).await.unwrap();
    let position = |event: &coppice_persistence::FollowedEvent| {
        let event = event.as_ref().unwrap();
        assert!(whole.contains(&**event), "it is the event that the journal has");
        event.position.0
    };
    (piece.events.iter().map(position).collect(), piece.place.0, piece.end.0)
}

/// Positions 1 to 8: acme/counter/a, acme/counter/b, acme/alarm/a, other/counter/a, twice over.
async fn filled(store: &dyn Store) {
    let pen = claim(store, "a").await;
    let keys = [key("a"), key("b"), key_of("acme", "alarm", "a"), key_of("other", "counter", "a")];
    let heads = keys.each_ref().map(|key| pen.begin(key).events(1));
    for draft in heads.clone() {
        commit(store, &[draft.unit()]).await;
    }
    for (key, draft) in keys.iter().zip(heads) {
        commit(store, &[pen.at(key, draft.head()).events(1).unit()]).await;
    }
}

/// Each scope gets its own events and no other's, from any place.
pub(crate) async fn a_scope_holds_its_own_events(store: Arc<dyn Store>) {
    filled(&*store).await;
    for (scope, expected) in [
        (None, &[1, 2, 3, 4, 5, 6, 7, 8][..]),
        (of("acme", None, None), &[1, 2, 3, 5, 6, 7]),
        (of("acme", Some("counter"), None), &[1, 2, 5, 6]),
        (of("acme", None, Some("a")), &[1, 3, 5, 7]),
        (of("acme", Some("counter"), Some("a")), &[1, 5]),
        (of("other", None, None), &[4, 8]),
        (of("nobody", None, None), &[]),
        (of("acme", Some("counter"), Some("nobody")), &[]),
    ] {
        for after in 0..=8 {
            let expected: Vec<u64> =
                expected.iter().copied().filter(|position| *position > after).collect();
            let found = piece(&*store, &from(scope.clone(), after)).await;
            assert_eq!(found, (expected, 8, 8), "{scope:?} after {after}");
        }
    }
    assert_eq!(piece(&*store, &from(of("acme", None, None), 9)).await, (vec![], 9, 8));
}

/// A reader of one stream says how far it is in that.
pub(crate) async fn a_stream_is_gone_on_with_by_its_sequence(store: Arc<dyn Store>) {
    filled(&*store).await;
    let read = from(of("acme", Some("counter"), Some("a")), 1);
    let read = JournalRead { after_sequence: Sequence(1), ..read };
    assert_eq!(piece(&*store, &read).await, (vec![5], 8, 8));
}

/// A piece has as many events, bytes and looked-at places as it may, and says where it ends.
pub(crate) async fn a_piece_is_bounded(store: Arc<dyn Store>) {
    filled(&*store).await;
    let acme = || from(of("acme", None, None), 0);
    let counted = JournalRead { events_max: 2, ..acme() };
    assert_eq!(piece(&*store, &counted).await, (vec![1, 2], 2, 8));
    let counted = JournalRead { after: Position(2), ..counted };
    assert_eq!(piece(&*store, &counted).await, (vec![3, 5], 5, 8));
    let spanned = JournalRead { span: 4, ..acme() };
    assert_eq!(piece(&*store, &spanned).await, (vec![1, 2, 3], 4, 8));
    let spanned = JournalRead { span: 2, ..from(of("other", None, None), 0) };
    assert_eq!(piece(&*store, &spanned).await, (vec![], 2, 8), "nothing is in the span");
    // Each payload has seven bytes.
    let sized = |bytes_max| JournalRead { bytes_max, ..acme() };
    for (bytes, expected) in [
        (0, &[1][..]),
        (7, &[1]),
        (13, &[1]),
        (14, &[1, 2]),
        (21, &[1, 2, 3]),
        (41, &[1, 2, 3, 5, 6]),
    ] {
        let last = *expected.last().unwrap();
        let found = piece(&*store, &sized(bytes)).await;
        assert_eq!(found, (expected.to_vec(), last, 8), "{bytes} bytes");
    }
    assert_eq!(piece(&*store, &sized(42)).await, (vec![1, 2, 3, 5, 6, 7], 8, 8));
    let stream = from(of("acme", Some("counter"), Some("a")), 0);
    let stream = JournalRead { bytes_max: 7, ..stream };
    assert_eq!(piece(&*store, &stream).await, (vec![1], 1, 8));
}

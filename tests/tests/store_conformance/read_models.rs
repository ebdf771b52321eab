//! Subscriptions' offsets and parked events, and documents.

use std::sync::Arc;

use coppice_core::{Position, StreamId};
use coppice_persistence::{DocumentChange, DocumentRef, ParkedEvent, Progress, Store};
use tokio::task::JoinSet;

use crate::fixture::*;

fn step(from: u64, to: u64) -> Progress {
    Progress { from: Position(from), to: Position(to), ..Progress::default() }
}

fn change(of_tenant: &str, id: &str, body: Option<&str>) -> DocumentChange {
    DocumentChange {
        model: "m".into(),
        tenant: tenant(of_tenant),
        id: id.into(),
        body: body.map(Into::into),
    }
}

fn parked(position: u64, stream: StreamId) -> ParkedEvent {
    let reason = format!("no \u{1f600} at {position}").into();
    ParkedEvent { position: Position(position), stream, reason, parked_at: at(-7) }
}

async fn advance(store: &dyn Store, step: &Progress) {
    assert!(store.advance("s", step).await.unwrap(), "refused {step:?}");
}

async fn document(store: &dyn Store, of_tenant: &str, id: &str) -> Option<String> {
    store.document("m", &tenant(of_tenant), id).await.unwrap()
}

/// Offsets begin at 0, move by steps from where they stand, and are each subscription's own.
pub(crate) async fn a_step_moves_the_offset_from_where_it_stands(store: Arc<dyn Store>) {
    assert_eq!(store.offset("s").await.unwrap(), Position(0));
    advance(&*store, &step(0, 5)).await;
    advance(&*store, &step(5, 6)).await;
    // Nothing new and nothing read: a step in place.
    advance(&*store, &step(6, 6)).await;
    assert_eq!(store.offset("s").await.unwrap(), Position(6));
    assert_eq!(store.offset("other").await.unwrap(), Position(0));
    assert!(store.advance("other", &step(0, 2)).await.unwrap());
    assert_eq!(store.offset("s").await.unwrap(), Position(6));
}

/// From anywhere else it is refused, and nothing of it is written.
pub(crate) async fn a_step_from_elsewhere_writes_nothing(store: Arc<dyn Store>) {
    advance(&*store, &Progress { changes: vec![change("t", "d", Some("1"))], ..step(0, 5) }).await;
    for from in [0, 4, 6] {
        let elsewhere = Progress {
            changes: vec![change("t", "d", Some("2")), change("t", "e", Some("2"))],
            parked: vec![parked(9, key("c").stream())],
            ..step(from, 9)
        };
        assert!(!store.advance("s", &elsewhere).await.unwrap());
    }
    // Neither for a subscription that never moved.
    assert!(!store.advance("new", &step(1, 2)).await.unwrap());
    assert_eq!(store.offset("new").await.unwrap(), Position(0));
    assert_eq!(store.offset("s").await.unwrap(), Position(5));
    assert_eq!(document(&*store, "t", "d").await.as_deref(), Some("1"));
    assert_eq!(document(&*store, "t", "e").await, None);
    assert_eq!(store.parked("s", Position(0), 9).await.unwrap(), []);
}

/// Of the same step from many at once, one is taken.
pub(crate) async fn of_competing_steps_exactly_one_is_taken(store: Arc<dyn Store>) {
    for round in 0..10 {
        let mut steps = JoinSet::new();
        for writer in 0..6 {
            let store = Arc::clone(&store);
            let id = format!("{round}-{writer}");
            let changes = vec![change("t", &id, Some("1"))];
            let step = Progress { changes, ..step(round, round + 1) };
            steps.spawn(async move { store.advance("s", &step).await.unwrap() });
        }
        let taken = steps.join_all().await.into_iter().filter(|taken| *taken).count();
        assert_eq!(taken, 1, "round {round}");
    }
    let documents = store.documents("m", &tenant("t"), "", 100).await.unwrap();
    assert_eq!(documents.len(), 10);
}

/// Documents are put, replaced and removed; several changes of one document in one step count in
/// their order.
pub(crate) async fn documents_change_in_order(store: Arc<dyn Store>) {
    let changes = vec![
        change("t", "a", Some("{ \"text\": \"\u{e9}\u{1f600}\\u0000\" }")),
        change("t", "b", Some("1")),
        change("t", "b", Some("2")),
        change("t", "c", Some("1")),
        change("t", "c", None),
        change("t", "d", None),
        change("t", "d", Some("")),
        change("u", "a", Some("u's")),
        DocumentChange { model: "other".into(), ..change("t", "a", Some("other's")) },
    ];
    advance(&*store, &Progress { changes, ..step(0, 1) }).await;
    let a = document(&*store, "t", "a").await;
    assert_eq!(a.as_deref(), Some("{ \"text\": \"\u{e9}\u{1f600}\\u0000\" }"));
    assert_eq!(document(&*store, "t", "b").await.as_deref(), Some("2"));
    assert_eq!(document(&*store, "t", "c").await, None);
    assert_eq!(document(&*store, "t", "d").await.as_deref(), Some(""));
    let changes = vec![change("t", "a", None), change("t", "b", Some("3"))];
    advance(&*store, &Progress { changes, ..step(1, 2) }).await;
    assert_eq!(document(&*store, "t", "a").await, None);
    assert_eq!(document(&*store, "t", "b").await.as_deref(), Some("3"));
    // The other tenant's and the other model's stay.
    assert_eq!(document(&*store, "u", "a").await.as_deref(), Some("u's"));
    let other = store.document("other", &tenant("t"), "a").await.unwrap();
    assert_eq!(other.as_deref(), Some("other's"));
}

/// Bodies come in the order in which they are asked for, and there is none of what isn't there.
pub(crate) async fn bodies_are_told_in_the_order_asked(store: Arc<dyn Store>) {
    let of = |of_tenant: &str, id: &str| DocumentRef { tenant: tenant(of_tenant), id: id.into() };
    let odd = "\" \\ ' \u{e9}\u{1f600}";
    let changes = vec![
        change("t", "a", Some("{\"text\":\"\\u0000\"}")),
        change("t", odd, Some(odd)),
        change("u", "a", Some("u's")),
        DocumentChange { model: "other".into(), ..change("t", "b", Some("other's")) },
    ];
    advance(&*store, &Progress { changes, ..step(0, 1) }).await;
    let asked =
        [of("u", "a"), of("t", "b"), of("t", odd), of("t", "a"), of("u", "a"), of("v", "a")];
    let told = store.bodies("m", &asked).await.unwrap();
    let told: Vec<Option<&str>> = told.iter().map(Option::as_deref).collect();
    let a = "{\"text\":\"\\u0000\"}";
    assert_eq!(told, [Some("u's"), None, Some(odd), Some(a), Some("u's"), None]);
    assert_eq!(store.bodies("m", &[]).await.unwrap(), []);
    let many: Vec<DocumentRef> = (0..2_000).map(|id| of("t", &id.to_string())).collect();
    assert_eq!(store.bodies("m", &many).await.unwrap(), vec![None; 2_000]);
    // What goes with many others is gone, and what stays stays.
    let mut changes: Vec<_> = many.iter().map(|of| change("t", &of.id, Some("1"))).collect();
    changes.push(change("t", odd, None));
    advance(&*store, &Progress { changes, ..step(1, 2) }).await;
    let mut changes: Vec<_> = many.iter().skip(1).map(|of| change("t", &of.id, None)).collect();
    changes.push(change("u", "a", Some("again")));
    advance(&*store, &Progress { changes, ..step(2, 3) }).await;
    let left = store.documents("m", &tenant("t"), "", 9).await.unwrap();
    assert_eq!(left, [("0".to_owned(), "1".to_owned()), ("a".to_owned(), a.to_owned())]);
    assert_eq!(document(&*store, "u", "a").await.as_deref(), Some("again"));
}

/// Pages of a model and tenant, in bytewise order of ids whatever the database's language.
pub(crate) async fn documents_are_paged_bytewise(store: Arc<dyn Store>) {
    // In bytewise order: capitals before underscore before small letters before accents.
    let ids =
        ["-", "10", "9", "A", "B", "Z", "_", "a", "a b", "a-", "aB", "ab", "\u{e4}", "\u{1f600}"];
    let mut changes: Vec<_> = ids.iter().map(|id| change("t", id, Some(id))).collect();
    changes.reverse();
    changes.push(change("u", "b", Some("u's")));
    changes.push(DocumentChange { model: "m2".into(), ..change("t", "b", Some("other's")) });
    advance(&*store, &Progress { changes, ..step(0, 1) }).await;
    for limit in [1, 4, 100] {
        let mut found: Vec<String> = Vec::new();
        loop {
            let after = found.last().cloned().unwrap_or_default();
            let page = store.documents("m", &tenant("t"), &after, limit).await.unwrap();
            assert!(page.len() <= limit);
            if page.is_empty() {
                break;
            }
            assert!(page.iter().all(|(id, body)| id == body));
            found.extend(page.into_iter().map(|(id, _)| id));
        }
        assert_eq!(found, ids, "pages of {limit}");
    }
    // After an id that isn't there.
    let page = store.documents("m", &tenant("t"), "a!", 2).await.unwrap();
    assert_eq!(page.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["a-", "aB"]);
    assert_eq!(store.documents("m", &tenant("t"), "", 0).await.unwrap(), []);
    assert_eq!(store.documents("none", &tenant("t"), "", 9).await.unwrap(), []);
}

/// A large document, and many of them in one step.
pub(crate) async fn a_step_may_be_large(store: Arc<dyn Store>) {
    let large = "\u{1f600}".repeat(262_144);
    let mut changes = vec![change("t", "large", Some(&large))];
    changes.extend((0..1_000).map(|number| change("t", &format!("d{number:04}"), Some("1"))));
    advance(&*store, &Progress { changes, ..step(0, 1) }).await;
    assert_eq!(document(&*store, "t", "large").await, Some(large));
    assert_eq!(store.documents("m", &tenant("t"), "", 2_000).await.unwrap().len(), 1_001);
}

/// Parked events are listed by position, in pages, for their subscription only, and released.
pub(crate) async fn events_are_parked_and_released(store: Arc<dyn Store>) {
    let [c, d] = ["c", "d"].map(|id| key(id).stream());
    let events = vec![parked(12, c), parked(9, d), parked(10, c)];
    advance(&*store, &Progress { parked: events, ..step(0, 12) }).await;
    let positions = async |after, limit| {
        let found = store.parked("s", Position(after), limit).await.unwrap();
        found.iter().map(|event| event.position.0).collect::<Vec<_>>()
    };
    assert_eq!(positions(0, 9).await, [9, 10, 12]);
    assert_eq!(positions(0, 2).await, [9, 10]);
    assert_eq!(positions(10, 2).await, [12]);
    assert_eq!(positions(12, 2).await, [0; 0]);
    let stored = store.parked("s", Position(9), 1).await.unwrap();
    assert_eq!(stored, [parked(10, c)]);
    assert_eq!(store.parked("other", Position(0), 9).await.unwrap(), []);
    // Released without moving on, beside a position that isn't parked.
    advance(&*store, &Progress { released: vec![Position(10), Position(11)], ..step(12, 12) })
        .await;
    assert_eq!(positions(0, 9).await, [9, 12]);
}

/// Which streams have a parked event: of those asked about, each once.
pub(crate) async fn parked_streams_are_told(store: Arc<dyn Store>) {
    let [c, d, e] = ["c", "d", "e"].map(|id| key(id).stream());
    let events = vec![parked(1, c), parked(2, c), parked(3, d)];
    advance(&*store, &Progress { parked: events, ..step(0, 3) }).await;
    let streams = async |asked: &[StreamId]| {
        let mut found = store.parked_streams("s", asked).await.unwrap();
        found.sort();
        found
    };
    assert_eq!(streams(&[]).await, []);
    assert_eq!(streams(&[e]).await, []);
    assert_eq!(streams(&[e, c]).await, [c]);
    let mut both = vec![c, d];
    both.sort();
    assert_eq!(streams(&[d, e, c]).await, both);
    assert_eq!(store.parked_streams("other", &[c, d]).await.unwrap(), []);
    // A stream stays parked until its last event is released.
    advance(&*store, &Progress { released: vec![Position(1)], ..step(3, 3) }).await;
    assert_eq!(streams(&[c]).await, [c]);
    advance(&*store, &Progress { released: vec![Position(2)], ..step(3, 3) }).await;
    assert_eq!(streams(&[c, d]).await, [d]);
}

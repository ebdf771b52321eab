//! Scans over entity rows: all, owing, due.

use std::sync::Arc;

use coppice_core::{EntityKind, StreamId, StreamKey};
use coppice_persistence::{EntityRow, Store};

use crate::fixture::*;

fn ids(rows: &[EntityRow]) -> Vec<StreamId> {
    rows.iter().map(|row| row.key.stream()).collect()
}

/// Twenty-three streams in order of their ids.
fn sorted_keys() -> Vec<StreamKey> {
    let mut keys: Vec<_> = (0..23).map(|number| key(&format!("c{number}"))).collect();
    keys.sort_by_key(StreamKey::stream);
    keys
}

/// All pages of a scan, each checked to be no longer than asked for.
macro_rules! pages {
    ($store:expr, $scan:ident, $limit:expr) => {{
        let mut rows: Vec<EntityRow> = Vec::new();
        loop {
            let after = rows.last().map(|row| row.key.stream());
            let page = $store.$scan(after, $limit).await.unwrap();
            assert!(page.len() <= $limit);
            if page.is_empty() {
                break rows;
            }
            rows.extend(page);
        }
    }};
}

/// In bytewise order of their stream ids, each once, whatever the page.
pub(crate) async fn entities_are_paged_in_order_of_stream_id(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    assert_eq!(store.entities(None, 9).await.unwrap(), []);
    let keys = sorted_keys();
    for key in keys.iter().rev() {
        write(&*store, &pen, key, 2).await;
    }
    let expected: Vec<_> = keys.iter().map(StreamKey::stream).collect();
    for limit in [1, 5, 23, 100] {
        assert_eq!(ids(&pages!(store, entities, limit)), expected, "pages of {limit}");
    }
    let rows = store.entities(None, 100).await.unwrap();
    for row in rows {
        assert_eq!(store.entity(&row.key).await.unwrap(), Some(row));
    }
    assert_eq!(store.entities(None, 0).await.unwrap(), []);
}

/// In bytewise order of their ids, and nobody else's.
pub(crate) async fn entities_of_a_tenant_and_kind_are_paged_in_order_of_their_ids(
    store: Arc<dyn Store>,
) {
    let pen = claim(&*store, "a").await;
    let ids = ["10", "2", "A", "B~1", "a", "a-b", "a.b", "a:b", "a@b", "a_b", "ab"];
    for id in ids.iter().rev() {
        write(&*store, &pen, &key_of("t", "counter", id), 2).await;
        write(&*store, &pen, &key_of("t", "alarm", id), 1).await;
        write(&*store, &pen, &key_of("t2", "counter", &format!("{id}x")), 1).await;
    }
    let (tenant, kind) = (tenant("t"), EntityKind::new("counter").unwrap());
    let mut sorted = ids.map(str::to_owned);
    sorted.sort();
    for limit in [1, 4, 11, 100] {
        let mut found: Vec<String> = Vec::new();
        loop {
            let after = found.last().map_or("", String::as_str);
            let page = store.entities_of(&tenant, &kind, after, limit).await.unwrap();
            assert!(page.len() <= limit && page.iter().all(|row| row.head.sequence.0 == 2));
            if page.is_empty() {
                break;
            }
            found.extend(page.iter().map(|row| row.key.id().to_string()));
        }
        assert_eq!(found, sorted, "pages of {limit}");
    }
    let nobody = EntityKind::new("nobody").unwrap();
    assert_eq!(store.entities_of(&tenant, &nobody, "", 9).await.unwrap(), []);
}

/// Those that owe, in order; they come and go with their events.
pub(crate) async fn owing_entities_come_and_go_with_their_events(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    let keys = sorted_keys();
    let mut heads = Vec::new();
    for (number, key) in keys.iter().enumerate() {
        let draft = pen.begin(key).events(1).owes(number % 3 == 0);
        heads.push(draft.head());
        commit(&*store, &[draft.unit()]).await;
    }
    let every_third: Vec<_> = keys.iter().step_by(3).map(StreamKey::stream).collect();
    for limit in [1, 3, 100] {
        assert_eq!(ids(&pages!(store, owing, limit)), every_third, "pages of {limit}");
    }
    // The first owes no more, the second does now, and the last event of each stands.
    let first = pen.at(&keys[0], heads[0]).events(1).owes(false);
    let second = pen.at(&keys[1], heads[1]).events(1).owes(true);
    commit(&*store, &[first.unit(), second.unit()]).await;
    let mut expected = every_third;
    expected[0] = keys[1].stream();
    assert_eq!(ids(&store.owing(None, 100).await.unwrap()), expected);
    assert!(store.owing(None, 100).await.unwrap().iter().all(|row| row.owes));
}

/// Those whose timer is due, earliest first; they move with their events.
pub(crate) async fn due_entities_come_earliest_first(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    let timers = [("a", Some(30)), ("b", None), ("c", Some(10)), ("d", Some(-20)), ("e", Some(40))];
    let mut heads = std::collections::BTreeMap::new();
    for (id, wake_at) in timers {
        let draft = pen.begin(&key(id)).events(1).wakes(wake_at.map(at));
        heads.insert(id, draft.head());
        commit(&*store, &[draft.unit()]).await;
    }
    let due = async |now, limit| {
        let rows = store.due(at(now), None, limit).await.unwrap();
        rows.iter().map(|row| row.key.id().as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(due(-21, 9).await, [""; 0]);
    assert_eq!(due(10, 9).await, ["d", "c"]);
    assert_eq!(due(100, 9).await, ["d", "c", "a", "e"]);
    assert_eq!(due(100, 2).await, ["d", "c"]);
    assert_eq!(due(100, 0).await, [""; 0]);
    // One timer goes, one moves behind the others, one is set.
    let moves = [("d", None), ("c", Some(35)), ("b", Some(5))];
    for (id, wake_at) in moves {
        let draft = pen.at(&key(id), heads[id]).events(1).wakes(wake_at.map(at));
        commit(&*store, &[draft.unit()]).await;
    }
    assert_eq!(due(100, 9).await, ["b", "a", "c", "e"]);
    assert_eq!(due(5, 9).await, ["b"]);
}

/// Each once, in order of time and then of stream id, whatever the page and however many are due at
/// the same time.
pub(crate) async fn due_entities_are_paged_across_equal_times(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    let keys = sorted_keys();
    let times = [i64::MIN, 7, 7, i64::MAX, -3];
    let mut expected = Vec::new();
    for (number, key) in keys.iter().enumerate().rev() {
        let wake_at = at(times[number % times.len()]);
        commit(&*store, &[pen.begin(key).events(1).wakes(Some(wake_at)).unit()]).await;
        expected.push((wake_at, key.stream()));
    }
    commit(&*store, &[pen.begin(&key("never")).events(1).unit()]).await;
    expected.sort_unstable();
    for (now, limit) in [(i64::MAX, 1), (i64::MAX, 2), (i64::MAX, 5), (i64::MAX, 100), (7, 3)] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = store.due(at(now), after, limit).await.unwrap();
            assert!(page.len() <= limit);
            found.extend(page.iter().map(|row| (row.wake_at.unwrap(), row.key.stream())));
            if page.is_empty() {
                break;
            }
            after = found.last().copied();
        }
        let due: Vec<_> = expected.iter().copied().filter(|(time, _)| *time <= at(now)).collect();
        assert_eq!(found, due, "due at {now} in pages of {limit}");
    }
    // A place that no entity holds is as good as any other.
    let after = Some((at(6), StreamId(uuid::Uuid::max())));
    assert_eq!(store.due(at(7), after, 1).await.unwrap()[0].wake_at, Some(at(7)));
}

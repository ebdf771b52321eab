//! What is appended comes back as it was.

use std::sync::Arc;

use coppice_core::envelope::EventBody;
use coppice_core::invariants::{check_head, check_link};
use coppice_core::{CorrelationId, Position, Sequence, StreamHead, SubjectId};
use coppice_persistence::{EntityRow, Store};
use uuid::Uuid;

use crate::fixture::*;

/// Texts that a database may be tempted to normalise.
const PAYLOADS: &[&str] = &[
    "{}",
    "null",
    "\"\"",
    "",
    " ",
    "{ \"b\" : 1 ,\n\t\"a\" : 1.0, \"a\" : 1e400 }",
    r#"{"nul":"\u0000","quote":"\"'\\","slash":"\/"}"#,
    "{\"n\":-9223372036854775809123456789}",
    "{\"text\":\"\u{e9} e\u{301} \u{1f600} \u{fb33} \u{feff} \u{202e}\"}",
    "'; DROP TABLE events; --",
    "$1 ? :name %s",
    "[1,2",
];

/// Every field of an event, and each of its optional fields both there, empty and away, is read
/// back as it was written, by stream and by position.
pub(crate) async fn an_event_reads_back_byte_for_byte(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    let key = key_of("t-1_x", "a_kind2", "An~id:with.all@of-it_");
    let full = EventBody {
        event_type: "counter.some_thing.added.v12".into(),
        payload: r#"{"n":1}"#.into(),
        recorded_at: at(i64::MAX),
        causation: command_id(u128::MAX),
        correlation: CorrelationId(Uuid::nil()),
        workflow: Some("w\u{e9}rk \u{1f600}".into()),
        policy_bundle: Some("2026-11-21/7".into()),
        subject: Some(SubjectId::new("sub:1~a.b-c_d").unwrap()),
        key_id: Some(String::new().into()),
    };
    let early = EventBody { recorded_at: at(i64::MIN), ..body("{}") };
    let empty =
        EventBody { workflow: Some("".into()), policy_bundle: Some("".into()), ..body("{}") };
    let mut draft = pen.begin(&key).body(full).body(early).body(empty);
    for payload in PAYLOADS {
        draft = draft.event(payload);
    }
    commit(&*store, &[draft.clone().unit()]).await;

    let read = stream(&*store, &key).await;
    let records: Vec<_> = read.iter().map(|event| event.record.clone()).collect();
    assert_eq!(records, draft.append.events);
    assert!(read.iter().all(|event| event.key == key));
    assert_eq!(journal(&*store).await, read);
    let head = read
        .iter()
        .try_fold(StreamHead::genesis(&key), |head, event| check_link(head, &event.record));
    assert_eq!(head, Ok(draft.head()));
}

/// The row says where the stream ends, and moves with it.
pub(crate) async fn an_entity_row_stands_where_its_stream_ends(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    let key = key("c");
    assert_eq!(store.entity(&key).await.unwrap(), None);
    let first = pen.begin(&key).events(2).wakes(Some(at(-5))).owes(true);
    let second = pen.at(&key, first.head()).events(1).wakes(Some(at(i64::MAX)));
    let third = pen.at(&key, second.head()).events(1);
    let fourth = pen.at(&key, third.head()).events(1).wakes(Some(at(7))).owes(true);
    let fifth = pen.at(&key, fourth.head()).events(1).wakes(Some(at(7))).owes(true);
    let fifth = fifth.waits_as_before();
    let sixth = pen.at(&key, fifth.head()).command(1).wakes(Some(at(7))).owes(true);
    let sixth = sixth.waits_as_before();
    let last = pen.at(&key, sixth.head()).events(1);
    for draft in [first, second, third, fourth, fifth, sixth, last] {
        commit(&*store, &[draft.clone().unit()]).await;
        let row = store.entity(&key).await.unwrap();
        let expected = EntityRow {
            key: key.clone(),
            head: draft.head(),
            epoch: draft.append.epoch,
            wake_at: draft.append.wake_at,
            owes: draft.append.owes,
        };
        assert_eq!(row, Some(expected));
        let last = stream(&*store, &key).await.pop().unwrap();
        assert_eq!(check_head(draft.head(), last.record.head()), Ok(()));
    }
}

/// Pages of a stream start after a sequence and hold no more than asked for.
pub(crate) async fn a_stream_is_read_in_pages(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    write(&*store, &pen, &key("c"), 7).await;
    write(&*store, &pen, &key("other"), 3).await;
    let page = async |after, limit| {
        let events = store.read_stream(&key("c"), Sequence(after), limit).await.unwrap();
        events.iter().map(|event| event.record.sequence.0).collect::<Vec<_>>()
    };
    assert_eq!(page(0, 3).await, [1, 2, 3]);
    assert_eq!(page(3, 3).await, [4, 5, 6]);
    assert_eq!(page(6, 3).await, [7]);
    assert_eq!(page(7, 3).await, [0; 0]);
    assert_eq!(page(0, 0).await, [0; 0]);
    assert_eq!(page(2, 1_000).await, [3, 4, 5, 6, 7]);
    assert!(stream(&*store, &key("nobody")).await.is_empty());
}

/// The same id in another kind or tenant is another stream.
pub(crate) async fn streams_of_other_kinds_and_tenants_are_apart(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    let keys = [key("x"), key_of("acme", "door", "x"), key_of("other", "counter", "x")];
    for (count, key) in (1..).zip(&keys) {
        write(&*store, &pen, key, count).await;
    }
    for (count, key) in (1..).zip(&keys) {
        let events = stream(&*store, key).await;
        assert_eq!(events.len(), count);
        assert!(events.iter().all(|event| event.key == *key));
    }
}

/// A payload of a megabyte, and a reply of one.
pub(crate) async fn a_megabyte_passes_whole(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    let text = format!("\"{}\"", "\u{e9}\u{1f600}ab".repeat(131_072));
    assert!(text.len() >= 1_048_576);
    let reply =
        coppice_persistence::CommandRecord { reply: text.clone().into(), ..record(7, Sequence(1)) };
    let draft = pen.begin(&key("c")).event(&text).record(reply.clone());
    commit(&*store, &[draft.unit()]).await;
    assert_eq!(payloads(&stream(&*store, &key("c")).await), [text]);
    assert_eq!(store.command(&key("c"), command_id(7)).await.unwrap(), Some(reply));
}

/// Two thousand events of one stream in one append, with as many command records.
pub(crate) async fn two_thousand_events_commit_in_one_batch(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    let draft = (0..2_000_u32).fold(pen.begin(&key("c")), |draft, number| {
        draft.event(&format!(r#"{{"n":{number}}}"#)).command(number.into())
    });
    commit(&*store, &[draft.clone().unit()]).await;
    let read = stream(&*store, &key("c")).await;
    let records: Vec<_> = read.into_iter().map(|event| event.record).collect();
    assert_eq!(records, draft.append.events);
    let mut newest_first = draft.append.commands;
    newest_first.reverse();
    assert_eq!(store.recent_commands(&key("c"), 10_000).await.unwrap(), newest_first);
    assert_eq!(batches(&*store).await.len(), 1);
}

/// Five hundred units in one batch, of which some are refused and most have several events.
pub(crate) async fn five_hundred_units_commit_in_one_batch(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    let keys: Vec<_> = (0..500).map(|number| key(&format!("c{number}"))).collect();
    let taken = pen.begin(&keys[250]).events(1);
    commit(&*store, &[taken.unit()]).await;
    let units: Vec<_> = (0..)
        .zip(&keys)
        .map(|(number, key)| pen.begin(key).events(1 + number % 3).command(number as u128).unit())
        .collect();
    let outcomes = store.append(&units).await.unwrap();
    for (number, outcome) in outcomes.iter().enumerate() {
        assert_eq!(*outcome == Committed, number != 250, "unit {number} is {outcome:?}");
    }
    for (number, (key, unit)) in keys.iter().zip(&units).enumerate() {
        let read = stream(&*store, key).await;
        let expected = if number == 250 { 1 } else { unit.appends[0].events.len() };
        assert_eq!(read.len(), expected, "stream {number}");
    }
    let positions: Vec<_> = journal(&*store).await.iter().map(|event| event.position).collect();
    let dense: Vec<_> = (1..=positions.len() as u64).map(Position).collect();
    assert_eq!(positions, dense);
}

/// No units, no outcomes, no batch.
pub(crate) async fn an_empty_batch_does_nothing(store: Arc<dyn Store>) {
    assert_eq!(store.append(&[]).await.unwrap(), []);
    assert_eq!(batches(&*store).await, []);
}

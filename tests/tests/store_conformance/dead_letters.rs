//! Messages out of delivery: put once, paged, removed.

use std::sync::Arc;

use coppice_core::{Epoch, ShardId};
use coppice_persistence::{DeadLetter, LetterKind, LetterReason, Store};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::fixture::*;

pub(crate) fn letter(number: u128, of_tenant: &str) -> DeadLetter {
    DeadLetter {
        number: 0,
        id: Uuid::from_u128(number),
        key: key_of(of_tenant, "counter", "c"),
        message: Uuid::from_u128(number + 1),
        kind: LetterKind::Command,
        name: "add".into(),
        body: Some(r#"{"n": 1}"#.into()),
        reason: LetterReason::Crashed,
        detail: "caf\u{e9} \u{1f600}".into(),
        attempts: 3,
        at: NOW,
    }
}

async fn put(store: &dyn Store, letter: &DeadLetter) {
    assert!(store.put_dead_letter(letter).await.unwrap(), "{letter:?}");
}

fn ids(letters: &[DeadLetter]) -> Vec<u128> {
    letters.iter().map(|letter| letter.id.as_u128()).collect()
}

/// Every page after a number, each checked to go on behind the one before.
async fn pages(store: &dyn Store, of_tenant: Option<&str>, limit: usize) -> Vec<u128> {
    let of_tenant = of_tenant.map(tenant);
    let (mut found, mut after) = (Vec::new(), 0);
    loop {
        let page = store.dead_letters(of_tenant.as_ref(), after, limit).await.unwrap();
        assert!(page.len() <= limit);
        let Some(last) = page.last() else { break found };
        assert!(page[0].number > after);
        assert!(page.is_sorted_by_key(|letter| letter.number));
        after = last.number;
        found.extend(ids(&page));
    }
}

/// Once for each id: the first stands.
pub(crate) async fn a_letter_is_put_once(store: Arc<dyn Store>) {
    let first = letter(1, "acme");
    put(&*store, &first).await;
    let stored = store.dead_letter(first.id).await.unwrap().unwrap();
    assert!(stored.number > 0);
    let again = DeadLetter { attempts: 9, detail: "other".into(), ..letter(1, "other") };
    assert!(!store.put_dead_letter(&again).await.unwrap());
    assert!(!store.put_dead_letter(&first).await.unwrap());
    assert_eq!(store.dead_letter(first.id).await.unwrap().as_ref(), Some(&stored));
    assert_eq!(store.dead_letters(None, 0, 9).await.unwrap(), [stored]);
}

/// The same letter from many at once is put by exactly one of them.
pub(crate) async fn of_competing_letters_exactly_one_is_put(store: Arc<dyn Store>) {
    for round in 0..10 {
        let mut tries = JoinSet::new();
        for _ in 0..6 {
            let store = Arc::clone(&store);
            let letter = letter(round, "acme");
            tries.spawn(async move { store.put_dead_letter(&letter).await.unwrap() });
        }
        let put = tries.join_all().await.into_iter().filter(|put| *put).count();
        assert_eq!(put, 1, "round {round}");
    }
    assert_eq!(pages(&*store, None, 100).await.len(), 10);
}

/// Every field, at its limits; whatever number it is handed over with, the store gives it one.
pub(crate) async fn a_letter_reads_back_as_it_was(store: Arc<dyn Store>) {
    let plain = letter(1, "acme");
    let full = DeadLetter {
        number: 77,
        id: Uuid::max(),
        key: key_of("a_b", "kind", "~id"),
        message: Uuid::nil(),
        name: "".into(),
        body: None,
        detail: "\n\"'%_ \\u0000".into(),
        attempts: u32::MAX,
        at: at(i64::MIN),
        ..letter(2, "acme")
    };
    let late = DeadLetter { at: at(i64::MAX), body: Some("".into()), ..letter(3, "acme") };
    for letter in [plain, full, late] {
        put(&*store, &letter).await;
        let read = store.dead_letter(letter.id).await.unwrap().unwrap();
        assert_eq!(read, DeadLetter { number: read.number, ..letter });
        assert_eq!(store.dead_letters(None, read.number - 1, 1).await.unwrap(), [read]);
    }
}

/// Each kind with each reason.
pub(crate) async fn kinds_and_reasons_come_back(store: Arc<dyn Store>) {
    use LetterKind::{Command, Effect, Entity, Timer};
    use LetterReason::{Crashed, NoHandler, OutcomeUnknown, ProcessEnded, Refused};
    let mut expected = Vec::new();
    for kind in [Command, Timer, Effect, Entity] {
        for reason in [Crashed, ProcessEnded, OutcomeUnknown, Refused, NoHandler] {
            let number = expected.len() as u128;
            put(&*store, &DeadLetter { kind, reason, ..letter(number, "acme") }).await;
            expected.push((kind, reason));
        }
    }
    let letters = store.dead_letters(None, 0, 100).await.unwrap();
    let found: Vec<_> = letters.iter().map(|letter| (letter.kind, letter.reason)).collect();
    assert_eq!(found, expected);
}

/// In order of arrival and not of id, each once, whatever the page.
pub(crate) async fn letters_are_paged_in_order_of_arrival(store: Arc<dyn Store>) {
    assert_eq!(store.dead_letters(None, 0, 9).await.unwrap(), []);
    let expected: Vec<u128> = (0..23).map(|number| number * 7 % 23).collect();
    for number in &expected {
        put(&*store, &letter(*number, "acme")).await;
    }
    for limit in [1, 5, 23, 100] {
        assert_eq!(pages(&*store, None, limit).await, expected, "pages of {limit}");
    }
    assert_eq!(store.dead_letters(None, 0, 0).await.unwrap(), []);
    assert_eq!(store.dead_letters(None, u64::MAX, 9).await.unwrap(), []);
}

/// A tenant sees its own letters and no other's.
pub(crate) async fn letters_are_apart_by_tenant(store: Arc<dyn Store>) {
    let tenants = ["acme", "acm", "other"];
    for number in 0..12_u8 {
        put(&*store, &letter(number.into(), tenants[usize::from(number % 3)])).await;
    }
    assert_eq!(pages(&*store, Some("acme"), 3).await, [0, 3, 6, 9]);
    assert_eq!(pages(&*store, Some("acm"), 1).await, [1, 4, 7, 10]);
    assert_eq!(pages(&*store, Some("nobody"), 9).await, [0; 0]);
    assert_eq!(pages(&*store, None, 9).await, (0..12).collect::<Vec<_>>());
}

/// The shard that the letters' entity is in, under its present epoch.
pub(crate) async fn owned(store: &dyn Store) -> (ShardId, Epoch) {
    let pen = claim(store, "a").await;
    let shard = letter(0, "acme").key.shard(SHARDS);
    (shard, pen.epochs[&shard])
}

/// What is removed is gone, and may come again behind all others: its number is given to nobody.
pub(crate) async fn a_removed_letter_may_come_again(store: Arc<dyn Store>) {
    let (shard, epoch) = owned(&*store).await;
    let remove = async |number| {
        store.remove_dead_letter(Uuid::from_u128(number), shard, epoch).await.unwrap()
    };
    assert!(!remove(1).await);
    assert_eq!(store.dead_letter(Uuid::from_u128(1)).await.unwrap(), None);
    for number in 1..=3 {
        put(&*store, &letter(number, "acme")).await;
    }
    let last = store.dead_letter(Uuid::from_u128(3)).await.unwrap().unwrap().number;
    for number in [2, 3] {
        assert!(remove(number).await);
        assert!(!remove(number).await);
        assert_eq!(store.dead_letter(Uuid::from_u128(number)).await.unwrap(), None);
    }
    assert_eq!(pages(&*store, None, 9).await, [1]);
    put(&*store, &letter(2, "acme")).await;
    assert_eq!(pages(&*store, None, 9).await, [1, 2]);
    assert_eq!(ids(&store.dead_letters(None, last, 9).await.unwrap()), [2]);
}

/// Only the owner removes: whoever owns the shard after it has read a letter that stays.
pub(crate) async fn a_former_owner_removes_no_letter(store: Arc<dyn Store>) {
    let (shard, former) = owned(&*store).await;
    put(&*store, &letter(1, "acme")).await;
    let (_, present) = owned(&*store).await;
    assert!(present > former);
    let remove =
        async |epoch| store.remove_dead_letter(Uuid::from_u128(1), shard, epoch).await.unwrap();
    assert!(!remove(former).await);
    assert!(!remove(present.next()).await);
    assert_eq!(pages(&*store, None, 9).await, [1]);
    assert!(remove(present).await);
    assert_eq!(pages(&*store, None, 9).await, [0; 0]);
}

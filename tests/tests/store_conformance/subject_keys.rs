//! The keys of personal data.

use std::sync::Arc;

use coppice_core::SubjectId;
use coppice_persistence::{Destroyed, Store, SubjectKeyRow, WrappedKey};

use crate::fixture::*;

pub(crate) fn subject(name: &str) -> SubjectId {
    SubjectId::new(name).unwrap()
}

pub(crate) fn wrapped(under: &str, byte: u8) -> WrappedKey {
    WrappedKey { under: under.into(), bytes: vec![byte; 60] }
}

pub(crate) fn key_row(of_tenant: &str, of_subject: &str) -> SubjectKeyRow {
    SubjectKeyRow {
        tenant: tenant(of_tenant),
        subject: subject(of_subject),
        key_id: format!("key_of_{of_subject}").into(),
        wrapped: Some(wrapped("p1", 7)),
        created_at: NOW,
        destroyed: None,
    }
}

pub(crate) fn end(micros: i64) -> Destroyed {
    Destroyed { at: at(micros), by: "somebody".into() }
}

async fn read(store: &dyn Store, of_tenant: &str, of_subject: &str) -> Option<SubjectKeyRow> {
    let found = store.subject_keys(&tenant(of_tenant), &[subject(of_subject)]).await.unwrap();
    assert!(found.len() < 2);
    found.into_iter().next()
}

/// Every field; and of several subjects those that have a key.
pub(crate) async fn a_wrapped_key_reads_back_as_it_was(store: Arc<dyn Store>) {
    let full = SubjectKeyRow {
        key_id: "key_~:.".into(),
        wrapped: Some(WrappedKey { under: "".into(), bytes: (0..=255).collect() }),
        created_at: at(i64::MIN),
        ..key_row("a_b", "~S.1")
    };
    for key in [key_row("acme", "s"), full] {
        assert_eq!(store.put_subject_key(&key).await.unwrap(), key);
        assert_eq!(read(&*store, key.tenant.as_str(), key.subject.as_str()).await, Some(key));
    }
    let asked = ["nobody", "s", "~S.1"].map(subject);
    assert_eq!(store.subject_keys(&tenant("acme"), &asked).await.unwrap(), [key_row("acme", "s")]);
    assert_eq!(store.subject_keys(&tenant("acme"), &[]).await.unwrap(), []);
}

/// The first one stands, whoever is first; all learn which.
pub(crate) async fn of_competing_keys_exactly_one_stands(store: Arc<dyn Store>) {
    let tasks: Vec<_> = (0..8_u8)
        .map(|number| {
            let store = Arc::clone(&store);
            let key = SubjectKeyRow {
                key_id: format!("key_{number}").into(),
                wrapped: Some(wrapped("p1", number)),
                ..key_row("acme", "s")
            };
            coppice_runtime::task::spawn(async move { store.put_subject_key(&key).await.unwrap() })
        })
        .collect();
    let standing = futures_util::future::join_all(tasks).await;
    let stored = read(&*store, "acme", "s").await.unwrap();
    assert!(standing.into_iter().all(|standing| standing.unwrap() == stored));
}

/// Two tenants name a subject alike: they are two subjects.
pub(crate) async fn a_key_is_of_its_tenant(store: Arc<dyn Store>) {
    for name in ["acme", "other"] {
        store.put_subject_key(&key_row(name, "s")).await.unwrap();
    }
    store.destroy_subject_key(&tenant("acme"), &subject("s"), &end(1)).await.unwrap();
    assert_eq!(read(&*store, "other", "s").await, Some(key_row("other", "s")));
    assert_eq!(read(&*store, "third", "s").await, None);
}

/// It says when and at whose word, the first time; it can't be put there again.
pub(crate) async fn a_destroyed_key_leaves_a_row_that_says_so(store: Arc<dyn Store>) {
    store.put_subject_key(&key_row("acme", "s")).await.unwrap();
    let gone = SubjectKeyRow { wrapped: None, destroyed: Some(end(5)), ..key_row("acme", "s") };
    for micros in [5, 6] {
        let later = Destroyed { by: micros.to_string().into(), ..end(micros) };
        let at = if micros == 5 { end(5) } else { later };
        let row = store.destroy_subject_key(&tenant("acme"), &subject("s"), &at).await.unwrap();
        assert_eq!(row, gone);
    }
    assert_eq!(read(&*store, "acme", "s").await, Some(gone.clone()));
    assert_eq!(store.put_subject_key(&key_row("acme", "s")).await.unwrap(), gone);
    assert_eq!(store.outer_keys().await.unwrap(), [""; 0]);
}

/// Its row stands before there is anything to seal.
pub(crate) async fn a_subject_that_was_erased_first_never_gets_a_key(store: Arc<dyn Store>) {
    let row = store.destroy_subject_key(&tenant("acme"), &subject("s"), &end(5)).await.unwrap();
    assert_eq!((row.wrapped.clone(), row.destroyed.clone()), (None, Some(end(5))));
    assert_eq!(store.put_subject_key(&key_row("acme", "s")).await.unwrap(), row);
}

/// Only the row that was read is changed: not one that moved, and not one that was destroyed.
pub(crate) async fn keys_are_wrapped_anew_unless_they_moved(store: Arc<dyn Store>) {
    for name in ["a", "b", "c"] {
        store.put_subject_key(&key_row("acme", name)).await.unwrap();
    }
    assert_eq!(store.keys_wrapped_under("p1", 2).await.unwrap().len(), 2);
    assert_eq!(store.keys_wrapped_under("p2", 2).await.unwrap(), []);
    let all = store.keys_wrapped_under("p1", 9).await.unwrap();
    assert_eq!(all.len(), 3);
    store.destroy_subject_key(&tenant("acme"), &subject("b"), &end(5)).await.unwrap();
    for row in &all {
        let alive = row.subject != subject("b");
        assert_eq!(store.rewrap_subject_key(row, &wrapped("p2", 8)).await.unwrap(), alive);
        assert!(!store.rewrap_subject_key(row, &wrapped("p3", 9)).await.unwrap());
    }
    assert_eq!(store.outer_keys().await.unwrap(), ["p2"]);
    let row = read(&*store, "acme", "a").await.unwrap();
    let expected = SubjectKeyRow { wrapped: Some(wrapped("p2", 8)), ..key_row("acme", "a") };
    assert_eq!(row, expected);
    assert_eq!(read(&*store, "acme", "b").await.unwrap().wrapped, None);
}

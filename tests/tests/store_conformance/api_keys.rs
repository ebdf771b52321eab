//! API keys as their tenant manages them: added, listed, rotated, noted and purged.

use std::sync::Arc;

use coppice_core::Timestamp;
use coppice_core::hash::sha256;
use coppice_persistence::{ApiKeyRow, Store};
use coppice_runtime::task::spawn;
use uuid::Uuid;

use crate::fixture::*;

const PREFIX: &str = "abcdefgh";
const MANY: u32 = 1_000;

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// A key of the tenant `acme` that was made at a time.
fn key(number: u128, made: i64) -> ApiKeyRow {
    key_of("acme", number, made)
}

fn key_of(of_tenant: &str, number: u128, made: i64) -> ApiKeyRow {
    let (prefix, scopes) = (PREFIX.to_owned(), "keys:read".to_owned());
    let hash = sha256(&number.to_be_bytes());
    ApiKeyRow::new(id(number), tenant(of_tenant), prefix, hash, scopes, at(made))
}

async fn add(store: &dyn Store, key: &ApiKeyRow) {
    assert!(store.add_api_key(key, MANY).await.unwrap());
}

async fn stored(store: &dyn Store, number: u128) -> ApiKeyRow {
    store.api_key(&tenant("acme"), id(number)).await.unwrap().unwrap()
}

async fn listed(store: &dyn Store, of_tenant: &str, after: Uuid, limit: usize) -> Vec<u128> {
    let rows = store.api_keys_of(&tenant(of_tenant), after, limit).await.unwrap();
    rows.iter().map(|row| row.id.as_u128()).collect()
}

/// A key comes with its tenant, and a second one of its id changes nothing, not even in another
/// tenant.
pub(crate) async fn a_key_is_added_once_and_brings_its_tenant(store: Arc<dyn Store>) {
    assert!(!store.has_tenants().await.unwrap());
    let first = ApiKeyRow { intent: Some(sha256(b"first")), ..key(1, 5) };
    add(&*store, &first).await;
    assert!(store.has_tenants().await.unwrap());
    for again in [ApiKeyRow { name: "other".to_owned(), ..first.clone() }, key_of("other", 1, 6)] {
        assert!(!store.add_api_key(&again, MANY).await.unwrap());
    }
    assert_eq!(stored(&*store, 1).await, first);
    assert_eq!(listed(&*store, "other", Uuid::nil(), 9).await, [0; 0]);
}

/// The bound counts a tenant's own keys, ended ones too.
pub(crate) async fn a_tenant_has_so_many_keys_at_most(store: Arc<dyn Store>) {
    add(&*store, &key_of("other", 9, 5)).await;
    add(&*store, &ApiKeyRow { revoked_at: Some(at(6)), ..key(1, 5) }).await;
    assert!(store.add_api_key(&key(2, 5), 2).await.unwrap());
    assert!(!store.add_api_key(&key(3, 5), 2).await.unwrap());
    assert!(!store.rotate_api_key(id(2), &key(4, 6), at(100), 2).await.unwrap());
    assert_eq!(stored(&*store, 2).await, key(2, 5));
    assert_eq!(listed(&*store, "acme", Uuid::nil(), 9).await, [1, 2]);
}

/// Pages go on behind an id, and hold no other tenant's key.
pub(crate) async fn keys_are_listed_by_tenant_in_pages(store: Arc<dyn Store>) {
    for number in [3, 1, u128::MAX, 2] {
        add(&*store, &key(number, 5)).await;
    }
    add(&*store, &key_of("other", 4, 5)).await;
    assert_eq!(listed(&*store, "acme", Uuid::nil(), 2).await, [1, 2]);
    assert_eq!(listed(&*store, "acme", id(2), 2).await, [3, u128::MAX]);
    assert_eq!(listed(&*store, "acme", Uuid::max(), 2).await, [0; 0]);
    assert_eq!(listed(&*store, "acme", Uuid::nil(), 0).await, [0; 0]);
    assert_eq!(listed(&*store, "other", id(1), 9).await, [4]);
}

/// The successor is as it was given; the old key ends with the grace period.
pub(crate) async fn a_key_that_is_rotated_gets_one_successor(store: Arc<dyn Store>) {
    let old = ApiKeyRow { last_used_at: Some(at(7)), intent: Some(sha256(b"i")), ..key(1, 5) };
    add(&*store, &old).await;
    let successor = ApiKeyRow { intent: Some(sha256(b"rotation")), ..key(2, 10) };
    assert!(store.rotate_api_key(id(1), &successor, at(100), MANY).await.unwrap());
    let rotated = ApiKeyRow { expires_at: Some(at(100)), replaced_by: Some(id(2)), ..old };
    assert_eq!(stored(&*store, 1).await, rotated);
    assert_eq!(stored(&*store, 2).await, successor);
    // A second rotation, whether to the same successor or to another, does nothing.
    for other in [key(2, 11), key(3, 11)] {
        assert!(!store.rotate_api_key(id(1), &other, at(200), MANY).await.unwrap());
    }
    assert_eq!(stored(&*store, 1).await, rotated);
    assert_eq!(listed(&*store, "acme", Uuid::nil(), 9).await, [1, 2]);
}

/// A key that would have ended within the grace period still does.
pub(crate) async fn a_rotation_shortens_and_never_lengthens_a_life(store: Arc<dyn Store>) {
    for (number, expires, expected) in [(1, Some(50), 50), (2, Some(500), 100), (3, None, 100)] {
        add(&*store, &ApiKeyRow { expires_at: expires.map(at), ..key(number, 5) }).await;
        let successor = key(number + 10, 10);
        assert!(store.rotate_api_key(id(number), &successor, at(100), MANY).await.unwrap());
        assert_eq!(stored(&*store, number).await.expires_at, Some(at(expected)));
    }
}

/// What is revoked, expired, absent or another tenant's has no successor.
pub(crate) async fn only_a_valid_key_is_rotated(store: Arc<dyn Store>) {
    add(&*store, &ApiKeyRow { revoked_at: Some(at(6)), ..key(1, 5) }).await;
    add(&*store, &ApiKeyRow { expires_at: Some(at(10)), ..key(2, 5) }).await;
    add(&*store, &key_of("other", 3, 5)).await;
    for number in [1, 2, 3, 4] {
        let rotated = store.rotate_api_key(id(number), &key(20, 10), at(100), MANY).await;
        assert!(!rotated.unwrap(), "{number}");
    }
    assert_eq!(listed(&*store, "acme", Uuid::nil(), 9).await, [1, 2]);
}

/// Rotations that meet make one successor.
pub(crate) async fn of_competing_rotations_exactly_one_counts(store: Arc<dyn Store>) {
    add(&*store, &key(1, 5)).await;
    let tries: Vec<_> = (0..8_u8)
        .map(|rival| {
            let store = Arc::clone(&store);
            let hash = sha256(&[rival]);
            let successor = ApiKeyRow { hash, ..key(2, 10) };
            spawn(async move {
                let won = store.rotate_api_key(id(1), &successor, at(100), MANY).await.unwrap();
                won.then_some(hash)
            })
        })
        .collect();
    let mut winners = Vec::new();
    for rival in tries {
        winners.extend(rival.await.unwrap());
    }
    assert_eq!(winners, [stored(&*store, 2).await.hash]);
    assert_eq!(stored(&*store, 1).await.replaced_by, Some(id(2)));
}

/// Uses are noted for many keys at once, and an older one changes nothing.
pub(crate) async fn the_latest_use_of_a_key_is_noted(store: Arc<dyn Store>) {
    for number in 1..=150 {
        add(&*store, &key(number, 5)).await;
    }
    let seen: Vec<(Uuid, Timestamp)> =
        (1..=149_u8).map(|number| (id(number.into()), at(100 + i64::from(number)))).collect();
    store.note_api_keys(&seen).await.unwrap();
    store.note_api_keys(&[(id(1), at(50)), (id(2), at(500)), (id(999), at(1))]).await.unwrap();
    store.note_api_keys(&[]).await.unwrap();
    for (number, expected) in [(1, Some(101)), (2, Some(500)), (149, Some(249)), (150, None)] {
        assert_eq!(stored(&*store, number).await.last_used_at, expected.map(at), "{number}");
    }
}

/// What ended before a time goes, a few at a time; what is valid or ended later stays.
pub(crate) async fn ended_keys_are_purged_by_age(store: Arc<dyn Store>) {
    let ends: [(u128, Option<i64>, Option<i64>); 6] = [
        (1, Some(10), None),
        (2, None, Some(10)),
        (3, Some(20), None),
        (4, None, Some(20)),
        (5, None, None),
        (6, Some(10), Some(900)),
    ];
    for (number, revoked, expires) in ends {
        let (revoked_at, expires_at) = (revoked.map(at), expires.map(at));
        add(&*store, &ApiKeyRow { revoked_at, expires_at, ..key(number, 5) }).await;
    }
    assert_eq!(store.purge_api_keys(at(20), 2).await.unwrap(), 2);
    assert_eq!(store.purge_api_keys(at(20), 9).await.unwrap(), 1);
    assert_eq!(store.purge_api_keys(at(20), 9).await.unwrap(), 0);
    assert_eq!(listed(&*store, "acme", Uuid::nil(), 9).await, [3, 4, 5]);
}

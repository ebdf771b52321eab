//! Tenants and API keys.

use std::sync::Arc;

use coppice_core::hash::sha256;
use coppice_persistence::{ApiKeyRow, Store};
use uuid::Uuid;

use crate::fixture::*;

fn api_key(number: u128, of_tenant: &str, prefix: &str) -> ApiKeyRow {
    let row = ApiKeyRow::new(
        Uuid::from_u128(number),
        tenant(of_tenant),
        prefix.to_owned(),
        sha256(&number.to_be_bytes()),
        "read write".to_owned(),
        NOW,
    );
    ApiKeyRow { description: "caf\u{e9} \u{1f600}".to_owned(), ..row }
}

async fn add(store: &dyn Store, key: &ApiKeyRow) {
    store.add_tenant(&key.tenant, "A tenant", key).await.unwrap();
}

async fn keys(store: &dyn Store, prefix: &str) -> Vec<ApiKeyRow> {
    let mut found = store.api_keys(prefix).await.unwrap();
    found.sort_by_key(|key| key.id);
    found
}

/// A tenant is there once it is added.
pub(crate) async fn a_tenant_exists_once_it_is_added(store: Arc<dyn Store>) {
    assert!(!store.has_tenants().await.unwrap());
    assert!(!store.has_tenant(&tenant("acme")).await.unwrap());
    add(&*store, &api_key(1, "acme", "abcdefgh")).await;
    assert!(store.has_tenants().await.unwrap());
    assert!(store.has_tenant(&tenant("acme")).await.unwrap());
    assert!(!store.has_tenant(&tenant("acm")).await.unwrap());
}

/// A key reads back as it was, with its times and without.
pub(crate) async fn a_key_reads_back_as_it_was(store: Arc<dyn Store>) {
    let plain = api_key(1, "acme", "abcdefgh");
    let full = ApiKeyRow {
        id: Uuid::max(),
        scopes: String::new(),
        name: "a 'name'".to_owned(),
        description: String::new(),
        user: Some("u-1".to_owned()),
        live: false,
        created_at: at(i64::MIN),
        expires_at: Some(at(i64::MAX)),
        revoked_at: Some(at(-1)),
        last_used_at: Some(at(0)),
        replaced_by: Some(Uuid::from_u128(9)),
        intent: Some(sha256(b"intent")),
        ..api_key(2, "acme", "12345678")
    };
    for key in [plain, full] {
        add(&*store, &key).await;
        assert_eq!(store.api_key(&key.tenant, key.id).await.unwrap(), Some(key.clone()));
        assert_eq!(store.api_key(&tenant("other"), key.id).await.unwrap(), None);
        assert_eq!(keys(&*store, &key.prefix).await, [key]);
    }
}

/// Adding a tenant again leaves it and its key as they are, and may bring another key.
pub(crate) async fn adding_a_tenant_again_changes_nothing(store: Arc<dyn Store>) {
    let first = api_key(1, "acme", "abcdefgh");
    for _ in 0..3 {
        add(&*store, &first).await;
    }
    let altered = ApiKeyRow { description: "other".to_owned(), ..first.clone() };
    store.add_tenant(&altered.tenant, "Another name", &altered).await.unwrap();
    assert_eq!(keys(&*store, "abcdefgh").await, std::slice::from_ref(&first));
    let second = api_key(2, "acme", "abcdefgh");
    add(&*store, &second).await;
    assert_eq!(keys(&*store, "abcdefgh").await, [first, second]);
}

/// A prefix names every key that has it, of any tenant, and no key that only begins alike.
pub(crate) async fn keys_are_found_by_their_whole_prefix(store: Arc<dyn Store>) {
    let same = [api_key(1, "acme", "abcdefgh"), api_key(2, "other", "abcdefgh")];
    let others = [api_key(3, "acme", "abcdefgi"), api_key(4, "acme", "ABCDEFGH")];
    for key in same.iter().chain(&others) {
        add(&*store, key).await;
    }
    assert_eq!(keys(&*store, "abcdefgh").await, same);
    for prefix in ["abcdefg", "abcdefg_", "%", "abcdefg%", ""] {
        assert_eq!(keys(&*store, prefix).await, [], "prefix {prefix:?}");
    }
}

/// A key is revoked by its own tenant only, and the first revocation stands.
pub(crate) async fn a_key_is_revoked_by_its_own_tenant(store: Arc<dyn Store>) {
    let [mine, other] = [api_key(1, "acme", "abcdefgh"), api_key(2, "other", "abcdefgh")];
    add(&*store, &mine).await;
    add(&*store, &other).await;
    let revoke = async |of_tenant: &str, id, time| {
        store.revoke_api_key(&tenant(of_tenant), id, at(time)).await.unwrap()
    };
    assert!(!revoke("other", mine.id, 5).await);
    assert!(!revoke("nobody", mine.id, 5).await);
    assert!(!revoke("acme", Uuid::nil(), 5).await);
    assert_eq!(keys(&*store, "abcdefgh").await, [mine.clone(), other.clone()]);
    assert!(revoke("acme", mine.id, 5).await);
    assert!(revoke("acme", mine.id, 9).await);
    let revoked = ApiKeyRow { revoked_at: Some(at(5)), ..mine };
    assert_eq!(keys(&*store, "abcdefgh").await, [revoked, other]);
}

//! The first tenant and the first key.

use coppice_core::TenantId;
use coppice_persistence::Directory;
use coppice_runtime::{Clock, SystemClock};
use coppice_server::auth::{ApiKey, KeyMode};
use coppice_server::bootstrap::{
    BootstrapKeyError, DEFAULT_TENANT, bootstrap, bootstrap_operators, given_key,
};
use coppice_server::config::{BOOTSTRAP_KEY, Environment, Secret};

use crate::support::{FakeDirectory, KEY};

fn given(environment: Environment, text: &str) -> Result<Option<ApiKey>, BootstrapKeyError> {
    given_key(environment, BOOTSTRAP_KEY, Some(&Secret::new(text.to_owned())))
}

async fn start(directory: &FakeDirectory, variable: Option<&str>) -> Option<ApiKey> {
    let key = variable.and_then(|text| given(Environment::Development, text).unwrap());
    bootstrap(directory, &SystemClock, key.as_ref()).await.unwrap()
}

#[tokio::test]
async fn the_first_start_makes_a_live_key_and_the_second_makes_none() {
    let directory = FakeDirectory::default();
    let key = start(&directory, None).await.unwrap();
    assert_eq!(key.mode(), KeyMode::Live);
    let rows = directory.api_keys(key.prefix()).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].hash, key.hash());
    assert_eq!(rows[0].tenant.as_str(), DEFAULT_TENANT);
    assert_eq!(start(&directory, None).await, None);
}

#[tokio::test]
async fn a_given_key_is_stored_once_and_not_handed_back() {
    let directory = FakeDirectory::default();
    for _ in 0..3 {
        let made = start(&directory, Some(KEY)).await;
        assert_eq!(made, None);
    }
    assert_eq!(directory.api_keys("01234567").await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_given_key_is_added_to_a_node_that_has_tenants() {
    let directory = FakeDirectory::default();
    start(&directory, None).await.unwrap();
    start(&directory, Some(KEY)).await;
    assert_eq!(directory.api_keys("01234567").await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_revoked_key_is_not_brought_back() {
    let directory = FakeDirectory::default();
    start(&directory, Some(KEY)).await;
    let tenant = TenantId::new(DEFAULT_TENANT).unwrap();
    let id = ApiKey::parse(KEY).unwrap().hash().to_uuid();
    assert!(directory.revoke_api_key(&tenant, id, SystemClock.now()).await.unwrap());
    start(&directory, Some(KEY)).await;
    let rows = directory.api_keys("01234567").await.unwrap();
    assert!(rows.iter().all(|row| row.revoked_at.is_some()));
}

#[tokio::test]
async fn the_operators_have_a_tenant_and_a_key_of_their_own_also_on_an_older_store() {
    let directory = FakeDirectory::default();
    start(&directory, None).await.unwrap();
    let made = bootstrap_operators(&directory, &SystemClock, None).await.unwrap().unwrap();
    let rows = directory.api_keys(made.prefix()).await.unwrap();
    assert_eq!(rows[0].tenant.as_str(), TenantId::OPERATORS);
    assert!(rows[0].tenant.is_reserved());
    let again = bootstrap_operators(&directory, &SystemClock, None).await.unwrap();
    assert_eq!(again, None);
    let key = given(Environment::Development, KEY).unwrap();
    bootstrap_operators(&directory, &SystemClock, key.as_ref()).await.unwrap();
    let rows = directory.api_keys("01234567").await.unwrap();
    assert_eq!(rows[0].tenant.as_str(), TenantId::OPERATORS);
}

#[test]
fn production_refuses_the_variable_even_where_it_is_malformed() {
    for text in [KEY, "nonsense"] {
        let outcome = given(Environment::Production, text);
        assert_eq!(outcome, Err(BootstrapKeyError::Production(BOOTSTRAP_KEY)));
    }
    assert_eq!(given_key(Environment::Production, BOOTSTRAP_KEY, None), Ok(None));
    assert!(given(Environment::Staging, KEY).unwrap().is_some());
}

#[test]
fn a_malformed_or_live_key_is_an_error_that_names_the_variable_and_not_the_key() {
    let live = KEY.replace("test", "live");
    for text in ["", "sk_test_123", &KEY.to_uppercase(), &live] {
        let error = given(Environment::Development, text).unwrap_err();
        assert!(error.to_string().contains(BOOTSTRAP_KEY), "{error}");
        let shown = format!("{error} {error:?}");
        assert!(text.is_empty() || !shown.contains(text), "{shown}");
    }
}

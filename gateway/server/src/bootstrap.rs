//! The first tenant and the first key.
//!
//! A node that finds no tenant makes the tenant `default` with a key that may do everything, and
//! hands the key back to be shown once. `COPPICE_BOOTSTRAP_KEY` names the key instead, so that a
//! test knows it; it is refused in production, where a key that stands in an environment is a key
//! that stands in process lists and deployment files.
//!
//! Two nodes that start on one empty database at the same moment both make a key; both are valid.

use coppice_core::{InvalidId, TenantId};
use coppice_persistence::{ApiKeyRow, Directory, StoreError};
use coppice_runtime::Clock;
use thiserror::Error;

use crate::auth::{ApiKey, KeyMode, MalformedKey, SCOPE_ALL};
use crate::config::{BOOTSTRAP_KEY, Environment, Secret};

/// The tenant that a first start makes.
pub const DEFAULT_TENANT: &str = "default";

/// Why the variable's key is not accepted; found before anything is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BootstrapKeyError {
    /// It is set in production.
    #[error("{BOOTSTRAP_KEY} is refused where server.environment is production")]
    Production,
    /// It holds no key.
    #[error("{BOOTSTRAP_KEY} is malformed")]
    Malformed(#[source] MalformedKey),
    /// It holds a live key, which belongs in no environment.
    #[error("{BOOTSTRAP_KEY} must be a test key, sk_test_ and 32 lower-case hex digits")]
    Live,
}

/// Why there is no first key.
#[derive(Debug, Error)]
pub enum BootstrapError {
    /// The operating system gave no randomness.
    #[error("no random bytes for the first API key")]
    Random(#[source] getrandom::Error),
    /// The name of the first tenant is none.
    #[error("the first tenant can not be named")]
    Tenant(#[source] InvalidId),
    /// The keys can't be read or written.
    #[error("the first API key can not be stored")]
    Store(#[source] StoreError),
}

/// The variable's key.
///
/// # Errors
/// [`BootstrapKeyError`].
pub fn given_key(
    environment: Environment,
    variable: Option<&Secret>,
) -> Result<Option<ApiKey>, BootstrapKeyError> {
    let Some(text) = variable else { return Ok(None) };
    if environment == Environment::Production {
        return Err(BootstrapKeyError::Production);
    }
    let key = ApiKey::parse(text.expose()).map_err(BootstrapKeyError::Malformed)?;
    match key.mode() {
        KeyMode::Test => Ok(Some(key)),
        KeyMode::Live => Err(BootstrapKeyError::Live),
    }
}

/// Makes sure that there is a tenant, and that the given key, if any, is one of its keys. Hands
/// back the key that was made up, to be shown once.
///
/// # Errors
/// [`BootstrapError`].
pub async fn bootstrap(
    directory: &dyn Directory,
    clock: &dyn Clock,
    given: Option<&ApiKey>,
) -> Result<Option<ApiKey>, BootstrapError> {
    let tenants = directory.has_tenants().await.map_err(BootstrapError::Store)?;
    match given {
        Some(key) => {
            if !tenants || !is_stored(directory, key).await? {
                add(directory, clock, key, BOOTSTRAP_KEY).await?;
            }
            Ok(None)
        }
        None if tenants => Ok(None),
        None => {
            let key = ApiKey::generate(KeyMode::Live).map_err(BootstrapError::Random)?;
            add(directory, clock, &key, "made at the first start").await?;
            Ok(Some(key))
        }
    }
}

/// In whatever state: a key that was revoked stays revoked.
async fn is_stored(directory: &dyn Directory, key: &ApiKey) -> Result<bool, BootstrapError> {
    let rows = directory.api_keys(key.prefix()).await.map_err(BootstrapError::Store)?;
    Ok(rows.iter().any(|row| row.hash == key.hash()))
}

async fn add(
    directory: &dyn Directory,
    clock: &dyn Clock,
    key: &ApiKey,
    description: &str,
) -> Result<(), BootstrapError> {
    let tenant = TenantId::new(DEFAULT_TENANT).map_err(BootstrapError::Tenant)?;
    // The id is made of the hash, so that nodes that add the same key add one row.
    let id = key.hash().to_uuid();
    let (prefix, hash, scopes) = (key.prefix().to_owned(), key.hash(), SCOPE_ALL.to_owned());
    let row = ApiKeyRow::new(id, tenant.clone(), prefix, hash, scopes, clock.now());
    let row = ApiKeyRow {
        name: "first".to_owned(),
        description: description.to_owned(),
        live: key.mode() == KeyMode::Live,
        ..row
    };
    directory.add_tenant(&tenant, DEFAULT_TENANT, &row).await.map_err(BootstrapError::Store)
}

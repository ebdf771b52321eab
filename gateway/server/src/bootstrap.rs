//! The first tenants and the first keys.
//!
//! A node that finds no tenant makes the tenant `default` with a key that may do everything, and
//! hands the key back to be shown once. `COPPICE_BOOTSTRAP_KEY` names the key instead, so that a
//! test knows it; it is refused in production, where a key that stands in an environment is a key
//! that stands in process lists and deployment files.
//!
//! So it makes the tenant of the operators, beside the customers': a key of theirs, and of no other
//! tenant, may stop the system (see [`crate::auth::Scope`]). `COPPICE_OPERATOR_KEY` names their key.
//!
//! Two nodes that start on one empty database at the same moment both make a key; both are valid.

use coppice_core::{InvalidId, TenantId};
use coppice_persistence::{ApiKeyRow, Directory, StoreError};
use coppice_runtime::Clock;
use thiserror::Error;

use crate::auth::{ApiKey, KeyMode, MalformedKey, SCOPE_ALL};
use crate::config::{BOOTSTRAP_KEY, Environment, OPERATOR_KEY, Secret};

/// The tenant that a first start makes.
pub const DEFAULT_TENANT: &str = "default";

/// Why the variable's key is not accepted; found before anything is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BootstrapKeyError {
    /// It is set in production.
    #[error("{0} is refused where server.environment is production")]
    Production(&'static str),
    /// It holds no key.
    #[error("{0} is malformed")]
    Malformed(&'static str, #[source] MalformedKey),
    /// It holds a live key, which belongs in no environment.
    #[error("{0} must be a test key, sk_test_ and 32 lower-case hex digits")]
    Live(&'static str),
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

/// The key of the variable of this name.
///
/// # Errors
/// [`BootstrapKeyError`].
pub fn given_key(
    environment: Environment,
    name: &'static str,
    variable: Option<&Secret>,
) -> Result<Option<ApiKey>, BootstrapKeyError> {
    let Some(text) = variable else { return Ok(None) };
    if environment == Environment::Production {
        return Err(BootstrapKeyError::Production(name));
    }
    let malformed = |error| BootstrapKeyError::Malformed(name, error);
    let key = ApiKey::parse(text.expose()).map_err(malformed)?;
    match key.mode() {
        KeyMode::Test => Ok(Some(key)),
        KeyMode::Live => Err(BootstrapKeyError::Live(name)),
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
    let exists = directory.has_tenants().await.map_err(BootstrapError::Store)?;
    let tenant = TenantId::new(DEFAULT_TENANT).map_err(BootstrapError::Tenant)?;
    First { tenant, exists, variable: BOOTSTRAP_KEY }.key(directory, clock, given).await
}

/// The same for the tenant of the operators, which a store of an older build doesn't have either.
///
/// # Errors
/// [`BootstrapError`].
pub async fn bootstrap_operators(
    directory: &dyn Directory,
    clock: &dyn Clock,
    given: Option<&ApiKey>,
) -> Result<Option<ApiKey>, BootstrapError> {
    let tenant = TenantId::new(TenantId::OPERATORS).map_err(BootstrapError::Tenant)?;
    let exists = directory.has_tenant(&tenant).await.map_err(BootstrapError::Store)?;
    First { tenant, exists, variable: OPERATOR_KEY }.key(directory, clock, given).await
}

/// A tenant that a start makes where it isn't there.
struct First {
    tenant: TenantId,
    exists: bool,
    variable: &'static str,
}

impl First {
    async fn key(
        self,
        directory: &dyn Directory,
        clock: &dyn Clock,
        given: Option<&ApiKey>,
    ) -> Result<Option<ApiKey>, BootstrapError> {
        match given {
            Some(key) => {
                if !self.exists || !is_stored(directory, key).await? {
                    add(directory, clock, &self.tenant, key, self.variable).await?;
                }
                Ok(None)
            }
            None if self.exists => Ok(None),
            None => {
                let key = ApiKey::generate(KeyMode::Live).map_err(BootstrapError::Random)?;
                add(directory, clock, &self.tenant, &key, "made at the first start").await?;
                Ok(Some(key))
            }
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
    tenant: &TenantId,
    key: &ApiKey,
    description: &str,
) -> Result<(), BootstrapError> {
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
    directory.add_tenant(tenant, tenant.as_str(), &row).await.map_err(BootstrapError::Store)
}

//! `coppice token`: issues a token with the secret of the environment. It asks no node.

use std::io::{self, Write};

use coppice_core::{InvalidId, TenantId};
use coppice_runtime::{Clock, SystemClock};
use thiserror::Error;

use crate::auth::Scope;
use crate::auth::token::{Grant, TokenKeyError, issue};
use crate::config::Settings;

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRequest {
    /// The tenant.
    pub tenant: String,
    /// The scopes.
    pub scopes: Vec<String>,
    /// Who it is for.
    pub subject: String,
    /// For how many seconds.
    pub ttl_s: u64,
}

/// Why there is no token.
#[derive(Debug, Error)]
pub enum TokenError {
    /// The tenant can't be named like this.
    #[error("the tenant is none")]
    Tenant(#[source] InvalidId),
    /// A node would not know the scope.
    #[error("there is no scope {0:?}")]
    Scope(String),
    /// A node would refuse the subject.
    #[error("a subject has 1 to 255 characters, none of them control")]
    Subject,
    /// A node would refuse the lifetime.
    #[error("a token lives 1 to {0} seconds (auth.jwt.lifetime_max_s)")]
    Lifetime(u64),
    /// There is no secret.
    #[error("no token can be signed")]
    Key(#[source] TokenKeyError),
    /// Stdout is closed.
    #[error("can not write to stdout")]
    Stdout(#[source] io::Error),
}

/// Prints a token on one line.
///
/// # Errors
/// [`TokenError`].
pub fn token(settings: &Settings, request: &TokenRequest) -> Result<(), TokenError> {
    let config = &settings.config.auth.jwt;
    let tenant = TenantId::new(&request.tenant).map_err(TokenError::Tenant)?;
    let scopes: Vec<_> = request.scopes.iter().flat_map(|some| some.split(' ')).collect();
    if let Some(unknown) = scopes.iter().find(|scope| !Scope::is_one(scope)) {
        return Err(TokenError::Scope((*unknown).to_owned()));
    }
    let subject = &request.subject;
    if !(1..=255).contains(&subject.chars().count()) || subject.chars().any(char::is_control) {
        return Err(TokenError::Subject);
    }
    if !(1..=config.lifetime_max_s).contains(&request.ttl_s) {
        return Err(TokenError::Lifetime(config.lifetime_max_s));
    }
    let grant =
        Grant { tenant, subject: subject.clone(), scopes: scopes.join(" "), ttl_s: request.ttl_s };
    let token = issue(&grant, config, settings.jwt_secret.as_ref(), SystemClock.now())
        .map_err(TokenError::Key)?;
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{token}").and_then(|()| stdout.flush()).map_err(TokenError::Stdout)
}

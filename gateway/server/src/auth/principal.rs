//! Who a caller is, once it is verified.

use std::fmt;

use coppice_core::TenantId;
use uuid::Uuid;

use super::scope::{SCOPE_ALL, Scope};

/// The caller, once its credential is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Whose data it may reach.
    pub tenant: TenantId,
    /// By what it is known; this is what a record of its deeds names.
    pub identity: Identity,
    /// What it is allowed; names that this build doesn't know stay in it and allow nothing here.
    scopes: Box<str>,
}

/// By what a caller is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// An API key, by its id.
    ApiKey(Uuid),
    /// A token, by whom it was given to and the name of the key that signed it.
    Token {
        /// Its claim `sub`.
        subject: Box<str>,
        /// The key's `kid`, or `secret`.
        key: Box<str>,
    },
    /// A client's certificate, by the name of its entry in the settings.
    Certificate(Box<str>),
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ApiKey(id) => write!(f, "api key {id}"),
            Self::Certificate(name) => write!(f, "certificate {name:?}"),
            Self::Token { subject, key } => write!(f, "token of {subject:?} by key {key:?}"),
        }
    }
}

impl Principal {
    /// A caller with space-separated scopes.
    #[must_use]
    pub fn new(tenant: TenantId, identity: Identity, scopes: &str) -> Self {
        Self { tenant, identity, scopes: scopes.into() }
    }

    /// Whether it is allowed something.
    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        self.holds(scope.name()) && (!scope.is_of_operators() || self.is_operator())
    }

    /// Whether it is a key of the operators' tenant. A token's tenant is what its issuer says, and
    /// makes nobody an operator.
    pub(crate) fn is_operator(&self) -> bool {
        self.tenant.as_str() == TenantId::OPERATORS && self.api_key().is_some()
    }

    /// Whether it holds a scope by name, and so may hand it on.
    #[must_use]
    pub fn holds(&self, scope: &str) -> bool {
        self.scopes.split(' ').any(|held| held == SCOPE_ALL || held == scope)
    }

    /// The id of its API key, where it is one.
    pub(super) const fn api_key(&self) -> Option<Uuid> {
        match self.identity {
            Identity::ApiKey(id) => Some(id),
            Identity::Token { .. } | Identity::Certificate(_) => None,
        }
    }
}

//! Issuing a token with the secret, for operators.

use coppice_core::{TenantId, Timestamp};
use ring::hmac;
use serde_json::{Value, json};

use super::keys::{TokenKeyError, hmac_key};
use super::{base64, encode};
use crate::config::{JwtConfig, Secret};

/// What a token is to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The tenant.
    pub tenant: TenantId,
    /// Who it is for; what is done with it is recorded under this name.
    pub subject: String,
    /// Space-separated scopes.
    pub scopes: String,
    /// For how many seconds.
    pub ttl_s: u64,
}

/// A token that a node with the same secret and settings accepts.
///
/// # Errors
/// [`TokenKeyError::ShortSecret`], [`TokenKeyError::NoSecret`].
pub fn issue(
    grant: &Grant,
    config: &JwtConfig,
    secret: Option<&Secret>,
    now: Timestamp,
) -> Result<String, TokenKeyError> {
    let key = hmac_key(secret.ok_or(TokenKeyError::NoSecret)?)?;
    let issued = now.as_micros().div_euclid(1_000_000);
    let expires = issued.saturating_add(i64::try_from(grant.ttl_s).unwrap_or(i64::MAX));
    let mut claims = json!({
        "tenant": grant.tenant.as_str(), "sub": grant.subject, "scope": grant.scopes,
        "iat": issued, "nbf": issued, "exp": expires,
    });
    for (name, value) in [("iss", &config.issuer), ("aud", &config.audience)] {
        if !value.is_empty() {
            claims[name] = Value::from(value.as_str());
        }
    }
    let header = json!({"alg": "HS256", "typ": "JWT"});
    let signed = format!("{}.{}", encode(&header), encode(&claims));
    let signature = base64(hmac::sign(&key, signed.as_bytes()).as_ref());
    Ok(format!("{signed}.{signature}"))
}

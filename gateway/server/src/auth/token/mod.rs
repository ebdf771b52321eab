//! JSON Web Tokens (RFC 7519) as credentials: HS256 under a secret of the environment, EdDSA under
//! public keys of files.
//!
//! **Invariants:** nothing of a token but its header is read before its signature is verified; the
//! key decides the algorithm (`keys`); a token that was accepted is believed until it expires, not
//! longer. A token can't be taken back before.
//!
//! Why our own reading on `ring`: see ADR 017.

mod claims;
mod fault;
mod issue;
mod keys;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use coppice_core::Timestamp;
use coppice_core::hash::sha256;
use tokio::time::Instant;
use tracing::debug;

use super::cache::{Cache, Cached};
use super::principal::{Identity, Principal};
use super::{AuthError, Invalid};
use crate::config::{AuthConfig, JwtConfig, Secret};
use claims::Members;
use keys::Keys;

pub use fault::TokenFault;
pub use issue::{Grant, issue};
pub use keys::TokenKeyError;

/// Verifies tokens.
#[derive(Debug)]
pub struct Tokens {
    keys: Keys,
    config: JwtConfig,
    cache: Cache,
}

impl Tokens {
    /// With the keys that the settings name and the secret of the environment. Without any, no token
    /// is accepted.
    ///
    /// # Errors
    /// [`TokenKeyError`].
    pub fn new(config: &AuthConfig, secret: Option<&Secret>) -> Result<Self, TokenKeyError> {
        let keys = Keys::read(&config.jwt, secret)?;
        // What is kept of a token lasts as long as the token, so the bound is only a bound.
        let life = config.jwt.lifetime_max_s.saturating_add(2 * config.jwt.leeway_s);
        let refused = Duration::from_millis(config.refused_ttl_ms);
        let cache = Cache::new(Duration::from_secs(life), refused, config.cache_entries_max);
        Ok(Self { keys, config: config.jwt.clone(), cache })
    }

    /// The caller that a token speaks for.
    pub(super) fn verify(
        &self,
        token: &[u8],
        now: Instant,
        wall: impl FnOnce() -> Timestamp,
    ) -> Result<Arc<Principal>, AuthError> {
        // Before anything is computed of it.
        if token.len() > self.config.token_bytes_max || self.keys.is_empty() {
            return Err(AuthError::Invalid(Invalid::Refused));
        }
        let hash = sha256(token);
        match self.cache.get(&hash, now) {
            Some(Cached::Known(principal)) => return Ok(principal),
            Some(Cached::Refused(invalid)) => return Err(AuthError::Invalid(invalid)),
            None => {}
        }
        let generation = self.cache.generation();
        let wall = wall();
        match self.judge(token, wall) {
            Ok((principal, until)) => {
                let principal = Arc::new(principal);
                let left = until.as_micros().saturating_sub(wall.as_micros());
                let left = Duration::from_micros(u64::try_from(left).unwrap_or(0));
                self.cache.keep(hash, Arc::clone(&principal), now, Some(left), generation);
                Ok(principal)
            }
            Err(fault) => {
                debug!(%fault, "a token was refused");
                let invalid = match fault {
                    TokenFault::Expired => Invalid::Expired,
                    TokenFault::Form(_)
                    | TokenFault::Key
                    | TokenFault::Algorithm
                    | TokenFault::Signature
                    | TokenFault::Claim(_)
                    | TokenFault::NotYet => Invalid::Refused,
                };
                self.cache.refuse(hash, invalid, now, generation);
                Err(AuthError::Invalid(invalid))
            }
        }
    }

    /// The caller, and when the token is over.
    fn judge(&self, token: &[u8], now: Timestamp) -> Result<(Principal, Timestamp), TokenFault> {
        const PARTS: TokenFault = TokenFault::Form("not three parts");
        let form = TokenFault::Form;
        let text = std::str::from_utf8(token).map_err(|_| form("not text"))?;
        let (signed, signature) = text.rsplit_once('.').ok_or(PARTS)?;
        let (header, payload) = signed.split_once('.').ok_or(PARTS)?;
        let header = Members::read(&decode(header)?)?;
        // RFC 7515, section 4.1.11: what is critical and not understood refuses the token.
        if header.has("crit") {
            return Err(form("critical extensions"));
        }
        let algorithm = header.text("alg")?.ok_or(TokenFault::Algorithm)?;
        let kid = header.text("kid")?;
        let signature = decode(signature)?;
        let signer = self.keys.verify(algorithm, kid, signed.as_bytes(), &signature)?;
        let members = Members::read(&decode(payload)?)?;
        let claims = claims::judge(&members, signer, &self.config, now)?;
        let identity = Identity::Token { subject: claims.subject, key: signer.name.into() };
        Ok((Principal::new(claims.tenant, identity, &claims.scopes), claims.until))
    }
}

fn decode(part: &str) -> Result<Vec<u8>, TokenFault> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenFault::Form("not base64url"))
}

fn base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn encode(json: &serde_json::Value) -> String {
    base64(json.to_string().as_bytes())
}

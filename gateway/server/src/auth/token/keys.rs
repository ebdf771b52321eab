//! What tokens are signed with.
//!
//! **Invariant:** a key has one algorithm, which is its own and never the token's to choose. What a
//! token says of its algorithm is only held against it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use coppice_core::TenantId;
use ring::{hmac, signature};
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::{self, PemObject};
use thiserror::Error;

use super::fault::TokenFault;
use crate::config::{JWT_SECRET, JwtConfig, Secret};

/// RFC 7518, section 3.2: at least as long as the hash.
const SECRET_BYTES_MIN: usize = 32;
/// What stands before the 32 bytes of an Ed25519 key in its SPKI (RFC 8410).
const ED25519_SPKI: &[u8] =
    &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const ED25519_BYTES: usize = 32;

/// Why a key can't be used; found before anything is opened.
#[derive(Debug, Error)]
pub enum TokenKeyError {
    /// The secret would be guessed.
    #[error("{JWT_SECRET} must have at least {SECRET_BYTES_MIN} bytes")]
    ShortSecret,
    /// There is no secret to sign with.
    #[error("{JWT_SECRET} is not set")]
    NoSecret,
    /// The file of a key can't be read, or holds no public key in PEM.
    #[error("the key {kid} of auth.jwt.keys can not be read from {file}")]
    Unreadable {
        /// The key.
        kid: String,
        /// Its file.
        file: PathBuf,
        /// Why.
        #[source]
        source: pem::Error,
    },
    /// The file of a key holds one of another algorithm.
    #[error("the key {kid} of auth.jwt.keys is no Ed25519 public key")]
    NotEd25519 {
        /// The key.
        kid: String,
    },
}

/// What tokens may be signed with.
pub(super) struct Keys {
    secret: Option<hmac::Key>,
    /// By `kid`.
    public: BTreeMap<String, PublicKey>,
}

struct PublicKey {
    bytes: [u8; ED25519_BYTES],
    /// The only tenant that its tokens may name.
    tenant: Option<TenantId>,
}

/// The key that a token was signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Signer<'a> {
    /// Its name in records of what was done with it.
    pub(super) name: &'a str,
    /// The only tenant that it may speak of.
    pub(super) tenant: Option<&'a TenantId>,
}

/// Without the keys.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("secret", &self.secret.is_some())
            .field("public", &self.public.keys())
            .finish()
    }
}

impl Keys {
    pub(super) fn read(config: &JwtConfig, secret: Option<&Secret>) -> Result<Self, TokenKeyError> {
        let secret = secret.map(hmac_key).transpose()?;
        let mut public = BTreeMap::new();
        for (kid, key) in &config.keys {
            let unreadable = |source| TokenKeyError::Unreadable {
                kid: kid.clone(),
                file: key.file.clone(),
                source,
            };
            let spki = SubjectPublicKeyInfoDer::from_pem_file(&key.file).map_err(unreadable)?;
            let bytes = spki.strip_prefix(ED25519_SPKI).and_then(|bytes| bytes.try_into().ok());
            let bytes = bytes.ok_or_else(|| TokenKeyError::NotEd25519 { kid: kid.clone() })?;
            public.insert(kid.clone(), PublicKey { bytes, tenant: key.tenant.clone() });
        }
        Ok(Self { secret, public })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.secret.is_none() && self.public.is_empty()
    }

    /// Verifies a signature by the key that the header names: a public key by its `kid`, the secret
    /// by none.
    pub(super) fn verify(
        &self,
        algorithm: &str,
        kid: Option<&str>,
        signed: &[u8],
        signature: &[u8],
    ) -> Result<Signer<'_>, TokenFault> {
        let Some(kid) = kid else {
            let secret = self.secret.as_ref().ok_or(TokenFault::Key)?;
            if algorithm != "HS256" {
                return Err(TokenFault::Algorithm);
            }
            hmac::verify(secret, signed, signature).map_err(|_| TokenFault::Signature)?;
            return Ok(Signer { name: "secret", tenant: None });
        };
        let (name, key) = self.public.get_key_value(kid).ok_or(TokenFault::Key)?;
        if algorithm != "EdDSA" {
            return Err(TokenFault::Algorithm);
        }
        signature::UnparsedPublicKey::new(&signature::ED25519, &key.bytes)
            .verify(signed, signature)
            .map_err(|_| TokenFault::Signature)?;
        Ok(Signer { name, tenant: key.tenant.as_ref() })
    }
}

/// The secret as a key.
pub(super) fn hmac_key(secret: &Secret) -> Result<hmac::Key, TokenKeyError> {
    let bytes = secret.expose().as_bytes();
    if bytes.len() < SECRET_BYTES_MIN {
        return Err(TokenKeyError::ShortSecret);
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, bytes))
}

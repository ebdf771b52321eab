//! Which certificate stands for whom.
//!
//! **Invariant:** a certificate stands for one caller or for nobody: its fingerprint decides, else
//! its names, and where those name two callers it stands for neither.

use std::collections::BTreeMap;
use std::sync::Arc;

use coppice_core::Hash;
use coppice_core::hash::sha256;
use rustls::pki_types::CertificateDer;
use thiserror::Error;
use tracing::{debug, warn};
use webpki::EndEntityCert;

use super::TlsError;
use crate::auth::{Identity, Principal, Scope};
use crate::config::TlsCaller;

/// Why a caller's entry can't be used.
#[derive(Debug, Error)]
pub enum CallerError {
    /// It names no certificate, or one in two ways.
    #[error("give either san or sha256")]
    OneName,
    /// The fingerprint is none.
    #[error("sha256 is the 64 hexadecimal digits of the certificate's fingerprint")]
    Fingerprint,
    /// A scope is none.
    #[error("there is no scope {0:?}")]
    Scope(String),
    /// Another entry names the same certificate.
    #[error("another caller has the same name")]
    Doubled,
}

/// Callers by what their certificates have.
#[derive(Debug, Default)]
pub(super) struct Callers {
    by_fingerprint: BTreeMap<Hash, Arc<Principal>>,
    by_name: BTreeMap<String, Arc<Principal>>,
}

impl Callers {
    pub(super) fn new(entries: &BTreeMap<String, TlsCaller>) -> Result<Self, TlsError> {
        let mut callers = Self::default();
        for (name, entry) in entries {
            callers
                .add(name, entry)
                .map_err(|source| TlsError::Caller { name: name.clone(), source })?;
        }
        Ok(callers)
    }

    fn add(&mut self, name: &str, entry: &TlsCaller) -> Result<(), CallerError> {
        if let Some(unknown) = entry.scopes.iter().find(|scope| !Scope::is_one(scope)) {
            return Err(CallerError::Scope(unknown.clone()));
        }
        let identity = Identity::Certificate(name.into());
        let scopes = entry.scopes.join(" ");
        let caller = Arc::new(Principal::new(entry.tenant.clone(), identity, &scopes));
        let before = match (&entry.san, &entry.sha256) {
            (Some(san), None) => self.by_name.insert(san.clone(), caller),
            (None, Some(digits)) => {
                let hash = fingerprint(digits).ok_or(CallerError::Fingerprint)?;
                self.by_fingerprint.insert(hash, caller)
            }
            (Some(_), Some(_)) | (None, None) => return Err(CallerError::OneName),
        };
        before.map_or(Ok(()), |_| Err(CallerError::Doubled))
    }

    /// The caller that a verified certificate stands for.
    pub(super) fn find(&self, certificate: &CertificateDer<'_>) -> Option<Arc<Principal>> {
        let hash = sha256(certificate);
        if let Some(caller) = self.by_fingerprint.get(&hash) {
            return Some(Arc::clone(caller));
        }
        let parsed = EndEntityCert::try_from(certificate).ok()?;
        let names = parsed.valid_dns_names().chain(parsed.valid_uri_names());
        let mut found = names.filter_map(|name| self.by_name.get(name));
        let Some(caller) = found.next() else {
            debug!(fingerprint = %hash, "a certificate stands for nobody");
            return None;
        };
        if found.any(|other| other != caller) {
            warn!(fingerprint = %hash, "a certificate names several callers and stands for none");
            return None;
        }
        Some(Arc::clone(caller))
    }
}

/// 64 hexadecimal digits, with colons between pairs or without.
fn fingerprint(digits: &str) -> Option<Hash> {
    let digits: Vec<u8> = digits.bytes().filter(|byte| *byte != b':').collect();
    let pairs = digits.chunks_exact(2).map(|pair| {
        let pair = std::str::from_utf8(pair).ok()?;
        pair.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(())?;
        u8::from_str_radix(pair, 16).ok()
    });
    let bytes: Vec<u8> = pairs.collect::<Option<_>>()?;
    (digits.len() == 64).then(|| Hash::from_slice(&bytes)).flatten()
}

#[cfg(test)]
mod tests {
    use coppice_core::TenantId;

    use super::*;

    fn entry(san: Option<&str>, sha256: Option<&str>, scope: &str) -> TlsCaller {
        TlsCaller {
            san: san.map(str::to_owned),
            sha256: sha256.map(str::to_owned),
            tenant: TenantId::new("t").unwrap(),
            scopes: vec![scope.to_owned()],
        }
    }

    fn refusal(entries: &[TlsCaller]) -> String {
        let named = entries.iter().enumerate().map(|(at, entry)| (at.to_string(), entry.clone()));
        let error = Callers::new(&named.collect()).unwrap_err();
        std::error::Error::source(&error).unwrap().to_string()
    }

    #[test]
    fn an_entry_names_one_certificate_in_one_way() {
        let all = "entities:read";
        let digits = "0A".repeat(32);
        assert!(refusal(&[entry(None, None, all)]).contains("either"));
        assert!(refusal(&[entry(Some("a"), Some(&digits), all)]).contains("either"));
        assert!(refusal(&[entry(Some("a"), None, "everything")]).contains("everything"));
        for bad in ["", "0a", "zz", &digits[1..], &"+a".repeat(32), &"0a".repeat(33)] {
            assert!(refusal(&[entry(None, Some(bad), all)]).contains("64"), "{bad}");
        }
        let coloned = vec!["0a"; 32].join(":");
        let twice = [entry(None, Some(&digits), all), entry(None, Some(&coloned), all)];
        assert!(refusal(&twice).contains("same"));
        let twice = [entry(Some("a"), None, all), entry(Some("a"), None, "*")];
        assert!(refusal(&twice).contains("same"));
    }
}

//! AES-256-GCM: what seals personal data, and what wraps the keys that do.
//!
//! Each sealing has a fresh random nonce, which stands before the sealed bytes, and is bound to
//! tenant, subject and key: what is sealed for one subject doesn't open as another's.

use std::fmt;

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit};
use coppice_core::hash::sha256;
use coppice_core::sensitive::Sealed;
use coppice_core::{SubjectId, TenantId};
use coppice_persistence::WrappedKey;
use thiserror::Error;
use zeroize::Zeroizing;

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;

/// A key's bytes, wiped when they are let go of.
pub(super) type KeyBytes = Zeroizing<[u8; KEY_BYTES]>;

/// A platform key that isn't one. It says nothing of the text, which may be nearly a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a platform key is 64 hexadecimal digits, such as `openssl rand -hex 32` prints")]
pub struct MalformedPlatformKey;

/// The key that subject keys are wrapped under. It comes from the environment and is stored nowhere.
#[derive(Clone)]
pub struct PlatformKey {
    name: Box<str>,
    cipher: Aes256Gcm,
}

/// By their names, which are as good as the keys.
impl PartialEq for PlatformKey {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for PlatformKey {}

impl fmt::Debug for PlatformKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PlatformKey").field(&self.name).finish()
    }
}

impl PlatformKey {
    /// Reads a key from its text.
    ///
    /// # Errors
    /// [`MalformedPlatformKey`].
    pub fn parse(text: &str) -> Result<Self, MalformedPlatformKey> {
        let bytes = from_hex(text.trim()).map(Zeroizing::new).ok_or(MalformedPlatformKey)?;
        let mut key: KeyBytes = Zeroizing::new([0; KEY_BYTES]);
        if bytes.len() != KEY_BYTES {
            return Err(MalformedPlatformKey);
        }
        key.copy_from_slice(&bytes);
        let mut named = Zeroizing::new(b"coppice.platform-key.v1".to_vec());
        named.extend_from_slice(key.as_slice());
        let name = to_hex(&sha256(&named).0[..8]).into();
        Ok(Self { name, cipher: cipher(&key) })
    }

    /// Names the key without telling it: the start of a hash.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn wrap(
        &self,
        key: &SubjectKey,
        tenant: &TenantId,
        subject: &SubjectId,
    ) -> WrappedKey {
        let bound = bound("wrapped", tenant, subject, &key.id);
        let bytes = encrypt(&self.cipher, key.bytes.as_slice(), &bound);
        WrappedKey { under: self.name.clone(), bytes }
    }

    pub(super) fn unwrap(
        &self,
        wrapped: &WrappedKey,
        tenant: &TenantId,
        subject: &SubjectId,
        id: &str,
    ) -> Option<SubjectKey> {
        let bound = bound("wrapped", tenant, subject, id);
        let plain = Zeroizing::new(decrypt(&self.cipher, &wrapped.bytes, &bound)?);
        let mut bytes: KeyBytes = Zeroizing::new([0; KEY_BYTES]);
        if plain.len() != KEY_BYTES {
            return None;
        }
        bytes.copy_from_slice(&plain);
        Some(SubjectKey::new(id.into(), bytes))
    }
}

/// The key of one subject.
pub(super) struct SubjectKey {
    id: Box<str>,
    bytes: KeyBytes,
    cipher: Aes256Gcm,
}

impl fmt::Debug for SubjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SubjectKey").field(&self.id).finish()
    }
}

impl SubjectKey {
    pub(super) fn new(id: Box<str>, bytes: KeyBytes) -> Self {
        let cipher = cipher(&bytes);
        Self { id, bytes, cipher }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn seal(&self, tenant: &TenantId, subject: &SubjectId, plain: &[u8]) -> Sealed {
        let bytes = encrypt(&self.cipher, plain, &bound("sealed", tenant, subject, &self.id));
        Sealed { key_id: self.id.clone(), text: to_hex(&bytes).into() }
    }

    pub(super) fn open(
        &self,
        tenant: &TenantId,
        subject: &SubjectId,
        sealed: &Sealed,
    ) -> Result<Vec<u8>, String> {
        if sealed.key_id != self.id {
            return Err(format!("it is sealed under {}, not {}", sealed.key_id, self.id));
        }
        from_hex(&sealed.text)
            .and_then(|bytes| {
                decrypt(&self.cipher, &bytes, &bound("sealed", tenant, subject, &self.id))
            })
            .ok_or_else(|| "what is sealed was altered, or is another subject's".to_owned())
    }
}

/// A new key.
///
/// # Panics
/// Where the operating system gives no randomness: nothing may be sealed under what isn't random.
pub(super) fn fresh() -> KeyBytes {
    let mut bytes: KeyBytes = Zeroizing::new([0; KEY_BYTES]);
    getrandom::fill(bytes.as_mut_slice()).expect("the operating system gives randomness");
    bytes
}

fn cipher(key: &KeyBytes) -> Aes256Gcm {
    Aes256Gcm::new_from_slice(key.as_slice()).expect("a key has 32 bytes")
}

/// What a sealing is bound to. No part can hold a NUL, so no two lists read alike.
fn bound(what: &str, tenant: &TenantId, subject: &SubjectId, id: &str) -> Vec<u8> {
    ["coppice.v1", what, tenant.as_str(), subject.as_str(), id].join("\0").into_bytes()
}

fn encrypt(cipher: &Aes256Gcm, plain: &[u8], bound: &[u8]) -> Vec<u8> {
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut nonce).expect("the operating system gives randomness");
    let payload = Payload { msg: plain, aad: bound };
    let sealed = cipher.encrypt(&nonce.into(), payload).expect("it is far below 64 GiB");
    [&nonce[..], &sealed].concat()
}

fn decrypt(cipher: &Aes256Gcm, bytes: &[u8], bound: &[u8]) -> Option<Vec<u8>> {
    let (nonce, sealed) = bytes.split_first_chunk::<NONCE_BYTES>()?;
    cipher.decrypt(&(*nonce).into(), Payload { msg: sealed, aad: bound }).ok()
}

fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<_>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant() -> TenantId {
        TenantId::new("acme").unwrap()
    }

    fn subject(name: &str) -> SubjectId {
        SubjectId::new(name).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_for_its_own_subject_tenant_and_key_only() {
        let key = SubjectKey::new("key_1".into(), fresh());
        let sealed = key.seal(&tenant(), &subject("a"), b"Ada");
        assert_eq!(key.open(&tenant(), &subject("a"), &sealed).unwrap(), b"Ada");
        assert!(key.open(&tenant(), &subject("b"), &sealed).is_err());
        assert!(key.open(&TenantId::new("other").unwrap(), &subject("a"), &sealed).is_err());
        let other = SubjectKey::new("key_2".into(), key.bytes);
        assert!(other.open(&tenant(), &subject("a"), &sealed).is_err());
        let strange = SubjectKey::new("key_1".into(), fresh());
        assert!(strange.open(&tenant(), &subject("a"), &sealed).is_err());
    }

    #[test]
    fn what_was_altered_does_not_open() {
        let key = SubjectKey::new("key_1".into(), fresh());
        let sealed = key.seal(&tenant(), &subject("a"), b"Ada");
        for at in 0..sealed.text.len() {
            let mut text = sealed.text.to_string().into_bytes();
            text[at] = if text[at] == b'0' { b'1' } else { b'0' };
            let text = String::from_utf8(text).unwrap().into();
            let altered = Sealed { text, ..sealed.clone() };
            assert!(key.open(&tenant(), &subject("a"), &altered).is_err(), "digit {at}");
        }
        for text in ["", "0", "zz", "00"] {
            let short = Sealed { text: text.into(), ..sealed.clone() };
            assert!(key.open(&tenant(), &subject("a"), &short).is_err(), "{text:?}");
        }
    }

    #[test]
    fn two_sealings_of_one_text_differ() {
        let key = SubjectKey::new("key_1".into(), fresh());
        let sealed = || key.seal(&tenant(), &subject("a"), b"Ada").text;
        assert_ne!(sealed(), sealed());
    }

    #[test]
    fn a_wrapped_key_comes_back_under_its_own_platform_key_only() {
        let outer = PlatformKey::parse(&"0f".repeat(32)).unwrap();
        let key = SubjectKey::new("key_1".into(), fresh());
        let wrapped = outer.wrap(&key, &tenant(), &subject("a"));
        assert!(!wrapped.bytes.windows(8).any(|part| key.bytes.windows(8).any(|own| own == part)));
        let back = outer.unwrap(&wrapped, &tenant(), &subject("a"), "key_1").unwrap();
        assert_eq!(back.bytes, key.bytes);
        assert!(outer.unwrap(&wrapped, &tenant(), &subject("b"), "key_1").is_none());
        let strange = PlatformKey::parse(&"0e".repeat(32)).unwrap();
        assert!(strange.unwrap(&wrapped, &tenant(), &subject("a"), "key_1").is_none());
    }

    #[test]
    fn a_platform_key_is_sixty_four_digits_and_is_never_printed() {
        let text = "0123456789abcdefABCDEF9876543210".repeat(2);
        let key = PlatformKey::parse(&format!(" {text}\n")).unwrap();
        let shown = format!("{key:?}");
        assert!(!shown.contains(&text[..16]), "{shown}");
        assert_eq!(key.name().len(), 16);
        for bad in ["", "0", &text[1..], &"g".repeat(64), &"é".repeat(32)] {
            assert!(PlatformKey::parse(bad).is_err(), "{bad:?}");
        }
        let key = SubjectKey::new("key_1".into(), Zeroizing::new([171; 32]));
        assert_eq!(format!("{key:?}"), r#"SubjectKey("key_1")"#);
    }
}

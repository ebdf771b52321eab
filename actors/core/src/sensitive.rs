//! Personal data that is only ever written down sealed under its subject's key.
//!
//! A [`Sensitive`] value is present or erased. Destroying the subject's key turns every copy
//! (events, snapshots, replies, dead letters, read models) into the erased form at the next read,
//! and no hash changes, because chains and digests cover the sealed bytes.
//!
//! Sealing happens in `Serialize` and opening in `Deserialize`, through the [`Vault`] that the
//! shell puts in scope with [`with_vault`]. **Invariant:** without a vault in scope nothing is
//! written: serialization fails, it never falls back to plain text. A value is sealed once; the
//! sealed bytes travel with it, so that every later copy is the same to the byte.

use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::de::{self, DeserializeOwned};
use serde::ser;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ids::SubjectId;

/// Seals and opens personal data. Implemented where keys are kept; called inside serde.
pub trait Vault: Send + Sync {
    /// Encrypts for a subject; gives the id of the key used and the sealed text.
    ///
    /// # Errors
    /// A sentence saying why the subject has no usable key.
    fn seal(&self, subject: &SubjectId, plain: &[u8]) -> Result<Sealed, String>;

    /// Decrypts; `None` where the key has been destroyed.
    ///
    /// # Errors
    /// A sentence saying why a text whose key exists can't be opened (it was altered).
    fn open(&self, subject: &SubjectId, sealed: &Sealed) -> Result<Option<Vec<u8>>, String>;
}

/// Personal data as it is written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// The key that it is sealed under.
    pub key_id: Box<str>,
    /// The sealed bytes as text, in the vault's own encoding.
    pub text: Box<str>,
}

thread_local! {
    static VAULT: RefCell<Option<Arc<dyn Vault>>> = const { RefCell::new(None) };
}

/// Runs `work` with a vault in scope on this thread, and takes it out again.
pub fn with_vault<R>(vault: Arc<dyn Vault>, work: impl FnOnce() -> R) -> R {
    struct Restore(Option<Arc<dyn Vault>>);
    impl Drop for Restore {
        fn drop(&mut self) {
            VAULT.set(self.0.take());
        }
    }
    let _restore = Restore(VAULT.replace(Some(vault)));
    work()
}

fn vault() -> Result<Arc<dyn Vault>, &'static str> {
    VAULT.with_borrow(Clone::clone).ok_or("personal data met no vault in scope")
}

/// A value that belongs to a person.
#[derive(Clone)]
pub struct Sensitive<T> {
    subject: SubjectId,
    value: Option<T>,
    sealed: OnceLock<Sealed>,
}

impl<T> Sensitive<T> {
    /// A value of a subject, present.
    #[must_use]
    pub const fn new(subject: SubjectId, value: T) -> Self {
        Self { subject, value: Some(value), sealed: OnceLock::new() }
    }

    /// Whose it is.
    #[must_use]
    pub const fn subject(&self) -> &SubjectId {
        &self.subject
    }

    /// The key that it is sealed under, once it has been written down.
    pub fn key_id(&self) -> Option<&str> {
        self.sealed.get().map(|sealed| sealed.key_id.as_ref())
    }

    /// The value, or `None` once it is erased. Every reader must say what it does then.
    #[must_use]
    pub const fn get(&self) -> Option<&T> {
        self.value.as_ref()
    }
}

/// Equal where both are present with equal values or both are erased: the sealed bytes of two
/// equal values differ by their nonce.
impl<T: PartialEq> PartialEq for Sensitive<T> {
    fn eq(&self, other: &Self) -> bool {
        self.subject == other.subject && self.value == other.value
    }
}

/// Never prints the value: logs and panics are readable by people who may not read it.
impl<T> fmt::Debug for Sensitive<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.value.is_some() { "Sensitive(present)" } else { "Sensitive(erased)" })
    }
}

#[derive(Serialize)]
struct WrittenRef<'a> {
    subject: &'a SubjectId,
    sealed: &'a Sealed,
}

#[derive(Deserialize)]
struct Written {
    subject: SubjectId,
    sealed: Sealed,
}

impl<T: Serialize> Serialize for Sensitive<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let sealed = match self.sealed.get() {
            Some(sealed) => sealed,
            None => {
                let sealed = self.seal::<S::Error>()?;
                self.sealed.get_or_init(|| sealed)
            }
        };
        WrittenRef { subject: &self.subject, sealed }.serialize(serializer)
    }
}

impl<T: Serialize> Sensitive<T> {
    fn seal<E: ser::Error>(&self) -> Result<Sealed, E> {
        // An erased value always carries its sealed bytes, so only a present one comes here.
        let value = self.value.as_ref().ok_or_else(|| E::custom("nothing left to seal"))?;
        let plain = serde_json::to_vec(value).map_err(E::custom)?;
        vault().map_err(E::custom)?.seal(&self.subject, &plain).map_err(E::custom)
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Sensitive<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Written { subject, sealed } = Written::deserialize(deserializer)?;
        let plain = vault()
            .map_err(de::Error::custom)?
            .open(&subject, &sealed)
            .map_err(de::Error::custom)?;
        let value = match plain {
            Some(plain) => Some(serde_json::from_slice(&plain).map_err(de::Error::custom)?),
            None => None,
        };
        Ok(Self { subject, value, sealed: OnceLock::from(sealed) })
    }
}

impl<T> From<Sensitive<T>> for Option<T> {
    fn from(sensitive: Sensitive<T>) -> Self {
        sensitive.value
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// Reverses the bytes; its one key can be destroyed.
    #[derive(Default)]
    struct Mirror {
        destroyed: AtomicBool,
    }

    impl Vault for Mirror {
        fn seal(&self, _: &SubjectId, plain: &[u8]) -> Result<Sealed, String> {
            let text: String = plain.iter().rev().map(|byte| format!("{byte:02x}")).collect();
            Ok(Sealed { key_id: "k1".into(), text: text.into() })
        }

        fn open(&self, _: &SubjectId, sealed: &Sealed) -> Result<Option<Vec<u8>>, String> {
            if self.destroyed.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let bytes = (0..sealed.text.len() / 2).rev();
            bytes
                .map(|at| u8::from_str_radix(&sealed.text[2 * at..2 * at + 2], 16))
                .collect::<Result<_, _>>()
                .map(Some)
                .map_err(|error| error.to_string())
        }
    }

    fn name() -> Sensitive<String> {
        Sensitive::new(SubjectId::new("sub_1").unwrap(), "Ada".to_owned())
    }

    #[test]
    fn without_a_vault_nothing_is_written() {
        assert!(serde_json::to_string(&name()).is_err());
    }

    #[test]
    fn a_value_comes_back_until_its_key_is_destroyed() {
        let vault = Arc::new(Mirror::default());
        let text = with_vault(vault.clone(), || serde_json::to_string(&name()).unwrap());
        assert!(!text.contains("Ada"), "sealed text must not hold the plain one: {text}");
        let read = || with_vault(vault.clone(), || serde_json::from_str(&text).unwrap());
        let back: Sensitive<String> = read();
        assert_eq!(back.get().map(String::as_str), Some("Ada"));

        vault.destroyed.store(true, Ordering::Relaxed);
        let erased: Sensitive<String> = read();
        assert_eq!(erased.get(), None);
        // The erased value is written to the same bytes, so digests and hashes stay.
        assert_eq!(serde_json::to_string(&erased).unwrap(), text);
    }

    #[test]
    fn debug_never_shows_the_value() {
        assert_eq!(format!("{:?}", name()), "Sensitive(present)");
    }
}

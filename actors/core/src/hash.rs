//! SHA-256 over length-prefixed fields: one encoding for every chain in the house.
//!
//! **Invariant:** two different field lists never give the same bytes. Each hash starts with a
//! domain (what is hashed, and its version), and every field of variable length carries its length.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::hex;
use crate::ids::uuid_of;

/// A SHA-256 value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// All zero: the start of a chain that has no stream of its own.
    pub const ZERO: Self = Self([0; 32]);

    /// From bytes as a database keeps them; `None` where there aren't exactly 32.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A version-8 UUID of the first 16 bytes.
    #[must_use]
    pub fn to_uuid(self) -> Uuid {
        uuid_of(&self.0)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write(f, &self.0)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

/// Builds a [`struct@Hash`] field by field.
#[derive(Clone)]
pub struct Hasher(Sha256);

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hasher")
    }
}

impl Hasher {
    /// Starts a hash of the given domain.
    #[must_use]
    pub fn new(domain: &str) -> Self {
        Self(Sha256::new()).text(domain)
    }

    /// Adds bytes of variable length, with their length.
    #[must_use]
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
        self
    }

    /// Adds text.
    #[must_use]
    pub fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    /// Adds text that may be absent; absent and empty differ.
    #[must_use]
    pub fn optional(mut self, text: Option<&str>) -> Self {
        self.0.update([u8::from(text.is_some())]);
        match text {
            Some(text) => self.text(text),
            None => self,
        }
    }

    /// Adds a field whose length is fixed by the format.
    #[must_use]
    pub fn fixed<const N: usize>(mut self, bytes: [u8; N]) -> Self {
        self.0.update(bytes);
        self
    }

    /// Adds an unsigned 64-bit number, big-endian.
    #[must_use]
    pub fn number(self, number: u64) -> Self {
        self.fixed(number.to_be_bytes())
    }

    /// The hash of all fields.
    #[must_use]
    pub fn finish(self) -> Hash {
        Hash(self.0.finalize().into())
    }
}

/// SHA-256 of plain bytes, for bodies and keys that outsiders hash as well.
#[must_use]
pub fn sha256(bytes: &[u8]) -> Hash {
    Hash(Sha256::digest(bytes).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_do_not_run_into_each_other() {
        let two = |a, b| Hasher::new("t").text(a).text(b).finish();
        assert_ne!(two("ab", "c"), two("a", "bc"));
        let maybe = |text| Hasher::new("t").optional(text).finish();
        assert_ne!(maybe(None), maybe(Some("")));
    }

    #[test]
    fn sha256_matches_the_published_vector() {
        // FIPS 180-4, the message "abc".
        assert_eq!(
            sha256(b"abc").to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}

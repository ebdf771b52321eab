//! The keys that personal data is sealed under, one for each subject.
//!
//! A store keeps them wrapped: sealed under a key that it never sees. Destroying one is what makes
//! its subject's data unreadable wherever it was written, so it is the one thing here that must
//! leave nothing behind.

use async_trait::async_trait;
use coppice_core::{SubjectId, TenantId, Timestamp};

use crate::error::StoreError;

/// A key as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectKeyRow {
    /// Whose subject.
    pub tenant: TenantId,
    /// Whose data is sealed under it.
    pub subject: SubjectId,
    /// Names the key in what is sealed under it. Empty for a subject that was erased before it had
    /// one.
    pub key_id: Box<str>,
    /// The key, sealed; `None` once it is destroyed.
    pub wrapped: Option<WrappedKey>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was destroyed, and at whose word.
    pub destroyed: Option<Destroyed>,
}

/// A sealed key.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// Names the key that it is sealed under, and doesn't tell it.
    pub under: Box<str>,
    /// The sealed bytes.
    pub bytes: Vec<u8>,
}

/// Not the bytes: whoever has the outer key could use them, and a log outlives an erasure.
impl std::fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WrappedKey").field("under", &self.under).finish_non_exhaustive()
    }
}

/// The end of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destroyed {
    /// When.
    pub at: Timestamp,
    /// Who asked for it, as the gateway names callers.
    pub by: Box<str>,
}

/// The keys of subjects.
#[async_trait]
pub trait SubjectKeys: Send + Sync {
    /// Puts a key there, unless its subject has one or had one; the row that stands then. Durable
    /// before it answers, so that nothing is sealed under a key that may be lost.
    async fn put_subject_key(&self, key: &SubjectKeyRow) -> Result<SubjectKeyRow, StoreError>;

    /// The keys of these subjects, destroyed ones included, in any order; those that have none are
    /// passed over.
    async fn subject_keys(
        &self,
        tenant: &TenantId,
        subjects: &[SubjectId],
    ) -> Result<Vec<SubjectKeyRow>, StoreError>;

    /// Destroys the key of a subject; the row that stands then. The first destruction stands, and a
    /// subject without a key gets a row that says that it must never have one. Where the store can
    /// see to it, the wrapped bytes are nowhere on the disk once this has answered; after an error
    /// they may be, so ask again.
    async fn destroy_subject_key(
        &self,
        tenant: &TenantId,
        subject: &SubjectId,
        end: &Destroyed,
    ) -> Result<SubjectKeyRow, StoreError>;

    /// The names of all outer keys that a key is wrapped under, in order.
    async fn outer_keys(&self) -> Result<Vec<String>, StoreError>;

    /// Up to `limit` keys that are wrapped under an outer key.
    async fn keys_wrapped_under(
        &self,
        under: &str,
        limit: usize,
    ) -> Result<Vec<SubjectKeyRow>, StoreError>;

    /// Puts another wrapping in place of the one that a row was read with; false, and nothing
    /// changed, where the row isn't like that any more.
    async fn rewrap_subject_key(
        &self,
        read: &SubjectKeyRow,
        wrapped: &WrappedKey,
    ) -> Result<bool, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_a_wrapped_key_are_never_printed() {
        let wrapped = WrappedKey { under: "p1".into(), bytes: vec![171; 4] };
        assert!(!format!("{wrapped:?}").contains("171"));
    }
}

//! The one module that touches bincode: states to bytes and back.
//!
//! bincode is not self-describing, so bytes are only read under the layout tag that they were
//! written with; the tag stands beside them in the [`Snapshot`](crate::store::Snapshot) row.

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

/// A state that can't be written or read as a snapshot.
#[derive(Debug, Error)]
pub enum SnapshotError {
    /// The state holds something that bincode can't write.
    #[error("the state can't be written as a snapshot")]
    Encode(#[source] bincode::error::EncodeError),
    /// The bytes don't read as the state.
    #[error("the snapshot does not read as the state")]
    Decode(#[source] bincode::error::DecodeError),
    /// The bytes go on after the state.
    #[error("the snapshot has {0} bytes after the state")]
    Trailing(usize),
}

/// The largest state that is read back, in bytes; a guard against a damaged length field.
const STATE_BYTES_MAX: usize = 256 * 1024 * 1024;

fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<STATE_BYTES_MAX>()
}

/// A state as bytes.
///
/// # Errors
/// [`SnapshotError::Encode`].
pub fn encode<S: Serialize>(state: &S) -> Result<Vec<u8>, SnapshotError> {
    bincode::serde::encode_to_vec(state, config()).map_err(SnapshotError::Encode)
}

/// Bytes as the state that they were made of.
///
/// # Errors
/// [`SnapshotError::Decode`] or [`SnapshotError::Trailing`].
pub fn decode<S: DeserializeOwned>(bytes: &[u8]) -> Result<S, SnapshotError> {
    let (state, read) =
        bincode::serde::decode_from_slice(bytes, config()).map_err(SnapshotError::Decode)?;
    match bytes.len() - read {
        0 => Ok(state),
        trailing => Err(SnapshotError::Trailing(trailing)),
    }
}

//! Why a version of a plugin refuses.

use coppice_core::Rejection;
use thiserror::Error;

/// The largest manifest, in bytes: as much as a request carries.
pub(super) const MANIFEST_BYTES_MAX: usize = 65_536;

/// The longest address, in bytes: what browsers have long agreed on.
pub(super) const URL_BYTES_MAX: usize = 2_000;

/// The refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PluginVersionError {
    /// The manifest is of another version, or too large.
    #[error("the manifest is not of this version, or is larger than {MANIFEST_BYTES_MAX} bytes")]
    Manifest,
    /// The version is known with another manifest.
    #[error("the version is registered with another manifest: raise it")]
    ManifestChanged,
    /// The address is none, or too long.
    #[error("the address begins with http:// or https:// and has at most {URL_BYTES_MAX} bytes")]
    Place,
    /// The version is known in another kind of place.
    #[error("the version is a part of the node, or was registered from outside it")]
    PlaceChanged,
    /// Nobody has registered it, or it was deregistered.
    #[error("the version is not registered")]
    NotRegistered,
}

impl Rejection for PluginVersionError {
    const CODES: &'static [&'static str] = &[
        "plugin_manifest_invalid",
        "plugin_manifest_changed",
        "plugin_place_invalid",
        "plugin_place_changed",
        "plugin_not_registered",
    ];

    fn code(&self) -> &'static str {
        match self {
            Self::Manifest => "plugin_manifest_invalid",
            Self::ManifestChanged => "plugin_manifest_changed",
            Self::Place => "plugin_place_invalid",
            Self::PlaceChanged => "plugin_place_changed",
            Self::NotRegistered => "plugin_not_registered",
        }
    }
}

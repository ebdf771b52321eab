//! Requests and answers of `/v1/api-keys`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A key to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewApiKey {
    /// What its owner calls it, 1 to 100 characters.
    pub name: String,
    /// What its owner says of it, up to 500 characters.
    #[serde(default)]
    pub description: String,
    /// The tenant's user that it belongs to, up to 100 characters; none for a service.
    #[serde(default)]
    pub user: Option<String>,
    /// What it allows: scopes that the caller holds.
    pub scopes: Vec<String>,
    /// For how many seconds it is valid; for ever where it is absent.
    #[serde(default)]
    pub expires_in_s: Option<u64>,
    /// What it is for.
    #[serde(default)]
    pub mode: ApiKeyMode,
}

/// What a key is for; it stands in its first characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApiKeyMode {
    /// `sk_live_`
    #[default]
    Live,
    /// `sk_test_`
    Test,
}

/// Where a key is in its life. A key that was purged isn't there any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApiKeyState {
    /// It is valid.
    Active,
    /// It is valid until `expires_at`, and `replaced_by` is there in its place.
    Rotating,
    /// It was taken back.
    Revoked,
    /// Its time is over.
    Expired,
}

/// A key as its tenant sees it. Times are microseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ApiKeyView {
    /// Names the key.
    pub id: Uuid,
    /// What its owner calls it.
    pub name: String,
    /// What its owner says of it.
    pub description: String,
    /// The tenant's user that it belongs to.
    pub user: Option<String>,
    /// What it is for.
    pub mode: ApiKeyMode,
    /// The first eight of its 32 digits.
    pub prefix: String,
    /// What it allows.
    pub scopes: Vec<String>,
    /// Where it is in its life.
    pub state: ApiKeyState,
    /// When it was made.
    pub created_at: i64,
    /// When it stops being valid.
    pub expires_at: Option<i64>,
    /// When it was taken back.
    pub revoked_at: Option<i64>,
    /// When it was last seen, give or take the time for which a verified key is believed.
    pub last_used_at: Option<i64>,
    /// The key that was made in its place.
    pub replaced_by: Option<Uuid>,
}

/// A key that was just made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CreatedApiKey {
    /// The key itself, this once. `null` in a repeat, for it is kept nowhere.
    pub key: Option<String>,
    /// What is known of it from now on.
    #[serde(flatten)]
    pub view: ApiKeyView,
}

/// A page of a tenant's keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ApiKeyList {
    /// The keys, in the order of their ids.
    pub api_keys: Vec<ApiKeyView>,
    /// Where the next page goes on; `null` at the end.
    pub next_cursor: Option<String>,
}

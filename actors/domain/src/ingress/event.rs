//! What a source told, in one form for all of them.
//!
//! **Invariants:** every text is bounded; no text holds an e-mail address, and of people there are
//! logins and ids alone. What a plan needs beyond that it asks the source for.

use std::collections::BTreeMap;

use coppice_core::Timestamp;
use serde::{Deserialize, Serialize};

use crate::workflow::flow::Priority;

/// What happened, in one form for every source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NormalisedEvent {
    /// Who tells it, such as `github`.
    pub source: String,
    /// What kind of thing happened, by the source's own name, such as `pull_request`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// What became of the subject, where the source says so, such as `opened`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Where it happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<Repository>,
    /// Who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<Sender>,
    /// What it happened to.
    pub subject: Subject,
    /// When, where the source tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occurred_at: Option<Timestamp>,
    /// How urgent it is unless a rule says otherwise.
    pub priority: Priority,
    /// What else a plan may need, by the names of the source's table.
    pub data: BTreeMap<String, Datum>,
}

/// Where something happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repository {
    /// The source's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    /// Owner and name, such as `octocat/hello-world`.
    pub full_name: String,
}

/// Who did something: no more of a person than the source's own names for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sender {
    /// The source's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    /// The source's name for it.
    pub login: String,
}

/// What something happened to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// What it is, such as `pull_request`.
    pub kind: String,
    /// The source's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    /// Its number, as people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<i64>,
    /// The branch or tag that it is at.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The commit that it is at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha: Option<String>,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Where people look at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// One value of [`NormalisedEvent::data`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Datum {
    /// Yes or no.
    Flag(bool),
    /// A whole number; of a list, its length.
    Number(i64),
    /// A text.
    Text(String),
}

impl NormalisedEvent {
    /// Whether it is about a draft, where the source says so.
    #[must_use]
    pub fn draft(&self) -> Option<bool> {
        match self.data.get("draft") {
            Some(Datum::Flag(draft)) => Some(*draft),
            Some(Datum::Number(_) | Datum::Text(_)) | None => None,
        }
    }
}

//! What can happen to the published bundles.

use coppice_core::canonical::to_canonical_json;
use coppice_core::hash::sha256;
use coppice_core::{DecodeError, DomainEvent, Timestamp};
use serde::{Deserialize, Serialize};

/// A bundle's files, as texts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Files {
    /// `bundle.toml`
    pub title: Box<str>,
    /// `data.toml`
    pub data: Box<str>,
    /// `policies.cedar`
    pub policies: Box<str>,
    /// `schema.cedarschema`
    pub schema: Box<str>,
}

impl Files {
    /// How many bytes they have together.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.title.len() + self.data.len() + self.policies.len() + self.schema.len()
    }

    /// `sha256:` and the hash of the canonical JSON of the files by their names, as a bundle has it
    /// wherever it came from.
    #[must_use]
    pub fn hash(&self) -> Box<str> {
        #[derive(Serialize)]
        struct Named<'a> {
            #[serde(rename = "bundle.toml")]
            title: &'a str,
            #[serde(rename = "data.toml")]
            data: &'a str,
            #[serde(rename = "policies.cedar")]
            policies: &'a str,
            #[serde(rename = "schema.cedarschema")]
            schema: &'a str,
        }
        let Self { title, data, policies, schema } = self;
        // Texts always serialize.
        let text = to_canonical_json(&Named { title, data, policies, schema }).unwrap_or_default();
        format!("sha256:{}", sha256(text.as_bytes())).into()
    }
}

/// `policy_bundle.published.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// Which publication it is, from 1. It is the event's sequence: nothing else happens here.
    pub number: u64,
    /// The bundle's version.
    pub version: Box<str>,
    /// [`Files::hash`].
    pub hash: Box<str>,
    /// The bundle.
    pub files: Files,
    /// Why it was published.
    pub reason: Box<str>,
    /// Who said so.
    pub by: Box<str>,
    /// When.
    pub at: Timestamp,
}

/// The events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A bundle decides from now on.
    Published(Published),
}

const PUBLISHED: &str = "policy_bundle.published.v1";

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        match self {
            Self::Published(_) => PUBLISHED,
        }
    }

    fn encode(&self) -> Result<String, serde_json::Error> {
        match self {
            Self::Published(published) => serde_json::to_string(published),
        }
    }

    fn decode(event_type: &str, payload: &str) -> Result<Self, DecodeError> {
        let misfit = || DecodeError::payload(event_type);
        match event_type {
            PUBLISHED => serde_json::from_str(payload).map(Self::Published).map_err(misfit()),
            other => Err(DecodeError::UnknownType(other.to_owned())),
        }
    }
}

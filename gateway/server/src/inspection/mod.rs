//! A look at a node from a terminal: one request to its API, and the answer as text for people.
//!
//! **Deliberately absent:** any other way to the node. What is shown is what the key may see.
//! Nothing that a node says reaches the terminal as a control character.

pub(crate) mod text;

use std::time::Duration;

use coppice_core::{EntityId, EntityKind, InvalidId};
use serde_json::Value;
use thiserror::Error;

use crate::config::Secret;

/// Longer than the longest wait of a request on the server's side.
const TIMEOUT: Duration = Duration::from_secs(60);
/// How much of an answer that is no problem is shown.
const SHOWN_MAX: usize = 200;

/// What can be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// The node's tree, with its figures.
    Tree,
    /// The state of an entity.
    Entity {
        /// Its kind.
        kind: String,
        /// Its id.
        id: String,
    },
    /// The events of an entity.
    Events {
        /// Its kind.
        kind: String,
        /// Its id.
        id: String,
        /// Where a page before this one ended.
        cursor: Option<String>,
        /// Rows.
        limit: u32,
    },
    /// What is out of delivery.
    DeadLetters {
        /// The number of the last letter of the page before this one.
        after: Option<u64>,
        /// Rows.
        limit: u32,
    },
    /// Entities in memory, those first that hold most up.
    Actors {
        /// Their kind.
        kind: String,
        /// Rows.
        limit: u32,
    },
}

/// Why nothing is shown.
#[derive(Debug, Error)]
pub enum InspectError {
    /// There is no key.
    #[error("set COPPICE_API_KEY to a key with the scopes of what is asked for")]
    NoKey,
    /// The kind or the id is none.
    #[error("{0:?} is no name of an entity")]
    Name(String, #[source] InvalidId),
    /// The node did not answer.
    #[error("the node does not answer")]
    Unreachable(#[source] reqwest::Error),
    /// The node refuses.
    #[error("the node refuses: {code}: {detail}")]
    Refused {
        /// The problem's code.
        code: String,
        /// What happened this time.
        detail: String,
        /// Whether what was asked for isn't there.
        absent: bool,
    },
    /// What answers is not a node.
    #[error("the answer is not a node's, status {status}: {body}")]
    Strange {
        /// Its status.
        status: u16,
        /// How it begins.
        body: String,
    },
}

impl Look {
    /// The path and query of the request. Names of entities have no character that must be escaped.
    fn path(&self) -> Result<String, InspectError> {
        Ok(match self {
            Self::Tree => "/v1/inspect/tree".to_owned(),
            Self::Entity { kind, id } => format!("/v1/entities/{}/{}", kind_of(kind)?, id_of(id)?),
            Self::Events { kind, id, cursor, limit } => {
                let cursor = cursor.iter().map(|cursor| format!("&cursor={}", escaped(cursor)));
                let cursor: String = cursor.collect();
                let (kind, id) = (kind_of(kind)?, id_of(id)?);
                format!("/v1/entities/{kind}/{id}/events?limit={limit}{cursor}")
            }
            Self::DeadLetters { after, limit } => {
                let after: String = after.iter().map(|after| format!("&after={after}")).collect();
                format!("/v1/inspect/dead-letters?limit={limit}{after}")
            }
            Self::Actors { kind, limit } => {
                format!("/v1/inspect/actors/{}?limit={limit}", kind_of(kind)?)
            }
        })
    }

    /// An answer as text.
    #[must_use]
    pub fn text(&self, answer: &Value) -> String {
        match self {
            Self::Tree => text::tree(answer),
            Self::Entity { .. } => text::entity(answer),
            Self::Events { .. } => text::events(answer),
            Self::DeadLetters { .. } => text::dead_letters(answer),
            Self::Actors { .. } => text::actors(answer),
        }
    }
}

fn kind_of(text: &str) -> Result<EntityKind, InspectError> {
    EntityKind::new(text).map_err(|error| InspectError::Name(text.to_owned(), error))
}

fn id_of(text: &str) -> Result<EntityId, InspectError> {
    EntityId::new(text).map_err(|error| InspectError::Name(text.to_owned(), error))
}

/// A value within a query, every byte escaped that isn't a letter, a digit or harmless.
fn escaped(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    };
    text.bytes().map(escape).collect()
}

/// Asks the node at a URL; the body of its answer.
///
/// # Errors
/// [`InspectError`].
pub async fn ask(url: &str, key: &Secret, look: &Look) -> Result<Value, InspectError> {
    let address = format!("{}{}", url.trim_end_matches('/'), look.path()?);
    let client = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build();
    let client = client.map_err(InspectError::Unreachable)?;
    let answer = client.get(address).bearer_auth(key.expose()).send().await;
    let answer = answer.map_err(InspectError::Unreachable)?;
    let status = answer.status().as_u16();
    let bytes = answer.bytes().await.map_err(InspectError::Unreachable)?;
    let strange = || {
        let body = String::from_utf8_lossy(&bytes).chars().take(SHOWN_MAX).collect::<String>();
        InspectError::Strange { status, body: text::plain(&body) }
    };
    let body: Value = serde_json::from_slice(&bytes).map_err(|_| strange())?;
    if status == 200 {
        return Ok(body);
    }
    let code = body["code"].as_str().ok_or_else(strange)?;
    let detail = body["detail"].as_str().unwrap_or_default();
    let absent = status == 404;
    Err(InspectError::Refused { code: text::plain(code), detail: text::plain(detail), absent })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_none_are_refused_and_cursors_escaped() {
        let events = |id: &str| Look::Events {
            kind: "counter".to_owned(),
            id: id.to_owned(),
            cursor: Some("a b&limit=9".to_owned()),
            limit: 5,
        };
        let path = events("a").path().unwrap();
        assert_eq!(path, "/v1/entities/counter/a/events?limit=5&cursor=a%20b%26limit%3D9");
        assert!(matches!(events("../tree").path(), Err(InspectError::Name(..))));
        let actors = Look::Actors { kind: "a/b".to_owned(), limit: 1 };
        assert!(matches!(actors.path(), Err(InspectError::Name(..))));
    }
}

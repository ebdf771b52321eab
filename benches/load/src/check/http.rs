//! What a node serves, asked for over HTTP.
//!
//! It is asked after the run, perhaps while the node still comes back from the last fault; so every
//! question is asked again for [`PATIENCE`].

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use form_urlencoded::Serializer;
use hyper::Uri;
use hyper::http::uri::InvalidUri;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::served::{Event, Served, ServedError, View};
use crate::record::Nanos;
use crate::wire::{Answer, Call, Clock, Lost, Slot, Target};

/// For how long a question is asked again: as long as a node takes to come back and to recover.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two tries: short beside a restart, long beside what a try costs.
const PAUSE: Duration = Duration::from_millis(100);
/// Longer than any answer takes, and short enough to find out that a frozen node thaws.
const ANSWER_MAX_NS: Nanos = 10_000_000_000;
/// Rows of one page; the node gives no more.
const PAGE_ROWS: usize = 1_000;
/// So much of an answer that makes no sense is quoted.
const QUOTED_CHARS: usize = 200;
/// What stands in a path as it is (RFC 3986, unreserved).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A node, and connections to it that nobody uses just now.
#[derive(Debug, Clone)]
pub struct HttpServed {
    target: Target,
    slots: Arc<Mutex<Vec<Slot>>>,
    clock: Clock,
}

#[derive(Deserialize)]
struct EventPage {
    events: Vec<Event>,
}

#[derive(Deserialize)]
struct EntityPage {
    entities: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    id: String,
}

impl HttpServed {
    /// Asks this node; its key needs the scope `entities:read`.
    #[must_use]
    pub fn new(target: Target) -> Self {
        Self { target, slots: Arc::default(), clock: Clock::begin() }
    }

    /// The answer; none where there is nothing of that name.
    async fn get<T: DeserializeOwned>(&self, uri: Uri) -> Result<Option<T>, ServedError> {
        let path = uri.path().to_owned();
        let call = Call::get(uri);
        let began = Instant::now();
        loop {
            let problem = match self.try_once(&call).await {
                Ok(Answer { status: 404, .. }) => return Ok(None),
                Ok(Answer { status: 200..300, body, .. }) => {
                    let unreadable = |problem: serde_json::Error| ServedError::Unreadable {
                        path,
                        problem: problem.to_string(),
                    };
                    return serde_json::from_slice(&body).map(Some).map_err(unreadable);
                }
                // Of a node that will be able to answer.
                Ok(Answer { status: status @ (429 | 500..), body, .. }) => {
                    format!("{status}: {}", quoted(&body))
                }
                Ok(Answer { status, body, .. }) => {
                    return Err(ServedError::Refused { path, status, body: quoted(&body) });
                }
                Err(lost) => told(lost).to_owned(),
            };
            if began.elapsed() >= PATIENCE {
                let within_s = PATIENCE.as_secs();
                return Err(ServedError::Unreachable { path, within_s, problem });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn try_once(&self, call: &Call) -> Result<Answer, Lost> {
        let slots = || self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let mut slot = slots().pop().unwrap_or_else(|| Slot::new(0));
        let deadline = self.clock.now() + ANSWER_MAX_NS;
        let tried = slot.ask(&self.target, call, self.clock, deadline).await;
        slots().push(slot);
        tried.answer
    }
}

const fn told(lost: Lost) -> &'static str {
    match lost {
        Lost::NotSent => "no connection can be made",
        Lost::Broken => "the connection broke",
        Lost::TimedOut => "there was no answer in time",
    }
}

/// A path, and what is asked of it.
fn uri(segments: &[&str], query: &[(&str, &str)]) -> Result<Uri, ServedError> {
    let mut text = String::new();
    for segment in segments {
        text.push('/');
        text.extend(utf8_percent_encode(segment, ESCAPED));
    }
    if !query.is_empty() {
        text.push('?');
        text += &Serializer::new(String::new()).extend_pairs(query).finish();
    }
    text.parse().map_err(|problem: InvalidUri| ServedError::Unreadable {
        problem: problem.to_string(),
        path: text,
    })
}

fn quoted(body: &[u8]) -> String {
    String::from_utf8_lossy(body).chars().take(QUOTED_CHARS).collect()
}

impl Served for HttpServed {
    async fn events(&self, kind: &str, id: &str, after: u64) -> Result<Vec<Event>, ServedError> {
        let (cursor, limit) = (after.to_string(), PAGE_ROWS.to_string());
        let query = [("cursor", cursor.as_str()), ("limit", limit.as_str())];
        let page = self.get(uri(&["v1", "entities", kind, id, "events"], &query)?).await?;
        Ok(page.map_or_else(Vec::new, |page: EventPage| page.events))
    }

    async fn view(&self, kind: &str, id: &str) -> Result<Option<View>, ServedError> {
        self.get(uri(&["v1", "entities", kind, id], &[])?).await
    }

    async fn ids(&self, kind: &str, after: Option<&str>) -> Result<Vec<String>, ServedError> {
        let limit = PAGE_ROWS.to_string();
        let mut query = vec![("kind", kind), ("limit", limit.as_str())];
        query.extend(after.map(|after| ("cursor", after)));
        let page = self.get(uri(&["v1", "entities"], &query)?).await?;
        let listed = page.map_or_else(Vec::new, |page: EntityPage| page.entities);
        Ok(listed.into_iter().map(|entity| entity.id).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_questions_are_escaped() {
        let uri = uri(&["v1", "entities", "account", "a b/c?d%"], &[("cursor", "x&y z")]).unwrap();
        assert_eq!(uri.to_string(), "/v1/entities/account/a%20b%2Fc%3Fd%25?cursor=x%26y+z");
    }
}

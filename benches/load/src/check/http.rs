//! What a node serves, asked for over HTTP.
//!
//! It is asked after the run, perhaps while the node still comes back from the last fault; so every
//! question is asked again for [`PATIENCE`].

use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::served::{Event, Served, ServedError, View};

/// For how long a question is asked again: as long as a node takes to come back and to recover.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two tries: short beside a restart, long beside what a try costs.
const PAUSE: Duration = Duration::from_millis(100);
/// Longer than any answer takes, and short enough to find out that a frozen node thaws.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// Rows of one page; the node gives no more.
const PAGE_ROWS: usize = 1_000;
/// A page of a thousand events of the largest size is well below it.
const BODY_BYTES_MAX: usize = 256 * 1024 * 1024;
/// So much of an answer that makes no sense is quoted.
const QUOTED_CHARS: usize = 200;

/// A node and the key to it.
#[derive(Debug, Clone)]
pub struct HttpServed {
    client: Client,
    target: Url,
    key: String,
}

/// Why there is no [`HttpServed`].
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The target is no address.
    #[error("{target} is not an http address")]
    Target {
        /// What was given.
        target: String,
    },
    /// The client could not be made.
    #[error("no HTTP client can be made")]
    Client(#[source] reqwest::Error),
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
    /// Asks this node with this key, which needs the scope `entities:read`.
    ///
    /// # Errors
    /// [`HttpError`]
    pub fn new(target: &str, key: &str) -> Result<Self, HttpError> {
        let refused = || HttpError::Target { target: target.to_owned() };
        let url = Url::parse(target).map_err(|_| refused())?;
        if url.cannot_be_a_base() {
            return Err(refused());
        }
        let client = Client::builder().timeout(ANSWER_MAX).build().map_err(HttpError::Client)?;
        Ok(Self { client, target: url, key: key.to_owned() })
    }

    fn url(&self, segments: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.target.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// The answer; none where there is nothing of that name.
    async fn get<T: DeserializeOwned>(&self, url: Url) -> Result<Option<T>, ServedError> {
        let path = url.path().to_owned();
        let began = Instant::now();
        loop {
            let problem = match self.try_once(url.clone()).await {
                Ok((StatusCode::NOT_FOUND, _)) => return Ok(None),
                Ok((status, body)) if status.is_success() => {
                    let unreadable = |problem: serde_json::Error| ServedError::Unreadable {
                        path,
                        problem: problem.to_string(),
                    };
                    return serde_json::from_slice(&body).map(Some).map_err(unreadable);
                }
                Ok((status, body)) if is_passing(status) => {
                    format!("{status}: {}", quoted(&body))
                }
                Ok((status, body)) => {
                    let (status, body) = (status.as_u16(), quoted(&body));
                    return Err(ServedError::Refused { path, status, body });
                }
                Err(problem) => problem,
            };
            if began.elapsed() >= PATIENCE {
                let within_s = PATIENCE.as_secs();
                return Err(ServedError::Unreachable { path, within_s, problem });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn try_once(&self, url: Url) -> Result<(StatusCode, Vec<u8>), String> {
        let request = self.client.get(url).bearer_auth(&self.key);
        let mut answer = request.send().await.map_err(|error| chain(&error))?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| chain(&error))? {
            if body.len() + chunk.len() > BODY_BYTES_MAX {
                return Err(format!("the answer is larger than {BODY_BYTES_MAX} bytes"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok((answer.status(), body))
    }
}

/// Statuses of a node that will be able to answer.
fn is_passing(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
}

fn quoted(body: &[u8]) -> String {
    String::from_utf8_lossy(body).chars().take(QUOTED_CHARS).collect()
}

/// An error with what caused it: reqwest's own words say little.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

impl Served for HttpServed {
    async fn events(&self, kind: &str, id: &str, after: u64) -> Result<Vec<Event>, ServedError> {
        let (cursor, limit) = (after.to_string(), PAGE_ROWS.to_string());
        let query = [("cursor", cursor.as_str()), ("limit", limit.as_str())];
        let page = self.get(self.url(&["v1", "entities", kind, id, "events"], &query)).await?;
        Ok(page.map_or_else(Vec::new, |page: EventPage| page.events))
    }

    async fn view(&self, kind: &str, id: &str) -> Result<Option<View>, ServedError> {
        self.get(self.url(&["v1", "entities", kind, id], &[])).await
    }

    async fn ids(&self, kind: &str, after: Option<&str>) -> Result<Vec<String>, ServedError> {
        let limit = PAGE_ROWS.to_string();
        let mut query = vec![("kind", kind), ("limit", limit.as_str())];
        query.extend(after.map(|after| ("cursor", after)));
        let page = self.get(self.url(&["v1", "entities"], &query)).await?;
        let listed = page.map_or_else(Vec::new, |page: EntityPage| page.entities);
        Ok(listed.into_iter().map(|entity| entity.id).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_escaped_and_stand_below_the_target() {
        let served = HttpServed::new("http://127.0.0.1:1/below/", "key").unwrap();
        let url = served.url(&["v1", "entities", "account", "a b/c?d"], &[("cursor", "x&y")]);
        assert_eq!(
            url.as_str(),
            "http://127.0.0.1:1/below/v1/entities/account/a%20b%2Fc%3Fd?cursor=x%26y"
        );
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for target in ["127.0.0.1:8080", "data:text", ""] {
            assert!(matches!(HttpServed::new(target, "k"), Err(HttpError::Target { .. })));
        }
    }
}

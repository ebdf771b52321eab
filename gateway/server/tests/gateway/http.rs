//! Requests straight into the router, and what tests look at in an answer.

use axum::body::{Body, to_bytes};
use axum::http::request::Builder;
use axum::http::{HeaderMap, Request, StatusCode, header};
use coppice_api::{Outcome, Problem};
use coppice_server::routes;
use serde::de::DeserializeOwned;
use tower::ServiceExt;

use crate::support::{Gateway, KEY};

pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Checks what every problem has to have, and gives it.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Problem {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status.as_u16(), status, "{text}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        let problem: Problem = self.json();
        assert_eq!(problem.code, code, "{text}");
        assert_eq!(problem.status, status);
        assert_eq!(problem.type_uri, format!("/problems/{code}"));
        assert_eq!(Some(problem.request_id.as_str()), self.header("x-request-id"));
        assert_eq!(problem.error.code, code);
        assert_eq!(problem.error.message, problem.detail);
        assert_eq!(problem.error.request_id, problem.request_id);
        problem
    }

    /// A problem after which nothing has changed.
    #[track_caller]
    pub fn not_applied(&self, status: u16, code: &str) -> Problem {
        let problem = self.problem(status, code);
        assert_eq!(problem.outcome, Outcome::NotApplied);
        problem
    }
}

/// A request with a valid key.
pub fn request(method: &str, path: &str) -> Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::AUTHORIZATION, format!("Bearer {KEY}"))
}

/// A command with a JSON body and a valid key.
pub fn command(path: &str) -> Builder {
    request("POST", path).header(header::CONTENT_TYPE, "application/json")
}

impl Gateway {
    pub async fn send(&self, request: Request<Body>) -> Reply {
        let router = routes::router(self.state.clone());
        let response = router.oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
        assert!(parts.headers.contains_key("x-request-id"), "every answer has a request id");
        Reply { status: parts.status, headers: parts.headers, body }
    }

    /// An `add` that is well formed.
    pub async fn add(&self) -> Reply {
        let request = command("/v1/entities/counter/a/add").body(Body::from(r#"{"n":1}"#));
        self.send(request.unwrap()).await
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send(request("GET", path).body(Body::empty()).unwrap()).await
    }
}

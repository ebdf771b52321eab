//! What stands around the story: a host that serves the diff, and a webhook's body and signature.

use axum::Router;
use axum::routing::get;
use ring::hmac;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::DemoError;

/// A pull request as GitHub tells of one; written for this demonstration.
const PULL_REQUEST: &str = include_str!("../../demo/pull_request.json");

/// A change out of this project's own history, with a few planted faults behind it.
const DIFF: &str = include_str!("../../demo/change.diff");

/// Where the diff is.
const PATH: &str = "/willow-works/coppice-field/pull/42.diff";

/// The host of the diff. Dropped, it is gone.
#[derive(Debug)]
pub(super) struct DiffHost {
    /// Host and port.
    pub(super) authority: String,
    _serving: JoinSet<()>,
}

impl DiffHost {
    pub(super) async fn open() -> Result<Self, DemoError> {
        let system = |source| DemoError::System { doing: "serving the diff", source };
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(system)?;
        let authority = listener.local_addr().map_err(system)?.to_string();
        let router = Router::new().route(PATH, get(|| async { DIFF }));
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            // It serves for as long as the demonstration lasts.
            let _ended = axum::serve(listener, router).await;
        });
        Ok(Self { authority, _serving: serving })
    }
}

/// The webhook: its body names the diff on our host.
pub(super) fn webhook(authority: &str) -> String {
    let mut body: Value = serde_json::from_str(PULL_REQUEST).unwrap_or_default();
    body["pull_request"]["diff_url"] = format!("http://{authority}{PATH}").into();
    body.to_string()
}

/// The signature as GitHub computes it: HMAC-SHA-256 over the body's bytes.
pub(super) fn signature(secret: &str, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, body.as_bytes());
    let digits: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={digits}")
}

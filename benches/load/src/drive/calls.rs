//! The requests of the operations.

use std::fmt::Write;

use bytes::Bytes;
use hyper::Uri;
use hyper::header::HeaderValue;
use serde_json::{Value, json};

use super::deeds::{Deed, Deeds};
use crate::record::{Operation, correlation};
use crate::wire::Call;

/// What all amounts are of.
pub(super) const ASSET: &str = "USD";
/// The same within an account's id.
const ASSET_IN_IDS: &str = "USD.2";
/// How long an intent lasts: longer than any flow, shorter than a run's patience with leaks.
const INTENT_TTL_S: u32 = 3_600;
/// Stands in a workflow's input for a payload of the length that the mix says.
const PAYLOAD: &str = "$payload";
/// One line of a payload.
const PAYLOAD_LINE: &str = "+    let total = total + amount; // one more line of a new file\n";

impl Deeds {
    /// The id of an entity.
    #[must_use]
    pub fn id(&self, key: u64) -> String {
        format!("{}-{key}", self.prefix)
    }

    /// The funding account of a key.
    #[must_use]
    pub fn account(&self, key: u64) -> String {
        format!("funding:{}-{key}:{ASSET_IN_IDS}", self.prefix)
    }

    /// The request of one step of a deed. `op` is the operation's number; `intent` is the id that an
    /// earlier step was answered with.
    pub(super) fn call(&self, deed: &Deed, step: Operation, op: u64, intent: &str) -> Call {
        let id = || self.id(deed.key);
        let mut call = match step {
            Operation::Add => {
                let body = format!("{{\"n\":{}}}", deed.amount);
                post(&format!("/v1/entities/counter/{}/add", id()), body)
            }
            Operation::Read => Call::get(uri(&format!("/v1/entities/counter/{}", id()))),
            Operation::Transfer => {
                let (from, to) = (self.account(deed.key), self.account(deed.other));
                let body = json!({"from": from, "to": to, "amount": deed.amount});
                post("/v1/money/transfers", body.to_string())
            }
            Operation::Intent => {
                let body = json!({
                    "amount": deed.amount,
                    "asset": ASSET,
                    "merchant": id(),
                    "category": "load",
                    "ttl_seconds": INTENT_TTL_S,
                    "workflow_id": id(),
                    "from": self.account(deed.key),
                });
                post("/v1/money/intents", body.to_string())
            }
            Operation::Authorize => {
                let body = json!({"intent_id": intent});
                post("/v1/money/authorize", body.to_string())
            }
            Operation::Post => {
                let body = json!({"amount": deed.amount});
                post(&format!("/v1/money/intents/{intent}/post"), body.to_string())
            }
            Operation::Void => post(&format!("/v1/money/intents/{intent}/void"), "{}".to_owned()),
            Operation::Workflow => self.workflow(deed),
            Operation::Alarm => {
                let body = json!({"timer": timer(&self.prefix, op), "in_ms": 0});
                post(&format!("/v1/entities/alarm/{}/set", id()), body.to_string())
            }
        };
        call.correlation = Some(header(&correlation(self.run, op).to_string()));
        if deed.keyed {
            call.key = Some(header(&format!("{}-{op}", self.prefix)));
        }
        call
    }

    fn workflow(&self, deed: &Deed) -> Call {
        let share = &self.mix[deed.share];
        let fill = |value: &Value| {
            if value == PAYLOAD { payload(share.payload_bytes).into() } else { value.clone() }
        };
        let input: serde_json::Map<String, Value> =
            share.input.iter().map(|(name, value)| (name.clone(), fill(value))).collect();
        let body = json!({
            "objective": share.objective.as_deref().unwrap_or("a workflow of the load harness"),
            "template": share.template,
            "input": input,
        });
        let mut call = post("/v1/workflows", body.to_string());
        call.prefer = Some(header(&format!("wait={}", self.wait_s)));
        call
    }
}

/// What the timer of an operation is called, which its ring brings along.
fn timer(prefix: &str, op: u64) -> String {
    format!("{prefix}-{op}")
}

/// The operation whose timer is called so; none of this run.
#[must_use]
pub(crate) fn op_of_timer(prefix: &str, timer: &str) -> Option<u64> {
    timer.strip_prefix(prefix)?.strip_prefix('-')?.parse().ok()
}

/// A new file as a unified diff, of about the length.
fn payload(bytes: usize) -> String {
    let lines = (bytes / PAYLOAD_LINE.len()).max(1);
    let mut text = String::with_capacity(bytes + PAYLOAD_LINE.len());
    write!(text, "--- /dev/null\n+++ b/src/added.rs\n@@ -0,0 +1,{lines} @@\n")
        .expect("text takes text");
    text.extend(std::iter::repeat_n(PAYLOAD_LINE, lines));
    text
}

pub(super) fn post(path: &str, body: String) -> Call {
    Call::post(uri(path), Bytes::from(body))
}

/// All that stands in a path here is well formed: ids of our own, and those that a node gave.
fn uri(path: &str) -> Uri {
    path.parse().unwrap_or_else(|_| Uri::from_static("/"))
}

pub(super) fn header(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("ids are visible ASCII")
}

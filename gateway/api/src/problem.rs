//! One error body for two kinds of client: RFC 9457 members, and the seed's object under `error`.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::codes::Code;

/// The media type of a [`Problem`].
pub const CONTENT_TYPE: &str = "application/problem+json";

/// What happened to the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It changed nothing and never will under this try.
    NotApplied,
    /// It may have been applied, or may yet be. A repeat with the same idempotency key tells.
    Unknown,
}

/// An RFC 9457 problem with our extension members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// Names the code's page: `/problems/<code>`, relative to the gateway.
    #[serde(rename = "type")]
    pub type_uri: String,
    /// The code's summary.
    pub title: Cow<'static, str>,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time.
    pub detail: String,
    /// The path that was asked for.
    pub instance: String,
    /// The stable code; what a program should look at.
    pub code: Cow<'static, str>,
    /// The request's id, as in the `x-request-id` header and the log.
    pub request_id: String,
    /// What happened to the request.
    pub outcome: Outcome,
    /// The task it concerns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    /// Where a larger plan is to be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upgrade_url: Option<String>,
    /// The same in the seed's form.
    pub error: ErrorObject,
}

/// The error body of seed 002; absent members are `null`, as its clients expect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorObject {
    /// As [`Problem::code`].
    pub code: Cow<'static, str>,
    /// As [`Problem::detail`].
    pub message: String,
    /// As [`Problem::upgrade_url`].
    pub upgrade_url: Option<String>,
    /// As [`Problem::task_id`].
    pub task_id: Option<String>,
    /// As [`Problem::request_id`].
    pub request_id: String,
}

impl Problem {
    /// One occurrence of a code.
    #[must_use]
    pub fn new(
        code: Code,
        outcome: Outcome,
        detail: &str,
        instance: &str,
        request_id: &str,
    ) -> Self {
        Self {
            type_uri: format!("/problems/{}", code.code),
            title: Cow::Borrowed(code.title),
            status: code.status,
            detail: detail.to_owned(),
            instance: instance.to_owned(),
            code: Cow::Borrowed(code.code),
            request_id: request_id.to_owned(),
            outcome,
            task_id: None,
            upgrade_url: None,
            error: ErrorObject {
                code: Cow::Borrowed(code.code),
                message: detail.to_owned(),
                upgrade_url: None,
                task_id: None,
                request_id: request_id.to_owned(),
            },
        }
    }

    /// Names the task that it concerns.
    #[must_use]
    pub fn with_task_id(mut self, task_id: &str) -> Self {
        self.task_id = Some(task_id.to_owned());
        self.error.task_id = Some(task_id.to_owned());
        self
    }

    /// Names where a larger plan is to be had.
    #[must_use]
    pub fn with_upgrade_url(mut self, upgrade_url: &str) -> Self {
        self.upgrade_url = Some(upgrade_url.to_owned());
        self.error.upgrade_url = Some(upgrade_url.to_owned());
        self
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::codes;

    #[test]
    fn both_forms_of_a_problem_say_the_same() {
        let problem = Problem::new(
            codes::TIMED_OUT,
            Outcome::Unknown,
            "no answer within 30 s",
            "/v1/entities/counter/a/add",
            "r-1",
        )
        .with_task_id("t-1");
        let expected = json!({
            "type": "/problems/timed_out",
            "title": "There was no answer in time",
            "status": 504,
            "detail": "no answer within 30 s",
            "instance": "/v1/entities/counter/a/add",
            "code": "timed_out",
            "request_id": "r-1",
            "outcome": "unknown",
            "task_id": "t-1",
            "error": {
                "code": "timed_out",
                "message": "no answer within 30 s",
                "upgrade_url": null,
                "task_id": "t-1",
                "request_id": "r-1",
            },
        });
        assert_eq!(serde_json::to_value(&problem).unwrap(), expected);
        let back: Problem =
            serde_json::from_value::<Value>(expected).and_then(serde_json::from_value).unwrap();
        assert_eq!(back, problem);
    }
}

//! What an answer says.

use std::borrow::Cow;

use serde::Deserialize;

use crate::record::{Operation, Outcome};
use crate::wire::{Answer, Lost};

/// What a try came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) outcome: Outcome,
    pub(super) status: u16,
    pub(super) sequence: u64,
    pub(super) value: i64,
    pub(super) repeated: bool,
    /// The problem's code.
    pub(super) code: Option<String>,
    /// Of a refusal for want of room: whether it doesn't say when to come again.
    pub(super) at_a_loss: bool,
    /// Of an intent: its id.
    pub(super) id: Option<String>,
    /// Of a flow: whether the next step makes sense.
    pub(super) goes_on: bool,
}

#[derive(Deserialize)]
struct Valued {
    value: i64,
}

#[derive(Deserialize)]
struct Added {
    sequence: u64,
    reply: Valued,
    repeated: bool,
}

#[derive(Deserialize)]
struct Told {
    sequence: u64,
    repeated: bool,
}

#[derive(Deserialize)]
struct Counter {
    sequence: u64,
    state: Valued,
}

#[derive(Deserialize)]
struct Moved {
    amount: i64,
}

#[derive(Deserialize)]
struct Intent {
    id: String,
}

#[derive(Deserialize)]
struct Decided<'a> {
    #[serde(borrow)]
    decision: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Settled {
    posted: i64,
}

#[derive(Deserialize)]
struct Workflow<'a> {
    #[serde(borrow)]
    status: Cow<'a, str>,
}

#[derive(Default, Deserialize)]
struct Problem<'a> {
    #[serde(borrow)]
    code: Option<Cow<'a, str>>,
    #[serde(borrow)]
    outcome: Option<Cow<'a, str>>,
}

impl Reading {
    const fn bare(outcome: Outcome, status: u16) -> Self {
        Self {
            outcome,
            status,
            sequence: 0,
            value: 0,
            repeated: false,
            code: None,
            at_a_loss: false,
            id: None,
            goes_on: false,
        }
    }
}

/// What a try came to. An answer of success that doesn't say what it must is unknown.
pub(super) fn read(operation: Operation, answer: &Result<Answer, Lost>) -> Reading {
    match answer {
        Err(Lost::NotSent) => Reading::bare(Outcome::NotSent, 0),
        Err(Lost::Broken) => Reading::bare(Outcome::Broken, 0),
        Err(Lost::TimedOut) => Reading::bare(Outcome::TimedOut, 0),
        Ok(answer) if (200..300).contains(&answer.status) => success(operation, answer)
            .unwrap_or_else(|_| Reading::bare(Outcome::Unknown, answer.status)),
        Ok(answer) => refusal(operation, answer),
    }
}

fn success(operation: Operation, answer: &Answer) -> serde_json::Result<Reading> {
    let body = answer.body.as_ref();
    let mut reading = Reading::bare(Outcome::Acknowledged, answer.status);
    reading.goes_on = true;
    match operation {
        Operation::Add => {
            let added: Added = serde_json::from_slice(body)?;
            reading.sequence = added.sequence;
            reading.value = added.reply.value;
            reading.repeated = added.repeated;
        }
        Operation::Read => {
            let counter: Counter = serde_json::from_slice(body)?;
            reading.sequence = counter.sequence;
            reading.value = counter.state.value;
        }
        Operation::Transfer => reading.value = serde_json::from_slice::<Moved>(body)?.amount,
        Operation::Intent => reading.id = Some(serde_json::from_slice::<Intent>(body)?.id),
        Operation::Authorize => {
            let decided: Decided<'_> = serde_json::from_slice(body)?;
            reading.goes_on = decided.decision == "approved";
            reading.value = i64::from(reading.goes_on);
        }
        Operation::Post | Operation::Void => {
            reading.value = serde_json::from_slice::<Settled>(body)?.posted;
        }
        Operation::Alarm => {
            let told: Told = serde_json::from_slice(body)?;
            reading.sequence = told.sequence;
            reading.repeated = told.repeated;
        }
        Operation::Workflow => {
            let workflow: Workflow<'_> = serde_json::from_slice(body)?;
            match workflow.status.as_ref() {
                "success" => reading.value = 1,
                "partial" | "failed" | "cancelled" | "rejected" => {}
                // It goes on, and its end was not seen in time.
                _ => reading.outcome = Outcome::TimedOut,
            }
        }
    }
    Ok(reading)
}

/// A read of what isn't there is a read: of nothing at sequence 0.
const ABSENT: &str = "entity_not_found";

fn refusal(operation: Operation, answer: &Answer) -> Reading {
    let problem: Problem<'_> = serde_json::from_slice(&answer.body).unwrap_or_default();
    let unknown = problem.outcome.as_deref() == Some("unknown");
    let not_applied = problem.outcome.as_deref() == Some("not_applied");
    let outcome = match answer.status {
        404 if operation == Operation::Read && problem.code.as_deref() == Some(ABSENT) => {
            return Reading::bare(Outcome::Acknowledged, answer.status);
        }
        _ if unknown => Outcome::Unknown,
        429 => Outcome::Overloaded,
        503 if not_applied => Outcome::Overloaded,
        400..500 => Outcome::Refused,
        500.. if not_applied => Outcome::Refused,
        _ => Outcome::Unknown,
    };
    let mut reading = Reading::bare(outcome, answer.status);
    reading.at_a_loss = outcome == Outcome::Overloaded && !answer.retry_after;
    reading.code = problem.code.map(Cow::into_owned);
    reading
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(operation: Operation, status: u16, body: &'static str) -> Reading {
        read(operation, &Ok(Answer { status, retry_after: false, body: body.into() }))
    }

    #[test]
    fn an_acknowledged_command_tells_where_it_stands() {
        let body = r#"{"sequence":3,"reply":{"value":-7},"repeated":true}"#;
        let reading = answered(Operation::Add, 200, body);
        assert_eq!((reading.sequence, reading.value, reading.repeated), (3, -7, true));
        assert_eq!(reading.outcome, Outcome::Acknowledged);
    }

    #[test]
    fn an_acknowledgement_that_says_nothing_is_unknown() {
        for body in ["", "{}", "[]", r#"{"sequence":1,"reply":{},"repeated":false}"#] {
            assert_eq!(answered(Operation::Add, 200, body).outcome, Outcome::Unknown, "{body}");
        }
    }

    #[test]
    fn every_refusal_is_told_apart_by_what_may_have_happened() {
        let of = |status, body| answered(Operation::Add, status, body).outcome;
        let not_applied = r#"{"code":"a","outcome":"not_applied"}"#;
        let unknown = r#"{"code":"a","outcome":"unknown"}"#;
        assert_eq!(of(429, not_applied), Outcome::Overloaded);
        assert_eq!(of(503, not_applied), Outcome::Overloaded);
        assert_eq!(of(503, unknown), Outcome::Unknown);
        assert_eq!(of(503, "no such page"), Outcome::Unknown);
        assert_eq!(of(500, not_applied), Outcome::Refused);
        assert_eq!(of(504, unknown), Outcome::Unknown);
        assert_eq!(of(422, not_applied), Outcome::Refused);
        assert_eq!(of(409, unknown), Outcome::Unknown);
        assert_eq!(of(302, ""), Outcome::Unknown);
        assert_eq!(answered(Operation::Add, 422, not_applied).code.as_deref(), Some("a"));
    }

    #[test]
    fn a_refusal_for_want_of_room_must_say_when_to_come_again() {
        let at_a_loss = |status, retry_after| {
            let body = r#"{"code":"a","outcome":"not_applied"}"#.into();
            read(Operation::Add, &Ok(Answer { status, retry_after, body })).at_a_loss
        };
        assert!(at_a_loss(429, false) && at_a_loss(503, false));
        assert!(!at_a_loss(429, true) && !at_a_loss(422, false));
    }

    #[test]
    fn reading_what_is_not_there_is_a_read_and_adding_to_a_wrong_path_is_not() {
        let absent = r#"{"code":"entity_not_found","outcome":"not_applied"}"#;
        let of = |operation| answered(operation, 404, absent).outcome;
        assert_eq!(of(Operation::Read), Outcome::Acknowledged);
        assert_eq!(of(Operation::Add), Outcome::Refused);
    }

    #[test]
    fn a_denied_intent_goes_no_further_and_a_workflow_without_end_is_late() {
        let decided = |body| answered(Operation::Authorize, 200, body).goes_on;
        assert!(decided(r#"{"decision":"approved"}"#));
        assert!(!decided(r#"{"decision":"denied"}"#));
        let ended = |body| answered(Operation::Workflow, 200, body).outcome;
        assert_eq!(ended(r#"{"status":"partial"}"#), Outcome::Acknowledged);
        assert_eq!(ended(r#"{"status":"running"}"#), Outcome::TimedOut);
    }
}

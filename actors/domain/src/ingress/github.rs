//! GitHub's webhooks: every event type of its documentation in one form.
//!
//! **Invariants:** [`normalise`] is total: whatever the JSON is, there is an event. A type that the
//! table doesn't know becomes a generic event. Only what the table names is taken out of a body, so
//! that nothing of a person comes along by chance.
//!
//! **Deliberately absent:** bodies of comments and messages of commits, which hold names and
//! addresses and which a plan can ask GitHub for.

mod account;
mod code;
mod conversation;
mod pipeline;
mod security;
mod types;

use std::collections::BTreeMap;

use coppice_core::Timestamp;
use serde_json::Value;

use self::types::Place;
pub use self::types::{ANY_ACTION, EventType, event_type, event_types};
use super::event::{Datum, NormalisedEvent, Repository, Sender, Subject};
use super::{text, time};
use crate::workflow::flow::Priority;

/// The source's name.
pub const SOURCE: &str = "github";

/// The type that GitHub sends to try out an address and its secret.
pub const PING: &str = "ping";

/// Where a subject's members stand within it, the first that is there; a type may name others.
const TITLES: &[&str] =
    &["/title", "/login", "/full_name", "/name", "/tag_name", "/summary", "/slug"];
const SHAS: &[&str] = &["/head/sha", "/head_sha", "/sha", "/commit_id", "/after"];
const REFERENCES: &[&str] = &["/head/ref", "/head_branch", "/ref"];
const URLS: &[&str] = &["/html_url"];
const TIMES: &[&str] = &[
    "/updated_at",
    "/completed_at",
    "/submitted_at",
    "/published_at",
    "/started_at",
    "/created_at",
];

/// What every event is asked for.
const ALWAYS: &[(&str, &str)] = &[
    ("organization", "/organization/login"),
    ("enterprise", "/enterprise/slug"),
    ("installation_id", "/installation/id"),
    ("default_branch", "/repository/default_branch"),
    ("private", "/repository/private"),
];

/// A delivery's body in the form of all sources; `name` is its `X-GitHub-Event`.
#[must_use]
pub fn normalise(name: &str, body: &Value) -> NormalisedEvent {
    let known = event_type(name);
    NormalisedEvent {
        source: SOURCE.to_owned(),
        event_type: text::free(name),
        action: exact(body, "/action"),
        repository: repository(body),
        sender: sender(body),
        subject: known.map_or_else(|| unknown_subject(body), |of| subject(of, body)),
        occurred_at: known.and_then(|of| occurred_at(of, body)),
        priority: known.map_or_else(Priority::default, |of| of.priority),
        data: data(known.map_or(&[], |of| of.data), body),
    }
}

/// An event of an installation or organization names none, or several.
fn repository(body: &Value) -> Option<Repository> {
    let full_name = exact(body, "/repository/full_name")?;
    Some(Repository { id: integer(body, "/repository/id"), full_name })
}

fn sender(body: &Value) -> Option<Sender> {
    let login = exact(body, "/sender/login")?;
    Some(Sender { id: integer(body, "/sender/id"), login })
}

fn subject(of: &EventType, body: &Value) -> Subject {
    let none = Value::Null;
    let itself = body.pointer(of.at).unwrap_or(&none);
    let found = |place: Place, usual: &[&str]| match place {
        Place::Within => usual.iter().find_map(|at| string(itself, at)),
        Place::At(at) => string(body, at),
        Place::Nowhere => None,
    };
    Subject {
        kind: of.subject.to_owned(),
        id: integer(itself, "/id"),
        number: integer(itself, "/number"),
        reference: found(of.reference, REFERENCES).and_then(text::exact),
        sha: found(of.sha, SHAS).and_then(text::exact),
        title: found(of.title, TITLES).map(text::free),
        url: found(of.url, URLS).and_then(text::exact),
    }
}

/// Of a type that isn't known the repository is all there is to say.
fn unknown_subject(body: &Value) -> Subject {
    Subject {
        kind: "unknown".to_owned(),
        url: exact(body, "/repository/html_url"),
        ..Subject::default()
    }
}

fn occurred_at(of: &EventType, body: &Value) -> Option<Timestamp> {
    match of.occurred {
        Some(own) => own.iter().find_map(|at| moment(body.pointer(at)?)),
        None => {
            let itself = body.pointer(of.at)?;
            TIMES.iter().find_map(|at| moment(itself.pointer(at)?))
        }
    }
}

/// GitHub writes most times as text and some as seconds.
fn moment(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => time::rfc3339(text),
        Value::Number(number) => time::seconds(number.as_i64()?),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn data(own: &[&[(&str, &str)]], body: &Value) -> BTreeMap<String, Datum> {
    let rows = own.iter().copied().flatten().chain(ALWAYS);
    rows.filter_map(|(name, at)| Some(((*name).to_owned(), datum(body.pointer(at)?)?))).collect()
}

/// A list is told by its length; what else is no single value is left out.
fn datum(value: &Value) -> Option<Datum> {
    match value {
        Value::Bool(flag) => Some(Datum::Flag(*flag)),
        Value::Number(number) => number.as_i64().map(Datum::Number),
        Value::String(text) => text::exact(text).map(Datum::Text),
        Value::Array(list) => i64::try_from(list.len()).ok().map(Datum::Number),
        Value::Null | Value::Object(_) => None,
    }
}

fn string<'a>(value: &'a Value, at: &str) -> Option<&'a str> {
    value.pointer(at)?.as_str().filter(|text| !text.is_empty())
}

fn exact(value: &Value, at: &str) -> Option<String> {
    string(value, at).and_then(text::exact)
}

fn integer(value: &Value, at: &str) -> Option<i64> {
    value.pointer(at)?.as_i64()
}

#[cfg(test)]
mod tests;

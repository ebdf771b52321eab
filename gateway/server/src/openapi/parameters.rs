//! Parameters that more than one route takes.

use super::{Parameter, Place};

const fn path(name: &'static str, description: &'static str, schema: &'static str) -> Parameter {
    Parameter { place: Place::Path, name, description, required: true, schema }
}

/// An optional member of the query.
pub(crate) const fn query(
    name: &'static str,
    description: &'static str,
    schema: &'static str,
) -> Parameter {
    Parameter { place: Place::Query, name, description, required: false, schema }
}

/// An optional header.
pub(crate) const fn header(
    name: &'static str,
    description: &'static str,
    schema: &'static str,
) -> Parameter {
    Parameter { place: Place::Header, name, description, required: false, schema }
}

/// Any text.
pub(crate) const TEXT: &str = r#"{"type":"string"}"#;
/// The name of a kind or command.
pub(crate) const NAME: &str = r#"{"type":"string","pattern":"^[a-z][a-z0-9_]{0,63}$"}"#;
/// What an entity may be called.
pub(crate) const ENTITY_ID: &str =
    r#"{"type":"string","pattern":"^[A-Za-z0-9._:~@-]{1,128}$","examples":["invoice-7"]}"#;
/// A place or number that is counted up from 0.
pub(crate) const COUNTED: &str = r#"{"type":"integer","minimum":0,"maximum":9223372036854775807}"#;

pub(crate) const KIND: Parameter = path("kind", "The kind of entity.", NAME);
pub(crate) const ID: Parameter = path("id", "The entity within tenant and kind.", ENTITY_ID);
pub(crate) const COMMAND: Parameter = path("command", "The kind's command.", NAME);
pub(crate) const TENANT: Parameter =
    path("tenant", "The tenant.", r#"{"type":"string","pattern":"^[a-z0-9_-]{1,64}$"}"#);
pub(crate) const SUBJECT: Parameter =
    path("id", "The subject.", r#"{"type":"string","pattern":"^[A-Za-z0-9._:~-]{1,128}$"}"#);
pub(crate) const PLUGIN: Parameter =
    path("name", "The plugin.", r#"{"type":"string","pattern":"^[a-z][a-z0-9_-]{0,63}$"}"#);
pub(crate) const PLUGIN_VERSION: Parameter =
    path("version", "The version, by semver.", r#"{"type":"string","examples":["1.0.0"]}"#);
/// An id that is a UUID.
pub(crate) const UUID: &str = r#"{"type":"string","format":"uuid"}"#;
pub(crate) const LETTER: Parameter = path("id", "The dead letter.", UUID);
pub(crate) const API_KEY: Parameter = path("id", "The key.", UUID);

pub(crate) const TASK_TYPE: Parameter = path("task_type", "The type of task.", ENTITY_ID);
pub(crate) const BUNDLE_VERSION: Parameter = path(
    "version",
    "The bundle's version.",
    r#"{"type":"string","pattern":"^[A-Za-z0-9._+-]{1,64}$"}"#,
);

pub(crate) const LIMIT: Parameter = query(
    "limit",
    "How many rows at most; more than 1,000 are never given.",
    r#"{"type":"integer","minimum":0,"maximum":9223372036854775807,"default":100}"#,
);
pub(crate) const IF_MATCH: Parameter = header(
    "If-Match",
    "The sequence that the entity must be at, as its ETag; otherwise 412.",
    r#"{"type":"string","pattern":"^\"(0|[1-9][0-9]{0,17})\"$"}"#,
);
pub(crate) const IF_NONE_MATCH: Parameter =
    header("If-None-Match", "An ETag: where it still holds, the answer is 304.", TEXT);
pub(crate) const READ_AFTER: Parameter = header(
    "X-Read-After",
    "The `X-Position` of an earlier answer, which this one must not be behind.",
    TEXT,
);
pub(crate) const IDEMPOTENCY_KEY: Parameter = header(
    "Idempotency-Key",
    "The caller's name for one intention: a repeat gets the first answer and changes nothing.",
    r#"{"type":"string","pattern":"^[!-~]{1,255}$"}"#,
);

/// What every route takes.
pub(super) const ALWAYS: &[Parameter] = &[
    header(
        "X-Request-Id",
        "Names the request in answers and logs; one is made up for whoever sends none.",
        r#"{"type":"string","pattern":"^[!-~]{1,128}$"}"#,
    ),
    header(
        "X-Correlation-Id",
        "Ties the requests of a conversation together.",
        r#"{"type":"string","format":"uuid"}"#,
    ),
];

/// What every route with a scope takes beside.
pub(super) const ADMITTED: &[Parameter] = &[header(
    "X-Request-Timeout-Ms",
    "How long the caller waits at most, in milliseconds; the node's own limit stands above it.",
    r#"{"type":"integer","minimum":1}"#,
)];

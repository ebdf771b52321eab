//! Why a task schema refuses.

use coppice_core::Rejection;
use thiserror::Error;

/// The largest schema, in bytes of its canonical text: half of what a request's body may have, and
/// far more than the parameters of a task fill.
pub(super) const SCHEMA_BYTES_MAX: usize = 32 * 1_024;

/// A task schema's refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TaskSchemaError {
    /// It is no JSON object.
    #[error("a schema is a JSON object")]
    NotAnObject,
    /// It is too large.
    #[error("a schema has {SCHEMA_BYTES_MAX} bytes at most")]
    TooLarge,
}

impl Rejection for TaskSchemaError {
    const CODES: &'static [&'static str] = &["task_schema_invalid", "task_schema_too_large"];

    fn code(&self) -> &'static str {
        match self {
            Self::NotAnObject => "task_schema_invalid",
            Self::TooLarge => "task_schema_too_large",
        }
    }
}

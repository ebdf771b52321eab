//! Values against JSON Schemas, with the schemas compiled once.
//!
//! **Invariants:** a schema that can't be used refuses every value; nothing is fetched, whatever a
//! schema refers to; no pattern takes longer than its text is long, for schemas come from tenants.

use std::collections::VecDeque;
use std::sync::Arc;

use coppice_core::Hash;
use coppice_core::hash::sha256;
use jsonschema::{PatternOptions, ValidationError, Validator};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

/// Compiled schemas in memory. Each takes some ten times its text.
const SCHEMAS_MAX: usize = 256;

/// Violations of one value that are told of.
const VIOLATIONS_MAX: usize = 20;

/// The largest schema that is compiled, in bytes.
const SCHEMA_BYTES_MAX: usize = 256 * 1_024;

/// Memory that one pattern of a schema may take once it is compiled, in bytes.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// The longest message of a violation, in bytes: it may quote the value.
const MESSAGE_BYTES_MAX: usize = 512;

/// What doesn't fit, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// Where in the value, as a JSON pointer; empty for the whole.
    pub at: String,
    /// Which part of the schema it violates, likewise.
    pub rule: String,
    /// What is wrong, for people. It may quote the value.
    pub message: String,
}

/// Why a text is no schema that can be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SchemaError {
    /// It is too large.
    #[error("a schema has {SCHEMA_BYTES_MAX} bytes at most")]
    TooLarge,
    /// It isn't JSON.
    #[error("the schema is not JSON: {0}")]
    NotJson(String),
    /// It isn't a JSON Schema, or refers to something outside of itself.
    #[error("the schema can not be used: {0}")]
    Unusable(String),
}

struct Compiled {
    hash: Hash,
    validator: Arc<Validator>,
}

/// Compiled schemas, the latest used first.
#[derive(Default)]
pub struct Schemas {
    compiled: Mutex<VecDeque<Compiled>>,
}

impl std::fmt::Debug for Schemas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Schemas").field("compiled", &self.compiled.lock().len()).finish()
    }
}

impl Schemas {
    /// Whether a text is a schema that values can be checked against.
    ///
    /// # Errors
    /// [`SchemaError`].
    pub fn check(&self, schema: &str) -> Result<(), SchemaError> {
        self.validator(schema).map(drop)
    }

    /// Checks a value against a schema.
    ///
    /// # Errors
    /// What doesn't fit. Where the schema itself can't be used, that is the one violation.
    pub fn validate(&self, schema: &str, value: &Value) -> Result<(), Vec<Violation>> {
        let validator = self.validator(schema).map_err(|error| {
            vec![Violation { at: String::new(), rule: String::new(), message: error.to_string() }]
        })?;
        let found: Vec<_> = validator
            .iter_errors(value)
            .take(VIOLATIONS_MAX)
            .map(|error| violation(&error))
            .collect();
        if found.is_empty() { Ok(()) } else { Err(found) }
    }

    fn validator(&self, schema: &str) -> Result<Arc<Validator>, SchemaError> {
        if schema.len() > SCHEMA_BYTES_MAX {
            return Err(SchemaError::TooLarge);
        }
        let hash = sha256(schema.as_bytes());
        if let Some(found) = self.find(hash) {
            return Ok(found);
        }
        // Without the lock: others go on meanwhile, and two that compile the same do no harm.
        let validator = Arc::new(compile(schema)?);
        let mut compiled = self.compiled.lock();
        compiled.retain(|known| known.hash != hash);
        compiled.push_front(Compiled { hash, validator: Arc::clone(&validator) });
        compiled.truncate(SCHEMAS_MAX);
        Ok(validator)
    }

    fn find(&self, hash: Hash) -> Option<Arc<Validator>> {
        let mut compiled = self.compiled.lock();
        let place = compiled.iter().position(|known| known.hash == hash)?;
        let found = compiled.remove(place)?;
        let validator = Arc::clone(&found.validator);
        compiled.push_front(found);
        Some(validator)
    }
}

fn compile(schema: &str) -> Result<Validator, SchemaError> {
    let value: Value =
        serde_json::from_str(schema).map_err(|error| SchemaError::NotJson(error.to_string()))?;
    let patterns = PatternOptions::regex().size_limit(PATTERN_BYTES_MAX);
    let built = jsonschema::options().with_pattern_options(patterns).build(&value);
    built.map_err(|error| SchemaError::Unusable(cut(error.to_string())))
}

fn violation(error: &ValidationError<'_>) -> Violation {
    Violation {
        at: error.instance_path().to_string(),
        rule: error.schema_path().to_string(),
        message: cut(error.to_string()),
    }
}

fn cut(mut text: String) -> String {
    if text.len() > MESSAGE_BYTES_MAX {
        let end = (0..=MESSAGE_BYTES_MAX).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or_default());
        text.push_str("...");
    }
    text
}

//! Layers that set one key each, and how figment's errors read here.

use figment::error::Kind;
use figment::value::{Dict, Map, Value};
use figment::{Metadata, Profile, Provider};

use super::ConfigError;

/// One key, set from one place outside of the files.
pub(super) struct Override {
    pub(super) origin: String,
    pub(super) key: String,
    value: Value,
}

impl Override {
    pub(super) fn new(origin: &str, key: &str, value: Value) -> Self {
        Self { origin: origin.to_owned(), key: key.to_owned(), value }
    }
}

/// Without the value, which may be secret.
impl std::fmt::Debug for Override {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Override")
            .field("origin", &self.origin)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl Provider for Override {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.clone())
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        let nested = figment::util::nest(&self.key, self.value.clone());
        let dict = nested.into_dict().unwrap_or_default();
        Ok(Profile::Default.collect(dict))
    }
}

impl From<figment::Error> for ConfigError {
    fn from(error: figment::Error) -> Self {
        let origin = error.metadata.as_ref().map_or_else(
            || "the configuration".to_owned(),
            |metadata| match metadata.source.as_ref().and_then(|source| source.file_path()) {
                Some(path) => path.display().to_string(),
                None => metadata.name.to_string(),
            },
        );
        let mut path = error.path;
        if let Kind::UnknownField(field, _) = &error.kind
            && path.last() != Some(field)
        {
            path.push(field.clone());
        }
        Self::Invalid { origin, key: path.join("."), problem: one_line(&error.kind) }
    }
}

/// The first and the last line: between them the TOML parser quotes the file, where a password may
/// stand.
fn one_line(kind: &Kind) -> String {
    let text = kind.to_string();
    let mut lines = text.lines().filter(|line| !line.is_empty());
    match (lines.next(), lines.next_back()) {
        (Some(first), Some(last)) => format!("{first}: {last}"),
        (Some(only), None) => only.to_owned(),
        (None, _) => text,
    }
}

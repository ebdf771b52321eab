//! What a plugin says of itself before anybody calls it.

use semver::{Version, VersionReq};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::{ENVELOPE_VERSION, speaks};

/// The longest name, in bytes. With the version and the `@` between them it is the id of entities,
/// which have 128.
pub const NAME_BYTES_MAX: usize = 64;

/// The longest version, in bytes.
pub const VERSION_BYTES_MAX: usize = 63;

/// The most entries of each of a manifest's lists: more than anybody reads.
pub const ENTRIES_MAX: usize = 100;

/// The longest entry of a list, category or model, in characters.
pub const ENTRY_CHARS_MAX: usize = 200;

/// The longest description, in characters: a page.
pub const DESCRIPTION_CHARS_MAX: usize = 4_000;

/// The longest that a plugin may ask to be waited for, in seconds: an hour. Nothing that takes
/// longer is one call.
pub const TIMEOUT_SECONDS_MAX: u32 = 3_600;

/// The capability of a plugin that takes whatever it is asked for.
pub const ANY_CAPABILITY: &str = "*";

/// A plugin's manifest. It is read strictly: a member that this build doesn't know is refused, since
/// it may be meant to limit something.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Its name: a lower-case letter, then lower-case letters, digits, `-` and `_`.
    pub name: String,
    /// Its version by semver, without build metadata. What a version is never changes: whoever
    /// changes anything raises it.
    pub version: String,
    /// What it does, for people.
    pub description: String,
    /// What it can be asked for; `*` for anything.
    pub capabilities: Vec<String>,
    /// What it is about.
    #[serde(default)]
    pub category: String,
    /// Plugins that it needs.
    #[serde(default)]
    pub dependencies: Vec<PluginDependency>,
    /// A JSON Schema (2020-12 unless it says otherwise) of `input`. It refers to nothing outside
    /// itself, and its patterns have no look-around and no back-references.
    pub input_schema: Value,
    /// The same of `output`.
    pub output_schema: Value,
    /// Which envelopes it speaks.
    pub envelope_version: String,
    /// How long it takes, about.
    #[serde(default)]
    pub estimated_latency: Latency,
    /// What it needs to be allowed.
    #[serde(default)]
    pub required_scopes: Vec<String>,
    /// The tenant's secrets that it needs, by name.
    #[serde(default)]
    pub required_secret_names: Vec<String>,
    /// How it is run.
    #[serde(default)]
    pub config: PluginConfig,
}

/// A plugin that another needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginDependency {
    /// Its name.
    pub name: String,
    /// Which versions will do, such as `^1.2`.
    pub version_constraint: String,
}

/// How long something takes, about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Latency {
    /// A person waits for it.
    Fast,
    /// A person looks again in a minute.
    #[default]
    Medium,
    /// A person is told.
    Slow,
}

/// How a plugin is run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PluginConfig {
    /// The model that it uses, where it uses one.
    pub model: Option<String>,
    /// The model's temperature, from 0 to 2.
    pub temperature: Option<f64>,
    /// How often a call is repeated before it has failed.
    pub max_retries: u32,
    /// How long a call may take. The node may wait for less.
    pub timeout_seconds: u32,
    /// Tokens for a call; 0 where it uses none.
    pub token_budget: u64,
}

impl Default for PluginConfig {
    fn default() -> Self {
        Self {
            model: None,
            temperature: None,
            max_retries: 3,
            timeout_seconds: 30,
            token_budget: 0,
        }
    }
}

/// Why a manifest isn't one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ManifestError {
    /// The name.
    #[error("the name is a lower-case letter, then up to 63 of a-z, 0-9, '-' and '_'")]
    Name,
    /// The version.
    #[error("the version is one by semver, of up to 63 bytes, without build metadata")]
    Version,
    /// It speaks other envelopes.
    #[error("envelopes of version {0:?} are not understood; this node speaks {ENVELOPE_VERSION}")]
    EnvelopeVersion(String),
    /// It can't be asked for anything.
    #[error("it says no capability")]
    NoCapability,
    /// A list is too long, or has an entry that is empty or too long.
    #[error("{0} has 1 to {ENTRY_CHARS_MAX} characters in each of up to {ENTRIES_MAX} entries")]
    List(&'static str),
    /// A text is too long.
    #[error("{0} is too long")]
    TooLong(&'static str),
    /// A dependency names no plugin or no versions.
    #[error("the dependency {0:?} needs a plugin's name and versions such as \"^1.2\"")]
    Dependency(String),
    /// A schema is neither an object nor a boolean.
    #[error("{0} is a JSON Schema: an object or a boolean")]
    Schema(&'static str),
    /// The timeout.
    #[error("config.timeout_seconds is 1 to {TIMEOUT_SECONDS_MAX}")]
    Timeout,
    /// The temperature.
    #[error("config.temperature is between 0 and 2")]
    Temperature,
}

/// Whether a text may be a plugin's name.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    let rest =
        |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(byte);
    bytes.first().is_some_and(u8::is_ascii_lowercase)
        && bytes.len() <= NAME_BYTES_MAX
        && bytes.iter().all(rest)
}

/// A plugin's version, where a text is one.
#[must_use]
pub fn version(text: &str) -> Option<Version> {
    let parsed = Version::parse(text).ok().filter(|version| version.build.is_empty());
    parsed.filter(|_| text.len() <= VERSION_BYTES_MAX)
}

impl Manifest {
    /// A manifest that takes and gives any object, with no capability yet.
    #[must_use]
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            description: String::new(),
            capabilities: Vec::new(),
            category: String::new(),
            dependencies: Vec::new(),
            input_schema: serde_json::json!({ "type": "object" }),
            output_schema: serde_json::json!({ "type": "object" }),
            envelope_version: ENVELOPE_VERSION.to_owned(),
            estimated_latency: Latency::default(),
            required_scopes: Vec::new(),
            required_secret_names: Vec::new(),
            config: PluginConfig::default(),
        }
    }

    /// What it does.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// Something more that it can be asked for.
    #[must_use]
    pub fn capability(mut self, capability: impl Into<String>) -> Self {
        self.capabilities.push(capability.into());
        self
    }

    /// What it is about.
    #[must_use]
    pub fn category(mut self, category: impl Into<String>) -> Self {
        self.category = category.into();
        self
    }

    /// A plugin that it needs.
    #[must_use]
    pub fn dependency(mut self, name: impl Into<String>, versions: impl Into<String>) -> Self {
        let (name, version_constraint) = (name.into(), versions.into());
        self.dependencies.push(PluginDependency { name, version_constraint });
        self
    }

    /// What its input looks like.
    #[must_use]
    pub fn input_schema(mut self, schema: Value) -> Self {
        self.input_schema = schema;
        self
    }

    /// What its output looks like.
    #[must_use]
    pub fn output_schema(mut self, schema: Value) -> Self {
        self.output_schema = schema;
        self
    }

    /// How long it takes, about.
    #[must_use]
    pub const fn latency(mut self, latency: Latency) -> Self {
        self.estimated_latency = latency;
        self
    }

    /// Something more that it needs to be allowed.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.required_scopes.push(scope.into());
        self
    }

    /// A secret of the tenant's that it needs.
    #[must_use]
    pub fn secret(mut self, name: impl Into<String>) -> Self {
        self.required_secret_names.push(name.into());
        self
    }

    /// How long a call may take.
    #[must_use]
    pub const fn timeout_seconds(mut self, seconds: u32) -> Self {
        self.config.timeout_seconds = seconds;
        self
    }

    /// What names this version among all: `name@version`.
    #[must_use]
    pub fn plugin_id(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }

    /// Whether it says that it can be asked for something.
    #[must_use]
    pub fn offers(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|offered| offered == capability || offered == ANY_CAPABILITY)
    }

    /// Checks what types can't say.
    ///
    /// # Errors
    /// The first thing that no manifest may say.
    pub fn check(&self) -> Result<(), ManifestError> {
        if !is_name(&self.name) {
            return Err(ManifestError::Name);
        }
        version(&self.version).ok_or(ManifestError::Version)?;
        if !speaks(&self.envelope_version) {
            return Err(ManifestError::EnvelopeVersion(self.envelope_version.clone()));
        }
        if self.description.chars().count() > DESCRIPTION_CHARS_MAX {
            return Err(ManifestError::TooLong("description"));
        }
        if self.category.chars().count() > ENTRY_CHARS_MAX {
            return Err(ManifestError::TooLong("category"));
        }
        if self.capabilities.is_empty() {
            return Err(ManifestError::NoCapability);
        }
        for (what, entries) in [
            ("capabilities", &self.capabilities),
            ("required_scopes", &self.required_scopes),
            ("required_secret_names", &self.required_secret_names),
        ] {
            let fits = |entry: &String| (1..=ENTRY_CHARS_MAX).contains(&entry.chars().count());
            if entries.len() > ENTRIES_MAX || !entries.iter().all(fits) {
                return Err(ManifestError::List(what));
            }
        }
        if self.dependencies.len() > ENTRIES_MAX {
            return Err(ManifestError::List("dependencies"));
        }
        for dependency in &self.dependencies {
            let constraint = VersionReq::parse(&dependency.version_constraint);
            if !is_name(&dependency.name) || constraint.is_err() {
                return Err(ManifestError::Dependency(dependency.name.clone()));
            }
        }
        for (what, schema) in
            [("input_schema", &self.input_schema), ("output_schema", &self.output_schema)]
        {
            if !schema.is_object() && !schema.is_boolean() {
                return Err(ManifestError::Schema(what));
            }
        }
        self.config.check()
    }
}

impl PluginConfig {
    fn check(&self) -> Result<(), ManifestError> {
        if !(1..=TIMEOUT_SECONDS_MAX).contains(&self.timeout_seconds) {
            return Err(ManifestError::Timeout);
        }
        if self.temperature.is_some_and(|temperature| !(0.0..=2.0).contains(&temperature)) {
            return Err(ManifestError::Temperature);
        }
        if self.model.as_ref().is_some_and(|model| model.chars().count() > ENTRY_CHARS_MAX) {
            return Err(ManifestError::TooLong("config.model"));
        }
        Ok(())
    }
}

//! Settings: the embedded defaults, then a file, then the environment, then flags.
//!
//! **Invariants:** `config/default.toml` names every setting with a default and its reason, so an
//! unknown key can be told anywhere and is an error that names it. Nothing is read outside of
//! [`load`]; settings travel as values.

mod environment;
mod ingress;
mod layers;
mod limits;
mod sections;
mod treasury;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use coppice_runtime::PlatformKeys;
use figment::Figment;
use figment::providers::{Format, Toml};
use thiserror::Error;

use layers::Override;

pub use environment::{
    API_KEY, BOOTSTRAP_KEY, CONFIG, GITHUB_WEBHOOK_SECRET, GITHUB_WEBHOOK_SECRET_PREVIOUS,
    JWT_SECRET, OPERATOR_KEY, PLATFORM_KEY, PLATFORM_KEY_PREVIOUS, PLUGIN_SECRET_PREFIX,
    TEST_PREFIX, VARIABLES,
};
pub use ingress::{GithubIngressConfig, IngressConfig};
pub use sections::{
    AuthConfig, ClientAuth, Config, CorsConfig, EffectsConfig, Environment, HealthConfig,
    JwtConfig, JwtKey, LogConfig, LogFormat, LogLevel, PlansConfig, PluginsConfig, PolicyConfig,
    RatesConfig, RuntimeConfig, Secret, ServerConfig, StoreConfig, TenantRates, TlsCaller,
    TlsConfig, TraceConfig, WebhookSecrets,
};
pub use treasury::{TreasuryAsset, TreasuryConfig};

/// The defaults, as they are documented.
pub const DEFAULTS: &str = include_str!("../../../../config/default.toml");

/// Where settings come from, besides the defaults.
#[derive(Clone, Default)]
pub struct Sources {
    /// `--config`; stands above `COPPICE_CONFIG`.
    pub file: Option<PathBuf>,
    /// The process's environment; whatever does not start with `COPPICE_` is ignored.
    pub environment: Vec<(OsString, OsString)>,
    /// Flags of the command line.
    pub flags: Flags,
}

/// Without the environment, which may hold anybody's secrets.
impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources")
            .field("file", &self.file)
            .field("flags", &self.flags)
            .finish_non_exhaustive()
    }
}

/// Settings that have a flag of their own.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--data`, for `store.data`.
    pub data: Option<PathBuf>,
    /// `--listen`, for `server.listen`.
    pub listen: Option<String>,
    /// `--database`, for `store.database`.
    pub database: Option<Secret>,
}

/// What a process was told at its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The settings.
    pub config: Config,
    /// `COPPICE_BOOTSTRAP_KEY`, where it is set.
    pub bootstrap_key: Option<Secret>,
    /// `COPPICE_JWT_SECRET`, where it is set.
    pub jwt_secret: Option<Secret>,
    /// `COPPICE_OPERATOR_KEY`, where it is set.
    pub operator_key: Option<Secret>,
    /// `COPPICE_GITHUB_WEBHOOK_SECRET` and the one before it, where they are set.
    pub github_webhook: Option<WebhookSecrets>,
    /// What follows `COPPICE_PLUGIN_SECRET__` in a variable's name, and its value.
    pub plugin_secrets: BTreeMap<String, Secret>,
    /// `COPPICE_PLATFORM_KEY` and the one before it, where they are set.
    pub platform: Option<PlatformKeys>,
}

impl Settings {
    /// Whether somebody said where the journal is: a flag, a variable or a file has another place
    /// than the defaults.
    #[must_use]
    pub fn names_store(&self) -> bool {
        let defaults = Figment::from(Toml::string(DEFAULTS));
        let data = defaults.extract_inner::<PathBuf>("store.data");
        !self.config.store.database.expose().is_empty()
            || data.is_ok_and(|data| data != self.config.store.data)
    }
}

/// Settings that can't be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// A variable that nothing reads.
    #[error("the environment variable {name} is unknown: {why}")]
    UnknownVariable {
        /// The variable.
        name: String,
        /// What is wrong with its name.
        why: String,
    },
    /// A variable whose value doesn't fit its setting. The value is not repeated: it may be secret.
    #[error("the environment variable {name} must be {expected}")]
    InvalidVariable {
        /// The variable.
        name: String,
        /// What fits.
        expected: &'static str,
    },
    /// Two variables that differ in case only.
    #[error("the environment variables {first} and {second} set the same key")]
    DoubledVariable {
        /// The one met first.
        first: String,
        /// The other.
        second: String,
    },
    /// There is no such file.
    #[error("there is no configuration file {}", .0.display())]
    NoFile(PathBuf),
    /// A file that can't be read, or a key or value that doesn't fit.
    #[error("{origin} does not fit: {problem}{}", at(.key))]
    Invalid {
        /// The file, variable or flag.
        origin: String,
        /// The setting; empty where it isn't known.
        key: String,
        /// What is wrong.
        problem: String,
    },
    /// A value outside of its range.
    #[error("the setting {key} {problem}")]
    OutOfRange {
        /// The setting.
        key: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

fn at(key: &str) -> String {
    if key.is_empty() { String::new() } else { format!(" (setting {key})") }
}

/// Reads the settings of all layers and checks them.
///
/// # Errors
/// [`ConfigError`], naming the key or variable at fault.
pub fn load(sources: &Sources) -> Result<Settings, ConfigError> {
    let defaults = Figment::from(Toml::string(DEFAULTS));
    let mut environment = environment::read(&sources.environment, &defaults)?;
    let platform = environment.platform()?;
    let github_webhook = environment.github_webhook()?;
    let mut layers = defaults;
    if let Some(path) = sources.file.clone().or(environment.config_file) {
        if !path.is_file() {
            return Err(ConfigError::NoFile(path));
        }
        layers = layers.merge(Toml::file_exact(path));
    }
    for variable in environment.settings {
        layers = layers.merge(variable);
    }
    for flag in flags(&sources.flags) {
        layers = layers.merge(flag);
    }
    let mut config: Config = layers.extract()?;
    if let Some(data) = &sources.flags.data {
        // Not as a layer: those are text, and a path need not be UTF-8.
        config.store.data.clone_from(data);
    }
    limits::check(&config)?;
    let (bootstrap_key, jwt_secret) = (environment.bootstrap_key, environment.jwt_secret);
    let operator_key = environment.operator_key;
    let plugin_secrets = environment.plugin_secrets;
    Ok(Settings {
        config,
        bootstrap_key,
        operator_key,
        jwt_secret,
        github_webhook,
        plugin_secrets,
        platform,
    })
}

fn flags(flags: &Flags) -> impl Iterator<Item = Override> {
    let database = flags.database.as_ref().map(|url| url.expose().to_owned());
    [
        ("the flag --listen", "server.listen", flags.listen.clone()),
        ("the flag --database", "store.database", database),
    ]
    .into_iter()
    .filter_map(|(origin, key, value)| Some(Override::new(origin, key, value?.into())))
}

#[cfg(test)]
mod tests;

//! Settings: the embedded defaults, then a file, then the environment, then flags.
//!
//! **Invariants:** `config/default.toml` names every setting with a default and its reason, so an
//! unknown key can be told anywhere and is an error that names it. Nothing is read outside of
//! [`load`]; settings travel as values.

mod environment;
mod limits;
mod sections;

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use figment::Figment;
use figment::providers::{Format, Serialized, Toml};
use thiserror::Error;

pub use environment::{BOOTSTRAP_KEY, CONFIG, TEST_PREFIX, VARIABLES};
pub use sections::{
    AuthConfig, Config, Environment, LogConfig, LogFormat, LogLevel, RuntimeConfig, Secret,
    ServerConfig, StoreConfig,
};

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
    /// A file that can't be read or doesn't fit.
    #[error("the configuration does not fit")]
    Figment(#[source] Box<figment::Error>),
    /// A value outside of its range.
    #[error("the setting {key} {problem}")]
    OutOfRange {
        /// The setting.
        key: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

impl From<figment::Error> for ConfigError {
    fn from(error: figment::Error) -> Self {
        Self::Figment(Box::new(error))
    }
}

/// Reads the settings of all layers and checks them.
///
/// # Errors
/// [`ConfigError`], naming the key or variable at fault.
pub fn load(sources: &Sources) -> Result<Settings, ConfigError> {
    let defaults = Figment::from(Toml::string(DEFAULTS));
    let environment = environment::read(&sources.environment, &defaults)?;
    let file = sources.file.clone().or(environment.config_file);

    let mut layers = defaults;
    if let Some(path) = file {
        layers = layers.merge(Toml::file_exact(path));
    }
    for variable in environment.settings {
        layers = layers.merge(variable);
    }
    let config: Config = with_flags(layers, &sources.flags).extract()?;
    limits::check(&config)?;
    Ok(Settings { config, bootstrap_key: environment.bootstrap_key })
}

fn with_flags(mut layers: Figment, flags: &Flags) -> Figment {
    if let Some(data) = &flags.data {
        layers = layers.merge(Serialized::default("store.data", data));
    }
    if let Some(listen) = &flags.listen {
        layers = layers.merge(Serialized::default("server.listen", listen));
    }
    if let Some(database) = &flags.database {
        layers = layers.merge(Serialized::default("store.database", database.expose()));
    }
    layers
}

#[cfg(test)]
mod tests;

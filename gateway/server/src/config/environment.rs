//! The environment as a layer of settings.
//!
//! The defaults name every setting with its type, so a variable is read as that type and not
//! guessed at: `COPPICE_STORE__DATA=2026` is a directory, not a number. A list is written as in
//! JSON: `COPPICE_SERVER__CORS__ORIGINS='["https://a.example", "https://b.example"]'`.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use coppice_plugins::secrets::{SIGNING_KEY, SIGNING_KEY_BYTES_MIN};
use coppice_runtime::{PlatformKey, PlatformKeys};
use figment::Figment;
use figment::value::Value;

use super::layers::Override;
use super::{ConfigError, Secret, WebhookSecrets};

/// Sets the first API key, for tests; see [`crate::bootstrap`].
pub const BOOTSTRAP_KEY: &str = "COPPICE_BOOTSTRAP_KEY";
/// Sets the operators' first API key, for tests; see [`crate::bootstrap`].
pub const OPERATOR_KEY: &str = "COPPICE_OPERATOR_KEY";
/// Names the configuration file, where there is no `--config`.
pub const CONFIG: &str = "COPPICE_CONFIG";
/// The key that `coppice inspect` calls with. Nothing else reads it, and it may be set for all.
pub const API_KEY: &str = "COPPICE_API_KEY";
/// What the keys of personal data are wrapped under: 64 hexadecimal digits. In no file and no flag,
/// which would be copied along with the data that it protects.
pub const PLATFORM_KEY: &str = "COPPICE_PLATFORM_KEY";
/// The platform key before the present one, from a rotation until everything is wrapped anew.
pub const PLATFORM_KEY_PREVIOUS: &str = "COPPICE_PLATFORM_KEY_PREVIOUS";
/// What tokens are signed with under HS256, at least 32 bytes. In no file and no flag.
pub const JWT_SECRET: &str = "COPPICE_JWT_SECRET";
/// What GitHub signs its webhooks with, at least 16 bytes. In no file and no flag.
pub const GITHUB_WEBHOOK_SECRET: &str = "COPPICE_GITHUB_WEBHOOK_SECRET";
/// The webhooks' secret before the present one, until every webhook has been given the new one.
pub const GITHUB_WEBHOOK_SECRET_PREVIOUS: &str = "COPPICE_GITHUB_WEBHOOK_SECRET_PREVIOUS";
/// What the names in plugins' manifests stand for: `COPPICE_PLUGIN_SECRET__PLUGIN__NAME`. In no file
/// and no flag.
pub const PLUGIN_SECRET_PREFIX: &str = "COPPICE_PLUGIN_SECRET__";
/// Every variable without `__` that the program reads.
pub const VARIABLES: &[&str] = &[
    API_KEY,
    BOOTSTRAP_KEY,
    CONFIG,
    GITHUB_WEBHOOK_SECRET,
    GITHUB_WEBHOOK_SECRET_PREVIOUS,
    JWT_SECRET,
    OPERATOR_KEY,
    PLATFORM_KEY,
    PLATFORM_KEY_PREVIOUS,
];
/// Variables with this prefix belong to the tests and are left alone.
pub const TEST_PREFIX: &str = "COPPICE_TEST_";

/// The shortest secret of webhooks, in bytes. A signature that is known lets guesses be tried out
/// without asking anybody, and what people make up themselves is guessed.
const WEBHOOK_SECRET_BYTES_MIN: usize = 16;

const PREFIX: &str = "COPPICE_";
const ORIGIN: &str = "the environment variable ";
const SEPARATOR: &str = "__";

/// What the environment says.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) settings: Vec<Override>,
    pub(super) config_file: Option<PathBuf>,
    pub(super) bootstrap_key: Option<Secret>,
    pub(super) jwt_secret: Option<Secret>,
    pub(super) operator_key: Option<Secret>,
    github_webhook: Option<Secret>,
    github_webhook_previous: Option<Secret>,
    pub(super) plugin_secrets: BTreeMap<String, Secret>,
    platform_key: Option<PlatformKey>,
    platform_key_previous: Option<PlatformKey>,
}

impl Read {
    /// The platform's keys.
    pub(super) fn platform(&mut self) -> Result<Option<PlatformKeys>, ConfigError> {
        match (self.platform_key.take(), self.platform_key_previous.take()) {
            (Some(current), previous) => Ok(Some(PlatformKeys { current, previous })),
            (None, None) => Ok(None),
            (None, Some(_)) => Err(alone(PLATFORM_KEY_PREVIOUS, PLATFORM_KEY)),
        }
    }

    /// What GitHub's webhooks are signed with.
    pub(super) fn github_webhook(&mut self) -> Result<Option<WebhookSecrets>, ConfigError> {
        match (self.github_webhook.take(), self.github_webhook_previous.take()) {
            (Some(current), previous) => Ok(Some(WebhookSecrets { current, previous })),
            (None, None) => Ok(None),
            (None, Some(_)) => Err(alone(GITHUB_WEBHOOK_SECRET_PREVIOUS, GITHUB_WEBHOOK_SECRET)),
        }
    }
}

/// A variable that says something only beside another one.
fn alone(name: &str, beside: &str) -> ConfigError {
    let why = format!("it is read only beside {beside}");
    ConfigError::UnknownVariable { name: name.to_owned(), why }
}

/// Reads every variable that starts with `COPPICE_`, in any case.
pub(super) fn read(
    environment: &[(OsString, OsString)],
    defaults: &Figment,
) -> Result<Read, ConfigError> {
    let mut read = Read::default();
    for (name, value) in environment {
        // A name that isn't Unicode can't start with the prefix and be one of ours.
        let Some(name) = name.to_str() else { continue };
        let upper = name.to_ascii_uppercase();
        if !upper.starts_with(PREFIX) || upper.starts_with(TEST_PREFIX) {
            continue;
        }
        match upper.as_str() {
            API_KEY => {}
            BOOTSTRAP_KEY => read.bootstrap_key = Some(Secret::new(unicode(name, value)?)),
            GITHUB_WEBHOOK_SECRET => read.github_webhook = Some(webhook_secret(name, value)?),
            GITHUB_WEBHOOK_SECRET_PREVIOUS => {
                read.github_webhook_previous = Some(webhook_secret(name, value)?);
            }
            JWT_SECRET => read.jwt_secret = Some(Secret::new(unicode(name, value)?)),
            OPERATOR_KEY => read.operator_key = Some(Secret::new(unicode(name, value)?)),
            PLATFORM_KEY => read.platform_key = Some(platform_key(name, value)?),
            PLATFORM_KEY_PREVIOUS => {
                read.platform_key_previous = Some(platform_key(name, value)?);
            }
            _ if upper.starts_with(PLUGIN_SECRET_PREFIX) => {
                let of = upper[PLUGIN_SECRET_PREFIX.len()..].to_owned();
                let secret = plugin_secret(name, &of, value)?;
                if read.plugin_secrets.insert(of, secret).is_some() {
                    let (first, second) = (upper, name.to_owned());
                    return Err(ConfigError::DoubledVariable { first, second });
                }
            }
            CONFIG => read.config_file = Some(PathBuf::from(value)),
            _ => {
                let setting = setting(name, &upper[PREFIX.len()..], value, defaults)?;
                refuse_doubled(&read.settings, &setting)?;
                read.settings.push(setting);
            }
        }
    }
    Ok(read)
}

fn webhook_secret(name: &str, value: &OsStr) -> Result<Secret, ConfigError> {
    let text = unicode(name, value)?;
    if text.len() < WEBHOOK_SECRET_BYTES_MIN {
        return Err(ConfigError::InvalidVariable {
            name: name.to_owned(),
            expected: "at least 16 bytes, such as `openssl rand -hex 32` prints",
        });
    }
    Ok(Secret::new(text))
}

fn plugin_secret(name: &str, of: &str, value: &OsStr) -> Result<Secret, ConfigError> {
    let text = unicode(name, value)?;
    let invalid = |expected| ConfigError::InvalidVariable { name: name.to_owned(), expected };
    match of.rsplit_once(SEPARATOR) {
        Some((plugin, secret)) if !plugin.is_empty() && !secret.is_empty() => {
            if secret == SIGNING_KEY && text.len() < SIGNING_KEY_BYTES_MIN {
                return Err(invalid("at least 16 bytes, such as `openssl rand -hex 32` prints"));
            }
        }
        _ => {
            let why = "a plugin's secret is COPPICE_PLUGIN_SECRET__PLUGIN__NAME".to_owned();
            return Err(ConfigError::UnknownVariable { name: name.to_owned(), why });
        }
    }
    if text.is_empty() {
        return Err(invalid("a secret, and not empty"));
    }
    Ok(Secret::new(text))
}

fn platform_key(name: &str, value: &OsStr) -> Result<PlatformKey, ConfigError> {
    PlatformKey::parse(&unicode(name, value)?).map_err(|_| ConfigError::InvalidVariable {
        name: name.to_owned(),
        expected: "64 hexadecimal digits, such as `openssl rand -hex 32` prints",
    })
}

fn setting(
    name: &str,
    path: &str,
    value: &OsStr,
    defaults: &Figment,
) -> Result<Override, ConfigError> {
    let unknown = |why: String| ConfigError::UnknownVariable { name: name.to_owned(), why };
    if !path.contains(SEPARATOR) {
        return Err(unknown(format!(
            "settings are written COPPICE_SECTION__KEY, and besides them only {} are read",
            VARIABLES.join(", ")
        )));
    }
    let key = path.replace(SEPARATOR, ".").to_ascii_lowercase();
    let text = unicode(name, value)?;
    let invalid = |expected| ConfigError::InvalidVariable { name: name.to_owned(), expected };
    let value = match defaults.find_value(&key) {
        Ok(Value::String(..)) => Value::from(text),
        Ok(Value::Num(..)) => {
            Value::from(text.parse::<i64>().map_err(|_| invalid("a whole number"))?)
        }
        Ok(Value::Bool(..)) => {
            Value::from(text.parse::<bool>().map_err(|_| invalid("true or false"))?)
        }
        Ok(Value::Array(..)) => {
            // Every list of the settings is one of texts. The elements are read here and not by
            // figment, whose errors repeat them.
            let texts = serde_json::from_str::<Vec<String>>(&text);
            Value::from(texts.map_err(|_| invalid(r#"a list of texts, such as ["a", "b"]"#))?)
        }
        // A whole section, or nothing at all.
        Ok(Value::Char(..) | Value::Empty(..) | Value::Dict(..)) | Err(_) => {
            return Err(unknown(format!("there is no setting {key}")));
        }
    };
    Ok(Override::new(&format!("{ORIGIN}{name}"), &key, value))
}

fn unicode(name: &str, value: &OsStr) -> Result<String, ConfigError> {
    value.to_str().map(str::to_owned).ok_or_else(|| ConfigError::InvalidVariable {
        name: name.to_owned(),
        expected: "valid UTF-8",
    })
}

fn refuse_doubled(settings: &[Override], setting: &Override) -> Result<(), ConfigError> {
    let name = |setting: &Override| setting.origin.trim_start_matches(ORIGIN).to_owned();
    match settings.iter().find(|other| other.key == setting.key) {
        None => Ok(()),
        Some(other) => {
            Err(ConfigError::DoubledVariable { first: name(other), second: name(setting) })
        }
    }
}

//! Secrets that plugins are handed and requests to them are signed with.
//!
//! **Invariants:** a manifest holds names and no secret; what a name stands for comes from the
//! node's environment, goes into the one request that needs it, and is neither stored nor printed.
//! A plugin's secrets are its own: another one that asks for the same name gets another variable's.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use coppice_plugin_sdk::Manifest;
use ring::hmac;
use thiserror::Error;

/// The name under which a plugin's requests are signed. It is not handed over.
pub const SIGNING_KEY: &str = "SIGNING_KEY";

/// The shortest signing key, in bytes: a signature that is known lets guesses be tried out without
/// asking anybody, and what people make up themselves is guessed.
pub const SIGNING_KEY_BYTES_MIN: usize = 16;

/// The shortest secret that an answer is searched for, in bytes: shorter ones stand in any text.
const SEARCHED_BYTES_MIN: usize = 8;

/// Stands between a plugin's name and a secret's.
const SEPARATOR: &str = "__";

/// The secrets of all plugins, by `PLUGIN__NAME`, in capitals. Clones are the same.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct PluginSecrets(Arc<BTreeMap<String, String>>);

/// Names only: what is printed is kept.
impl fmt::Debug for PluginSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Why a plugin can't have what it asks for. It names no secret's content.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SecretFault {
    /// No variable can have that name.
    #[error(
        "a secret's name has capitals, digits and single `_`, begins with a capital, and isn't \
         SIGNING_KEY: {0:?} is none"
    )]
    Name(String),
    /// The environment doesn't have it.
    #[error("the secret {name} is not given to this node: set COPPICE_PLUGIN_SECRET__{variable}")]
    Missing {
        /// Its name in the manifest.
        name: String,
        /// The end of the variable's.
        variable: String,
    },
}

impl PluginSecrets {
    /// Of the environment: what follows `COPPICE_PLUGIN_SECRET__` in a variable's name, and its
    /// value.
    #[must_use]
    pub fn new(secrets: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(Arc::new(secrets.into_iter().collect()))
    }

    /// What a manifest asks for, by the names that it has there.
    ///
    /// # Errors
    /// [`SecretFault`].
    pub fn of(&self, manifest: &Manifest) -> Result<BTreeMap<String, String>, SecretFault> {
        let found = manifest.required_secret_names.iter().map(|name| {
            if !is_name(name) {
                return Err(SecretFault::Name(name.clone()));
            }
            let variable = variable(&manifest.name, name);
            match self.0.get(&variable) {
                Some(secret) => Ok((name.clone(), secret.clone())),
                None => Err(SecretFault::Missing { name: name.clone(), variable }),
            }
        });
        found.collect()
    }

    /// The header that shows a plugin that a request is the node's, where it has a key for it:
    /// `t=SECONDS,v1=HEX`, the HMAC-SHA-256 of `SECONDS.BODY` under the key.
    pub(crate) fn signature(&self, plugin: &str, seconds: i64, body: &[u8]) -> Option<String> {
        let secret = self.0.get(&variable(plugin, SIGNING_KEY))?;
        let mut context =
            hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()));
        context.update(format!("{seconds}.").as_bytes());
        context.update(body);
        let signature = context.sign();
        let hex: String = signature.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        Some(format!("t={seconds},v1={hex}"))
    }
}

/// The name of a secret that an answer holds in clear: what a plugin answers is recorded.
pub(crate) fn told<'a>(answer: &str, secrets: &'a BTreeMap<String, String>) -> Option<&'a str> {
    let mut long = secrets.iter().filter(|(_, secret)| secret.len() >= SEARCHED_BYTES_MIN);
    let is_told = |secret: &String| {
        // As JSON writes it, without the quotes around it.
        let written = serde_json::to_string(secret).unwrap_or_default();
        answer.contains(written.trim_matches('"'))
    };
    long.find(|(_, secret)| is_told(secret)).map(|(name, _)| name.as_str())
}

fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.bytes().all(fits)
        && !name.contains(SEPARATOR)
        && !name.ends_with('_')
        && name != SIGNING_KEY
}

fn variable(plugin: &str, name: &str) -> String {
    format!("{}{SEPARATOR}{name}", plugin.to_ascii_uppercase().replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets() -> PluginSecrets {
        let given = [
            ("A_B__TOKEN", "hunter2hunter2"),
            ("OTHER__TOKEN", "of another"),
            ("A_B__SIGNING_KEY", "a key of sixteen"),
        ];
        PluginSecrets::new(given.map(|(name, secret)| (name.to_owned(), secret.to_owned())))
    }

    #[test]
    fn a_plugin_gets_what_it_names_of_its_own_and_nothing_else() {
        let asks =
            |plugin: &str, name: &str| secrets().of(&Manifest::new(plugin, "1.0.0").secret(name));
        assert_eq!(asks("a-b", "TOKEN").unwrap()["TOKEN"], "hunter2hunter2");
        assert_eq!(asks("other", "TOKEN").unwrap()["TOKEN"], "of another");
        let missing = asks("c", "TOKEN").unwrap_err().to_string();
        assert!(missing.contains("COPPICE_PLUGIN_SECRET__C__TOKEN"), "{missing}");
        for name in ["SIGNING_KEY", "token", "", "A__B", "A_", "_A", "1A", "A-B", "TOKEN\n"] {
            assert_eq!(asks("a-b", name), Err(SecretFault::Name(name.to_owned())), "{name:?}");
        }
        assert!(secrets().of(&Manifest::new("a-b", "1.0.0")).unwrap().is_empty());
    }

    #[test]
    fn what_is_printed_of_secrets_is_their_names() {
        let printed = format!("{:?}", secrets());
        assert!(printed.contains("A_B__TOKEN") && !printed.contains("hunter2"), "{printed}");
    }

    #[test]
    fn a_signature_is_that_of_time_and_body_under_the_plugins_own_key() {
        // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac 'a key of sixteen'
        let golden =
            "t=1700000000,v1=de884714c485f0ce6e4a17b01c4b1fb0c966df06b5ce199873ab690314bc1dcb";
        let signed =
            |plugin: &str, seconds, body: &[u8]| secrets().signature(plugin, seconds, body);
        let signature = signed("a-b", 1_700_000_000, br#"{"a":1}"#);
        assert_eq!(signature.as_deref(), Some(golden));
        assert_ne!(signature, signed("a-b", 1_700_000_001, br#"{"a":1}"#));
        assert_ne!(signature, signed("a-b", 1_700_000_000, br#"{"a":2}"#));
        assert_eq!(signed("other", 1, b""), None, "without a key nothing is signed");
    }

    #[test]
    fn a_secret_that_is_answered_with_is_found_as_json_writes_it() {
        let secrets = [("K", "a \"quoted\" secret"), ("S", "short")];
        let secrets = secrets.map(|(name, secret)| (name.to_owned(), secret.to_owned())).into();
        let answer = serde_json::json!({"said": ["it is a \"quoted\" secret."]}).to_string();
        assert_eq!(told(&answer, &secrets), Some("K"));
        assert_eq!(told(r#"{"said":"short"}"#, &secrets), None);
    }
}

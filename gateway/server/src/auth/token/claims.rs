//! What a token says, read strictly: no member twice, no claim of another type.
//!
//! Why strictly: readers that differ about which of two members counts, or take a claim of the wrong
//! type for an absent one, let a token mean one thing to whoever signed it and another here.

use std::collections::BTreeMap;
use std::fmt;

use coppice_core::{TenantId, Timestamp};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;

use super::fault::TokenFault;
use super::keys::Signer;
use crate::config::JwtConfig;

const SUBJECT_CHARACTERS_MAX: usize = 255;
const MICROS: u64 = 1_000_000;

/// The members of an object, each once.
#[derive(Debug)]
pub(super) struct Members(BTreeMap<String, Value>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Once;

        impl<'de> Visitor<'de> for Once {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if members.insert(name, value).is_some() {
                        return Err(A::Error::custom("a member stands twice"));
                    }
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Once)
    }
}

impl Members {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, TokenFault> {
        serde_json::from_slice(bytes).map_err(|_| TokenFault::Form("no object with members once"))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A member that is text, where it is there.
    pub(super) fn text(&self, name: &'static str) -> Result<Option<&str>, TokenFault> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(TokenFault::Claim(name)),
        }
    }

    fn needed(&self, name: &'static str) -> Result<&str, TokenFault> {
        self.text(name)?.ok_or(TokenFault::Claim(name))
    }

    /// A member that is a time in whole seconds since 1970, where it is there.
    fn seconds(&self, name: &'static str) -> Result<Option<u64>, TokenFault> {
        match self.0.get(name) {
            None => Ok(None),
            Some(value) => value.as_u64().map(Some).ok_or(TokenFault::Claim(name)),
        }
    }
}

/// What a token that is accepted says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claims {
    pub(super) tenant: TenantId,
    pub(super) subject: Box<str>,
    pub(super) scopes: Box<str>,
    /// When it is refused from, leeway included.
    pub(super) until: Timestamp,
}

/// Judges the claims of a token whose signature was verified.
pub(super) fn judge(
    members: &Members,
    signer: Signer<'_>,
    config: &JwtConfig,
    now: Timestamp,
) -> Result<Claims, TokenFault> {
    let until = valid_until(members, config, now)?;
    let issuer = members.text("iss")?;
    if !config.issuer.is_empty() && issuer != Some(config.issuer.as_str()) {
        return Err(TokenFault::Claim("iss"));
    }
    audience(members, &config.audience)?;
    let tenant = TenantId::new(members.needed("tenant")?);
    let tenant = tenant.map_err(|_| TokenFault::Claim("tenant"))?;
    if signer.tenant.is_some_and(|only| *only != tenant) {
        return Err(TokenFault::Claim("tenant"));
    }
    let subject = members.needed("sub")?;
    let printable = !subject.is_empty() && !subject.chars().any(char::is_control);
    if !printable || subject.chars().count() > SUBJECT_CHARACTERS_MAX {
        return Err(TokenFault::Claim("sub"));
    }
    let scopes = members.needed("scope")?;
    Ok(Claims { tenant, subject: subject.into(), scopes: scopes.into(), until })
}

/// RFC 7519, section 4.1.3: a token that is meant for somebody else is refused, also where this node
/// has no name.
fn audience(members: &Members, mine: &str) -> Result<(), TokenFault> {
    let meant = match members.0.get("aud") {
        None => mine.is_empty(),
        Some(Value::String(one)) => !mine.is_empty() && one == mine,
        Some(Value::Array(several)) => {
            !mine.is_empty() && several.iter().any(|one| one.as_str() == Some(mine))
        }
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) => false,
    };
    if meant { Ok(()) } else { Err(TokenFault::Claim("aud")) }
}

fn valid_until(
    members: &Members,
    config: &JwtConfig,
    now: Timestamp,
) -> Result<Timestamp, TokenFault> {
    let issued = members.seconds("iat")?.ok_or(TokenFault::Claim("iat"))?;
    let expires = members.seconds("exp")?.ok_or(TokenFault::Claim("exp"))?;
    let from = members.seconds("nbf")?.unwrap_or(issued).max(issued);
    if expires.checked_sub(issued).is_none_or(|life| life > config.lifetime_max_s) {
        return Err(TokenFault::Claim("exp"));
    }
    let micros = |seconds: u64| {
        let micros = seconds.saturating_mul(MICROS);
        Timestamp::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
    };
    let until = micros(expires.saturating_add(config.leeway_s));
    if micros(from.saturating_sub(config.leeway_s)) > now {
        return Err(TokenFault::NotYet);
    }
    if until <= now { Err(TokenFault::Expired) } else { Ok(until) }
}

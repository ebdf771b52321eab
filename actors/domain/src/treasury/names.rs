//! What accounts are called, and so what they are: the role stands in the id.
//!
//! **Invariant:** an id says role and asset by itself, so no command can make an account into
//! something that its id isn't, and two texts never name one account.

use std::fmt;

use coppice_core::hash::Hasher;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::day::Day;
use super::money::Asset;

/// A merchant, a category, a workflow, or what a caller calls a funding account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(Box<str>);

/// What is no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a name is 1 to {NAME_BYTES_MAX} of A-Z, a-z, 0-9, '-', '_', '.', '~' and '@'")]
pub struct InvalidName;

/// The longest name: with role and asset around it, it is still an entity's id.
pub const NAME_BYTES_MAX: usize = 64;

impl Name {
    /// Checks a name.
    ///
    /// # Errors
    /// [`InvalidName`].
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~@".contains(&byte);
        if (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidName)
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Name {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        Self::new(&text)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0.into()
    }
}

/// What an account is there for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// What the tenant has, under a name where it has several.
    Funding(Option<Name>),
    /// Where deposits come from.
    World,
    /// A merchant.
    Payee(Name),
    /// The budget of a workflow.
    Budget(Name),
    /// What was approved within a window, for a workflow, merchant and category, by their hash.
    Velocity(Name),
    /// What a tenant may spend on a UTC day, as ISO 8601 writes it.
    Cap(Name),
}

/// An account by its role and asset. Its text is the entity's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountName {
    /// What it is there for.
    pub role: Role,
    /// What its amounts are of.
    pub asset: Asset,
}

/// How an account behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Money that is there: never below zero available.
    Funding,
    /// Money of others, and the world's: may be negative.
    External,
    /// A ceiling, and no money.
    Limit,
}

impl AccountName {
    /// The tenant's own money.
    #[must_use]
    pub const fn funding(asset: Asset) -> Self {
        Self { role: Role::Funding(None), asset }
    }

    /// Where deposits come from.
    #[must_use]
    pub const fn world(asset: Asset) -> Self {
        Self { role: Role::World, asset }
    }

    /// A merchant's.
    #[must_use]
    pub const fn payee(merchant: Name, asset: Asset) -> Self {
        Self { role: Role::Payee(merchant), asset }
    }

    /// A workflow's budget.
    #[must_use]
    pub const fn budget(workflow: Name, asset: Asset) -> Self {
        Self { role: Role::Budget(workflow), asset }
    }

    /// The daily cap of a day.
    #[must_use]
    pub fn cap(day: Day, asset: Asset) -> Self {
        Self { role: Role::Cap(Name(day.to_string().into())), asset }
    }

    /// The velocity of a workflow, or of none, at a merchant in a category.
    #[must_use]
    pub fn velocity(
        workflow: Option<&Name>,
        merchant: &Name,
        category: &Name,
        asset: Asset,
    ) -> Self {
        // No name is empty, so "no workflow" is none of them.
        let hash = Hasher::new("coppice.velocity.v1")
            .text(workflow.map_or("", Name::as_str))
            .text(merchant.as_str())
            .text(category.as_str())
            .finish()
            .to_uuid();
        Self { role: Role::Velocity(Name(hash.to_string().into())), asset }
    }

    /// Reads an account's id.
    #[must_use]
    pub fn parse(id: &str) -> Option<Self> {
        let (rest, asset) = id.rsplit_once(':')?;
        let asset = Asset::of_id(asset).ok()?;
        let (role, name) = match rest.split_once(':') {
            Some((role, name)) => (role, Some(Name::new(name).ok()?)),
            None => (rest, None),
        };
        let role = match (role, name) {
            ("funding", name) => Role::Funding(name),
            ("world", None) => Role::World,
            ("payee", Some(name)) => Role::Payee(name),
            ("budget", Some(name)) => Role::Budget(name),
            ("velocity", Some(name)) => Role::Velocity(name),
            ("cap", Some(name)) => Role::Cap(name),
            _ => return None,
        };
        Some(Self { role, asset })
    }

    /// The entity's id.
    #[must_use]
    pub fn id(&self) -> Box<str> {
        self.to_string().into()
    }

    /// How it behaves.
    #[must_use]
    pub const fn class(&self) -> Class {
        match self.role {
            Role::Funding(_) => Class::Funding,
            Role::World | Role::Payee(_) => Class::External,
            Role::Budget(_) | Role::Velocity(_) | Role::Cap(_) => Class::Limit,
        }
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let asset = self.asset.in_id();
        match &self.role {
            Role::Funding(None) => write!(f, "funding:{asset}"),
            Role::Funding(Some(name)) => write!(f, "funding:{name}:{asset}"),
            Role::World => write!(f, "world:{asset}"),
            Role::Payee(name) => write!(f, "payee:{name}:{asset}"),
            Role::Budget(name) => write!(f, "budget:{name}:{asset}"),
            Role::Velocity(name) => write!(f, "velocity:{name}:{asset}"),
            Role::Cap(name) => write!(f, "cap:{name}:{asset}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use coppice_core::{EntityId, Timestamp};

    use super::*;

    fn usd() -> Asset {
        Asset::new("USD/2").unwrap()
    }

    #[test]
    fn an_id_says_what_its_account_is() {
        let name = |text: &str| Name::new(text).unwrap();
        let day = Day::of(Timestamp::EPOCH);
        for (account, id, class) in [
            (AccountName::funding(usd()), "funding:USD.2", Class::Funding),
            (AccountName::world(usd()), "world:USD.2", Class::External),
            (AccountName::payee(name("acme.com"), usd()), "payee:acme.com:USD.2", Class::External),
            (AccountName::budget(name("w-1"), usd()), "budget:w-1:USD.2", Class::Limit),
            (AccountName::cap(day, usd()), "cap:1970-01-01:USD.2", Class::Limit),
        ] {
            assert_eq!((&*account.id(), account.class()), (id, class));
            assert_eq!(AccountName::parse(id), Some(account));
        }
        let longest =
            AccountName::budget(name(&"x".repeat(64)), Asset::new("ABCDEFGHIJ/18").unwrap());
        assert!(EntityId::new(&longest.id()).is_ok());
    }

    #[test]
    fn what_is_no_account_is_not_taken_for_one() {
        for id in [
            "",
            "funding",
            "funding:",
            "funding:USD",
            "funding:usd.2",
            "funding:USD/2",
            "payee:USD.2",
            "world:x:USD.2",
            "other:USD.2",
            "payee:a:b:USD.2",
            "payee::USD.2",
            "funding:USD.02",
        ] {
            assert_eq!(AccountName::parse(id), None, "{id:?}");
        }
    }

    #[test]
    fn velocities_of_other_names_are_other_accounts() {
        let name = |text: &str| Name::new(text).unwrap();
        let of = |workflow: Option<&str>, merchant: &str, category: &str| {
            let workflow = workflow.map(name);
            AccountName::velocity(workflow.as_ref(), &name(merchant), &name(category), usd()).id()
        };
        let one = of(Some("w"), "m", "c");
        assert_eq!(one, of(Some("w"), "m", "c"));
        for other in [of(None, "m", "c"), of(Some("w"), "c", "m"), of(Some("wm"), "c", "c")] {
            assert_ne!(one, other);
        }
        assert_eq!(AccountName::parse(&one).unwrap().id(), one);
    }
}

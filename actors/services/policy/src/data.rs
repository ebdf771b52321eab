//! `bundle.toml` and `data.toml`: what a bundle is called, and the lists and figures that its
//! policies ask about.
//!
//! **Invariants:** an entry that isn't known is refused, and so is a list that names something
//! twice: what was written by mistake must not pass for a rule.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::amount::Decimal;
use crate::bundle::Fault;

/// Entries of one list. Each is some 100 bytes in memory and found in logarithmic time.
const LIST_MAX: usize = 10_000;

/// Tenants, roles, types of action or task that a bundle names.
const NAMES_MAX: usize = 10_000;

/// The longest name, in bytes.
const NAME_BYTES_MAX: usize = 256;

/// All there are, in the lists where that can be said.
pub(crate) const ANY: &str = "*";

/// How much is at stake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    /// Nothing that matters.
    Low,
    /// Something that can be made good.
    Medium,
    /// Money, or what can't be taken back.
    High,
}

impl Risk {
    /// As bundles and records write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Low, Self::Medium, Self::High].into_iter().find(|risk| risk.name() == text)
    }
}

/// The most that something may be for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ceiling {
    /// Of what.
    pub asset: String,
    /// How much, a decimal number of whole units.
    pub amount: String,
}

/// What stands for a type of action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionRule {
    /// Whether it is allowed at all.
    pub allowed: bool,
    /// How much is at stake.
    pub risk: Risk,
    /// Whether a person must approve it whatever the policies say.
    pub approval: bool,
    /// The most that it may be for, by asset; empty where it isn't about amounts.
    pub ceilings: Vec<Ceiling>,
}

/// `bundle.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Title {
    pub(crate) version: String,
    #[serde(default)]
    pub(crate) description: String,
}

/// `data.toml`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Data {
    #[serde(default)]
    pub(crate) tenants: BTreeMap<String, TenantData>,
    #[serde(default)]
    pub(crate) roles: BTreeMap<String, RoleData>,
    #[serde(default)]
    pub(crate) actions: BTreeMap<String, ActionData>,
    #[serde(default)]
    pub(crate) tasks: BTreeMap<String, String>,
}

/// What a tenant may use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TenantData {
    pub(crate) plugins: Vec<String>,
    pub(crate) plugins_denied: Vec<String>,
    pub(crate) merchants: Vec<String>,
    pub(crate) merchants_denied: Vec<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) categories_denied: Vec<String>,
    pub(crate) ceilings: BTreeMap<String, String>,
}

/// What a role may use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RoleData {
    #[serde(default)]
    pub(crate) tools: Vec<String>,
}

/// What stands for a type of action.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ActionData {
    #[serde(default = "yes")]
    pub(crate) allowed: bool,
    pub(crate) risk: Risk,
    #[serde(default)]
    pub(crate) approval: bool,
    #[serde(default)]
    pub(crate) ceilings: BTreeMap<String, String>,
}

const fn yes() -> bool {
    true
}

impl ActionData {
    pub(crate) fn rule(&self) -> ActionRule {
        let ceilings = self.ceilings.iter();
        let ceilings = ceilings
            .map(|(asset, amount)| Ceiling { asset: asset.clone(), amount: amount.clone() });
        ActionRule {
            allowed: self.allowed,
            risk: self.risk,
            approval: self.approval,
            ceilings: ceilings.collect(),
        }
    }
}

impl Title {
    pub(crate) fn check(&self) -> Result<(), Fault> {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b".-_+".contains(&byte);
        if (1..=64).contains(&self.version.len()) && self.version.bytes().all(is_part) {
            Ok(())
        } else {
            let problem = "version has 1 to 64 letters, digits and any of . - _ +";
            Err(Fault::title(problem))
        }
    }
}

impl Data {
    /// What TOML's own types can't say.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        let counts = [self.tenants.len(), self.roles.len(), self.actions.len(), self.tasks.len()];
        if counts.iter().any(|count| *count > NAMES_MAX) {
            return Err(Fault::data(format!("a table has more than {NAMES_MAX} entries")));
        }
        for (tenant, data) in &self.tenants {
            let place = format!("tenants.{tenant}");
            check_name(&place, tenant)?;
            let open = [
                ("plugins", &data.plugins),
                ("merchants", &data.merchants),
                ("categories", &data.categories),
            ];
            let closed = [
                ("plugins_denied", &data.plugins_denied),
                ("merchants_denied", &data.merchants_denied),
                ("categories_denied", &data.categories_denied),
            ];
            open.iter().try_for_each(|(name, list)| check_list(&place, name, list, true))?;
            closed.iter().try_for_each(|(name, list)| check_list(&place, name, list, false))?;
            check_ceilings(&place, &data.ceilings)?;
        }
        for (role, data) in &self.roles {
            let place = format!("roles.{role}");
            check_name(&place, role)?;
            check_list(&place, "tools", &data.tools, false)?;
        }
        for (action, data) in &self.actions {
            let place = format!("actions.{action}");
            check_name(&place, action)?;
            check_ceilings(&place, &data.ceilings)?;
        }
        for (task, action) in &self.tasks {
            check_name(&format!("tasks.{task}"), task)?;
            if !self.actions.contains_key(action) {
                let problem = format!("tasks.{task} comes to {action:?}, which is no action here");
                return Err(Fault::data(problem));
            }
        }
        Ok(())
    }
}

fn check_name(place: &str, name: &str) -> Result<(), Fault> {
    if (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.contains(char::is_control) {
        return Ok(());
    }
    Err(Fault::data(format!("{place} has a name that is empty, too long or unprintable")))
}

fn check_list(place: &str, name: &str, list: &[String], open: bool) -> Result<(), Fault> {
    let place = format!("{place}.{name}");
    if list.len() > LIST_MAX {
        return Err(Fault::data(format!("{place} has more than {LIST_MAX} entries")));
    }
    list.iter().try_for_each(|entry| check_name(&place, entry))?;
    if !open && list.iter().any(|entry| entry == ANY) {
        // A list of what is denied that denies everything, or a role with every tool there will be.
        return Err(Fault::data(format!("{place} names each entry, there is no \"{ANY}\" here")));
    }
    let mut sorted: Vec<_> = list.iter().collect();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(Fault::data(format!("{place} has {:?} twice", pair[0]))),
        None => Ok(()),
    }
}

fn check_ceilings(place: &str, ceilings: &BTreeMap<String, String>) -> Result<(), Fault> {
    if ceilings.len() > LIST_MAX {
        return Err(Fault::data(format!("{place}.ceilings has more than {LIST_MAX} entries")));
    }
    for (asset, amount) in ceilings {
        check_name(&format!("{place}.ceilings"), asset)?;
        if asset.contains('/') {
            let problem = format!("{place}.ceilings.{asset} is an asset, without its scale");
            return Err(Fault::data(problem));
        }
        if Decimal::parse(amount).is_none() {
            let problem = "is a decimal such as \"1000.0\", of 19 digits at most";
            return Err(Fault::data(format!("{place}.ceilings.{asset} {problem}")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(), String> {
        let data: Data = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        data.check().map_err(|fault| fault.problem)
    }

    #[test]
    fn what_is_not_known_or_not_a_list_of_names_is_refused() {
        for (text, problem) in [
            ("[tenant.acme]", "unknown field `tenant`"),
            ("[tenants.acme]\nplugin = []", "unknown field `plugin`"),
            ("[tenants.acme]\nplugins = [1]", "invalid type: integer `1`"),
            ("[tenants.acme]\nplugins = [\"\"]", "tenants.acme.plugins has a name"),
            ("[tenants.acme]\nplugins = [\"a\", \"b\", \"a\"]", "has \"a\" twice"),
            ("[tenants.acme]\nmerchants_denied = [\"*\"]", "there is no \"*\" here"),
            ("[tenants.acme]\nceilings = { USD = \"1,000\" }", "ceilings.USD is a decimal"),
            ("[tenants.acme]\nceilings = { \"USD/2\" = \"1\" }", "without its scale"),
            ("[roles.coder]\ntools = [\"*\"]", "there is no \"*\" here"),
            ("[actions.transaction]\nrisk = \"extreme\"", "unknown variant `extreme`"),
            ("[actions.transaction]", "missing field `risk`"),
            ("[tasks]\npay = \"payment\"", "which is no action here"),
        ] {
            let refused = read(text).unwrap_err();
            assert!(refused.contains(problem), "{text}: {refused}");
        }
        assert_eq!(read(""), Ok(()), "a bundle that allows nothing");
    }

    #[test]
    fn lists_have_an_end() {
        let list = |count: usize| {
            let names: Vec<_> = (0..count).map(|number| format!("\"t{number}\"")).collect();
            read(&format!("[roles.coder]\ntools = [{}]", names.join(",")))
        };
        assert_eq!(list(LIST_MAX), Ok(()));
        assert!(list(LIST_MAX + 1).unwrap_err().contains("more than"));
    }

    #[test]
    fn versions_are_names_without_spaces() {
        let check = |version: &str| {
            let (version, description) = (version.to_owned(), String::new());
            Title { version, description }.check().is_ok()
        };
        assert!(check("1.0.0") && check("2026-11-21_b+7") && check(&"9".repeat(64)));
        assert!(!check("") && !check("1 0") && !check("1/0") && !check(&"9".repeat(65)));
    }
}

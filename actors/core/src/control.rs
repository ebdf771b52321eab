//! What an operator has stopped, as data: everything, a kind or a tenant.
//!
//! The platform's own entity `system_control` has it in its state; the runtime obeys it. What is
//! stopped starts nothing new: no command is decided, no effect is sent, no timer fires. Nothing of
//! what is owed is lost by that.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{EntityId, EntityKind, StreamKey, TenantId};
use crate::time::Timestamp;

/// The kind that holds the switches.
pub const CONTROL_KIND: &str = "system_control";

/// Its one entity.
const CONTROL_ID: &str = "system";

/// Where the switches are: the one entity of the kind [`CONTROL_KIND`], of the operators' tenant.
///
/// # Panics
/// Never: the names are constants that fit their alphabets.
#[must_use]
pub fn control_key() -> StreamKey {
    let tenant = TenantId::new(TenantId::OPERATORS).expect("the operators' tenant has a name");
    let kind = EntityKind::new(CONTROL_KIND).expect("the kind of the switches has a name");
    let id = EntityId::new(CONTROL_ID).expect("the entity of the switches has a name");
    StreamKey::new(tenant, kind, id)
}

/// What a switch stops.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// All tenants' entities: a freeze.
    Everything,
    /// The entities of one kind, of all tenants.
    Kind(EntityKind),
    /// The entities of one tenant.
    Tenant(TenantId),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("the system"),
            Self::Kind(kind) => write!(f, "the kind {kind}"),
            Self::Tenant(tenant) => write!(f, "the tenant {tenant}"),
        }
    }
}

/// Why something was stopped, by whom and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// The operator's reason.
    pub reason: Box<str>,
    /// Who said so.
    pub by: Box<str>,
    /// Since when.
    pub since: Timestamp,
}

/// Everything that is stopped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stops {
    /// The whole system.
    pub frozen: Option<Stop>,
    /// Kinds.
    pub kinds: BTreeMap<EntityKind, Stop>,
    /// Tenants.
    pub tenants: BTreeMap<TenantId, Stop>,
}

impl Stops {
    /// Whether nothing is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.frozen.is_none() && self.kinds.is_empty() && self.tenants.is_empty()
    }

    /// Why a target itself is stopped, if it is.
    #[must_use]
    pub fn of(&self, target: &Target) -> Option<&Stop> {
        match target {
            Target::Everything => self.frozen.as_ref(),
            Target::Kind(kind) => self.kinds.get(kind),
            Target::Tenant(tenant) => self.tenants.get(tenant),
        }
    }

    /// The widest switch that stops an entity of this tenant and kind.
    #[must_use]
    pub fn holding(&self, tenant: &TenantId, kind: &EntityKind) -> Option<Target> {
        if self.frozen.is_some() {
            return Some(Target::Everything);
        }
        if self.kinds.contains_key(kind) {
            return Some(Target::Kind(kind.clone()));
        }
        self.tenants.contains_key(tenant).then(|| Target::Tenant(tenant.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stop() -> Stop {
        Stop { reason: "r".into(), by: "b".into(), since: Timestamp::EPOCH }
    }

    fn names(tenant: &str, kind: &str) -> (TenantId, EntityKind) {
        (TenantId::new(tenant).unwrap(), EntityKind::new(kind).unwrap())
    }

    #[test]
    fn a_switch_holds_what_it_names_and_nothing_else() {
        let (acme, counter) = names("acme", "counter");
        let (other, alarm) = names("other", "alarm");
        let mut stops = Stops::default();
        assert!(stops.is_empty());
        assert_eq!(stops.holding(&acme, &counter), None);
        stops.tenants.insert(acme.clone(), stop());
        assert_eq!(stops.holding(&acme, &counter), Some(Target::Tenant(acme.clone())));
        assert_eq!(stops.holding(&other, &counter), None);
        stops.kinds.insert(alarm.clone(), stop());
        assert_eq!(stops.holding(&other, &alarm), Some(Target::Kind(alarm.clone())));
        stops.frozen = Some(stop());
        assert_eq!(stops.holding(&other, &counter), Some(Target::Everything));
        assert!(stops.of(&Target::Tenant(other)).is_none() && !stops.is_empty());
    }

    #[test]
    fn the_switches_are_in_the_operators_tenant() {
        let key = control_key();
        assert!(key.tenant().is_reserved());
        assert_eq!(key.to_string(), "_operators/system_control/system");
    }
}

//! Which policies can have a say in which action.
//!
//! A policy whose scope names another action is neither satisfied nor in error, so a decision comes
//! out the same without it, in a quarter of the time.

use std::collections::BTreeMap;

use cedar_policy::{ActionConstraint, EntityUid, PolicySet, Schema};

use crate::bundle::Fault;
use crate::question::Action;

/// The policies for each of the actions, in their order.
pub(crate) fn by_action(
    policies: &PolicySet,
    named: impl Fn(Action) -> EntityUid,
    schema: &Schema,
) -> Result<BTreeMap<Action, PolicySet>, Fault> {
    // With groups, a policy that names one action may be about others that are in it.
    let grouped = schema.action_groups().next().is_some();
    let of_action = |action: Action| {
        let uid = named(action);
        let about = policies.policies().filter(|policy| match policy.action_constraint() {
            ActionConstraint::Any => true,
            ActionConstraint::Eq(named) => named == uid,
            ActionConstraint::In(named) => grouped || named.contains(&uid),
        });
        let about = PolicySet::from_policies(about.cloned());
        Ok((action, about.map_err(|error| Fault::policies(error.to_string()))?))
    };
    Action::ALL.into_iter().map(of_action).collect()
}

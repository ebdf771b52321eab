//! Which facts the actions of a schema take.
//!
//! A policy that was validated strictly can't read what its schema doesn't name, so leaving out the
//! other facts of a question changes no decision. It lets the platform ask with more than a
//! bundle's own schema knows, and lets a bundle be tried on questions that are older or younger.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::bundle::Fault;
use crate::question::Action;

/// How far one named type may lead to another.
const ALIASES_MAX: usize = 8;

/// The facts that each action names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Declared(BTreeMap<Action, BTreeSet<String>>);

impl Declared {
    /// Reads a schema in Cedar's JSON form.
    pub(crate) fn read(schema: &Value) -> Result<Self, Fault> {
        // Everything stands in the namespace without a name.
        let space = &schema[""];
        let mut declared = BTreeMap::new();
        for action in Action::ALL {
            let known = &space["actions"][action.name()];
            if known.is_null() {
                let problem = format!("there is no action {}", action.name());
                return Err(Fault::schema(problem));
            }
            let context = resolved(&known["appliesTo"]["context"], &space["commonTypes"]);
            let names = context["attributes"].as_object().into_iter().flatten();
            declared.insert(action, names.map(|(name, _)| name.clone()).collect());
        }
        Ok(Self(declared))
    }

    /// Whether an action names a fact.
    pub(crate) fn has(&self, action: Action, fact: &str) -> bool {
        self.0.get(&action).is_some_and(|names| names.contains(fact))
    }
}

/// The record behind the names of types.
fn resolved<'a>(mut declared: &'a Value, types: &'a Value) -> &'a Value {
    for _ in 0..ALIASES_MAX {
        if declared["attributes"].is_object() {
            break;
        }
        let name = declared["name"].as_str().or_else(|| declared["type"].as_str());
        match name.map(|name| &types[name]) {
            Some(next) if !next.is_null() => declared = next,
            Some(_) | None => break,
        }
    }
    declared
}

//! Which plan an event goes to: rules in order, of which the first that matches counts.
//!
//! **Invariant:** every rule of a [`Routing`] can match. One that can't, because of what it says or
//! because earlier rules take everything that it would, is refused where the rules are read: a
//! typing error would otherwise show as work that nobody does.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::event::NormalisedEvent;
use super::github::{self, EventType};
use crate::workflow::flow::Priority;

/// Stands for anything.
pub const ANY: &str = "*";

/// The most rules: more than anybody reads, and few enough to go through for every event.
pub const RULES_MAX: usize = 1_000;

/// Who events can come from.
const SOURCES: &[&str] = &[github::SOURCE];

/// One rule, as it is written down.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The event's type, or [`ANY`].
    #[serde(rename = "type")]
    pub event_type: String,
    /// Its action, or [`ANY`], which events without one match, too.
    #[serde(default = "any")]
    pub action: String,
    /// Who tells it, or [`ANY`].
    #[serde(default = "any")]
    pub source: String,
    /// Only in this repository, `owner/name`, or in all of an owner's, `owner/*`.
    pub repository: Option<String>,
    /// Only where it is a draft, or only where it is none.
    pub draft: Option<bool>,
    /// The plan that it goes to.
    pub plan: String,
    /// How urgent it is then; as the event says, if unset.
    pub priority: Option<Priority>,
}

fn any() -> String {
    ANY.to_owned()
}

/// Where an event goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Which rule said so, the first being 1.
    pub rule: u32,
    /// The plan.
    pub plan: String,
    /// How urgent it is.
    pub priority: Priority,
}

/// Rules that can't be used. Each names the rule, the first being 1.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RoutingError {
    /// There are too many.
    #[error("there are {0} rules, {RULES_MAX} at most")]
    TooMany(usize),
    /// There is no such plan.
    #[error("rule {rule} names the plan {plan:?}; there are {known}")]
    UnknownPlan {
        /// Which rule.
        rule: usize,
        /// What it says.
        plan: String,
        /// The plans that there are.
        known: String,
    },
    /// Nobody of that name tells anything.
    #[error("rule {rule} names the source {origin:?}; there are {known}, and \"*\"")]
    UnknownSource {
        /// Which rule.
        rule: usize,
        /// What it says.
        origin: String,
        /// The sources that there are.
        known: String,
    },
    /// The source has no such event.
    #[error("rule {rule} names the type {event_type:?}, which no source has")]
    UnknownType {
        /// Which rule.
        rule: usize,
        /// What it says.
        event_type: String,
    },
    /// Events of the type have no such action.
    #[error("rule {rule} names the action {action:?}; {event_type} has {known}")]
    UnknownAction {
        /// Which rule.
        rule: usize,
        /// What it says.
        action: String,
        /// The type.
        event_type: String,
        /// The actions that there are.
        known: String,
    },
    /// Events of the type are about nothing that can be a draft.
    #[error("rule {rule} asks for drafts, and {event_type} doesn't say what is one")]
    NoDrafts {
        /// Which rule.
        rule: usize,
        /// The type.
        event_type: String,
    },
    /// What it says of repositories is no name of one.
    #[error("rule {rule} names the repository {repository:?}; write \"owner/name\" or \"owner/*\"")]
    Repository {
        /// Which rule.
        rule: usize,
        /// What it says.
        repository: String,
    },
    /// Earlier rules match everything that it would.
    #[error("rule {rule} can never match: rule {by} takes what it would")]
    Covered {
        /// Which rule.
        rule: usize,
        /// An earlier one.
        by: usize,
    },
}

/// Rules that can each match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Routing {
    rules: Vec<Rule>,
}

impl Routing {
    /// Of these rules, to these plans.
    ///
    /// # Errors
    /// [`RoutingError`] for the first rule that can't be used.
    pub fn new(rules: Vec<Rule>, plans: &BTreeSet<String>) -> Result<Self, RoutingError> {
        if rules.len() > RULES_MAX {
            return Err(RoutingError::TooMany(rules.len()));
        }
        for (index, rule) in rules.iter().enumerate() {
            check(index + 1, rule, plans)?;
            if let Some(by) = covered(rule, &rules[..index]) {
                return Err(RoutingError::Covered { rule: index + 1, by: by + 1 });
            }
        }
        Ok(Self { rules })
    }

    /// Where an event goes; `None` where no rule matches.
    #[must_use]
    pub fn route(&self, event: &NormalisedEvent) -> Option<Route> {
        let (index, rule) = self.rules.iter().enumerate().find(|(_, rule)| rule.matches(event))?;
        Some(Route {
            // There are no more than RULES_MAX.
            rule: u32::try_from(index + 1).unwrap_or(u32::MAX),
            plan: rule.plan.clone(),
            priority: rule.priority.unwrap_or(event.priority),
        })
    }
}

impl Rule {
    fn matches(&self, event: &NormalisedEvent) -> bool {
        let action = event.action.as_deref();
        takes(&self.event_type, Some(&event.event_type))
            && takes(&self.action, action)
            && takes(&self.source, Some(&event.source))
            && self.repository.as_ref().is_none_or(|wanted| {
                let found = event.repository.as_ref();
                found.is_some_and(|found| takes_repository(wanted, &found.full_name))
            })
            // What doesn't say that it is a draft is none.
            && self.draft.is_none_or(|draft| event.draft().unwrap_or(false) == draft)
    }

    /// Whether it matches whatever another rule does, drafts and sources aside.
    fn is_wider_than(&self, other: &Self) -> bool {
        let repository = match (&self.repository, &other.repository) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(mine), Some(theirs)) => takes_repository(mine, theirs),
        };
        takes(&self.event_type, Some(&other.event_type))
            && takes(&self.action, Some(&other.action))
            && repository
    }
}

/// Whether a pattern takes a text; [`ANY`] takes [`ANY`] and what isn't there as well.
fn takes(pattern: &str, text: Option<&str>) -> bool {
    pattern == ANY || text == Some(pattern)
}

/// GitHub's names of owners and repositories are the same in every case.
fn takes_repository(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix(ANY) {
        Some(owner) => {
            let start = name.as_bytes().get(..owner.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(owner.as_bytes()))
        }
        None => pattern.eq_ignore_ascii_case(name),
    }
}

/// What a rule says by itself.
fn check(number: usize, rule: &Rule, plans: &BTreeSet<String>) -> Result<(), RoutingError> {
    if !plans.contains(&rule.plan) {
        let known = listed(plans.iter().map(String::as_str));
        return Err(RoutingError::UnknownPlan { rule: number, plan: rule.plan.clone(), known });
    }
    if rule.source != ANY && !SOURCES.contains(&rule.source.as_str()) {
        let (origin, known) = (rule.source.clone(), listed(SOURCES.iter().copied()));
        return Err(RoutingError::UnknownSource { rule: number, origin, known });
    }
    if let Some(repository) = rule.repository.as_ref().filter(|name| !is_repository(name)) {
        return Err(RoutingError::Repository { rule: number, repository: repository.clone() });
    }
    if rule.event_type == ANY {
        return Ok(());
    }
    let event_type = rule.event_type.clone();
    let Some(of) = github::event_type(&event_type) else {
        return Err(RoutingError::UnknownType { rule: number, event_type });
    };
    if rule.draft.is_some() && !of.has_draft() {
        return Err(RoutingError::NoDrafts { rule: number, event_type });
    }
    if rule.action != ANY && !of.has_action(&rule.action) {
        let (action, known) = (rule.action.clone(), actions(of));
        return Err(RoutingError::UnknownAction { rule: number, action, event_type, known });
    }
    Ok(())
}

fn actions(of: &EventType) -> String {
    if of.actions.is_empty() { "none".to_owned() } else { listed(of.actions.iter().copied()) }
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

fn is_repository(name: &str) -> bool {
    let is_name = |part: &str| {
        let belongs = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        !part.is_empty() && part.bytes().all(belongs)
    };
    name.split_once('/')
        .is_some_and(|(owner, rest)| is_name(owner) && (rest == ANY || is_name(rest)))
}

/// An earlier rule that helps to take everything that a rule would match.
///
/// There is always another type, action and repository than those that rules name, so a rule that
/// leaves one of them open can only be covered by one that does, too. What can be counted are the
/// sources and whether it is a draft: each pair of them needs a rule that covers it.
fn covered(rule: &Rule, earlier: &[Rule]) -> Option<usize> {
    let mut first: Option<usize> = None;
    for source in SOURCES.iter().filter(|source| takes(&rule.source, Some(source))) {
        for draft in [false, true] {
            if rule.draft.is_some_and(|wanted| wanted != draft) {
                continue;
            }
            let by = earlier.iter().position(|other| {
                takes(&other.source, Some(source))
                    && other.draft.is_none_or(|wanted| wanted == draft)
                    && other.is_wider_than(rule)
            })?;
            first = Some(first.map_or(by, |first| first.min(by)));
        }
    }
    first
}

#[cfg(test)]
mod tests;

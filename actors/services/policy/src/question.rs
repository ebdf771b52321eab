//! What is asked: who, what of which kind, and the facts.
//!
//! **Invariant:** a question is plain JSON and as large as [`Question::check`] lets it be, so that
//! it can stand in an event as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::authority::PolicyUnavailable;

/// The most facts of one question. The default bundle reads ten.
const FACTS_MAX: usize = 64;

/// The most texts in one set.
const SET_MAX: usize = 1_000;

/// The largest question, all its texts together, in bytes: it stands in an event, beside a step's
/// output that may have a multiple of it.
const BYTES_MAX: usize = 32 * 1_024;

/// Names of facts that more than one asks with.
pub mod fact {
    /// Whether nothing from outside had a say in the question.
    pub const TRUSTED: &str = "trusted";
    /// Whom something goes to, where the question chooses it.
    pub const RECIPIENT: &str = "recipient";
    /// Which of a plugin's capabilities.
    pub const CAPABILITY: &str = "capability";
    /// Which of a plugin's versions.
    pub const VERSION: &str = "version";
    /// What money is spent for.
    pub const CATEGORY: &str = "category";
    /// How much, in the asset's minor units.
    pub const AMOUNT: &str = "amount";
    /// Of what.
    pub const ASSET: &str = "asset";
    /// How many decimal places the minor unit stands behind the point.
    pub const SCALE: &str = "scale";
    /// Asset and scale together, such as `USD/2`: what ceilings are found by.
    pub const UNIT: &str = "unit";
    /// Whether it is only asked what rule stands, and nothing is to be done yet.
    pub const PREVIEW: &str = "preview";
    /// The asker's tenant: the question's own, never given as a fact.
    pub(crate) const TENANT: &str = "tenant";
    /// The asker's role: the question's own, never given as a fact.
    pub(crate) const ROLE: &str = "role";
}

/// What kind of thing is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// To call a plugin, the resource.
    CallPlugin,
    /// To use a tool, the resource.
    UseTool,
    /// To authorize a payment to a merchant, the resource.
    AuthorizeMoney,
    /// To carry out an action of a type, the resource.
    RunAction,
}

impl Action {
    /// Every one.
    pub const ALL: [Self; 4] =
        [Self::CallPlugin, Self::UseTool, Self::AuthorizeMoney, Self::RunAction];

    /// Its name in policies and records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CallPlugin => "call_plugin",
            Self::UseTool => "use_tool",
            Self::AuthorizeMoney => "authorize_money",
            Self::RunAction => "run_action",
        }
    }

    /// The type of its resource in a bundle's schema.
    pub(crate) const fn resource_type(self) -> &'static str {
        match self {
            Self::CallPlugin => "Plugin",
            Self::UseTool => "Tool",
            Self::AuthorizeMoney => "Merchant",
            Self::RunAction => "ActionType",
        }
    }
}

/// What kind of asker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectKind {
    /// A workflow, for one of its steps.
    Workflow,
    /// A caller of the API, whatever its credential is.
    ApiKey,
    /// An agent's run.
    Agent,
}

impl SubjectKind {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Workflow, Self::ApiKey, Self::Agent];

    /// Its type in a bundle's schema.
    pub(crate) const fn type_name(self) -> &'static str {
        match self {
            Self::Workflow => "Workflow",
            Self::ApiKey => "ApiKey",
            Self::Agent => "Agent",
        }
    }
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Subject {
    /// What kind of asker.
    pub kind: SubjectKind,
    /// Which.
    pub id: String,
    /// In which role; empty for none.
    pub role: String,
}

/// A fact. In JSON a text, a whole number, `true` or `false`, or a list of texts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(untagged)]
pub enum Fact {
    /// A text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// Yes or no.
    Flag(bool),
    /// A set of texts.
    Set(BTreeSet<String>),
}

/// By hand and not derived, so that a number that isn't whole or too large is refused as one.
impl<'de> Deserialize<'de> for Fact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfAnyKind;
        impl<'de> Visitor<'de> for OfAnyKind {
            type Value = Fact;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a whole number, true, false or a list of texts")
            }

            fn visit_bool<E>(self, flag: bool) -> Result<Fact, E> {
                Ok(Fact::Flag(flag))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Fact, E> {
                Ok(Fact::Number(number))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Fact, E> {
                let fitting = i64::try_from(number);
                fitting
                    .map(Fact::Number)
                    .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(number), &self))
            }

            fn visit_str<E>(self, text: &str) -> Result<Fact, E> {
                Ok(Fact::Text(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Fact, A::Error> {
                let mut set = BTreeSet::new();
                while let Some(text) = list.next_element()? {
                    set.insert(text);
                }
                Ok(Fact::Set(set))
            }
        }
        deserializer.deserialize_any(OfAnyKind)
    }
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Question {
    /// Whose data it is about.
    pub tenant: String,
    /// Who asks.
    pub principal: Subject,
    /// What kind of thing is to be done.
    pub action: Action,
    /// With what: the plugin, the tool, the merchant or the type of action, by name.
    pub resource: String,
    /// What else is known.
    pub context: BTreeMap<String, Fact>,
}

impl Question {
    /// A question in which something from outside has a say, until [`Question::trusted`] says
    /// otherwise.
    #[must_use]
    pub fn new(
        tenant: impl Into<String>,
        principal: Subject,
        action: Action,
        resource: impl Into<String>,
    ) -> Self {
        let (tenant, resource) = (tenant.into(), resource.into());
        let context = BTreeMap::from([(fact::TRUSTED.to_owned(), Fact::Flag(false))]);
        Self { tenant, principal, action, resource, context }
    }

    /// Says whether nothing from outside had a say in it.
    #[must_use]
    pub fn trusted(self, trusted: bool) -> Self {
        self.with(fact::TRUSTED, Fact::Flag(trusted))
    }

    /// Adds a fact, or puts it in the place of the one of that name.
    #[must_use]
    pub fn with(mut self, name: &str, fact: Fact) -> Self {
        self.context.insert(name.to_owned(), fact);
        self
    }

    /// Adds a text.
    #[must_use]
    pub fn with_text(self, name: &str, text: impl Into<String>) -> Self {
        self.with(name, Fact::Text(text.into()))
    }

    /// Says how much of what it is about, in minor units of a scale.
    #[must_use]
    pub fn with_amount(self, amount: i64, asset: &str, scale: u8) -> Self {
        self.with(fact::AMOUNT, Fact::Number(amount))
            .with_text(fact::ASSET, asset)
            .with(fact::SCALE, Fact::Number(scale.into()))
            .with_text(fact::UNIT, format!("{asset}/{scale}"))
    }

    /// Whether it may be evaluated and recorded at all.
    ///
    /// # Errors
    /// [`PolicyUnavailable`] for one that is too large, or whose facts contradict each other.
    pub(crate) fn check(&self) -> Result<(), PolicyUnavailable> {
        for (name, fact) in &self.context {
            if let Fact::Set(set) = fact
                && set.len() > SET_MAX
            {
                let problem = format!("has {} texts, {SET_MAX} at most", set.len());
                return Err(PolicyUnavailable::fact(name, problem));
            }
        }
        if self.context.len() > FACTS_MAX {
            return Err(PolicyUnavailable::TooLarge(format!("more than {FACTS_MAX} facts")));
        }
        if self.bytes() > BYTES_MAX {
            return Err(PolicyUnavailable::TooLarge(format!("more than {BYTES_MAX} bytes")));
        }
        self.check_own()?;
        self.check_unit()
    }

    /// Bytes of what it is made of.
    pub(crate) fn bytes(&self) -> usize {
        let names = [&self.tenant, &self.resource, &self.principal.id, &self.principal.role];
        let names: usize = names.iter().map(|name| name.len()).sum();
        let facts = self.context.iter().map(|(name, fact)| {
            let bytes = match fact {
                Fact::Text(text) => text.len(),
                Fact::Number(_) | Fact::Flag(_) => size_of::<i64>(),
                Fact::Set(set) => set.iter().map(String::len).sum(),
            };
            name.len() + bytes
        });
        names + facts.sum::<usize>()
    }

    /// Tenant and role are the question's own: a fact of that name would be another one's.
    fn check_own(&self) -> Result<(), PolicyUnavailable> {
        let own = [fact::TENANT, fact::ROLE].into_iter();
        match own.into_iter().find(|name| self.context.contains_key(*name)) {
            Some(name) => Err(PolicyUnavailable::fact(name, "is the question's own")),
            None => Ok(()),
        }
    }

    /// Ceilings are found by the unit, so it must be that of the asset.
    fn check_unit(&self) -> Result<(), PolicyUnavailable> {
        let Some(unit) = self.context.get(fact::UNIT) else { return Ok(()) };
        let expected = match (self.context.get(fact::ASSET), self.context.get(fact::SCALE)) {
            (Some(Fact::Text(asset)), Some(Fact::Number(scale))) => {
                Some(Fact::Text(format!("{asset}/{scale}")))
            }
            _ => None,
        };
        if expected.as_ref() == Some(unit) {
            Ok(())
        } else {
            Err(PolicyUnavailable::fact(fact::UNIT, "is not that of asset and scale"))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn question() -> Question {
        let principal =
            Subject { kind: SubjectKind::Agent, id: "run-7".to_owned(), role: "coder".to_owned() };
        Question::new("acme", principal, Action::UseTool, "web.fetch")
    }

    #[test]
    fn a_question_is_plain_json_both_ways() {
        let question = question()
            .trusted(true)
            .with_amount(-5, "USD", 2)
            .with("labels", Fact::Set(BTreeSet::from(["b".to_owned(), "a".to_owned()])));
        let expected = json!({
            "tenant": "acme",
            "principal": {"kind": "agent", "id": "run-7", "role": "coder"},
            "action": "use_tool",
            "resource": "web.fetch",
            "context": {
                "amount": -5, "asset": "USD", "labels": ["a", "b"], "scale": 2, "trusted": true,
                "unit": "USD/2",
            },
        });
        assert_eq!(serde_json::to_value(&question).unwrap(), expected);
        assert_eq!(serde_json::from_value::<Question>(expected).unwrap(), question);
    }

    #[test]
    fn what_is_no_fact_does_not_read_as_one() {
        let largest = serde_json::from_str::<Fact>("9223372036854775807").unwrap();
        assert_eq!(largest, Fact::Number(i64::MAX));
        for text in ["9223372036854775808", "1.5", "1e3", "null", "{}", "[1]", "[[]]"] {
            assert!(serde_json::from_str::<Fact>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_unknown_action_or_kind_of_asker_does_not_read() {
        let text = serde_json::to_string(&question()).unwrap();
        for (known, unknown) in [("use_tool", "use_force"), ("\"agent\"", "\"ghost\"")] {
            let changed = text.replace(known, unknown);
            assert!(serde_json::from_str::<Question>(&changed).is_err(), "{unknown}");
        }
    }

    #[test]
    fn nobody_has_a_say_unless_it_is_said_that_nobody_from_outside_had() {
        assert_eq!(question().context.get(fact::TRUSTED), Some(&Fact::Flag(false)));
    }

    #[test]
    fn one_that_is_too_large_or_contradicts_itself_is_not_evaluated() {
        assert_eq!(question().with_amount(1, "USD", 2).check(), Ok(()));
        let texts = |count: usize| (0..count).map(|number| number.to_string()).collect();
        let many = (0..FACTS_MAX).fold(question(), |question, number| {
            question.with(&format!("fact-{number}"), Fact::Flag(true))
        });
        for (why, question) in [
            ("texts", question().with("labels", Fact::Set(texts(SET_MAX + 1)))),
            ("bytes", question().with_text("note", "x".repeat(BYTES_MAX))),
            ("facts", many),
            ("own", question().with_text(fact::TENANT, "other")),
            ("own", question().with_text(fact::ROLE, "root")),
            ("unit", question().with_text(fact::UNIT, "USD/2")),
            ("unit", question().with_amount(1, "USD", 2).with_text(fact::ASSET, "EUR")),
        ] {
            assert!(question.check().is_err(), "{why}: {question:?}");
        }
        assert_eq!(question().with("labels", Fact::Set(texts(SET_MAX))).check(), Ok(()));
    }
}

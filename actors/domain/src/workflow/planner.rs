//! From a task to a plan, in three stages: what kind of thing it is, what policy says of it, and
//! which steps it takes.
//!
//! The second stage asks outside of this crate; its answer comes back in as [`PolicyAnswer`].
//! **Invariant:** whoever can't be asked has not agreed: without an answer, the plan's main step
//! waits for a person.

use coppice_core::Json;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::flow::Budget;
use super::plan::{Plan, PlanFault, Step};

/// The template for tasks of a type that has none of its own.
pub const GENERIC: &str = "generic";

/// How much a task can do wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    /// It changes nothing outside.
    Low,
    /// It changes what can be changed back.
    Medium,
    /// It moves money, or can't be taken back.
    High,
}

/// A plan with blanks: what a type of task takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// Its name, and the type of the tasks that it is for.
    pub name: String,
    /// For people.
    pub description: String,
    /// What policy is asked about.
    pub action_type: String,
    /// How much it can do wrong.
    pub risk: Risk,
    /// Whether the type of task needs approval by itself.
    #[serde(default)]
    pub requires_approval: bool,
    /// The step that carries the action out: what needs approval waits before it. The last one
    /// where unset.
    #[serde(default)]
    pub main: Option<String>,
    /// Steps under way at once.
    #[serde(default)]
    pub parallel_max: Option<u32>,
    /// What a workflow of this plan may spend, where whoever asks for it doesn't say.
    #[serde(default)]
    pub budget: Option<Budget>,
    /// The steps.
    pub steps: Vec<Step>,
}

/// Why a template can't be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TemplateFault {
    /// Its plan can't be carried out.
    #[error("{0}")]
    Plan(#[from] PlanFault),
    /// The main step isn't there.
    #[error("the main step {0} is not one of its steps")]
    Main(String),
    /// What policy is asked about has no name.
    #[error("action_type is empty")]
    ActionType,
}

/// The first stage's result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Analysis {
    /// The type that was asked for.
    pub task_type: String,
    /// The template that is used for it.
    pub template: String,
    /// What policy is asked about.
    pub action_type: String,
    /// How much it can do wrong.
    pub risk: Risk,
    /// Whether this type needs approval by itself.
    pub requires_approval: bool,
}

/// The second stage's result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyAnswer {
    /// It was asked.
    Said {
        /// Whether the action may be done at all.
        allowed: bool,
        /// Whether a person must agree.
        requires_approval: bool,
        /// The question and the answer, whole.
        record: Json,
    },
    /// It could not be asked, and why.
    Unavailable(String),
}

impl PolicyAnswer {
    /// Whether a person must agree, and what is recorded of it: where policy can't be asked, one must.
    ///
    /// # Errors
    /// [`Forbidden`], where policy was asked and does not allow the action.
    pub fn taken(&self, action_type: &str) -> Result<(bool, Json), Forbidden> {
        match self {
            Self::Said { allowed: false, .. } => {
                Err(Forbidden { action_type: action_type.to_owned() })
            }
            Self::Said { requires_approval, record, .. } => {
                Ok((*requires_approval, record.clone()))
            }
            Self::Unavailable(why) => {
                let unavailable = [("reason_code", "policy_unavailable"), ("detail", why.as_str())];
                let said: std::collections::BTreeMap<_, _> = unavailable.into();
                Ok((true, Json::of(&said).unwrap_or_default()))
            }
        }
    }
}

/// Policy forbids the action.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("policy forbids {action_type}")]
pub struct Forbidden {
    /// Which.
    pub action_type: String,
}

/// Who wants the main step to wait for a person, as it is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The type of task.
    pub analysis: bool,
    /// Policy, or its absence.
    pub policy: bool,
    /// The template.
    pub template: bool,
}

impl Approval {
    /// Whether anybody did.
    #[must_use]
    pub const fn is_wanted(self) -> bool {
        self.analysis || self.policy || self.template
    }
}

/// What planning found, as the workflow's first event records it.
#[derive(Debug, Serialize)]
struct Planning<'a> {
    analysis: &'a Analysis,
    policy: &'a Json,
    approval: Approval,
}

/// What of it is looked at again before a plan that waited is carried out.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Found {
    /// The first stage's result.
    pub analysis: Analysis,
    /// Who wanted the main step to wait for a person.
    pub approval: Approval,
}

/// A plan with how it came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// What planning found.
    pub planning: Json,
    /// What it may spend, as the template says.
    pub budget: Option<Budget>,
}

impl Template {
    /// Checks everything that the template itself can show.
    ///
    /// # Errors
    /// The first [`TemplateFault`].
    pub fn check(&self) -> Result<(), TemplateFault> {
        if self.action_type.is_empty() {
            return Err(TemplateFault::ActionType);
        }
        self.plan().check()?;
        match &self.main {
            Some(main) if !self.steps.iter().any(|step| step.id == *main) => {
                Err(TemplateFault::Main(main.clone()))
            }
            _ => Ok(()),
        }
    }

    fn plan(&self) -> Plan {
        let parallel_max = self.parallel_max.unwrap_or(super::plan::PARALLEL_DEFAULT);
        Plan { name: self.name.clone(), parallel_max, steps: self.steps.clone() }
    }

    /// The first stage: what kind of thing a task of a type is.
    #[must_use]
    pub fn analyse(&self, task_type: &str) -> Analysis {
        Analysis {
            task_type: task_type.to_owned(),
            template: self.name.clone(),
            action_type: self.action_type.clone(),
            risk: self.risk,
            requires_approval: self.requires_approval,
        }
    }

    /// The third stage: the steps, with the main one waiting for a person where anybody wants it
    /// to.
    ///
    /// # Errors
    /// [`Forbidden`], where policy was asked and does not allow the action.
    pub fn build(&self, analysis: &Analysis, answer: &PolicyAnswer) -> Result<Planned, Forbidden> {
        let (by_policy, record) = answer.taken(&analysis.action_type)?;
        let mut plan = self.plan();
        let last = plan.steps.len().saturating_sub(1);
        let named = |step: &Step| self.main.as_ref().is_some_and(|main| *main == step.id);
        let main = plan.steps.iter().position(named).unwrap_or(last);
        let by_template = plan.steps.get(main).is_some_and(|step| step.approval);
        let approval = Approval {
            analysis: analysis.requires_approval,
            policy: by_policy,
            template: by_template,
        };
        if let Some(step) = plan.steps.get_mut(main) {
            step.approval |= approval.analysis || approval.policy;
        }
        let planning = Planning { analysis, policy: &record, approval };
        let planning = Json::of(&planning).unwrap_or_default();
        Ok(Planned { plan, planning, budget: self.budget.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(requires_approval: bool, approval: bool) -> Template {
        let flag = approval.to_string();
        let text = format!(
            r#"{{"name": "transfer", "description": "d", "action_type": "transaction",
                "risk": "high", "requires_approval": {requires_approval}, "main": "act",
                "steps": [
                    {{"id": "check", "plugin": "builtin", "capability": "check_balance"}},
                    {{"id": "act", "needs": ["check"], "plugin": "builtin",
                      "capability": "onchain_action", "approval": {flag}}},
                    {{"id": "tell", "needs": ["act"], "plugin": "builtin",
                      "capability": "generic_action"}}]}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    fn said(allowed: bool, requires_approval: bool) -> PolicyAnswer {
        PolicyAnswer::Said { allowed, requires_approval, record: Json::empty() }
    }

    #[test]
    fn the_main_step_waits_where_the_task_the_policy_or_the_template_wants_it() {
        for (task, policy, by_template, expected) in [
            (false, said(true, false), false, false),
            (true, said(true, false), false, true),
            (false, said(true, true), false, true),
            (false, said(true, false), true, true),
            (false, PolicyAnswer::Unavailable("down".to_owned()), false, true),
        ] {
            let template = template(task, by_template);
            assert_eq!(template.check(), Ok(()));
            let planned = template.build(&template.analyse("transfer"), &policy).unwrap();
            let approvals: Vec<bool> =
                planned.plan.steps.iter().map(|step| step.approval).collect();
            assert_eq!(approvals, [false, expected, false]);
            let planning = planned.planning.value();
            assert_eq!(planning["approval"]["template"], by_template);
            assert_eq!(planning["analysis"]["risk"], "high");
        }
    }

    #[test]
    fn a_policy_that_is_not_there_is_recorded_as_such() {
        let template = template(false, false);
        let answer = PolicyAnswer::Unavailable("no bundle".to_owned());
        let planned = template.build(&template.analyse("transfer"), &answer).unwrap();
        let policy = planned.planning.value()["policy"].clone();
        assert_eq!(policy["reason_code"], "policy_unavailable");
        assert_eq!(policy["detail"], "no bundle");
    }

    #[test]
    fn what_policy_forbids_has_no_plan() {
        let template = template(false, false);
        let built = template.build(&template.analyse("transfer"), &said(false, false));
        assert_eq!(built, Err(Forbidden { action_type: "transaction".to_owned() }));
    }

    #[test]
    fn a_template_that_can_not_be_carried_out_is_found() {
        let mut other = template(false, false);
        other.main = Some("none".to_owned());
        assert_eq!(other.check(), Err(TemplateFault::Main("none".to_owned())));
        let mut other = template(false, false);
        other.steps[0].needs = vec!["tell".to_owned()];
        let Err(TemplateFault::Plan(PlanFault::Cycle(way))) = other.check() else {
            panic!("a way round must be found")
        };
        assert_eq!(way, ["check", "tell", "act", "check"]);
    }
}

//! From a task to a plan: templates from `config/plans`, and policy's word between the stages.
//!
//! **Invariants:** every template is checked before the node serves; where policy can't be asked,
//! the plan's main step waits for a person.

mod budget;
mod handler;
mod templates;

use std::fmt;
use std::sync::Arc;

use coppice_core::Json;
use coppice_domain::workflow::planner::{
    Analysis, Forbidden, Found, GENERIC, Planned, PolicyAnswer, Template,
};
use serde_json::Value;
use thiserror::Error;

pub use self::budget::{open_budget, treasury_call};
pub use self::handler::PlannerHandler;
pub use self::templates::{TemplateError, Templates};

/// What a task is planned from.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    /// Whose it is.
    pub tenant: &'a str,
    /// Who asks, as a name that is recorded.
    pub by: &'a str,
    /// What kind of task.
    pub task_type: &'a str,
    /// What it is about.
    pub parameters: &'a Value,
    /// Whether it comes from one who may ask for it, and not from outside.
    pub trusted: bool,
}

/// Why there is no plan.
#[derive(Debug, Error)]
pub enum PlanError {
    /// There is no template of that name.
    #[error("there is no plan {0}")]
    Unknown(String),
    /// Policy forbids the action.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// Policy wants a person to agree by now, and a plan that was made before asks nobody.
    #[error("policy wants a person to agree to {0} by now, and the plan asks nobody: plan it anew")]
    Unapproved(String),
    /// Policy can't be asked just now, and a plan that was made before asks nobody either.
    #[error(
        "policy can't say just now whether a person has to agree to {0}, and the plan asks nobody"
    )]
    Unheard(String),
}

/// Whoever says what policy has to say of an action.
pub trait Judge: fmt::Debug + Send + Sync + 'static {
    /// What it says of a task that was analysed.
    fn judge(&self, analysis: &Analysis, task: &Task<'_>) -> PolicyAnswer;
}

/// Nobody: every main step waits for a person.
#[derive(Debug, Clone, Copy)]
pub struct NoJudge;

impl Judge for NoJudge {
    fn judge(&self, _: &Analysis, _: &Task<'_>) -> PolicyAnswer {
        PolicyAnswer::Unavailable("there is no policy".to_owned())
    }
}

/// Makes plans.
#[derive(Debug, Clone)]
pub struct Planner {
    templates: Arc<Templates>,
    judge: Arc<dyn Judge>,
}

impl Planner {
    /// Of these templates, asking whoever speaks for policy.
    #[must_use]
    pub fn new(templates: Templates, judge: Arc<dyn Judge>) -> Self {
        Self { templates: Arc::new(templates), judge }
    }

    /// The names of all templates, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.templates.names()
    }

    /// Plans a task by the template of its type; a type that has none gets the generic one.
    ///
    /// # Errors
    /// [`PlanError::Forbidden`].
    pub fn plan(&self, task: &Task<'_>) -> Result<Planned, PlanError> {
        let template = self.templates.get(task.task_type).or_else(|| self.templates.get(GENERIC));
        self.plan_with(template, task)
    }

    /// Plans a task by a template that was asked for by name.
    ///
    /// # Errors
    /// [`PlanError`].
    pub fn plan_by(&self, name: &str, task: &Task<'_>) -> Result<Planned, PlanError> {
        self.plan_with(self.templates.get(name), task)
    }

    /// Asks policy once more about what was planned, before it is carried out; what it was asked and
    /// said.
    ///
    /// # Errors
    /// [`PlanError::Forbidden`], [`PlanError::Unapproved`] and [`PlanError::Unheard`].
    pub fn judge_again(&self, found: &Found, task: &Task<'_>) -> Result<Json, PlanError> {
        let action_type = &found.analysis.action_type;
        let answer = self.judge.judge(&found.analysis, task);
        let (wants_approval, record) = answer.taken(action_type)?;
        match answer {
            _ if !wants_approval || found.approval.is_wanted() => Ok(record),
            PolicyAnswer::Said { .. } => Err(PlanError::Unapproved(action_type.clone())),
            PolicyAnswer::Unavailable(_) => Err(PlanError::Unheard(action_type.clone())),
        }
    }

    fn plan_with(
        &self,
        template: Option<&Template>,
        task: &Task<'_>,
    ) -> Result<Planned, PlanError> {
        let template = template.ok_or_else(|| PlanError::Unknown(task.task_type.to_owned()))?;
        let analysis = template.analyse(task.task_type);
        let answer = self.judge.judge(&analysis, task);
        Ok(template.build(&analysis, &answer)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says of everything the same.
    #[derive(Debug)]
    struct Always(PolicyAnswer);

    impl Judge for Always {
        fn judge(&self, _: &Analysis, _: &Task<'_>) -> PolicyAnswer {
            self.0.clone()
        }
    }

    fn said(allowed: bool, requires_approval: bool) -> PolicyAnswer {
        PolicyAnswer::Said { allowed, requires_approval, record: Json::of(&"said").unwrap() }
    }

    /// What becomes of a plan that was made under one word of policy, and is begun under another.
    fn again(task_type: &str, then: PolicyAnswer, now: PolicyAnswer) -> Result<Json, PlanError> {
        let planner =
            |answer| Planner::new(Templates::shipped().unwrap(), Arc::new(Always(answer)));
        let parameters = Value::Null;
        let task =
            Task { tenant: "t", by: "me", task_type, parameters: &parameters, trusted: true };
        let planned = planner(then).plan(&task).unwrap();
        let found: Found = serde_json::from_str(planned.planning.as_str()).unwrap();
        planner(now).judge_again(&found, &task)
    }

    #[test]
    fn a_plan_begins_only_under_a_word_that_it_was_made_for() {
        let away = || PolicyAnswer::Unavailable("away".to_owned());
        let free = || said(true, false);
        assert_eq!(again("generic", free(), free()).unwrap().as_str(), "\"said\"");
        let refused = |task_type, then, now| again(task_type, then, now).unwrap_err();
        for now in [said(false, false), said(false, true)] {
            assert!(matches!(refused("generic", free(), now), PlanError::Forbidden(_)));
        }
        let wants = refused("generic", free(), said(true, true));
        assert!(matches!(wants, PlanError::Unapproved(of) if of == "generic"));
        let unheard = refused("generic", free(), away());
        assert!(matches!(unheard, PlanError::Unheard(of) if of == "generic"));
        // Where somebody is asked anyway, by the template or by policy's word then, that will do.
        for now in [said(true, true), away(), free()] {
            again("monitor_wallet", free(), now.clone()).unwrap();
            again("generic", said(true, true), now.clone()).unwrap();
            again("generic", away(), now).unwrap();
        }
    }
}

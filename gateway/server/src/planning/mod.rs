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
    /// [`PlanError::Forbidden`] and [`PlanError::Unapproved`].
    pub fn judge_again(&self, found: &Found, task: &Task<'_>) -> Result<Json, PlanError> {
        let action_type = &found.analysis.action_type;
        let (wants_approval, record) =
            self.judge.judge(&found.analysis, task).taken(action_type)?;
        if wants_approval && !found.approval.is_wanted() {
            return Err(PlanError::Unapproved(action_type.clone()));
        }
        Ok(record)
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

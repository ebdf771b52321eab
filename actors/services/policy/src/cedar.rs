//! Decisions by a Cedar bundle.
//!
//! **Invariants:** a question is validated against the bundle's schema before it is evaluated; an
//! error in any policy leaves the question undecided, for Cedar itself would go on without that
//! policy, also where it forbids; ids, order and codes of a record follow from question and bundle.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use cedar_policy::{
    Authorizer, Context, Decision, Entities, EntityTypeName, EntityUid, PolicySet, Request,
    Response, RestrictedExpression, Schema,
};

use crate::authority::{Policy, PolicyUnavailable};
use crate::bundle::{self, BundleError, Fault, Faults, Note};
use crate::data::{ActionRule, Data};
use crate::entities::{entities, uid};
use crate::facts::Declared;
use crate::memory::{Decided, Memory};
use crate::question::{Action, Fact, Question, Subject, SubjectKind, fact};
use crate::record::{BundleRef, PolicyRecord};
use crate::scopes::by_action;
use crate::source::Source;

/// The code of what is allowed.
const ALLOWED: &str = "allowed";
/// The code of what a person must approve.
const APPROVAL_REQUIRED: &str = "approval_required";
/// The code of what a policy without a reason forbids.
const FORBIDDEN: &str = "forbidden";

/// Types that data and questions are made of.
pub(crate) struct Names {
    pub(crate) tenant: EntityTypeName,
    pub(crate) role: EntityTypeName,
    pub(crate) plugin: EntityTypeName,
    pub(crate) tool: EntityTypeName,
    pub(crate) merchant: EntityTypeName,
    pub(crate) action_type: EntityTypeName,
    subjects: [EntityTypeName; 3],
    actions: [EntityUid; 4],
}

impl Names {
    fn new() -> Result<Self, Fault> {
        let name = |text: &str| {
            let parsed = EntityTypeName::from_str(text);
            parsed.map_err(|error| Fault::schema(format!("{text}: {error}")))
        };
        let [workflow, api_key, agent] = SubjectKind::ALL.map(|kind| name(kind.type_name()));
        let of_actions = name("Action")?;
        Ok(Self {
            tenant: name("Tenant")?,
            role: name("Role")?,
            plugin: name(Action::CallPlugin.resource_type())?,
            tool: name(Action::UseTool.resource_type())?,
            merchant: name(Action::AuthorizeMoney.resource_type())?,
            action_type: name(Action::RunAction.resource_type())?,
            subjects: [workflow?, api_key?, agent?],
            actions: Action::ALL.map(|action| uid(&of_actions, action.name())),
        })
    }

    fn subject(&self, subject: &Subject) -> EntityUid {
        let [workflow, api_key, agent] = &self.subjects;
        let kind = match subject.kind {
            SubjectKind::Workflow => workflow,
            SubjectKind::ApiKey => api_key,
            SubjectKind::Agent => agent,
        };
        uid(kind, &subject.id)
    }

    fn action(&self, action: Action) -> EntityUid {
        let [call_plugin, use_tool, authorize_money, run_action] = &self.actions;
        match action {
            Action::CallPlugin => call_plugin.clone(),
            Action::UseTool => use_tool.clone(),
            Action::AuthorizeMoney => authorize_money.clone(),
            Action::RunAction => run_action.clone(),
        }
    }

    fn resource(&self, action: Action, id: &str) -> EntityUid {
        let kind = match action {
            Action::CallPlugin => &self.plugin,
            Action::UseTool => &self.tool,
            Action::AuthorizeMoney => &self.merchant,
            Action::RunAction => &self.action_type,
        };
        uid(kind, id)
    }
}

/// A bundle that was loaded, and decides.
pub struct CedarPolicy {
    bundle: BundleRef,
    stamp: Arc<str>,
    description: String,
    source: Source,
    data: Data,
    names: Names,
    schema: Schema,
    declared: Declared,
    policies: BTreeMap<Action, PolicySet>,
    notes: BTreeMap<String, Note>,
    entities: Entities,
    authorizer: Authorizer,
    memory: Memory,
}

impl fmt::Debug for CedarPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CedarPolicy").field("bundle", &self.bundle).finish_non_exhaustive()
    }
}

impl CedarPolicy {
    /// Of a bundle's texts.
    ///
    /// # Errors
    /// [`BundleError::Invalid`], with what is wrong where.
    pub fn new(source: Source) -> Result<Self, BundleError> {
        let parts = bundle::parse(&source)?;
        let names = Names::new().map_err(Faults::from)?;
        let entities = entities(&parts.data, &names, &parts.schema).map_err(Faults::from)?;
        let policies = by_action(&parts.policies, |action| names.action(action), &parts.schema);
        let bundle = BundleRef { version: parts.title.version, hash: source.hash() };
        let mut policy = Self {
            stamp: bundle.stamp().into(),
            bundle,
            description: parts.title.description,
            source,
            data: parts.data,
            names,
            schema: parts.schema,
            declared: parts.declared,
            policies: policies.map_err(Faults::from)?,
            notes: parts.notes,
            entities,
            authorizer: Authorizer::new(),
            memory: Memory::default(),
        };
        policy.try_out().map_err(Faults::from)?;
        policy.memory =
            Memory::new(&policy.policies, &policy.names.subjects, policy.counts_askers_up());
        Ok(policy)
    }

    /// Of the bundle in a directory.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn load(directory: &Path) -> Result<Self, BundleError> {
        Self::new(Source::read(directory)?)
    }

    /// Of the bundle that is compiled in.
    ///
    /// # Errors
    /// [`BundleError::Invalid`], which no build that passed its tests gives.
    pub fn compiled_in() -> Result<Self, BundleError> {
        Self::new(Source::compiled_in())
    }

    /// Which bundle it is.
    #[must_use]
    pub const fn reference(&self) -> &BundleRef {
        &self.bundle
    }

    /// What events name it by.
    #[must_use]
    pub fn stamp(&self) -> Arc<str> {
        Arc::clone(&self.stamp)
    }

    /// What it says of itself.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Its texts.
    #[must_use]
    pub const fn source(&self) -> &Source {
        &self.source
    }

    /// Asks what the platform asks, with every fact that it asks with: a bundle that can't answer
    /// is found before it is in force.
    fn try_out(&self) -> Result<(), Fault> {
        for action in Action::ALL {
            for kind in SubjectKind::ALL {
                let asked = tried(action, kind);
                self.decide(&asked).map_err(|why| {
                    let (by, what) = (kind.type_name(), action.name());
                    Fault::schema(format!("{what} asked by {by}: {why}"))
                })?;
            }
        }
        Ok(())
    }

    /// Lets go of decisions that it remembers.
    pub(crate) fn forget(&self) {
        self.memory.forget();
    }

    /// Whether the schema knows only some askers. The hash of a text stands in no text that it is of,
    /// so nobody counts up an asker of that name.
    fn counts_askers_up(&self) -> bool {
        let stranger = |action, kind| {
            let mut asked = tried(action, kind);
            asked.principal.id.clone_from(&self.bundle.hash);
            self.request(&asked).is_err()
        };
        let by_anyone = |action| SubjectKind::ALL.into_iter().any(|kind| stranger(action, kind));
        Action::ALL.into_iter().any(by_anyone)
    }

    fn evaluate(&self, question: &Question) -> Result<Decided, PolicyUnavailable> {
        let request = self.request(question)?;
        // Every action has its policies, be it none.
        let policies = self.policies.get(&question.action).ok_or(PolicyUnavailable::NoBundle)?;
        let response = self.authorizer.is_authorized(&request, policies, &self.entities);
        if let Some(error) = first_error(&response) {
            return Err(error);
        }
        let allowed = response.decision() == Decision::Allow;
        let decided = self.decided(&response);
        let requires_approval = allowed && decided.iter().any(|(_, note)| note.approval);
        let risk = decided.iter().filter_map(|(_, note)| note.risk).max();
        let reason_code = match (allowed, requires_approval) {
            (true, false) => ALLOWED,
            (true, true) => APPROVAL_REQUIRED,
            (false, _) => denial(question.action, &decided),
        };
        Ok(Decided {
            allowed,
            requires_approval,
            risk,
            policies: decided.iter().map(|(id, _)| (*id).to_owned()).collect(),
            reason_code: reason_code.to_owned(),
        })
    }

    fn request(&self, question: &Question) -> Result<Request, PolicyUnavailable> {
        let own = [
            (fact::TENANT, uid(&self.names.tenant, &question.tenant)),
            (fact::ROLE, uid(&self.names.role, &question.principal.role)),
        ];
        let own = own.map(|(name, uid)| (name, RestrictedExpression::new_entity_uid(uid)));
        let told = question.context.iter().map(|(name, fact)| (name.as_str(), expression(fact)));
        let known = own.into_iter().chain(told);
        let known = known.filter(|(name, _)| self.declared.has(question.action, name));
        let misfit = |error: &dyn fmt::Display| PolicyUnavailable::Misfit(error.to_string());
        let context = Context::from_pairs(known.map(|(name, value)| (name.to_owned(), value)));
        Request::new(
            self.names.subject(&question.principal),
            self.names.action(question.action),
            self.names.resource(question.action, &question.resource),
            context.map_err(|error| misfit(&error))?,
            Some(&self.schema),
        )
        .map_err(|error| misfit(&error))
    }

    /// The policies that decided, in the order of the bundle.
    fn decided<'a>(&'a self, response: &'a Response) -> Vec<(&'a str, &'a Note)> {
        let ids = response.diagnostics().reason().map(AsRef::as_ref);
        let mut decided: Vec<(&str, &Note)> =
            ids.filter_map(|id: &str| Some((id, self.notes.get(id)?))).collect();
        decided.sort_by_key(|(_, note)| note.place);
        decided
    }
}

impl Policy for CedarPolicy {
    fn decide(&self, question: &Question) -> Result<PolicyRecord, PolicyUnavailable> {
        question.check()?;
        let key = self.memory.key(question);
        let decided = match self.memory.get(&key) {
            Some(decided) => decided,
            None => {
                let decided = Arc::new(self.evaluate(question)?);
                self.memory.keep(key, Arc::clone(&decided));
                decided
            }
        };
        Ok(decided.record(self.bundle.clone(), question))
    }

    fn bundle(&self) -> Option<BundleRef> {
        Some(self.bundle.clone())
    }

    fn action_type(&self, task_type: &str) -> String {
        self.data.tasks.get(task_type).map_or(task_type, String::as_str).to_owned()
    }

    fn rule(&self, action_type: &str) -> Option<ActionRule> {
        Some(self.data.actions.get(action_type)?.rule())
    }
}

/// Why it is denied: what the first policy that forbids it says, or that nothing permits it.
fn denial<'a>(action: Action, decided: &[(&str, &'a Note)]) -> &'a str {
    match decided.first() {
        Some((_, note)) => note.reason.as_deref().unwrap_or(FORBIDDEN),
        None => match action {
            Action::CallPlugin => "plugin_not_allowed",
            Action::UseTool => "tool_not_allowed",
            Action::AuthorizeMoney => "money_not_allowed",
            Action::RunAction => "action_not_allowed",
        },
    }
}

/// The first error by the policy's id, for Cedar has no order of them.
fn first_error(response: &Response) -> Option<PolicyUnavailable> {
    let errors = response.diagnostics().errors().map(|error| {
        let cedar_policy::AuthorizationError::PolicyEvaluationError(error) = error;
        (error.policy_id().to_string(), error.inner().to_string())
    });
    let (policy, problem) = errors.min()?;
    Some(PolicyUnavailable::Evaluation { policy, problem })
}

fn expression(fact: &Fact) -> RestrictedExpression {
    let text = |text: &String| RestrictedExpression::new_string(text.clone());
    match fact {
        Fact::Text(value) => text(value),
        Fact::Number(number) => RestrictedExpression::new_long(*number),
        Fact::Flag(flag) => RestrictedExpression::new_bool(*flag),
        Fact::Set(set) => RestrictedExpression::new_set(set.iter().map(text)),
    }
}

/// A question with every fact that the platform asks with.
fn tried(action: Action, kind: SubjectKind) -> Question {
    let subject = Subject { kind, id: "nobody".to_owned(), role: String::new() };
    let question = Question::new("nobody", subject, action, "nothing");
    match action {
        Action::CallPlugin => question
            .with_text(fact::CAPABILITY, "none")
            .with_text(fact::VERSION, "0.0.0")
            .with_text(fact::RECIPIENT, "nobody"),
        Action::UseTool => question.with_text(fact::RECIPIENT, "nobody"),
        Action::AuthorizeMoney => {
            question.with_text(fact::CATEGORY, "none").with_amount(1, "NONE", 0)
        }
        Action::RunAction => question
            .with_text(fact::RECIPIENT, "nobody")
            .with(fact::PREVIEW, Fact::Flag(true))
            .with_amount(1, "NONE", 0),
    }
}

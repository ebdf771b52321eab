//! The policy in force, as each part of the node asks it: the planner about a task, the plugins'
//! host about a call, the treasury about money.
//!
//! **Invariant:** every question is asked with what the bundle's schema knows and nothing else, so
//! that a fact which a part adds can't make the policy unavailable.

use std::sync::Arc;

use coppice_core::Json;
use coppice_domain::workflow::planner::{Analysis, PolicyAnswer};
use coppice_plugins::{Permit, PermitUnavailable};
use coppice_policy::{
    Action, Policy, PolicyRecord, PolicyUnavailable, Question, Subject, SubjectKind, fact,
};

use crate::planning::{Judge, Task};

/// The role in which workflows and whoever submits them ask.
const ORCHESTRATOR: &str = "orchestrator";

/// Asks the policy in force.
#[derive(Debug, Clone)]
pub struct ByPolicy(pub Arc<dyn Policy>);

fn subject(kind: SubjectKind, id: &str) -> Subject {
    Subject { kind, id: id.to_owned(), role: ORCHESTRATOR.to_owned() }
}

fn recorded(record: &PolicyRecord) -> Json {
    // Texts, numbers and lists of them always serialize.
    Json::of(record).unwrap_or_default()
}

impl Judge for ByPolicy {
    fn judge(&self, analysis: &Analysis, task: &Task<'_>) -> PolicyAnswer {
        let asker = subject(SubjectKind::ApiKey, task.by);
        let question = Question::new(task.tenant, asker, Action::RunAction, &analysis.action_type)
            .trusted(task.trusted)
            // The amount is looked at when the step is carried out, which has it.
            .with(fact::PREVIEW, coppice_policy::Fact::Flag(true));
        match self.0.decide(&question) {
            Ok(record) => PolicyAnswer::Said {
                allowed: record.allowed,
                requires_approval: record.requires_approval,
                record: recorded(&record),
            },
            Err(unavailable) => PolicyAnswer::Unavailable(unavailable.to_string()),
        }
    }
}

impl coppice_plugins::Permission for ByPolicy {
    fn decide(&self, asked: &coppice_plugins::Question) -> Result<Permit, PermitUnavailable> {
        let asker = subject(SubjectKind::Workflow, &asked.workflow);
        let question = match asked.action {
            coppice_plugins::Action::CallPlugin => {
                let question =
                    Question::new(&asked.tenant, asker, Action::CallPlugin, &asked.resource);
                let question = with_text(question, asked, fact::CAPABILITY);
                with_text(question, asked, fact::VERSION)
            }
            coppice_plugins::Action::RunAction => {
                let question =
                    Question::new(&asked.tenant, asker, Action::RunAction, &asked.resource);
                with_amount(question, asked)
            }
        };
        // Plans are templates or a caller's own: no text from outside chooses a plugin.
        let record = self.0.decide(&question.trusted(true)).map_err(|error| unavailable(&error))?;
        Ok(Permit {
            allowed: record.allowed,
            requires_approval: record.requires_approval,
            record: recorded(&record),
            reason_code: record.reason_code,
        })
    }
}

fn unavailable(error: &PolicyUnavailable) -> PermitUnavailable {
    PermitUnavailable(error.to_string())
}

fn with_text(question: Question, asked: &coppice_plugins::Question, name: &str) -> Question {
    match asked.context.get(name) {
        Some(coppice_plugins::Fact::Text(text)) => question.with_text(name, text.as_str()),
        _ => question,
    }
}

/// An amount where one is known in minor units with its asset; else it is asked beforehand.
fn with_amount(question: Question, asked: &coppice_plugins::Question) -> Question {
    use coppice_plugins::Fact::{Number, Text};
    let known = |name: &str| asked.context.get(name);
    let scale = match known("scale") {
        Some(Number(scale)) => u8::try_from(*scale).ok(),
        _ => None,
    };
    match (known("amount_minor").or_else(|| known("amount")), known("asset"), scale) {
        (Some(Number(minor)), Some(Text(asset)), Some(scale)) => {
            question.with_amount(*minor, asset, scale)
        }
        _ => question.with(fact::PREVIEW, coppice_policy::Fact::Flag(true)),
    }
}

impl coppice_treasury::Permission for ByPolicy {
    fn ask(
        &self,
        asked: &coppice_treasury::Question<'_>,
    ) -> Result<coppice_treasury::Verdict, coppice_treasury::Unavailable> {
        let kind = match asked.asker.kind {
            "workflow" => SubjectKind::Workflow,
            "agent" => SubjectKind::Agent,
            _ => SubjectKind::ApiKey,
        };
        let wanted = asked.wanted;
        let tenant = asked.tenant.as_str();
        let unavailable = coppice_treasury::Unavailable;
        let amount = i64::try_from(wanted.amount.units())
            .map_err(|_| unavailable("the amount is beyond what policy can compare".to_owned()))?;
        let question = Question::new(
            tenant,
            subject(kind, &asked.asker.id),
            Action::AuthorizeMoney,
            wanted.merchant.as_str(),
        )
        // Recipients stand in plans and in callers' own requests.
        .trusted(true)
        .with_text(fact::CATEGORY, wanted.category.as_str())
        .with_amount(amount, wanted.asset.code(), wanted.asset.scale());
        let record = self.0.decide(&question).map_err(|error| unavailable(error.to_string()))?;
        Ok(coppice_treasury::Verdict {
            allowed: record.allowed,
            requires_approval: record.requires_approval,
            record: recorded(&record),
            reason_code: record.reason_code,
        })
    }
}

//! Questions and bundles that the tests are made of.

use std::fs;
use std::path::Path;

use coppice_policy::{
    Action, CedarPolicy, Policy, Question, Source, Subject, SubjectKind, Verdict,
};

/// The compiled-in bundle.
pub(crate) fn default_policy() -> CedarPolicy {
    CedarPolicy::compiled_in().unwrap_or_else(|error| panic!("{error}"))
}

/// A bundle as the compiled-in one, with other lists.
pub(crate) fn with_data(data: &str) -> CedarPolicy {
    let source = Source { data: data.to_owned(), ..Source::compiled_in() };
    CedarPolicy::new(source).unwrap_or_else(|error| panic!("{error}"))
}

/// A question of a tenant's workflow in a role.
pub(crate) fn asked_by(tenant: &str, role: &str, action: Action, resource: &str) -> Question {
    let id = "0190b6f1-6f3c-7c29-8d0e-6d1f5a3b2c4d".to_owned();
    let subject = Subject { kind: SubjectKind::Workflow, id, role: role.to_owned() };
    Question::new(tenant, subject, action, resource)
}

/// A question of the tenant `acme` in which nothing from outside has a say.
pub(crate) fn asked(action: Action, resource: &str) -> Question {
    asked_by("acme", "", action, resource).trusted(true)
}

/// Whether a plugin's capability may be called.
pub(crate) fn plugin(name: &str, capability: &str) -> Question {
    asked(Action::CallPlugin, name).with_text("capability", capability)
}

/// Whether a role may use a tool.
pub(crate) fn tool(role: &str, name: &str) -> Question {
    asked_by("acme", role, Action::UseTool, name).trusted(true)
}

/// Whether so much may go to a merchant.
pub(crate) fn money(merchant: &str, category: &str, amount: i64) -> Question {
    let question = asked(Action::AuthorizeMoney, merchant);
    question.with_text("category", category).with_amount(amount, "USD", 2)
}

/// A decision in a word.
pub(crate) fn verdict(policy: &dyn Policy, question: &Question) -> Verdict {
    match policy.decide(question) {
        Ok(record) => Verdict::of(&record),
        Err(why) => Verdict::Unavailable { reason: why.to_string() },
    }
}

pub(crate) fn denied(reason_code: &str) -> Verdict {
    Verdict::Denied { reason_code: reason_code.to_owned() }
}

/// Writes a bundle's four files.
pub(crate) fn write(directory: &Path, source: &Source) {
    for (file, text) in [
        ("bundle.toml", &source.title),
        ("data.toml", &source.data),
        ("policies.cedar", &source.policies),
        ("schema.cedarschema", &source.schema),
    ] {
        fs::write(directory.join(file), text).unwrap();
    }
}

/// The compiled-in bundle under another version.
pub(crate) fn of_version(version: &str) -> Source {
    let title = format!("version = \"{version}\"\n");
    Source { title, ..Source::compiled_in() }
}

//! What was decided before for one asker is decided for another only where they are alike.

use coppice_policy::{Action, CedarPolicy, Policy, Question, Source, fact};

use super::support::{asked, asked_by, money, plugin, tool};

fn of(policies: &str) -> CedarPolicy {
    let own = Source::compiled_in();
    let source = Source { policies: format!("{}\n{policies}", own.policies), ..own };
    CedarPolicy::new(source).unwrap_or_else(|error| panic!("{error}"))
}

fn by(question: &Question, id: &str) -> Question {
    let mut question = question.clone();
    question.principal.id = id.to_owned();
    question
}

fn questions() -> Vec<Question> {
    vec![
        plugin("code-review", "review"),
        plugin("unheard-of", "review"),
        asked_by("acme", "", Action::CallPlugin, "code-review").with_text(fact::CAPABILITY, "x"),
        tool("reviewer", "read_file"),
        money("aws", "cloud", 100),
        money("aws", "cloud", 100_000_000),
        asked(Action::RunAction, "transaction").with_amount(1, "USD", 2),
    ]
}

/// Whoever asked before, each is told what a bundle that was never asked would tell.
#[test]
fn a_bundle_that_was_asked_before_decides_like_one_that_was_not() {
    let names_two = "@id(\"barred\")\n@reason(\"barred\")\n\
        forbid (principal == Workflow::\"w2\", action == Action::\"call_plugin\", resource);";
    let forbids = |when: &str| {
        format!(
            "@id(\"barred\") forbid (principal is Workflow, action, resource) when {{ {when} }};"
        )
    };
    let others = [
        forbids("principal in [Workflow::\"w2\"]"),
        forbids("[Workflow::\"w3\", Workflow::\"w2\"].contains(principal)"),
        forbids("{ barred: Workflow::\"w2\" }.barred == principal"),
        forbids("if principal != Workflow::\"w2\" then false else true"),
    ];
    for policies in ["", names_two].into_iter().chain(others.iter().map(String::as_str)) {
        let asked_before = of(policies);
        for _ in 0..2 {
            for question in questions() {
                for id in ["w1", "w2", "w3"] {
                    let question = by(&question, id);
                    let record = asked_before.decide(&question);
                    assert_eq!(record, of(policies).decide(&question));
                    assert_eq!(record.unwrap().question, question, "the record has this question");
                }
            }
        }
    }
    let policy = of(names_two);
    let ask = |id| policy.decide(&by(&plugin("code-review", "review"), id)).unwrap();
    assert!(ask("w1").allowed);
    assert_eq!(ask("w2").reason_code, "barred");
    assert!(ask("w3").allowed);
}

/// A schema may know only some askers; another one fits no question, whoever asked before it.
#[test]
fn an_asker_that_the_schema_does_not_know_is_never_told_what_another_was() {
    let own = Source::compiled_in();
    let schema = own.schema.replace(
        "entity Workflow, ApiKey, Agent;",
        "entity Workflow enum [\"nobody\", \"w1\"];\nentity ApiKey, Agent;",
    );
    assert_ne!(schema, own.schema);
    let policy = CedarPolicy::new(Source { schema, ..own }).unwrap();
    let question = plugin("code-review", "review");
    assert!(policy.decide(&by(&question, "w1")).unwrap().allowed);
    assert!(policy.decide(&by(&question, "w2")).is_err());
    assert!(policy.decide(&by(&question, "w1")).unwrap().allowed);
}

/// However many there are, each decision is its own question's.
#[test]
fn many_different_questions_are_not_mixed_up() {
    let policy = of("");
    for round in 0..2 {
        for amount in (0..9_000).step_by(2) {
            let question = money("aws", "cloud", amount);
            let record = policy.decide(&question).unwrap();
            assert_eq!(record.question, question, "round {round}");
        }
        let over = policy.decide(&money("aws", "cloud", 100_000_000)).unwrap();
        assert!(!over.allowed, "round {round}");
        assert!(policy.decide(&money("aws", "cloud", 100)).unwrap().allowed, "round {round}");
    }
}

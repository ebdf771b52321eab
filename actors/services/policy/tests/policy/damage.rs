//! Whatever can't be evaluated is not decided, and never allowed.

use std::collections::BTreeSet;

use coppice_policy::{
    Action, CedarPolicy, Fact, NoPolicy, Policy, PolicyUnavailable, Question, Source, fact,
};

use super::support::{asked, default_policy, money, plugin, tool};

fn without(mut question: Question, fact: &str) -> Question {
    question.context.remove(fact).expect("the question has the fact");
    question
}

#[test]
fn a_question_with_facts_missing_or_of_another_type_is_not_decided() {
    let policy = default_policy();
    let text = |text: &str| Fact::Text(text.to_owned());
    let set = || Fact::Set(BTreeSet::from(["x".to_owned()]));
    for question in [
        without(plugin("builtin", "x"), fact::TRUSTED),
        without(plugin("builtin", "x"), fact::CAPABILITY),
        plugin("builtin", "x").with(fact::TRUSTED, text("true")),
        plugin("builtin", "x").with(fact::CAPABILITY, set()),
        plugin("builtin", "x").with(fact::RECIPIENT, Fact::Flag(true)),
        without(tool("coder", "repository.write"), fact::TRUSTED),
        without(money("aws", "cloud", 1), fact::CATEGORY),
        money("aws", "cloud", 1).with(fact::CATEGORY, Fact::Number(7)),
        money("aws", "cloud", 1).with(fact::AMOUNT, text("1")),
        money("aws", "cloud", 1).with(fact::AMOUNT, set()),
        without(money("aws", "cloud", 1), fact::AMOUNT),
        without(money("aws", "cloud", 1), fact::UNIT),
        asked(Action::AuthorizeMoney, "aws").with_text(fact::CATEGORY, "cloud"),
        asked(Action::RunAction, "monitoring").with(fact::PREVIEW, Fact::Number(1)),
    ] {
        let found = policy.decide(&question);
        assert!(matches!(found, Err(PolicyUnavailable::Misfit(_))), "{question:#?}: {found:?}");
    }
}

#[test]
fn a_question_that_is_too_large_is_not_decided() {
    let policy = default_policy();
    let texts = |count: usize, length: usize| {
        Fact::Set((0..count).map(|number| format!("{number:0>length$}")).collect())
    };
    for (why, question) in [
        ("set", plugin("builtin", "x").with("labels", texts(1_000_000, 1))),
        ("bytes", plugin("builtin", "x").with("labels", texts(1_000, 100))),
        ("resource", plugin(&"x".repeat(1 << 20), "x")),
        ("text", plugin("builtin", &"x".repeat(1 << 20))),
    ] {
        assert!(policy.decide(&question).is_err(), "{why}");
    }
}

#[test]
fn a_fact_that_the_schema_does_not_name_decides_nothing() {
    let policy = default_policy();
    for question in [plugin("builtin", "x"), plugin("another", "x")] {
        let expected = policy.decide(&question).unwrap();
        let more = question.with_text("mood", "good").with("size", Fact::Number(7));
        let found = policy.decide(&more).unwrap();
        assert_eq!(found.allowed, expected.allowed);
        assert_eq!(found.policies, expected.policies);
        assert_eq!(found.question, more, "the record has it all the same");
    }
}

#[test]
fn an_error_in_one_policy_leaves_the_question_undecided() {
    // Cedar itself would leave this policy out and allow.
    let overflow = "@id(\"too-much\")\n\
        forbid (principal, action == Action::\"authorize_money\", resource)\n\
        when { context.amount * 2 > 100 };\n";
    let mut source = Source::compiled_in();
    source.policies.push_str(overflow);
    let policy = CedarPolicy::new(source).unwrap();
    let ask = |amount| policy.decide(&money("aws", "cloud", amount));
    assert!(ask(50).unwrap().allowed);
    assert!(!ask(51).unwrap().allowed);
    let Err(PolicyUnavailable::Evaluation { policy, .. }) = ask(i64::MAX) else {
        panic!("{:?}", ask(i64::MAX))
    };
    assert_eq!(policy, "too-much");
}

#[test]
fn names_are_data_and_never_policy() {
    let policy = default_policy();
    for name in ["\"", "\\", "builtin\" || true", "\u{0}", "*", "", "Plugin::\"builtin\""] {
        let record = policy.decide(&plugin(name, "x")).unwrap();
        assert!(!record.allowed, "{name:?}");
    }
}

#[test]
fn without_a_bundle_nothing_is_decided() {
    assert_eq!(NoPolicy.decide(&plugin("builtin", "x")), Err(PolicyUnavailable::NoBundle));
    assert_eq!(NoPolicy.bundle(), None);
    assert_eq!(NoPolicy.rule("monitoring"), None);
}

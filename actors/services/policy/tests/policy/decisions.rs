//! Every rule of the default bundle, both ways.

use coppice_policy::{Action, Fact, Policy, Question, Risk, Verdict, fact};

use super::support::{
    asked, asked_by, default_policy, denied, money, plugin, tool, verdict, with_data,
};

/// What the tables ask about that the default lists don't have.
const LISTS: &str = r#"
[tenants."*"]
plugins = ["builtin", "report:summarise"]
plugins_denied = ["leaky"]
merchants = ["aws", "mallory"]
merchants_denied = ["mallory"]
categories = ["cloud", "gambling"]
categories_denied = ["gambling"]
ceilings = { USD = "1000.0", ETH = "0.5" }

[tenants.acme]
plugins = ["code-review", "leaky", "translate:fr"]
merchants = ["openai"]
categories = ["models"]
ceilings = { USD = "50.25" }

[tenants.open]
plugins = ["*"]
plugins_denied = ["builtin"]
merchants = ["*"]
merchants_denied = ["aws"]
categories = ["*"]

[roles.coder]
tools = ["repository.write"]

[actions.monitoring]
risk = "low"
[actions.generic]
risk = "medium"
[actions.deploy]
risk = "medium"
approval = true
[actions.transaction]
risk = "high"
ceilings = { USD = "1000.0" }
[actions.retired]
allowed = false
risk = "low"
"#;

fn check(table: impl IntoIterator<Item = (Question, Verdict)>) {
    let policy = with_data(LISTS);
    for (question, expected) in table {
        let found = verdict(&policy, &question);
        assert_eq!(found, expected, "{question:#?}");
    }
}

#[test]
fn plugins_are_listed_for_a_tenant_or_for_all_whole_or_by_capability() {
    let of = |tenant: &str, name: &str, capability: &str| {
        let question = asked_by(tenant, "", Action::CallPlugin, name).trusted(true);
        question.with_text(fact::CAPABILITY, capability)
    };
    check([
        (of("acme", "builtin", "check_balance"), Verdict::Allowed),
        (of("other", "builtin", "check_balance"), Verdict::Allowed),
        (of("acme", "report", "summarise"), Verdict::Allowed),
        (of("acme", "report", "publish"), denied("plugin_not_allowed")),
        (of("acme", "code-review", "review"), Verdict::Allowed),
        (of("other", "code-review", "review"), denied("plugin_not_allowed")),
        (of("acme", "translate", "fr"), Verdict::Allowed),
        (of("acme", "translate", "de"), denied("plugin_not_allowed")),
        (of("other", "translate", "fr"), denied("plugin_not_allowed")),
        (of("acme", "unheard-of", "x"), denied("plugin_not_allowed")),
        (of("acme", "Builtin", "check_balance"), denied("plugin_not_allowed")),
        (of("open", "unheard-of", "x"), Verdict::Allowed),
    ]);
}

#[test]
fn a_denied_plugin_is_denied_to_whoever_lists_it() {
    check([
        (plugin("leaky", "x"), denied("plugin_denied")),
        (asked_by("open", "", Action::CallPlugin, "leaky").with_text("capability", "x"), {
            denied("plugin_denied")
        }),
        (asked_by("open", "", Action::CallPlugin, "builtin").with_text("capability", "x"), {
            denied("plugin_denied")
        }),
    ]);
}

#[test]
fn tools_are_listed_by_role() {
    check([
        (tool("coder", "repository.write"), Verdict::Allowed),
        (tool("coder", "repository.delete"), denied("tool_not_allowed")),
        (tool("writer", "repository.write"), denied("tool_not_allowed")),
        (tool("", "repository.write"), denied("tool_not_allowed")),
        (tool("*", "repository.write"), denied("tool_not_allowed")),
    ]);
}

#[test]
fn money_goes_to_listed_merchants_for_listed_categories() {
    let of = |tenant: &str, merchant: &str, category: &str| {
        let question = asked_by(tenant, "", Action::AuthorizeMoney, merchant).trusted(true);
        question.with_text(fact::CATEGORY, category).with_amount(100, "USD", 2)
    };
    check([
        (of("acme", "aws", "cloud"), Verdict::Allowed),
        (of("acme", "openai", "models"), Verdict::Allowed),
        (of("other", "openai", "cloud"), denied("merchant_not_allowed")),
        (of("other", "aws", "models"), denied("category_not_allowed")),
        (of("acme", "mallory", "cloud"), denied("merchant_denied")),
        (of("acme", "aws", "gambling"), denied("category_denied")),
        (of("open", "anybody", "anything"), Verdict::Allowed),
        (of("open", "mallory", "anything"), denied("merchant_denied")),
        (of("open", "aws", "anything"), denied("merchant_denied")),
        (of("open", "anybody", "gambling"), denied("category_denied")),
        (of("acme", "nobody", "nothing"), denied("merchant_not_allowed")),
    ]);
}

#[test]
fn an_authorization_is_bounded_by_the_tenants_ceiling_or_else_by_that_for_all() {
    let of = |tenant: &str, amount, asset, scale| {
        let question = asked_by(tenant, "", Action::AuthorizeMoney, "aws").trusted(true);
        question.with_text(fact::CATEGORY, "cloud").with_amount(amount, asset, scale)
    };
    check([
        (of("other", 100_000, "USD", 2), Verdict::Allowed),
        (of("other", 100_001, "USD", 2), denied("over_ceiling")),
        (of("acme", 5_025, "USD", 2), Verdict::Allowed),
        (of("acme", 5_026, "USD", 2), denied("over_ceiling")),
        (of("acme", 50, "USD", 0), Verdict::Allowed),
        (of("acme", 51, "USD", 0), denied("over_ceiling")),
        (of("acme", 50_250_001, "USD", 6), denied("over_ceiling")),
        (of("acme", 500_000_000_000_000_000, "ETH", 18), Verdict::Allowed),
        (of("acme", 500_000_000_000_000_001, "ETH", 18), denied("over_ceiling")),
        (of("acme", i64::MAX, "USD", 2), denied("over_ceiling")),
        (of("acme", 1, "DOGE", 2), denied("asset_not_allowed")),
        (of("acme", 1, "USD", 19), denied("asset_not_allowed")),
        (of("acme", 0, "USD", 2), denied("amount_invalid")),
        (of("acme", -1, "USD", 2), denied("amount_invalid")),
    ]);
}

#[test]
fn what_came_from_outside_chooses_no_recipient_without_approval() {
    let outside = |question: Question| question.trusted(false);
    let to = |question: Question| question.with_text(fact::RECIPIENT, "somebody");
    check([
        (outside(money("aws", "cloud", 1)), Verdict::ApprovalRequired),
        (outside(money("mallory", "cloud", 1)), denied("merchant_denied")),
        (outside(plugin("builtin", "x")), Verdict::Allowed),
        (to(plugin("builtin", "x")), Verdict::Allowed),
        (outside(to(plugin("builtin", "x"))), Verdict::ApprovalRequired),
        (outside(to(plugin("unheard-of", "x"))), denied("plugin_not_allowed")),
        (outside(tool("coder", "repository.write")), Verdict::Allowed),
        (outside(to(tool("coder", "repository.write"))), Verdict::ApprovalRequired),
        (outside(to(tool("writer", "repository.write"))), denied("tool_not_allowed")),
        (outside(asked(Action::RunAction, "monitoring")), Verdict::Allowed),
        (outside(to(asked(Action::RunAction, "monitoring"))), Verdict::ApprovalRequired),
        (outside(to(asked(Action::RunAction, "unheard-of"))), denied("action_not_allowed")),
    ]);
}

#[test]
fn actions_are_listed_with_risk_approval_and_ceilings() {
    let preview = |question: Question| question.with(fact::PREVIEW, Fact::Flag(true));
    let action = |name: &str| asked(Action::RunAction, name);
    check([
        (action("monitoring"), Verdict::Allowed),
        (action("generic"), Verdict::Allowed),
        (action("deploy"), Verdict::ApprovalRequired),
        (action("retired"), denied("action_not_allowed")),
        (action("unheard-of"), denied("action_not_allowed")),
        (action("transaction"), denied("amount_missing")),
        (action("transaction").with(fact::PREVIEW, Fact::Flag(false)), denied("amount_missing")),
        (preview(action("transaction")), Verdict::ApprovalRequired),
        (preview(action("unheard-of")), denied("action_not_allowed")),
        (action("transaction").with_amount(100_000, "USD", 2), Verdict::ApprovalRequired),
        (action("transaction").with_amount(100_001, "USD", 2), denied("over_ceiling")),
        (preview(action("transaction")).with_amount(100_001, "USD", 2), denied("over_ceiling")),
        (action("transaction").with_amount(1, "EUR", 2), denied("over_ceiling")),
        (action("transaction").with_amount(0, "USD", 2), denied("amount_invalid")),
        (action("transaction").with(fact::AMOUNT, Fact::Number(1)), denied("amount_missing")),
        (action("monitoring").with_amount(i64::MAX, "USD", 2), Verdict::Allowed),
    ]);
}

#[test]
fn a_record_says_what_decided_and_how_risky_it_is() {
    let policy = with_data(LISTS);
    let transaction = asked(Action::RunAction, "transaction").with_amount(1, "USD", 2);
    let question = transaction.trusted(false).with_text(fact::RECIPIENT, "somebody");
    let record = policy.decide(&question).unwrap();
    assert_eq!(record.policies, ["action-high-risk", "recipient-untrusted"]);
    assert_eq!(record.risk, Some(Risk::High));
    assert_eq!(record.reason_code, "approval_required");
    assert_eq!(record.question, question);
    assert_eq!(Some(record.bundle), policy.bundle());

    let low = policy.decide(&asked(Action::RunAction, "monitoring")).unwrap();
    assert_eq!((low.risk, low.reason_code.as_str()), (Some(Risk::Low), "allowed"));

    let record = policy.decide(&money("nobody", "nothing", 6_000)).unwrap();
    let expected = ["merchant-not-listed", "category-not-listed", "money-over-ceiling"];
    assert_eq!(record.policies, expected, "all of them, in the order of the bundle");
    assert_eq!(record.reason_code, "merchant_not_allowed");
    assert_eq!((record.risk, record.requires_approval), (None, false));
}

#[test]
fn a_record_is_plain_json_both_ways() {
    let record = default_policy().decide(&money("aws", "cloud", 1)).unwrap();
    let text = serde_json::to_string(&record).unwrap();
    assert_eq!(serde_json::from_str::<coppice_policy::PolicyRecord>(&text).unwrap(), record);
    assert!(text.contains(r#""risk":"medium""#), "{text}");
}

#[test]
fn the_default_bundle_ships_the_plugins_roles_and_rules_of_the_platform() {
    let policy = default_policy();
    let expect = |question: &Question, expected: Verdict| {
        assert_eq!(verdict(&policy, question), expected, "{question:#?}");
    };
    expect(&plugin("builtin", "onchain_action"), Verdict::Allowed);
    expect(&plugin("code-review", "review"), Verdict::Allowed);
    expect(&plugin("another", "review"), denied("plugin_not_allowed"));
    for (role, tool_of_role) in [
        ("orchestrator", "workflow.submit"),
        ("writer", "artifact.write"),
        ("coder", "repository.write"),
        ("researcher", "web.fetch"),
        ("analyst", "ledger.read"),
        ("worker", "repository.write"),
    ] {
        expect(&tool(role, tool_of_role), Verdict::Allowed);
        expect(&tool(role, "shell.exec"), denied("tool_not_allowed"));
    }
    expect(&tool("writer", "web.fetch"), denied("tool_not_allowed"));
    expect(&money("anybody", "models", 100_000), Verdict::Allowed);
    expect(&money("anybody", "models", 100_001), denied("over_ceiling"));
    expect(&money("anybody", "gambling", 1), denied("category_denied"));
    expect(&asked(Action::RunAction, "monitoring"), Verdict::Allowed);
    let transaction = asked(Action::RunAction, "transaction");
    expect(&transaction.clone().with_amount(1, "ETH", 9), Verdict::ApprovalRequired);
    let over = transaction.with_amount(1_000_000_000_001, "ETH", 9);
    expect(&over, denied("over_ceiling"));
    assert_eq!(policy.action_type("monitor_wallet"), "monitoring");
    assert_eq!(policy.action_type("transfer_funds"), "transaction");
    assert_eq!(policy.action_type("sing"), "sing");
    let rule = policy.rule("transaction").unwrap();
    assert!(rule.allowed && rule.approval && rule.risk == Risk::High);
    assert_eq!(rule.ceilings.len(), 3);
    assert_eq!(policy.rule("sing"), None);
}

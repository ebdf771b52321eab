//! What holds whatever is asked and listed.

use std::collections::BTreeSet;

use coppice_policy::{Action, CedarPolicy, Policy, Question, fact};
use proptest::prelude::*;

use super::support::{asked_by, verdict, with_data};

const TENANTS: [&str; 3] = ["*", "acme", "other"];
const LISTS: [&str; 6] = [
    "plugins",
    "plugins_denied",
    "merchants",
    "merchants_denied",
    "categories",
    "categories_denied",
];

/// Which of a few names stand in which of the lists: tenant, list, name.
type Entries = BTreeSet<(usize, usize, u8)>;
/// The same for tools: role, tool.
type Tools = BTreeSet<(u8, u8)>;

fn data(entries: &Entries, tools: &Tools) -> String {
    let mut text = String::new();
    for (tenant, name) in TENANTS.iter().enumerate() {
        text.push_str(&format!("[tenants.\"{name}\"]\nceilings = {{ USD = \"10\" }}\n"));
        for (list, list_name) in LISTS.iter().enumerate() {
            let of_list = entries.iter().filter(|(t, l, _)| (*t, *l) == (tenant, list));
            let names: Vec<_> = of_list.map(|(_, _, name)| format!("\"n{name}\"")).collect();
            text.push_str(&format!("{list_name} = [{}]\n", names.join(", ")));
        }
    }
    for role in 0..3_u8 {
        let of_role = tools.iter().filter(|(r, _)| *r == role);
        let names: Vec<_> = of_role.map(|(_, tool)| format!("\"n{tool}\"")).collect();
        text.push_str(&format!("[roles.r{role}]\ntools = [{}]\n", names.join(", ")));
    }
    text
}

fn entries() -> impl Strategy<Value = Entries> {
    prop::collection::btree_set((0..TENANTS.len(), 0..LISTS.len(), 0..4_u8), 0..24)
}

fn tools() -> impl Strategy<Value = Tools> {
    prop::collection::btree_set((0..3_u8, 0..4_u8), 0..8)
}

/// Everything that can be asked about the few names, by tenants of which one has no entry.
fn questions() -> Vec<Question> {
    let mut all = Vec::new();
    for tenant in ["acme", "other", "unheard-of"] {
        for name in 0..4_u8 {
            let resource = format!("n{name}");
            let ask = |action| asked_by(tenant, "", action, &resource).trusted(true);
            all.push(ask(Action::CallPlugin).with_text(fact::CAPABILITY, "x"));
            for category in 0..4_u8 {
                let question = ask(Action::AuthorizeMoney).with_amount(7, "USD", 0);
                all.push(question.with_text(fact::CATEGORY, format!("n{category}")));
            }
        }
    }
    for role in 0..4_u8 {
        for tool in 0..4_u8 {
            let (role, tool) = (format!("r{role}"), format!("n{tool}"));
            all.push(asked_by("acme", &role, Action::UseTool, &tool).trusted(true));
        }
    }
    all
}

/// Whether an entry of a list may have a say in a question.
fn is_about(entry: (usize, usize, u8), question: &Question) -> bool {
    let (tenant, list, name) = entry;
    let of_tenant = tenant == 0 || TENANTS[tenant] == question.tenant;
    let name = format!("n{name}");
    let named = match (question.action, list / 2) {
        (Action::CallPlugin, 0) | (Action::AuthorizeMoney, 1) => question.resource == name,
        (Action::AuthorizeMoney, 2) => {
            question.context[fact::CATEGORY] == coppice_policy::Fact::Text(name)
        }
        _ => false,
    };
    of_tenant && named
}

/// What the lists mean, told once more without Cedar.
fn expected(entries: &Entries, tools: &Tools, question: &Question) -> bool {
    let listed = |list: usize, name: &str| {
        entries.iter().any(|(tenant, l, n)| {
            let of_tenant = *tenant == 0 || TENANTS[*tenant] == question.tenant;
            of_tenant && *l == list && format!("n{n}") == name
        })
    };
    let allowed = |list: usize, name: &str| listed(list, name) && !listed(list + 1, name);
    match question.action {
        Action::CallPlugin => allowed(0, &question.resource),
        Action::AuthorizeMoney => {
            let coppice_policy::Fact::Text(category) = &question.context[fact::CATEGORY] else {
                panic!("a category is a text")
            };
            allowed(2, &question.resource) && allowed(4, category)
        }
        Action::UseTool => tools.iter().any(|(role, tool)| {
            format!("r{role}") == question.principal.role && format!("n{tool}") == question.resource
        }),
        Action::RunAction => false,
    }
}

fn allowed(policy: &CedarPolicy, question: &Question) -> bool {
    policy.decide(question).unwrap().allowed
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn lists_mean_what_they_say(entries in entries(), tools in tools()) {
        let policy = with_data(&data(&entries, &tools));
        for question in questions() {
            let expected = expected(&entries, &tools, &question);
            prop_assert_eq!(allowed(&policy, &question), expected, "{:#?}", question);
        }
    }

    #[test]
    fn an_entry_changes_no_decision_that_it_is_not_about(
        entries in entries(),
        tools in tools(),
        entry in (0..TENANTS.len(), 0..LISTS.len(), 0..4_u8),
        tool in (0..3_u8, 0..4_u8),
    ) {
        let before = with_data(&data(&entries, &tools));
        let (mut more, mut more_tools) = (entries, tools);
        more.insert(entry);
        more_tools.insert(tool);
        let after = with_data(&data(&more, &more_tools));
        for question in questions() {
            let of_tool = question.action == Action::UseTool
                && question.principal.role == format!("r{}", tool.0)
                && question.resource == format!("n{}", tool.1);
            if !of_tool && !is_about(entry, &question) {
                let same = verdict(&before, &question) == verdict(&after, &question);
                prop_assert!(same, "{:#?}", question);
            }
        }
    }

    #[test]
    fn the_same_question_gives_the_same_record(entries in entries(), tools in tools()) {
        let text = data(&entries, &tools);
        let (one, two) = (with_data(&text), with_data(&text));
        for question in questions() {
            prop_assert_eq!(one.decide(&question), two.decide(&question));
        }
    }
}

//! What doesn't make a bundle is refused, with the place of the fault.

use coppice_policy::{BundleError, CedarPolicy, Fault, Source, Verdict};

use super::support::{denied, plugin, tool, verdict};

fn faults(source: Source) -> Vec<Fault> {
    match CedarPolicy::new(source) {
        Err(BundleError::Invalid(faults)) => faults.0,
        other => panic!("{other:?}"),
    }
}

fn fault(source: Source) -> Fault {
    let faults = faults(source);
    assert!(!faults.is_empty());
    faults.into_iter().next().unwrap()
}

/// The compiled-in bundle with other policies.
fn policies(text: &str) -> Source {
    Source { policies: text.to_owned(), ..Source::compiled_in() }
}

const PERMIT: &str = "permit (principal, action == Action::\"use_tool\", resource);";

#[test]
fn a_policy_that_does_not_parse_is_refused_with_its_line() {
    let found = fault(policies("// One\n\n@id(\"a\")\npermit (principal action, resource);\n"));
    assert_eq!((found.file, found.line), ("policies.cedar", Some(4)), "{found}");
}

#[test]
fn a_policy_that_does_not_fit_the_schema_is_refused_with_its_id_and_line() {
    for (condition, problem) in [
        ("context.capabilty == \"x\"", "capabilty"),
        ("context.capability == 7", "type"),
        ("context.version == \"1\"", "version"),
        ("context.tenant.budget > 7", "budget"),
        ("resource == Tool::\"x\"", "never"),
        ("1 == 2", "never"),
    ] {
        let text = format!(
            "@id(\"fine\")\n{PERMIT}\n\n@id(\"odd\")\n\
             permit (principal, action == Action::\"call_plugin\", resource)\n\
             when {{ {condition} }};\n"
        );
        let found = fault(policies(&text));
        assert_eq!(found.policy.as_deref(), Some("odd"), "{condition}: {found}");
        assert_eq!(found.file, "policies.cedar");
        assert!(found.line.is_some_and(|line| (4..=6).contains(&line)), "{condition}: {found}");
        let told = found.problem.to_lowercase();
        assert!(told.contains(problem) || problem == "never", "{condition}: {found}");
    }
}

#[test]
fn every_fault_of_the_policies_is_told_at_once() {
    let odd = |id: &str| {
        format!(
            "@id(\"{id}\")\npermit (principal, action == Action::\"use_tool\", resource)\n\
             when {{ context.{id} }};\n"
        )
    };
    let found = faults(policies(&[odd("a"), odd("b")].concat()));
    let ids: Vec<_> = found.iter().filter_map(|fault| fault.policy.as_deref()).collect();
    assert_eq!(ids, ["a", "b"]);
}

#[test]
fn an_annotation_that_says_nothing_is_refused() {
    let forbid = PERMIT.replace("permit", "forbid");
    for (text, line, problem) in [
        (PERMIT.to_owned(), 1, "@id"),
        (format!("@id(\"a b\")\n{PERMIT}"), 1, "@id"),
        (format!("@id(\"a\")\n@require_approval(\"true\")\n{PERMIT}"), 1, "@require_approval"),
        (format!("@id(\"a\")\n@requires_approval(\"yes\")\n{PERMIT}"), 1, "\"true\" or"),
        (format!("@id(\"a\")\n@requires_approval\n{PERMIT}"), 1, "\"true\" or"),
        (format!("@id(\"a\")\n@requires_approval(\"true\")\n{forbid}"), 1, "on a forbid"),
        (format!("@id(\"a\")\n@risk(\"extreme\")\n{PERMIT}"), 1, "@risk"),
        (format!("@id(\"a\")\n@reason(\"x\")\n{PERMIT}"), 1, "on a permit"),
        (format!("@id(\"a\")\n@reason(\"Not so\")\n{forbid}"), 1, "@reason"),
        (format!("@id(\"a\")\n{PERMIT}\n\n@id(\"a\")\n{forbid}"), 4, "another policy"),
    ] {
        let found = fault(policies(&text));
        assert!(found.problem.contains(problem), "{text}: {found}");
        assert_eq!(found.line, Some(line), "{text}: {found}");
    }
}

#[test]
fn a_template_is_refused() {
    let text = "@id(\"a\")\npermit (principal == ?principal, action, resource);";
    assert!(fault(policies(text)).problem.contains("slot"));
}

#[test]
fn a_schema_that_does_not_parse_or_warns_is_refused_with_its_line() {
    let mut source = Source::compiled_in();
    source.schema = source.schema.replace("entity Role =", "entity Role ==");
    let found = fault(source);
    let line = 1 + Source::compiled_in()
        .schema
        .lines()
        .position(|line| line.contains("entity Role"))
        .unwrap();
    assert_eq!((found.file, found.line), ("schema.cedarschema", Some(line)), "{found}");
}

#[test]
fn a_schema_that_lacks_what_the_platform_asks_or_lists_is_refused() {
    let compiled = Source::compiled_in();
    let schema = |from: &str, to: &str| {
        assert!(compiled.schema.contains(from), "{from}");
        // Policies that would not fit it any more are not what is tried here.
        let policies = format!("@id(\"a\")\n{PERMIT}");
        Source { schema: compiled.schema.replace(from, to), policies, ..compiled.clone() }
    };
    for (source, problem) in [
        (schema("action run_action", "action walk_action"), "no action run_action"),
        (schema("capability: String,\n    version", "mood: String,\n    version"), "call_plugin"),
        (schema("category: String", "category: Long"), "authorize_money"),
        (schema("resource: [Merchant]", "resource: [Tool]"), "authorize_money"),
        (schema("principal: [Workflow, ApiKey, Agent]", "principal: [Workflow]"), "asked by"),
        (schema("any_plugin: Bool,", ""), "data.toml"),
        (schema("any_plugin: Bool,", "any_plugin: Long,"), "data.toml"),
        (schema("any_plugin: Bool,", "any_plugin: Bool,\n  budget: Long,"), "data.toml"),
        (schema("entity Role = { tools: Set<Tool> };", "entity Role;"), "data.toml"),
    ] {
        let found = fault(source);
        assert_eq!(found.file, "schema.cedarschema", "{problem}: {found}");
        assert!(found.problem.contains(problem), "{problem}: {found}");
    }
}

#[test]
fn facts_may_stand_under_a_type_of_their_own() {
    let mut source = Source::compiled_in();
    let context = "context: {\n    tenant: Tenant,\n    role: Role,\n    trusted: Bool,\n    \
                   recipient?: String,\n  },";
    assert!(source.schema.contains(context));
    source.schema = source.schema.replace(context, "context: OfTool,");
    source.schema.push_str(
        "type OfTool = Facts;\ntype Facts = { tenant: Tenant, role: Role, trusted: Bool, \
         recipient?: String };\n",
    );
    let policy = CedarPolicy::new(source).unwrap();
    let question = tool("coder", "repository.write");
    assert_eq!(verdict(&policy, &question), Verdict::Allowed);
}

#[test]
fn a_policy_about_a_group_of_actions_has_a_say_in_each_of_them() {
    let mut source = Source::compiled_in();
    source.schema =
        source.schema.replace("action use_tool", "action \"use\";\naction use_tool in [\"use\"]");
    source
        .policies
        .push_str("@id(\"use\")\nforbid (principal, action in Action::\"use\", resource);\n");
    let policy = CedarPolicy::new(source).unwrap();
    let of = |question| verdict(&policy, &question);
    assert_eq!(of(tool("coder", "repository.write")), denied("forbidden"));
    assert_eq!(of(plugin("builtin", "x")), Verdict::Allowed);
}

#[test]
fn lists_and_title_are_refused_with_their_line() {
    let mut source = Source::compiled_in();
    source.data = "[roles.coder]\ntools = [\n  \"a\",\n  7,\n]\n".to_owned();
    let found = fault(source);
    assert_eq!((found.file, found.line), ("data.toml", Some(4)), "{found}");

    let mut source = Source::compiled_in();
    source.title = "version = \"1\"\nauthor = \"me\"\n".to_owned();
    let found = fault(source);
    assert_eq!((found.file, found.line), ("bundle.toml", Some(2)), "{found}");
}

#[test]
fn a_fault_reads_as_file_line_policy_and_problem() {
    let fault = Fault {
        file: "policies.cedar",
        line: Some(7),
        policy: Some("tool-use".to_owned()),
        problem: "is odd".to_owned(),
    };
    assert_eq!(fault.to_string(), "policies.cedar:7 (policy tool-use): is odd");
}

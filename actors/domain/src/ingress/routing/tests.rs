//! Which rules are taken, and which of them an event meets.

use serde_json::{Value, json};

use super::*;

fn plans() -> BTreeSet<String> {
    ["review", "triage"].map(str::to_owned).into()
}

fn rule(value: &Value) -> Rule {
    let mut whole = json!({ "type": "pull_request", "plan": "review" });
    for (name, member) in value.as_object().unwrap() {
        whole[name] = member.clone();
    }
    serde_json::from_value(whole).unwrap()
}

fn routing(rules: &[Value]) -> Result<Routing, RoutingError> {
    Routing::new(rules.iter().map(rule).collect(), &plans())
}

fn event(name: &str, action: &str, repository: &str, draft: Option<bool>) -> NormalisedEvent {
    let mut body = json!({
        "action": action,
        "repository": { "full_name": repository },
        "pull_request": {},
    });
    if let Some(draft) = draft {
        body["pull_request"]["draft"] = json!(draft);
    }
    github::normalise(name, &body)
}

#[test]
fn the_first_rule_that_matches_counts() {
    let routing = routing(&[
        json!({ "action": "opened", "repository": "A/b", "priority": "HIGH" }),
        json!({ "action": "opened", "draft": false, "plan": "triage" }),
        json!({ "action": "*", "source": "github" }),
        json!({ "type": "*", "repository": "me/*", "priority": "P3" }),
        json!({ "type": "secret_scanning_alert", "plan": "triage" }),
    ])
    .unwrap();
    let route = |event: &NormalisedEvent| {
        let route = routing.route(event)?;
        Some((route.rule, route.plan, route.priority))
    };
    let review = |rule, priority| Some((rule, "review".to_owned(), priority));
    let triage = |rule, priority| Some((rule, "triage".to_owned(), priority));
    assert_eq!(route(&event("pull_request", "opened", "a/B", None)), review(1, Priority::P1));
    let drafted = |draft| event("pull_request", "opened", "x/y", draft);
    assert_eq!(route(&drafted(Some(false))), triage(2, Priority::P2));
    assert_eq!(route(&drafted(None)), triage(2, Priority::P2), "unsaid is none");
    assert_eq!(route(&drafted(Some(true))), review(3, Priority::P2));
    assert_eq!(route(&event("pull_request", "closed", "x/y", None)), review(3, Priority::P2));
    assert_eq!(route(&event("push", "", "Me/any", None)), review(4, Priority::P3));
    assert_eq!(route(&event("invented", "made", "me/any", None)), review(4, Priority::P3));
    assert_eq!(route(&event("push", "", "mellow/any", None)), None);
    let alert = event("secret_scanning_alert", "created", "x/y", None);
    assert_eq!(route(&alert), triage(5, Priority::P1), "as urgent as the event says");
}

#[test]
fn no_rules_route_nothing() {
    let none = Routing::new(Vec::new(), &BTreeSet::new()).unwrap();
    assert_eq!(none.route(&event("push", "", "a/b", None)), None);
}

#[test]
fn a_rule_says_nothing_that_is_not_known() {
    for unknown in [
        json!({ "type": "push", "plan": "review", "when": "always" }),
        json!({ "type": "push", "plan": "review", "priority": "P9" }),
        json!({ "type": "push" }),
        json!({ "plan": "review" }),
    ] {
        assert!(serde_json::from_value::<Rule>(unknown.clone()).is_err(), "{unknown}");
    }
}

#[test]
fn a_rule_that_can_not_match_or_lead_anywhere_is_named() {
    for (refused, says) in [
        (json!({ "plan": "revue" }), "rule 2 names the plan \"revue\"; there are review, triage"),
        (json!({ "source": "gitlab" }), "the source \"gitlab\"; there are github"),
        (json!({ "type": "pull_requests" }), "the type \"pull_requests\""),
        (json!({ "action": "open" }), "the action \"open\"; pull_request has assigned, auto"),
        (json!({ "type": "push", "action": "opened" }), "push has none"),
        (json!({ "type": "issues", "draft": true }), "issues doesn't say"),
        (json!({ "repository": "b" }), "the repository \"b\""),
        (json!({ "repository": "*/b" }), "the repository"),
        (json!({ "repository": "a/b/c" }), "the repository"),
        (json!({ "repository": "a/" }), "the repository"),
    ] {
        let good = json!({ "type": "check_run" });
        let text = routing(&[good, refused]).unwrap_err().to_string();
        assert!(text.contains(says), "{text:?} does not say {says:?}");
    }
    let many = vec![json!({}); RULES_MAX + 1];
    assert_eq!(routing(&many), Err(RoutingError::TooMany(RULES_MAX + 1)));
}

#[test]
fn actions_that_senders_make_up_are_taken_as_they_are() {
    let made_up = json!({ "type": "repository_dispatch", "action": "on-demand" });
    assert!(routing(&[made_up, json!({ "type": "*", "action": "whatever" })]).is_ok());
}

#[test]
fn a_rule_behind_a_wider_one_is_refused() {
    let opened = json!({ "action": "opened" });
    for (earlier, later) in [
        (json!({}), opened.clone()),
        (opened.clone(), opened.clone()),
        (json!({ "type": "*" }), opened.clone()),
        (opened.clone(), json!({ "action": "opened", "draft": true })),
        (json!({ "repository": "a/*" }), json!({ "repository": "A/b" })),
        (json!({ "repository": "a/b" }), json!({ "repository": "a/B", "action": "opened" })),
    ] {
        let both = [json!({ "type": "check_run" }), earlier, later];
        let refused = routing(&both);
        assert_eq!(refused, Err(RoutingError::Covered { rule: 3, by: 2 }), "{both:?}");
        let [first, earlier, later] = both;
        // Narrow before wide is how it is meant.
        if earlier != later {
            assert!(routing(&[first, later, earlier]).is_ok(), "the other way round");
        }
    }
    let github = json!({ "action": "opened", "source": "github" });
    let refused = routing(&[github, opened]);
    assert_eq!(refused, Err(RoutingError::Covered { rule: 2, by: 1 }), "there is no other source");
}

#[test]
fn two_rules_may_cover_a_third_together() {
    let of = |draft| json!({ "action": "opened", "draft": draft });
    let refused = routing(&[of(true), of(false), json!({ "action": "opened" })]);
    assert_eq!(refused, Err(RoutingError::Covered { rule: 3, by: 1 }));
    assert!(routing(&[of(true), json!({ "action": "opened" })]).is_ok());
    assert!(routing(&[of(true), of(false), json!({ "action": "closed" })]).is_ok());
}

#[test]
fn narrower_rules_first_is_how_it_is_meant() {
    let rules = [
        json!({ "repository": "a/b", "action": "opened" }),
        json!({ "repository": "a/*", "action": "opened" }),
        json!({ "action": "opened" }),
        json!({}),
        json!({ "type": "*", "action": "opened" }),
        json!({ "type": "*" }),
    ];
    assert!(routing(&rules).is_ok());
}

/// Every event over the few names that the rules below are made of, and one name that none says.
fn events() -> Vec<NormalisedEvent> {
    let mut events = Vec::new();
    for name in ["pull_request", "issues", "unheard_of"] {
        for action in ["opened", "closed", "unheard_of"] {
            for repository in ["a/b", "a/c", "x/y", "unheard/of"] {
                for draft in [None, Some(true), Some(false)] {
                    events.push(event(name, action, repository, draft));
                }
            }
        }
    }
    events
}

proptest::proptest! {
    #[test]
    fn every_rule_that_is_taken_matches_something_and_one_that_is_not_matches_nothing(
        drawn in proptest::collection::vec((0..3_usize, 0..3_usize, 0..4_usize, 0..3_usize), 1..6),
    ) {
        let rules: Vec<Rule> = drawn.into_iter().map(|(name, action, repository, draft)| Rule {
            event_type: ["pull_request", "issues", "*"][name].to_owned(),
            action: ["opened", "closed", "*"][action].to_owned(),
            source: "github".to_owned(),
            repository: [None, Some("a/b"), Some("a/*"), Some("x/y")][repository].map(str::to_owned),
            draft: if name == 0 { [None, Some(true), Some(false)][draft] } else { None },
            plan: "review".to_owned(),
            priority: None,
        }).collect();
        let met = |last: &Rule, earlier: &[Rule]| events().iter().any(|event| {
            last.matches(event) && !earlier.iter().any(|rule| rule.matches(event))
        });
        let alive = rules.iter().enumerate().all(|(at, rule)| met(rule, &rules[..at]));
        proptest::prop_assert_eq!(Routing::new(rules, &plans()).is_ok(), alive);
    }
}

//! Bodies in GitHub's shape, and bodies in none.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn number(event: &NormalisedEvent, name: &str) -> Option<i64> {
    match event.data.get(name) {
        Some(Datum::Number(number)) => Some(*number),
        Some(Datum::Flag(_) | Datum::Text(_)) | None => None,
    }
}

fn text<'a>(event: &'a NormalisedEvent, name: &str) -> Option<&'a str> {
    match event.data.get(name) {
        Some(Datum::Text(text)) => Some(text),
        Some(Datum::Flag(_) | Datum::Number(_)) | None => None,
    }
}

#[test]
fn a_pull_request_tells_what_a_review_needs() {
    let body = json!({
        "action": "synchronize",
        "number": 2,
        "before": "aa",
        "after": "bb",
        "pull_request": {
            "id": 279_147_437,
            "number": 2,
            "title": "Ask jo@example.com",
            "body": "By Jo Doe, jo@example.com",
            "state": "open",
            "draft": true,
            "html_url": "https://github.com/a/b/pull/2",
            "diff_url": "https://github.com/a/b/pull/2.diff",
            "updated_at": "2019-05-15T15:20:33Z",
            "changed_files": 3,
            "user": { "login": "c", "name": "Jo Doe" },
            "head": { "sha": "bb", "ref": "changes", "repo": { "full_name": "c/b" } },
            "base": { "sha": "cc", "ref": "main" },
        },
        "repository": { "id": 7, "full_name": "a/b", "default_branch": "main", "private": false },
        "organization": { "login": "a" },
        "installation": { "id": 5 },
        "sender": { "id": 8, "login": "c", "email": "jo@example.com" },
    });
    let event = normalise("pull_request", &body);
    assert_eq!((event.source.as_str(), event.event_type.as_str()), ("github", "pull_request"));
    assert_eq!(event.action.as_deref(), Some("synchronize"));
    assert_eq!(event.repository, Some(Repository { id: Some(7), full_name: "a/b".to_owned() }));
    assert_eq!(event.sender, Some(Sender { id: Some(8), login: "c".to_owned() }));
    let subject = Subject {
        kind: "pull_request".to_owned(),
        id: Some(279_147_437),
        number: Some(2),
        reference: Some("changes".to_owned()),
        sha: Some("bb".to_owned()),
        title: Some("Ask [e-mail]".to_owned()),
        url: Some("https://github.com/a/b/pull/2".to_owned()),
    };
    assert_eq!(event.subject, subject);
    let micros = event.occurred_at.map(Timestamp::as_micros);
    assert_eq!((micros, event.draft()), (Some(1_557_933_633_000_000), Some(true)));
    for (name, expected) in [
        ("head_sha", "bb"),
        ("head_ref", "changes"),
        ("head_repository", "c/b"),
        ("base_sha", "cc"),
        ("base_ref", "main"),
        ("diff_url", "https://github.com/a/b/pull/2.diff"),
        ("title", "Ask [e-mail]"),
        ("author", "c"),
        ("before", "aa"),
        ("organization", "a"),
    ] {
        assert_eq!(text(&event, name), Some(expected), "{name}");
    }
    assert_eq!((number(&event, "number"), number(&event, "changed_files")), (Some(2), Some(3)));
    assert_eq!(number(&event, "installation_id"), Some(5));
    let written = serde_json::to_string(&event).unwrap();
    assert!(!written.contains("Jo Doe") && !written.contains("example.com"), "{written}");
    assert_eq!(serde_json::from_str::<NormalisedEvent>(&written).unwrap(), event);
}

#[test]
fn a_push_tells_its_commits_by_their_number() {
    let body = json!({
        "ref": "refs/heads/main",
        "before": "aa",
        "after": "bb",
        "compare": "https://github.com/a/b/compare/aa...bb",
        "forced": false,
        "commits": [{ "message": "Signed-off-by: Jo <jo@example.com>" }, {}],
        "head_commit": { "timestamp": "2019-05-15T15:20:41+09:00" },
        "pusher": { "name": "Jo Doe", "email": "jo@example.com" },
        "repository": { "full_name": "a/b", "pushed_at": 7 },
        "sender": { "login": "c" },
    });
    let event = normalise("push", &body);
    assert_eq!((event.action.as_deref(), number(&event, "commits")), (None, Some(2)));
    assert_eq!(event.subject.reference.as_deref(), Some("refs/heads/main"));
    assert_eq!(event.subject.sha.as_deref(), Some("bb"));
    assert_eq!(event.data["forced"], Datum::Flag(false));
    assert_eq!(event.occurred_at, time::rfc3339("2019-05-15T06:20:41Z"));
    let written = serde_json::to_string(&event).unwrap();
    assert!(!written.contains("Jo") && !written.contains('@'), "{written}");
    let bare = normalise("push", &json!({ "repository": { "pushed_at": 7 } }));
    assert_eq!(bare.occurred_at, time::seconds(7));
}

#[test]
fn a_type_that_is_not_known_becomes_a_generic_event() {
    let body = json!({
        "action": "made",
        "repository": { "full_name": "a/b", "html_url": "https://github.com/a/b" },
        "sender": { "login": "c" },
        "invention": { "title": "no" },
    });
    let event = normalise("invention", &body);
    assert_eq!((event.event_type.as_str(), event.subject.kind.as_str()), ("invention", "unknown"));
    assert_eq!(event.action.as_deref(), Some("made"));
    assert!(event.repository.is_some() && event.sender.is_some());
    assert_eq!(event.priority, Priority::P2);
    assert_eq!(event.subject.url.as_deref(), Some("https://github.com/a/b"));
}

#[test]
fn the_table_names_every_type_once_and_writes_its_pointers_well() {
    let mut names = BTreeSet::new();
    for of in event_types() {
        assert!(names.insert(of.name), "{} twice", of.name);
        let mut actions = of.actions.to_vec();
        actions.dedup();
        assert!(actions.is_sorted() && actions.len() == of.actions.len(), "{}", of.name);
        let mut told = BTreeSet::new();
        for (name, at) in of.data.iter().copied().flatten().chain(ALWAYS) {
            assert!(told.insert(name), "{} tells {name} twice", of.name);
            assert!(at.starts_with('/'), "{}: {at}", of.name);
        }
    }
    assert_eq!(names.len(), 88);
    for known in ["push", "pull_request", "ping", "workflow_run", "sub_issues", "user"] {
        assert!(names.contains(known), "{known}");
    }
    let drafts: Vec<_> = event_types().filter(|of| of.has_draft()).map(|of| of.name).collect();
    assert_eq!(drafts.len(), 5, "{drafts:?}");
}

/// Any JSON, with members that the table looks for.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        "[a-z]{1,8}@[a-z]{1,8}\\.[a-z]{2,4}".prop_map(Value::from),
        "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-9:]{8}Z".prop_map(Value::from),
        (1_000..3_000_usize).prop_map(|length| Value::from("ä".repeat(length))),
    ];
    let names = prop_oneof![
        Just("pull_request"),
        Just("repository"),
        Just("sender"),
        Just("issue"),
        Just("alert"),
        Just("action"),
        Just("full_name"),
        Just("login"),
        Just("number"),
        Just("id"),
        Just("title"),
        Just("ref"),
        Just("head"),
        Just("sha"),
        Just("html_url"),
        Just("updated_at"),
        Just("commits"),
        Just("draft"),
    ];
    leaf.prop_recursive(4, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(names.clone(), inner, 0..8).prop_map(|members| {
                members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            }),
        ]
    })
}

proptest! {
    #[test]
    fn any_body_of_any_type_is_an_event_without_addresses(
        at in 0..90_usize,
        made_up in "[a-z_]{1,12}",
        body in any_json(),
    ) {
        let name = event_types().nth(at).map_or(made_up.as_str(), |of| of.name);
        let event = normalise(name, &body);
        let written = serde_json::to_string(&event).unwrap();
        prop_assert!(written.len() < 64 * 1_024, "{} bytes", written.len());
        let again = super::text::without_addresses(&written);
        prop_assert_eq!(&again, &written, "an address is left");
        prop_assert_eq!(serde_json::from_str::<NormalisedEvent>(&written).unwrap(), event);
    }
}

//! Alerts and advisories, and the rules that guard a repository.
//!
//! Of a secret that was found in the open its type is told, and nothing of the secret.

use super::types::{EDITED, EventType, Place};
use crate::workflow::flow::Priority;

/// Somebody asks to pass a rule or to have an alert taken back.
const EXEMPTION: &[(&str, &str)] = &[
    ("status", "/exemption_request/status"),
    ("request_type", "/exemption_request/request_type"),
    ("resource", "/exemption_request/resource_identifier"),
    ("requester", "/exemption_request/requester_login"),
    ("expires_at", "/exemption_request/expires_at"),
    ("response", "/exemption_response/status"),
    ("reviewer", "/exemption_response/reviewer_login"),
];

const EXEMPTION_ACTIONS: &[&str] =
    &["cancelled", "completed", "created", "response_dismissed", "response_submitted"];

const fn of_exemption(name: &'static str) -> EventType {
    EventType::new(name, EXEMPTION_ACTIONS)
        .about("exemption_request", "/exemption_request")
        .untitled()
        .data(&[EXEMPTION])
}

const fn of_alert(name: &'static str, actions: &'static [&'static str]) -> EventType {
    EventType::new(name, actions).about("alert", "/alert").urgent(Priority::P1)
}

const SECRET: &[(&str, &str)] = &[
    ("number", "/alert/number"),
    ("secret_type", "/alert/secret_type"),
    ("validity", "/alert/validity"),
    ("resolution", "/alert/resolution"),
    ("publicly_leaked", "/alert/publicly_leaked"),
    ("push_protection_bypassed", "/alert/push_protection_bypassed"),
    ("assignee", "/assignee/login"),
];

pub(super) const TYPES: &[EventType] = &[
    EventType {
        title: Place::At("/alert/rule/description"),
        sha: Place::At("/commit_oid"),
        reference: Place::At("/ref"),
        ..of_alert(
            "code_scanning_alert",
            &[
                "appeared_in_branch",
                "closed_by_user",
                "created",
                "fixed",
                "reopened",
                "reopened_by_user",
            ],
        )
    }
    .data(&[&[
        ("number", "/alert/number"),
        ("state", "/alert/state"),
        ("rule", "/alert/rule/id"),
        ("severity", "/alert/rule/severity"),
        ("tool", "/alert/tool/name"),
        ("ref", "/ref"),
        ("commit", "/commit_oid"),
    ]]),
    of_alert(
        "dependabot_alert",
        &[
            "auto_dismissed",
            "auto_reopened",
            "created",
            "dismissed",
            "fixed",
            "reintroduced",
            "reopened",
        ],
    )
    .titled("/alert/security_advisory/summary")
    .data(&[&[
        ("number", "/alert/number"),
        ("state", "/alert/state"),
        ("severity", "/alert/security_advisory/severity"),
        ("ghsa_id", "/alert/security_advisory/ghsa_id"),
        ("cve_id", "/alert/security_advisory/cve_id"),
        ("ecosystem", "/alert/dependency/package/ecosystem"),
        ("package", "/alert/dependency/package/name"),
        ("manifest", "/alert/dependency/manifest_path"),
        ("fixed_in", "/alert/security_vulnerability/first_patched_version/identifier"),
    ]]),
    of_alert("repository_vulnerability_alert", &["create", "dismiss", "reopen", "resolve"])
        .titled("/alert/affected_package_name")
        .data(&[&[
            ("package", "/alert/affected_package_name"),
            ("affected_range", "/alert/affected_range"),
            ("fixed_in", "/alert/fixed_in"),
            ("severity", "/alert/severity"),
            ("ghsa_id", "/alert/ghsa_id"),
            ("cve_id", "/alert/external_identifier"),
        ]]),
    of_alert(
        "secret_scanning_alert",
        &[
            "assigned",
            "created",
            "publicly_leaked",
            "reopened",
            "resolved",
            "revoked",
            "unassigned",
            "validated",
        ],
    )
    .titled("/alert/secret_type")
    .data(&[SECRET]),
    of_alert("secret_scanning_alert_location", &["created"]).titled("/alert/secret_type").data(&[
        SECRET,
        &[
            ("location_type", "/location/type"),
            ("path", "/location/details/path"),
            ("line", "/location/details/start_line"),
            ("commit", "/location/details/commit_sha"),
        ],
    ]),
    EventType::new("secret_scanning_scan", &["completed"])
        .about("scan", "")
        .titled("/type")
        .timed(&["/completed_at"])
        .data(&[&[
            ("scan_type", "/type"),
            ("scan_source", "/source"),
            ("secret_types", "/secret_types"),
        ]]),
    EventType::new("security_advisory", &["performed", "published", "updated", "withdrawn"])
        .about("advisory", "/security_advisory")
        .titled("/security_advisory/summary")
        .urgent(Priority::P1)
        .data(&[&[
            ("ghsa_id", "/security_advisory/ghsa_id"),
            ("cve_id", "/security_advisory/cve_id"),
            ("severity", "/security_advisory/severity"),
            ("ecosystem", "/security_advisory/vulnerabilities/0/package/ecosystem"),
            ("package", "/security_advisory/vulnerabilities/0/package/name"),
            ("vulnerabilities", "/security_advisory/vulnerabilities"),
        ]]),
    EventType::new("repository_advisory", &["published", "reported"])
        .about("advisory", "/repository_advisory")
        .titled("/repository_advisory/summary")
        .urgent(Priority::P1)
        .data(&[&[
            ("ghsa_id", "/repository_advisory/ghsa_id"),
            ("cve_id", "/repository_advisory/cve_id"),
            ("severity", "/repository_advisory/severity"),
            ("state", "/repository_advisory/state"),
        ]]),
    EventType::new("security_and_analysis", &[]).untimed(),
    EventType::new("branch_protection_configuration", &["disabled", "enabled"]).untimed(),
    EventType::new("branch_protection_rule", EDITED)
        .about("branch_protection_rule", "/rule")
        .data(&[&[("rule_id", "/rule/id"), ("pattern", "/rule/name")]]),
    EventType { url: Place::Nowhere, ..EventType::new("repository_ruleset", EDITED) }
        .about("ruleset", "/repository_ruleset")
        .data(&[&[
            ("ruleset_id", "/repository_ruleset/id"),
            ("target", "/repository_ruleset/target"),
            ("enforcement", "/repository_ruleset/enforcement"),
        ]]),
    of_exemption("bypass_request_push_ruleset"),
    of_exemption("bypass_request_secret_scanning"),
    of_exemption("dismissal_request_code_scanning"),
    of_exemption("dismissal_request_dependabot"),
    of_exemption("dismissal_request_secret_scanning"),
    of_exemption("exemption_request_push_ruleset"),
    of_exemption("exemption_request_secret_scanning"),
];

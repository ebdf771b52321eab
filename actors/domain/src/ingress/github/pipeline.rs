//! Checks, workflows and deployments.

use super::types::{ANY_ACTION, EventType, Place};

const CHECK_RUN: &[(&str, &str)] = &[
    ("name", "/check_run/name"),
    ("status", "/check_run/status"),
    ("conclusion", "/check_run/conclusion"),
    ("details_url", "/check_run/details_url"),
    ("head_sha", "/check_run/head_sha"),
    ("check_suite_id", "/check_run/check_suite/id"),
    ("app", "/check_run/app/slug"),
    ("pull_request", "/check_run/pull_requests/0/number"),
    ("requested_action", "/requested_action/identifier"),
];

const CHECK_SUITE: &[(&str, &str)] = &[
    ("status", "/check_suite/status"),
    ("conclusion", "/check_suite/conclusion"),
    ("head_sha", "/check_suite/head_sha"),
    ("head_branch", "/check_suite/head_branch"),
    ("before", "/check_suite/before"),
    ("after", "/check_suite/after"),
    ("app", "/check_suite/app/slug"),
    ("pull_request", "/check_suite/pull_requests/0/number"),
];

const WORKFLOW_RUN: &[(&str, &str)] = &[
    ("event", "/workflow_run/event"),
    ("status", "/workflow_run/status"),
    ("conclusion", "/workflow_run/conclusion"),
    ("run_number", "/workflow_run/run_number"),
    ("run_attempt", "/workflow_run/run_attempt"),
    ("head_sha", "/workflow_run/head_sha"),
    ("head_branch", "/workflow_run/head_branch"),
    ("workflow_id", "/workflow_run/workflow_id"),
    ("path", "/workflow_run/path"),
    ("pull_request", "/workflow_run/pull_requests/0/number"),
];

const WORKFLOW_JOB: &[(&str, &str)] = &[
    ("name", "/workflow_job/name"),
    ("status", "/workflow_job/status"),
    ("conclusion", "/workflow_job/conclusion"),
    ("run_id", "/workflow_job/run_id"),
    ("run_attempt", "/workflow_job/run_attempt"),
    ("head_sha", "/workflow_job/head_sha"),
    ("head_branch", "/workflow_job/head_branch"),
    ("steps", "/workflow_job/steps"),
    ("labels", "/workflow_job/labels"),
];

const DEPLOYMENT: &[(&str, &str)] = &[
    ("deployment_id", "/deployment/id"),
    ("environment", "/deployment/environment"),
    ("task", "/deployment/task"),
    ("ref", "/deployment/ref"),
    ("sha", "/deployment/sha"),
    ("creator", "/deployment/creator/login"),
];

const fn of_deployment(name: &'static str, actions: &'static [&'static str]) -> EventType {
    EventType::new(name, actions)
        .about("deployment", "/deployment")
        .titled("/deployment/environment")
}

pub(super) const TYPES: &[EventType] = &[
    EventType::new("check_run", &["completed", "created", "requested_action", "rerequested"])
        .about("check_run", "/check_run")
        .data(&[CHECK_RUN]),
    EventType::new("check_suite", &["completed", "requested", "rerequested"])
        .about("check_suite", "/check_suite")
        .data(&[CHECK_SUITE]),
    EventType { url: Place::At("/target_url"), ..EventType::new("status", &[]) }
        .about("status", "")
        .titled("/context")
        .data(&[&[
            ("state", "/state"),
            ("context", "/context"),
            ("sha", "/sha"),
            ("branch", "/branches/0/name"),
        ]]),
    EventType::new("workflow_run", &["completed", "in_progress", "requested"])
        .about("workflow_run", "/workflow_run")
        .titled("/workflow_run/name")
        .data(&[WORKFLOW_RUN]),
    EventType::new("workflow_job", &["completed", "in_progress", "queued", "waiting"])
        .about("workflow_job", "/workflow_job")
        .data(&[WORKFLOW_JOB]),
    EventType {
        url: Place::At("/repository/html_url"),
        ..EventType::new("workflow_dispatch", &[])
    }
    .about("workflow", "")
    .titled("/workflow")
    .untimed()
    .data(&[&[("ref", "/ref"), ("workflow", "/workflow")]]),
    EventType {
        reference: Place::At("/branch"),
        url: Place::At("/repository/html_url"),
        ..EventType::new("repository_dispatch", &[ANY_ACTION])
    }
    .titled("/action")
    .untimed()
    .data(&[&[("branch", "/branch")]]),
    of_deployment("deployment", &["created"]).data(&[DEPLOYMENT]),
    of_deployment("deployment_status", &["created"])
        .timed(&["/deployment_status/updated_at", "/deployment_status/created_at"])
        .data(&[
            DEPLOYMENT,
            &[
                ("state", "/deployment_status/state"),
                ("environment_url", "/deployment_status/environment_url"),
                ("target_url", "/deployment_status/target_url"),
            ],
        ]),
    of_deployment("deployment_protection_rule", &["requested"]).data(&[
        DEPLOYMENT,
        &[
            ("event", "/event"),
            ("callback_url", "/deployment_callback_url"),
            ("pull_request", "/pull_requests/0/number"),
        ],
    ]),
    EventType::new("deployment_review", &["approved", "rejected", "requested"])
        .about("workflow_run", "/workflow_run")
        .titled("/workflow_run/name")
        .timed(&["/since", "/workflow_run/updated_at"])
        .data(&[
            WORKFLOW_RUN,
            &[
                ("environment", "/environment"),
                ("requestor", "/requestor/login"),
                ("approver", "/approver/login"),
                ("reviewers", "/reviewers"),
            ],
        ]),
    EventType { sha: Place::At("/build/commit"), ..EventType::new("page_build", &[]) }
        .about("page_build", "/build")
        .data(&[&[("status", "/build/status"), ("build_id", "/id")]]),
];

//! Issues, discussions, projects and what sorts them.

use super::types::{EDITED, EventType};

const ISSUE: &[(&str, &str)] = &[
    ("number", "/issue/number"),
    ("title", "/issue/title"),
    ("state", "/issue/state"),
    ("state_reason", "/issue/state_reason"),
    ("author", "/issue/user/login"),
    ("labels", "/issue/labels"),
    ("html_url", "/issue/html_url"),
    // Set where the issue is a pull request.
    ("pull_request_url", "/issue/pull_request/html_url"),
];

const ISSUE_ACTIONS: &[&str] = &[
    "assigned",
    "closed",
    "deleted",
    "demilestoned",
    "edited",
    "labeled",
    "locked",
    "milestoned",
    "opened",
    "pinned",
    "reopened",
    "transferred",
    "typed",
    "unassigned",
    "unlabeled",
    "unlocked",
    "unpinned",
    "untyped",
];

const COMMENT: &[(&str, &str)] = &[
    ("comment_id", "/comment/id"),
    ("comment_url", "/comment/html_url"),
    ("commenter", "/comment/user/login"),
];

const DISCUSSION: &[(&str, &str)] = &[
    ("number", "/discussion/number"),
    ("title", "/discussion/title"),
    ("state", "/discussion/state"),
    ("category", "/discussion/category/slug"),
    ("author", "/discussion/user/login"),
    ("html_url", "/discussion/html_url"),
];

const DISCUSSION_ACTIONS: &[&str] = &[
    "answered",
    "category_changed",
    "closed",
    "created",
    "deleted",
    "edited",
    "labeled",
    "locked",
    "pinned",
    "reopened",
    "transferred",
    "unanswered",
    "unlabeled",
    "unlocked",
    "unpinned",
];

/// Opened and closed like a project.
const PROJECT_ACTIONS: &[&str] = &["closed", "created", "deleted", "edited", "reopened"];

pub(super) const TYPES: &[EventType] = &[
    EventType::new("issues", ISSUE_ACTIONS).about("issue", "/issue").data(&[
        ISSUE,
        &[
            ("label", "/label/name"),
            ("milestone", "/milestone/title"),
            ("assignee", "/assignee/login"),
            ("issue_type", "/type/name"),
        ],
    ]),
    EventType::new("issue_comment", EDITED)
        .about("issue", "/issue")
        .timed(&["/comment/updated_at", "/comment/created_at", "/issue/updated_at"])
        .data(&[ISSUE, COMMENT]),
    EventType::new(
        "issue_dependencies",
        &["blocked_by_added", "blocked_by_removed", "blocking_added", "blocking_removed"],
    )
    .about("issue", "/blocked_issue")
    .data(&[&[
        ("number", "/blocked_issue/number"),
        ("blocking_number", "/blocking_issue/number"),
        ("blocking_repository", "/blocking_issue_repo/full_name"),
        ("blocked_repository", "/blocked_issue_repo/full_name"),
    ]]),
    EventType::new(
        "sub_issues",
        &["parent_issue_added", "parent_issue_removed", "sub_issue_added", "sub_issue_removed"],
    )
    .about("issue", "/sub_issue")
    .data(&[&[
        ("number", "/sub_issue/number"),
        ("parent_number", "/parent_issue/number"),
        ("parent_repository", "/parent_issue_repo/full_name"),
        ("sub_issue_repository", "/sub_issue_repo/full_name"),
    ]]),
    EventType::new("discussion", DISCUSSION_ACTIONS)
        .about("discussion", "/discussion")
        .data(&[DISCUSSION, &[("label", "/label/name")]]),
    EventType::new("discussion_comment", EDITED)
        .about("discussion", "/discussion")
        .timed(&["/comment/updated_at", "/comment/created_at"])
        .data(&[DISCUSSION, COMMENT]),
    EventType::new("content_reference", &["created"])
        .about("content_reference", "/content_reference")
        .titled("/content_reference/reference")
        .untimed()
        .data(&[&[("reference", "/content_reference/reference")]]),
    EventType::new("label", EDITED)
        .about("label", "/label")
        .untimed()
        .data(&[&[("color", "/label/color"), ("renamed_from", "/changes/name/from")]]),
    EventType::new("milestone", &["closed", "created", "deleted", "edited", "opened"])
        .about("milestone", "/milestone")
        .data(&[&[
            ("state", "/milestone/state"),
            ("due_on", "/milestone/due_on"),
            ("open_issues", "/milestone/open_issues"),
            ("closed_issues", "/milestone/closed_issues"),
        ]]),
    EventType::new("project", PROJECT_ACTIONS)
        .about("project", "/project")
        .data(&[&[("state", "/project/state")]]),
    EventType::new("project_card", &["converted", "created", "deleted", "edited", "moved"])
        .about("project_card", "/project_card")
        .data(&[&[
            ("column_id", "/project_card/column_id"),
            ("archived", "/project_card/archived"),
            ("content_url", "/project_card/content_url"),
        ]]),
    EventType::new("project_column", &["created", "deleted", "edited", "moved"])
        .about("project_column", "/project_column")
        .data(&[&[("project_url", "/project_column/project_url")]]),
    EventType::new("projects_v2", PROJECT_ACTIONS)
        .about("project", "/projects_v2")
        .data(&[&[("state", "/projects_v2/state"), ("public", "/projects_v2/public")]]),
    EventType::new(
        "projects_v2_item",
        &["archived", "converted", "created", "deleted", "edited", "reordered", "restored"],
    )
    .about("project_item", "/projects_v2_item")
    .data(&[&[
        ("content_type", "/projects_v2_item/content_type"),
        ("content_node_id", "/projects_v2_item/content_node_id"),
        ("project_node_id", "/projects_v2_item/project_node_id"),
    ]]),
    EventType::new("projects_v2_status_update", EDITED)
        .about("project_status", "/projects_v2_status_update")
        .data(&[&[
            ("status", "/projects_v2_status_update/status"),
            ("target_date", "/projects_v2_status_update/target_date"),
            ("project_node_id", "/projects_v2_status_update/project_node_id"),
        ]]),
];

//! Commits, pull requests, releases, and the repository that they are in.

use super::types::{EDITED, EventType, Place};
use crate::workflow::flow::Priority;

/// Of the pull request that an event is about.
const PULL_REQUEST: &[(&str, &str)] = &[
    ("number", "/pull_request/number"),
    ("title", "/pull_request/title"),
    ("state", "/pull_request/state"),
    ("draft", "/pull_request/draft"),
    ("author", "/pull_request/user/login"),
    ("head_sha", "/pull_request/head/sha"),
    ("head_ref", "/pull_request/head/ref"),
    ("head_repository", "/pull_request/head/repo/full_name"),
    ("base_sha", "/pull_request/base/sha"),
    ("base_ref", "/pull_request/base/ref"),
    ("html_url", "/pull_request/html_url"),
    ("diff_url", "/pull_request/diff_url"),
];

/// Only where the pull request itself is what changed.
const CHANGED: &[(&str, &str)] = &[
    ("merged", "/pull_request/merged"),
    ("merge_commit_sha", "/pull_request/merge_commit_sha"),
    ("commits", "/pull_request/commits"),
    ("changed_files", "/pull_request/changed_files"),
    ("additions", "/pull_request/additions"),
    ("deletions", "/pull_request/deletions"),
    ("before", "/before"),
    ("after", "/after"),
    ("label", "/label/name"),
    ("milestone", "/milestone/title"),
    ("assignee", "/assignee/login"),
    ("requested_reviewer", "/requested_reviewer/login"),
    ("requested_team", "/requested_team/slug"),
    ("reason", "/reason"),
];

const PULL_REQUEST_ACTIONS: &[&str] = &[
    "assigned",
    "auto_merge_disabled",
    "auto_merge_enabled",
    "closed",
    "converted_to_draft",
    "demilestoned",
    "dequeued",
    "edited",
    "enqueued",
    "labeled",
    "locked",
    "milestoned",
    "opened",
    "ready_for_review",
    "reopened",
    "review_request_removed",
    "review_requested",
    "synchronize",
    "unassigned",
    "unlabeled",
    "unlocked",
];

const RELEASE: &[(&str, &str)] = &[
    ("tag", "/release/tag_name"),
    ("target", "/release/target_commitish"),
    ("prerelease", "/release/prerelease"),
    ("assets", "/release/assets"),
    ("author", "/release/author/login"),
];

const REPOSITORY_ACTIONS: &[&str] = &[
    "anonymous_access_disabled",
    "anonymous_access_enabled",
    "archived",
    "created",
    "deleted",
    "edited",
    "privatized",
    "publicized",
    "renamed",
    "transferred",
    "unarchived",
];

/// About a pull request.
const fn of_pull_request(name: &'static str, actions: &'static [&'static str]) -> EventType {
    EventType::new(name, actions).about("pull_request", "/pull_request")
}

/// A branch or tag that came or went.
const fn of_reference(name: &'static str) -> EventType {
    let of = EventType::new(name, &[]).about("ref", "").titled("/ref");
    let data: &[&[(&str, &str)]] = &[&[
        ("ref", "/ref"),
        ("ref_type", "/ref_type"),
        ("master_branch", "/master_branch"),
        ("pusher_type", "/pusher_type"),
    ]];
    EventType { url: Place::At("/repository/html_url"), ..of }
        .timed(&["/repository/pushed_at"])
        .data(data)
}

const fn of_package(name: &'static str, at: &'static str) -> EventType {
    EventType::new(name, &["published", "updated"]).about("package", at)
}

pub(super) const TYPES: &[EventType] = &[
    EventType {
        url: Place::At("/compare"),
        sha: Place::At("/after"),
        ..EventType::new("push", &[])
    }
    .about("push", "")
    .titled("/ref")
    .timed(&["/head_commit/timestamp", "/repository/pushed_at"])
    .data(&[&[
        ("ref", "/ref"),
        ("base_ref", "/base_ref"),
        ("before", "/before"),
        ("after", "/after"),
        ("commits", "/commits"),
        ("compare", "/compare"),
        ("created", "/created"),
        ("deleted", "/deleted"),
        ("forced", "/forced"),
    ]]),
    of_reference("create"),
    of_reference("delete"),
    of_pull_request("pull_request", PULL_REQUEST_ACTIONS).data(&[PULL_REQUEST, CHANGED]),
    of_pull_request("pull_request_review", &["dismissed", "edited", "submitted"])
        .timed(&["/review/submitted_at", "/pull_request/updated_at"])
        .data(&[
            PULL_REQUEST,
            &[
                ("review_id", "/review/id"),
                ("review_state", "/review/state"),
                ("review_url", "/review/html_url"),
                ("reviewer", "/review/user/login"),
            ],
        ]),
    of_pull_request("pull_request_review_comment", EDITED)
        .timed(&["/comment/updated_at", "/pull_request/updated_at"])
        .data(&[
            PULL_REQUEST,
            &[
                ("comment_id", "/comment/id"),
                ("comment_url", "/comment/html_url"),
                ("commenter", "/comment/user/login"),
                ("path", "/comment/path"),
                ("line", "/comment/line"),
            ],
        ]),
    of_pull_request("pull_request_review_thread", &["resolved", "unresolved"])
        .timed(&["/updated_at", "/pull_request/updated_at"])
        .data(&[PULL_REQUEST, &[("comments", "/thread/comments")]]),
    EventType {
        sha: Place::At("/merge_group/head_sha"),
        reference: Place::At("/merge_group/head_ref"),
        ..EventType::new("merge_group", &["checks_requested", "destroyed"])
    }
    .about("merge_group", "/merge_group")
    .timed(&["/merge_group/head_commit/timestamp"])
    .data(&[&[
        ("head_sha", "/merge_group/head_sha"),
        ("head_ref", "/merge_group/head_ref"),
        ("base_sha", "/merge_group/base_sha"),
        ("base_ref", "/merge_group/base_ref"),
        ("reason", "/reason"),
    ]]),
    EventType::new("commit_comment", &["created"]).about("commit", "/comment").data(&[&[
        ("comment_id", "/comment/id"),
        ("commenter", "/comment/user/login"),
        ("path", "/comment/path"),
        ("line", "/comment/line"),
    ]]),
    EventType {
        reference: Place::At("/release/tag_name"),
        ..EventType::new(
            "release",
            &[
                "created",
                "deleted",
                "edited",
                "prereleased",
                "published",
                "released",
                "unpublished",
            ],
        )
    }
    .about("release", "/release")
    .data(&[RELEASE, &[("draft", "/release/draft")]]),
    of_package("package", "/package").data(&[&[
        ("name", "/package/name"),
        ("package_type", "/package/package_type"),
        ("version", "/package/package_version/version"),
    ]]),
    of_package("registry_package", "/registry_package").data(&[&[
        ("name", "/registry_package/name"),
        ("package_type", "/registry_package/package_type"),
        ("version", "/registry_package/package_version/version"),
    ]]),
    EventType::new("repository", REPOSITORY_ACTIONS)
        .data(&[&[("renamed_from", "/changes/repository/name/from")]]),
    EventType::new("repository_import", &[]).untimed().data(&[&[("status", "/status")]]),
    EventType::new("public", &[]).untimed(),
    EventType::new("fork", &[])
        .urgent(Priority::P3)
        .timed(&["/forkee/created_at"])
        .data(&[&[("fork", "/forkee/full_name"), ("fork_id", "/forkee/id")]]),
    EventType::new("star", &["created", "deleted"]).urgent(Priority::P3).timed(&["/starred_at"]),
    EventType::new("watch", &["started"]).urgent(Priority::P3).untimed(),
    EventType::new("gollum", &[])
        .about("wiki_page", "/pages/0")
        .untimed()
        .data(&[&[("pages", "/pages"), ("page_action", "/pages/0/action")]]),
    // People name their keys after their machines and themselves.
    EventType::new("deploy_key", &["created", "deleted"])
        .about("deploy_key", "/key")
        .untitled()
        .data(&[&[("read_only", "/key/read_only"), ("verified", "/key/verified")]]),
    EventType::new("cache_sync", &[]).untimed().data(&[&[
        ("ref", "/ref"),
        ("before", "/before"),
        ("after", "/after"),
        ("cache_location", "/cache_location"),
    ]]),
];

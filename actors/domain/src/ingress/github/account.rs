//! People, teams and organizations, what is installed in them, and the webhook itself.

use super::types::EventType;

const INSTALLATION: &[(&str, &str)] = &[
    ("account", "/installation/account/login"),
    ("app", "/installation/app_slug"),
    ("app_id", "/installation/app_id"),
    ("repository_selection", "/installation/repository_selection"),
    ("requester", "/requester/login"),
];

const MARKETPLACE: &[(&str, &str)] = &[
    ("plan", "/marketplace_purchase/plan/name"),
    ("previous_plan", "/previous_marketplace_purchase/plan/name"),
    ("billing_cycle", "/marketplace_purchase/billing_cycle"),
    ("unit_count", "/marketplace_purchase/unit_count"),
    ("effective_date", "/effective_date"),
];

const SPONSORSHIP: &[(&str, &str)] = &[
    ("sponsor", "/sponsorship/sponsor/login"),
    ("sponsorable", "/sponsorship/sponsorable/login"),
    ("monthly_price_cents", "/sponsorship/tier/monthly_price_in_cents"),
    ("effective_date", "/effective_date"),
];

const PROPERTY: &[(&str, &str)] =
    &[("value_type", "/definition/value_type"), ("required", "/definition/required")];

const HOOK: &[(&str, &str)] = &[
    ("hook_id", "/hook_id"),
    ("hook_type", "/hook/type"),
    ("events", "/hook/events"),
    ("active", "/hook/active"),
];

const fn of_installation(name: &'static str, actions: &'static [&'static str]) -> EventType {
    EventType::new(name, actions)
        .about("installation", "/installation")
        .titled("/installation/account/login")
}

const fn of_property(name: &'static str, actions: &'static [&'static str]) -> EventType {
    EventType::new(name, actions)
        .about("custom_property", "/definition")
        .titled("/definition/property_name")
        .data(&[PROPERTY])
}

const fn of_values(name: &'static str, at: &'static str, subject: &'static str) -> EventType {
    EventType::new(name, &["updated"])
        .about(subject, at)
        .untimed()
        .data(&[&[("values", "/new_property_values")]])
}

pub(super) const TYPES: &[EventType] = &[
    EventType::new("member", &["added", "edited", "removed"])
        .about("user", "/member")
        .data(&[&[("member", "/member/login"), ("permission", "/changes/permission/to")]]),
    EventType::new("membership", &["added", "removed"]).about("user", "/member").data(&[&[
        ("member", "/member/login"),
        ("team", "/team/slug"),
        ("scope", "/scope"),
    ]]),
    EventType::new(
        "team",
        &["added_to_repository", "created", "deleted", "edited", "removed_from_repository"],
    )
    .about("team", "/team")
    .data(&[&[("team", "/team/slug"), ("permission", "/team/permission")]]),
    EventType::new("team_add", &[])
        .about("team", "/team")
        .data(&[&[("team", "/team/slug"), ("permission", "/team/permission")]]),
    EventType::new(
        "organization",
        &["created", "deleted", "member_added", "member_invited", "member_removed", "renamed"],
    )
    .about("organization", "/organization")
    .data(&[&[
        ("member", "/membership/user/login"),
        ("role", "/membership/role"),
        ("invited", "/invitation/login"),
        ("renamed_from", "/changes/login/from"),
    ]]),
    EventType::new("org_block", &["blocked", "unblocked"])
        .about("user", "/blocked_user")
        .data(&[&[("blocked", "/blocked_user/login")]]),
    EventType::new("user", &["created", "deleted"]).about("user", "/user"),
    EventType::new("enterprise", &["anonymous_access_disabled", "anonymous_access_enabled"])
        .about("enterprise", "/enterprise")
        .titled("/enterprise/slug")
        .untimed(),
    of_installation(
        "installation",
        &["created", "deleted", "new_permissions_accepted", "suspend", "unsuspend"],
    )
    .data(&[INSTALLATION, &[("repositories", "/repositories")]]),
    of_installation("installation_repositories", &["added", "removed"]).data(&[
        INSTALLATION,
        &[
            ("repositories_added", "/repositories_added"),
            ("repositories_removed", "/repositories_removed"),
        ],
    ]),
    EventType::new("installation_target", &["renamed"])
        .about("account", "/account")
        .data(&[&[("target_type", "/target_type"), ("renamed_from", "/changes/login/from")]]),
    EventType::new("github_app_authorization", &["revoked"]).about("user", "/sender").untimed(),
    // People name their tokens as they like.
    EventType::new(
        "personal_access_token_request",
        &["approved", "cancelled", "created", "denied"],
    )
    .about("token_request", "/personal_access_token_request")
    .untitled()
    .data(&[&[
        ("owner", "/personal_access_token_request/owner/login"),
        ("repository_selection", "/personal_access_token_request/repository_selection"),
        ("repositories", "/personal_access_token_request/repository_count"),
        ("token_expires_at", "/personal_access_token_request/token_expires_at"),
    ]]),
    of_property("custom_property", &["created", "deleted", "promote_to_enterprise", "updated"]),
    of_property("organization_custom_property", &["created", "deleted", "updated"]),
    of_values("custom_property_values", "/repository", "repository"),
    of_values("organization_custom_property_values", "/organization", "organization"),
    EventType::new(
        "marketplace_purchase",
        &["cancelled", "changed", "pending_change", "pending_change_cancelled", "purchased"],
    )
    .about("account", "/marketplace_purchase/account")
    .timed(&["/effective_date"])
    .data(&[MARKETPLACE]),
    EventType::new(
        "sponsorship",
        &[
            "cancelled",
            "created",
            "edited",
            "pending_cancellation",
            "pending_tier_change",
            "tier_changed",
        ],
    )
    .about("sponsorship", "/sponsorship")
    .titled("/sponsorship/sponsorable/login")
    .data(&[SPONSORSHIP]),
    EventType::new("meta", &["deleted"]).about("webhook", "/hook").untitled().data(&[HOOK]),
    EventType::new("ping", &[]).about("webhook", "/hook").untitled().untimed().data(&[HOOK]),
];

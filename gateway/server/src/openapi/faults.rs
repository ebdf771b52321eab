//! What routes refuse, in the sets that come together.

use coppice_api::{Code, codes};

/// By every route with a scope.
pub(super) const ADMISSION: &[Code] = &[
    codes::MALFORMED_REQUEST,
    codes::AUTH_INVALID,
    codes::SCOPE_MISSING,
    codes::RATE_LIMITED,
    codes::DEADLINE_EXCEEDED,
    codes::STORE_UNAVAILABLE,
    codes::INTERNAL_ERROR,
];

/// By routes that name an entity.
pub(crate) const ENTITY: &[Code] = &[codes::UNKNOWN_KIND, codes::INVALID_ENTITY_ID];

/// By routes that ask an entity whatever it may be.
pub(crate) const ASKING: &[Code] = &[
    codes::ENTITY_NOT_FOUND,
    codes::ENTITY_DELETED,
    codes::ENTITY_QUARANTINED,
    codes::JOURNAL_DAMAGED,
    codes::ACTOR_CRASHED,
    codes::NOT_OWNER,
    codes::MAILBOX_FULL,
    codes::RESIDENTS_FULL,
    codes::PERSONAL_DATA_LOCKED,
    codes::SHUTTING_DOWN,
    codes::TIMED_OUT,
];

/// By routes that change an entity.
pub(crate) const CHANGING: &[Code] = &[
    codes::FROZEN,
    codes::INVALID_IDEMPOTENCY_KEY,
    codes::IDEMPOTENCY_KEY_REUSED,
    codes::SEQUENCE_MISMATCH,
    codes::CONFLICT,
    codes::MESSAGE_QUARANTINED,
    codes::LINK_BROKEN,
    codes::SUBJECT_ERASED,
    codes::STORE_FULL,
];

/// By routes that take a body.
pub(crate) const BODY: &[Code] = &[
    codes::MALFORMED_JSON,
    codes::INVALID_BODY,
    codes::BODY_TIMEOUT,
    codes::BODY_TOO_LARGE,
    codes::UNSUPPORTED_MEDIA_TYPE,
];

//! The catalogue of problem codes: one line each, so that nothing else has to repeat a status.
//!
//! An entity kind adds refusal codes of its own ([`Code::refusal`]); those belong to the kind.

/// A stable name for one thing that can go wrong, with what never differs between occurrences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// The name, in lower case with underscores.
    pub code: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// A short summary for people.
    pub title: &'static str,
    /// Whether the same request, unchanged, may succeed in a moment. After an `unknown` outcome it
    /// must carry the same idempotency key, or it may be applied twice.
    pub retryable: bool,
}

impl Code {
    /// The code of a refusal by an entity's own rules.
    #[must_use]
    pub const fn refusal(code: &'static str) -> Self {
        Self { code, status: 422, title: "The entity refused the command", retryable: false }
    }
}

macro_rules! catalogue {
    ($($name:ident = $code:literal $status:literal $retryable:literal $title:literal;)*) => {
        $(
            #[doc = $title]
            pub const $name: Code =
                Code { code: $code, status: $status, title: $title, retryable: $retryable };
        )*

        /// Every code that the gateway itself gives. Made of the same lines as the constants, so
        /// that none can be left out.
        pub const CODES: &[Code] = &[$($name),*];
    };
}

catalogue! {
    MALFORMED_REQUEST = "malformed_request" 400 false "The request could not be read";
    MALFORMED_JSON = "malformed_json" 400 false "The body is not JSON";
    INVALID_IDEMPOTENCY_KEY = "invalid_idempotency_key" 400 false "The idempotency key is invalid";
    PLUGIN_REFUSED = "plugin_refused" 400 false "The registration of the plugin is not accepted";
    AUTH_INVALID = "auth_invalid" 401 false "The API key is missing or not valid";
    POLICY_DENIED = "policy_denied" 403 false "Policy forbids it";
    WEBHOOK_HEADER_INVALID = "webhook_header_invalid" 400 false
        "A header of the webhook is missing or not valid";
    WEBHOOK_SIGNATURE_INVALID = "webhook_signature_invalid" 401 false
        "The signature is missing or not valid";
    SCOPE_MISSING = "scope_missing" 403 false "The API key lacks a scope";
    ROUTE_NOT_FOUND = "route_not_found" 404 false "There is nothing at this path";
    UNKNOWN_KIND = "unknown_kind" 404 false "There is no such entity kind";
    UNKNOWN_COMMAND = "unknown_command" 404 false "The kind has no such command";
    ENTITY_NOT_FOUND = "entity_not_found" 404 false "There is no such entity";
    DEAD_LETTER_NOT_FOUND = "dead_letter_not_found" 404 false "There is no such dead letter";
    API_KEY_NOT_FOUND = "api_key_not_found" 404 false "There is no such API key";
    TENANT_NOT_FOUND = "tenant_not_found" 404 false "There is no such tenant";
    WORKFLOW_NOT_FOUND = "workflow_not_found" 404 false "There is no such workflow";
    PLAN_NOT_FOUND = "plan_not_found" 404 false "There is no such plan";
    PLUGIN_NOT_FOUND = "plugin_not_found" 404 false "There is no such plugin";
    ACCOUNT_NOT_FOUND = "account_not_found" 404 false "There is no such account";
    INTENT_NOT_FOUND = "intent_not_found" 404 false "There is no such intent";
    SCHEMA_NOT_FOUND = "schema_not_found" 404 false "The type of task has no schema";
    POLICY_BUNDLE_NOT_FOUND = "policy_bundle_not_found" 404 false
        "There is no such policy bundle";
    METHOD_NOT_ALLOWED = "method_not_allowed" 405 false "The path does not take this method";
    BODY_TIMEOUT = "body_timeout" 408 true "The body did not arrive in time";
    CONFLICT = "conflict" 409 true "Other writers kept getting in between";
    MESSAGE_QUARANTINED = "message_quarantined" 409 false "The command is out of delivery";
    ENTITY_QUARANTINED = "entity_quarantined" 409 false "The entity is out of service";
    DEAD_LETTER_STAYS = "dead_letter_stays" 409 false "The dead letter can not go that way";
    API_KEY_NOT_ACTIVE = "api_key_not_active" 409 false "The API key is not active";
    API_KEYS_FULL = "api_keys_full" 409 false "The tenant has as many API keys as it may";
    PLUGINS_FULL = "plugins_full" 409 false "There are as many versions of plugins as may be";
    PLUGIN_IN_PROCESS = "plugin_in_process" 409 false "The plugin is a part of the node";
    POLICY_BUNDLE_FROM_DIRECTORY = "policy_bundle_from_directory" 409 false
        "The policy bundle comes from a directory";
    LINK_BROKEN = "link_broken" 409 false "A linked command was not accepted";
    SUBJECT_ERASED = "subject_erased" 409 false "The subject was erased";
    ENTITY_DELETED = "entity_deleted" 410 false "The entity was deleted";
    SEQUENCE_MISMATCH = "sequence_mismatch" 412 false "The entity is not at the expected sequence";
    BODY_TOO_LARGE = "body_too_large" 413 false "The body is too large";
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type" 415 false "The body must be application/json";
    INVALID_BODY = "invalid_body" 422 false "The body does not fit the command";
    POLICY_BUNDLE_INVALID = "policy_bundle_invalid" 422 false
        "The files make no policy bundle";
    INVALID_ENTITY_ID = "invalid_entity_id" 422 false "The entity id is invalid";
    INVALID_SUBJECT_ID = "invalid_subject_id" 422 false "The subject id is invalid";
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused" 422 false
        "The idempotency key was used with another body";
    UPGRADE_REQUIRED = "upgrade_required" 426 false "The path speaks another protocol";
    RATE_LIMITED = "rate_limited" 429 true "The tenant asks too often";
    MAILBOX_FULL = "mailbox_full" 429 true "The entity has too many commands waiting";
    INTERNAL_ERROR = "internal_error" 500 false "The node could not serve the request";
    JOURNAL_DAMAGED = "journal_damaged" 500 false "The journal of the entity is damaged";
    ACTOR_CRASHED = "actor_crashed" 503 true "The entity crashed on the command";
    DEADLINE_EXCEEDED = "deadline_exceeded" 503 true "The command was not started in time";
    FROZEN = "frozen" 503 true "The operators have stopped this";
    INGRESS_FULL = "ingress_full" 503 true "The node holds as many bytes of webhooks as it may";
    NOT_OWNER = "not_owner" 503 true "This node does not own the entity";
    OVERLOADED = "overloaded" 503 true "The node has as many commands under way as it may";
    PERSONAL_DATA_LOCKED = "personal_data_locked" 503 false "Personal data is locked";
    POLICY_UNAVAILABLE = "policy_unavailable" 503 true "Policy could not decide";
    READ_MODEL_BEHIND = "read_model_behind" 503 true "The read model is behind what was asked for";
    RESIDENTS_FULL = "residents_full" 503 true "The node holds as many entities as it may";
    SHUTTING_DOWN = "shutting_down" 503 true "The node is shutting down";
    STREAMS_FULL = "streams_full" 503 true "The node has as many streams as it may";
    STORE_UNAVAILABLE = "store_unavailable" 503 true "The store is unavailable";
    WEBHOOK_SECRET_MISSING = "webhook_secret_missing" 503 false
        "The node can not verify webhooks of this source";
    TIMED_OUT = "timed_out" 504 true "There was no answer in time";
    STORE_FULL = "store_full" 507 false "The store is full";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_spelt_alike() {
        for (index, code) in CODES.iter().enumerate() {
            let name = code.code;
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
            assert!(CODES[index + 1..].iter().all(|other| other.code != name), "{name} twice");
            assert!((400..600).contains(&code.status), "{name} has status {}", code.status);
        }
    }
}

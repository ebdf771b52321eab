//! Codes of failures that mean the same whichever plugin gives them. A plugin may give its own; the
//! node takes one that it doesn't know for a failure that trying again won't mend.

/// It didn't get done in the time that there was. May be tried again.
pub const PLUGIN_TIMEOUT: &str = "PLUGIN_TIMEOUT";
/// What was asked for isn't allowed. Never tried again, and no fault of the plugin's.
pub const CONTENT_POLICY_VIOLATION: &str = "CONTENT_POLICY_VIOLATION";
/// The input makes no sense to it. Never tried again, and no fault of the plugin's.
pub const INVALID_INPUT: &str = "INVALID_INPUT";
/// It would take more tokens than the budget has. No fault of the plugin's.
pub const TOKEN_BUDGET_EXCEEDED: &str = "TOKEN_BUDGET_EXCEEDED";
/// The input is more than the model takes in. No fault of the plugin's.
pub const CONTEXT_WINDOW_OVERFLOW: &str = "CONTEXT_WINDOW_OVERFLOW";
/// Something that it needs doesn't work. May be tried again.
pub const DEPENDENCY_FAILED: &str = "DEPENDENCY_FAILED";
/// Something that passes. May be tried again.
pub const TRANSIENT: &str = "TRANSIENT";
/// It panicked; the node says so in its place.
pub const PANICKED: &str = "PANICKED";

/// Whether a failure may pass by itself, so that the same call makes sense again.
#[must_use]
pub fn is_transient(code: &str) -> bool {
    matches!(code, PLUGIN_TIMEOUT | DEPENDENCY_FAILED | TRANSIENT)
}

/// Whether a failure is about what was asked, and says nothing of how the plugin is.
#[must_use]
pub fn is_of_the_input(code: &str) -> bool {
    matches!(
        code,
        CONTENT_POLICY_VIOLATION | INVALID_INPUT | TOKEN_BUDGET_EXCEEDED | CONTEXT_WINDOW_OVERFLOW
    )
}

/// The code of a step whose plugin says that it failed, as a workflow sees it.
#[must_use]
pub fn step_code(code: &str) -> &'static str {
    match code {
        PLUGIN_TIMEOUT => "plugin_timeout",
        CONTENT_POLICY_VIOLATION => "content_policy_violation",
        INVALID_INPUT => "plugin_input_invalid",
        TRANSIENT | DEPENDENCY_FAILED => "plugin_transient",
        _ => "plugin_failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_failure_both_passes_and_is_the_inputs() {
        for code in [
            PLUGIN_TIMEOUT,
            CONTENT_POLICY_VIOLATION,
            INVALID_INPUT,
            TOKEN_BUDGET_EXCEEDED,
            CONTEXT_WINDOW_OVERFLOW,
            DEPENDENCY_FAILED,
            TRANSIENT,
        ] {
            assert_ne!(is_transient(code), is_of_the_input(code), "{code}");
        }
        for own in [PANICKED, "SOMETHING_ELSE", ""] {
            assert!(!is_transient(own) && !is_of_the_input(own), "{own}");
        }
    }
}

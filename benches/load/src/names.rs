//! What operations and outcomes are called in scenarios, reports and figures.

use crate::record::{Operation, Outcome};

/// All operations.
pub const OPERATIONS: [Operation; 9] = [
    Operation::Add,
    Operation::Read,
    Operation::Workflow,
    Operation::Transfer,
    Operation::Intent,
    Operation::Authorize,
    Operation::Post,
    Operation::Void,
    Operation::Alarm,
];

/// All outcomes, the best first.
pub const OUTCOMES: [Outcome; 7] = [
    Outcome::Acknowledged,
    Outcome::Refused,
    Outcome::Overloaded,
    Outcome::NotSent,
    Outcome::Unknown,
    Outcome::Broken,
    Outcome::TimedOut,
];

/// As serde calls it.
#[must_use]
pub const fn operation_name(operation: Operation) -> &'static str {
    match operation {
        Operation::Add => "add",
        Operation::Read => "read",
        Operation::Workflow => "workflow",
        Operation::Transfer => "transfer",
        Operation::Intent => "intent",
        Operation::Authorize => "authorize",
        Operation::Post => "post",
        Operation::Void => "void",
        Operation::Alarm => "alarm",
    }
}

/// As serde calls it.
#[must_use]
pub const fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Acknowledged => "acknowledged",
        Outcome::Refused => "refused",
        Outcome::Overloaded => "overloaded",
        Outcome::NotSent => "not-sent",
        Outcome::Unknown => "unknown",
        Outcome::Broken => "broken",
        Outcome::TimedOut => "timed-out",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_serde() {
        for operation in OPERATIONS {
            assert_eq!(serde_json::to_value(operation).unwrap(), operation_name(operation));
        }
        for outcome in OUTCOMES {
            assert_eq!(serde_json::to_value(outcome).unwrap(), outcome_name(outcome));
        }
    }
}

//! What does something else than it says.

mod calls;
mod comparisons;
mod errors;
mod flow;
mod patterns;
mod removal;
mod rules;
mod statements;

use crate::rule::Rule;
use crate::source::View;

use super::findings::Findings;
use super::pattern::{Pattern, Tables};
use rules::*;

pub(crate) const PATTERNS: &[&[Pattern]] = &[patterns::VALUES, patterns::ACTIONS];

pub(crate) const RULES: &[&Rule] = &[
    &ASSIGNMENT_IN_CONDITION,
    &SELF_COMPARISON,
    &SELF_ASSIGNMENT,
    &DUPLICATE_OPERAND,
    &DUPLICATE_CONDITION,
    &CONSTANT_CONDITION,
    &NEGATED_EQUALITY,
    &NONE_COMPARISON,
    &NAN_COMPARISON,
    &SQL_NULL_COMPARISON,
    &LITERAL_IDENTITY,
    &LOOSE_EQUALITY,
    &TYPEOF_LITERAL,
    &FLOAT_EQUALITY,
    &LENGTH_NEVER_NEGATIVE,
    &INDEX_OF_TRUTHINESS,
    &NEGATED_IN,
    &OFF_BY_ONE,
    &SWALLOWED_ERROR,
    &BARE_EXCEPT,
    &IGNORED_ERROR,
    &IGNORED_RESULT,
    &UNWRAP_ON_INPUT,
    &RETURN_IN_FINALLY,
    &MISSING_AWAIT,
    &ASYNC_FOREACH,
    &WAITGROUP_INSIDE,
    &CHECK_THEN_ACT,
    &UNREACHABLE_CODE,
    &SWITCH_FALLTHROUGH,
    &MUTABLE_DEFAULT,
    &SHARED_ROWS,
    &ASSERT_TUPLE,
    &REMOVED_TEST,
    &REMOVED_ASSERTION,
    &SKIPPED_TEST,
    &FOCUSED_TEST,
    &STATEMENT_WITHOUT_WHERE,
    &NOT_NULL_WITHOUT_DEFAULT,
    &YAML_DUPLICATE_KEY,
    &SHELL_UNQUOTED_TEST,
    &UNFINISHED_CODE,
    &CONFLICT_MARKER,
];

static TABLES: Tables = Tables::new(PATTERNS);

pub(super) fn check(view: &View<'_>, findings: &mut Findings<'_>) {
    TABLES.check(view, findings);
    comparisons::check(view, findings);
    errors::check(view, findings);
    calls::check(view, findings);
    flow::check(view, findings);
    removal::check(view, findings);
    statements::check(view, findings);
    for (place, line) in view.added() {
        let is_marker =
            |sign: &str| line.raw.strip_prefix(sign).is_some_and(|rest| rest.starts_with(' '));
        if is_marker("<<<<<<<") || is_marker(">>>>>>>") {
            findings.add(&CONFLICT_MARKER, view, place);
        }
    }
}

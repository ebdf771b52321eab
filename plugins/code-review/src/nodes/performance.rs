//! What is slow, or grows too complex to change.

mod loops;
mod patterns;
mod resources;
mod rules;

use crate::rule::Rule;
use crate::source::View;

use super::findings::Findings;
use super::pattern::{Pattern, Tables};
use rules::*;

pub(crate) const PATTERNS: &[&[Pattern]] = &[patterns::LOOPS, patterns::CALLS];

pub(crate) const RULES: &[&Rule] = &[
    &QUERY_IN_LOOP,
    &REQUEST_IN_LOOP,
    &AWAIT_IN_LOOP,
    &MEMBERSHIP_IN_LOOP,
    &STRING_BUILDING,
    &FRONT_INSERTION,
    &REGEX_IN_LOOP,
    &CLONE_IN_LOOP,
    &DEFER_IN_LOOP,
    &TIMER_IN_LOOP,
    &SPREAD_ACCUMULATOR,
    &BLOCKING_IN_ASYNC,
    &NEEDLESS_COLLECT,
    &SORT_FOR_EXTREME,
    &DEEP_CLONE,
    &CACHED_METHOD,
    &LISTENER_LEAK,
    &SELECT_STAR,
    &LEADING_WILDCARD,
    &RANDOM_ORDER,
    &INDEX_LOCKS_TABLE,
    &DOCKER_COPY_ORDER,
    &DOCKER_PACKAGE_CACHE,
    &COMPLEXITY,
    &FUNCTION_LENGTH,
    &DEEP_NESTING,
];

static TABLES: Tables = Tables::new(PATTERNS);

pub(super) fn check(view: &View<'_>, findings: &mut Findings<'_>) {
    TABLES.check(view, findings);
    loops::check(view, findings);
    resources::check(view, findings);
    let limits = findings.config.performance.clone();
    for function in view.new_functions() {
        let number = |what: &str, is: usize, max: usize| format!("{what} {is}, {max} are allowed.");
        if function.complexity > limits.complexity_max {
            findings.add_with(&COMPLEXITY, view, function.first, |finding| {
                let (is, max) = (function.complexity, limits.complexity_max);
                finding.message =
                    number("The number of ways through this function is", is, max).into();
            });
        }
        if function.lines > limits.function_lines_max && !view.file.is_test {
            findings.add_with(&FUNCTION_LENGTH, view, function.first, |finding| {
                let (is, max) = (function.lines, limits.function_lines_max);
                finding.message = number("The number of lines of this function is", is, max).into();
            });
        }
        if function.nesting > limits.nesting_max {
            findings.add_with(&DEEP_NESTING, view, function.first, |finding| {
                let (is, max) = (function.nesting, limits.nesting_max);
                finding.message = number("The depth of blocks in this function is", is, max).into();
            });
        }
    }
}

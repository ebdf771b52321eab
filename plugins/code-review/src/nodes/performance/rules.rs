//! The rules of the performance node.

use crate::finding::Confidence::{Low as Unsure, Medium as Likely};
use crate::finding::Node::Performance;
use crate::finding::Severity::{High, Low, Medium};
use crate::language::Language;
use crate::rule::Rule;

const FUNCTIONS: &[Language] = &[
    Language::Rust,
    Language::Python,
    Language::JavaScript,
    Language::TypeScript,
    Language::Go,
    Language::Java,
    Language::Ruby,
    Language::C,
];
const WITH_QUERIES: &[Language] = &[
    Language::Sql,
    Language::Python,
    Language::JavaScript,
    Language::TypeScript,
    Language::Go,
    Language::Java,
    Language::Ruby,
    Language::Rust,
];

pub(super) static QUERY_IN_LOOP: Rule = Rule::new("performance/query-in-loop", Performance, High)
    .confidence(Likely)
    .cause("waiting-in-loop")
    .says(
        "The database is asked once for each element.",
        "Each question costs a way there and back, so the time grows with the number of elements.",
        "Ask once for all of them, with a list or a join.",
    );
pub(super) static REQUEST_IN_LOOP: Rule =
    Rule::new("performance/request-in-loop", Performance, Medium)
        .confidence(Likely)
        .cause("waiting-in-loop")
        .says(
            "Another service is asked once for each element.",
            "Each request waits for the one before it.",
            "Ask for many at once, or several side by side up to a limit.",
        );
pub(super) static AWAIT_IN_LOOP: Rule = Rule::new("performance/await-in-loop", Performance, Low)
    .confidence(Unsure)
    .cause("waiting-in-loop")
    .says(
        "Each turn of the loop waits for the one before.",
        "Where the turns don't depend on each other, they could run side by side.",
        "Collect the promises and wait for all, up to a limit.",
    );
pub(super) static MEMBERSHIP_IN_LOOP: Rule =
    Rule::new("performance/membership-in-loop", Performance, Medium)
        .confidence(Likely)
        .languages(&[
            Language::Python,
            Language::JavaScript,
            Language::TypeScript,
            Language::Rust,
            Language::Java,
            Language::Go,
        ])
        .says(
            "A list is searched once for each element.",
            "The time grows with the product of both lengths.",
            "Put it into a set before the loop.",
        );
pub(super) static STRING_BUILDING: Rule =
    Rule::new("performance/string-building", Performance, Low)
        .confidence(Likely)
        .languages(&[Language::Python, Language::Java, Language::Go])
        .says(
            "A text is put together piece by piece.",
            "Each piece copies all that is there, so the time grows with the square of the length.",
            "Collect the pieces and join them, or use a builder.",
        );
pub(super) static FRONT_INSERTION: Rule =
    Rule::new("performance/front-insertion", Performance, Low).confidence(Likely).says(
        "An element is put in or taken from the front, again and again.",
        "Each time all others move, so the time grows with the square of the length.",
        "Use a deque, or work at the end and turn the list round.",
    );
pub(super) static REGEX_IN_LOOP: Rule = Rule::new("performance/regex-in-loop", Performance, Medium)
    .says(
        "A pattern is compiled in each turn of a loop.",
        "Compiling takes far longer than matching.",
        "Compile it once before the loop.",
    );
pub(super) static CLONE_IN_LOOP: Rule = Rule::new("performance/clone-in-loop", Performance, Low)
    .confidence(Unsure)
    .languages(&[Language::Rust])
    .says(
        "A collection is copied to be gone through.",
        "The copy costs as much as the loop, and is thrown away.",
        "Go through a reference to it.",
    );
pub(super) static DEFER_IN_LOOP: Rule = Rule::new("performance/defer-in-loop", Performance, Medium)
    .says(
        "What is deferred in a loop waits for the function's end.",
        "Every turn keeps its file or lock until then.",
        "Put the turn's body into a function, or close at the turn's end.",
    );
pub(super) static TIMER_IN_LOOP: Rule =
    Rule::new("performance/timer-in-loop", Performance, Low).confidence(Likely).says(
        "Each turn of a loop makes a timer.",
        "Timers that haven't fired stay in memory until they do.",
        "Make one timer before the loop and reset it.",
    );
pub(super) static SPREAD_ACCUMULATOR: Rule =
    Rule::new("performance/spread-accumulator", Performance, Medium).says(
        "Each turn copies all that was collected.",
        "The time grows with the square of the number of elements.",
        "Add to the collection in place.",
    );
pub(super) static BLOCKING_IN_ASYNC: Rule =
    Rule::new("performance/blocking-in-async", Performance, High).confidence(Likely).says(
        "An asynchronous function blocks its thread.",
        "Everything else that runs there waits as well.",
        "Use the asynchronous form, or hand it to a thread for blocking work.",
    );
pub(super) static NEEDLESS_COLLECT: Rule =
    Rule::new("performance/needless-collect", Performance, Low).says(
        "A collection is made only to be counted or gone through.",
        "It takes memory for all elements at once.",
        "Use the iterator itself: `count()`, `any()`, or go on from it.",
    );
pub(super) static SORT_FOR_EXTREME: Rule =
    Rule::new("performance/sort-for-extreme", Performance, Low).says(
        "Everything is sorted to get one element.",
        "Finding the smallest or largest takes one pass.",
        "Use `min` or `max`.",
    );
pub(super) static DEEP_CLONE: Rule = Rule::new("performance/deep-clone", Performance, Low).says(
    "A value is copied by writing it as JSON and reading it back.",
    "It takes many times longer than copying, and loses dates, maps and undefined members.",
    "Use `structuredClone`, or copy what changes.",
);
pub(super) static CACHED_METHOD: Rule = Rule::new("performance/cached-method", Performance, Medium)
    .languages(&[Language::Python])
    .says(
        "The results of a method are kept for ever.",
        "The cache keeps every object that the method was called on alive.",
        "Use `cached_property`, or a cache within the object.",
    );
pub(super) static LISTENER_LEAK: Rule = Rule::new("performance/listener-leak", Performance, Medium)
    .confidence(Likely)
    .languages(&[Language::JavaScript, Language::TypeScript])
    .says(
        "An effect adds a listener or timer and never takes it away.",
        "Each time the component appears, another one is added and keeps the old state alive.",
        "Return a function that takes it away.",
    );
pub(super) static SELECT_STAR: Rule = Rule::new("performance/select-star", Performance, Low)
    .confidence(Likely)
    .languages(WITH_QUERIES)
    .says(
        "All columns are read.",
        "Wide ones travel for nothing, and a new column changes what the program gets.",
        "Name the columns that are used.",
    );
pub(super) static LEADING_WILDCARD: Rule =
    Rule::new("performance/leading-wildcard", Performance, Low)
        .confidence(Likely)
        .languages(&[Language::Sql])
        .says(
            "A pattern begins with anything.",
            "No usual index helps, so the whole table is read.",
            "Search from the beginning, or use an index made for it, such as one of trigrams.",
        );
pub(super) static RANDOM_ORDER: Rule = Rule::new("performance/random-order", Performance, Medium)
    .says(
        "Rows are put in random order.",
        "Every row gets a number and all are sorted, for however few are taken.",
        "Choose random keys, or take a sample of the table.",
    );
pub(super) static INDEX_LOCKS_TABLE: Rule =
    Rule::new("performance/index-locks-table", Performance, Medium)
        .confidence(Likely)
        .languages(&[Language::Sql])
        .says(
            "An index is made while writers wait.",
            "On a large table that takes minutes in which nothing can be written.",
            "On PostgreSQL, write `CREATE INDEX CONCURRENTLY`, outside of a transaction.",
        );
pub(super) static DOCKER_COPY_ORDER: Rule =
    Rule::new("performance/docker-copy-order", Performance, Low)
        .languages(&[Language::Dockerfile])
        .says(
            "Everything is copied before dependencies are installed.",
            "Any change of any file makes the next build install them anew.",
            "Copy the lists of dependencies first, install, then copy the rest.",
        );
pub(super) static DOCKER_PACKAGE_CACHE: Rule =
    Rule::new("performance/docker-package-cache", Performance, Low)
        .languages(&[Language::Dockerfile])
        .says(
            "Package lists stay in the image.",
            "They take tens of megabytes in a layer that later ones can't shrink.",
            "Remove them in the same `RUN`, or mount a cache.",
        );
pub(super) static COMPLEXITY: Rule =
    Rule::new("performance/complexity", Performance, Medium).languages(FUNCTIONS).says(
        "A new function has too many ways through it.",
        "Each way wants a test, and nobody keeps that many in mind.",
        "Take parts that belong together out into functions with names.",
    );
pub(super) static FUNCTION_LENGTH: Rule =
    Rule::new("performance/function-length", Performance, Low).languages(FUNCTIONS).says(
        "A new function is too long.",
        "Its beginning is out of sight when its end is read.",
        "Take parts that belong together out into functions with names.",
    );
pub(super) static DEEP_NESTING: Rule =
    Rule::new("performance/deep-nesting", Performance, Low).languages(FUNCTIONS).says(
        "Blocks stand too deep in blocks.",
        "To understand the innermost line, all conditions around it have to be kept in mind.",
        "Leave early, or take the inner part out into a function.",
    );

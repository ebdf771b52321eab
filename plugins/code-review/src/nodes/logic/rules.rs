//! The rules of the logic node.

use crate::finding::Confidence::{Low as Unsure, Medium as Likely};
use crate::finding::Node::Logic;
use crate::finding::Severity::{High, Low, Medium};
use crate::language::Language;
use crate::rule::Rule;

const BRACED: &[Language] = &[
    Language::Rust,
    Language::JavaScript,
    Language::TypeScript,
    Language::Go,
    Language::Java,
    Language::C,
];
const COMPARED: &[Language] = &[
    Language::Rust,
    Language::Python,
    Language::JavaScript,
    Language::TypeScript,
    Language::Go,
    Language::Java,
    Language::Ruby,
    Language::C,
];
const TESTED: &[Language] = &[
    Language::Rust,
    Language::Python,
    Language::JavaScript,
    Language::TypeScript,
    Language::Go,
    Language::Java,
    Language::Ruby,
];

pub(super) static ASSIGNMENT_IN_CONDITION: Rule =
    Rule::new("logic/assignment-in-condition", Logic, High)
        .languages(&[Language::JavaScript, Language::TypeScript, Language::Java, Language::C])
        .says(
            "A condition assigns.",
            "It is true or false by the value that was assigned, and the old value is gone.",
            "Compare with `===` or `==`; if it is meant, assign on a line of its own.",
        );
pub(super) static NONE_COMPARISON: Rule = Rule::new("logic/none-comparison", Logic, Low).says(
    "`None` is compared by value.",
    "A class can say that it equals `None`, and arrays compare each element.",
    "Write `is None` or `is not None`.",
);
pub(super) static NAN_COMPARISON: Rule = Rule::new("logic/nan-comparison", Logic, High).says(
    "Something is compared with NaN.",
    "NaN equals nothing, itself included, so the answer is always the same.",
    "Ask with the function for it, such as `isNaN`.",
);
pub(super) static SQL_NULL_COMPARISON: Rule = Rule::new("logic/sql-null-comparison", Logic, High)
    .says(
        "Something is compared with NULL.",
        "The answer is neither true nor false, so no row is ever found.",
        "Write `IS NULL` or `IS NOT NULL`.",
    );
pub(super) static SELF_COMPARISON: Rule =
    Rule::new("logic/self-comparison", Logic, High).languages(COMPARED).says(
        "A value is compared with itself.",
        "The answer is always the same, so one side is most likely another one's name.",
        "Compare with what was meant.",
    );
pub(super) static SELF_ASSIGNMENT: Rule =
    Rule::new("logic/self-assignment", Logic, Medium).languages(COMPARED).says(
        "A value is assigned to itself.",
        "Nothing happens, so one side is most likely another one's name.",
        "Assign what was meant.",
    );
pub(super) static DUPLICATE_OPERAND: Rule =
    Rule::new("logic/duplicate-operand", Logic, Medium).languages(COMPARED).says(
        "Both sides of an operator ask the same.",
        "One of them is most likely meant to ask something else.",
        "Ask for what was meant, or ask once.",
    );
pub(super) static DUPLICATE_CONDITION: Rule =
    Rule::new("logic/duplicate-condition", Logic, High).languages(COMPARED).says(
        "A chain of conditions asks the same twice.",
        "The second branch is never taken.",
        "Ask for what was meant, or remove the branch.",
    );
pub(super) static CONSTANT_CONDITION: Rule = Rule::new("logic/constant-condition", Logic, Medium)
    .says(
        "A condition is always the same.",
        "It is most likely left from trying something, and one way is never taken.",
        "Remove it with the way that isn't taken.",
    );
pub(super) static LITERAL_IDENTITY: Rule = Rule::new("logic/literal-identity", Logic, High).says(
    "A text or number is compared by identity.",
    "Equal ones can be different objects, so the answer depends on the runtime.",
    "Compare by value: `==` in Python, `equals` in Java.",
);
pub(super) static ASSERT_TUPLE: Rule = Rule::new("logic/assert-tuple", Logic, High).says(
    "An assertion is about a tuple.",
    "A tuple that isn't empty is true, so it never fails.",
    "Leave the brackets out: `assert condition, message`.",
);
pub(super) static SWALLOWED_ERROR: Rule = Rule::new("logic/swallowed-error", Logic, Medium)
    .languages(&[
        Language::Python,
        Language::JavaScript,
        Language::TypeScript,
        Language::Java,
        Language::Ruby,
        Language::Go,
    ])
    .says(
        "An error is caught and nothing is done.",
        "What goes wrong here shows up later, elsewhere, without its cause.",
        "Handle or log it, catch what is expected only, or say in a comment why it may be ignored.",
    );
pub(super) static BARE_EXCEPT: Rule =
    Rule::new("logic/bare-except", Logic, Low).confidence(Likely).cause("swallowed").says(
        "Everything is caught, also what ends the program.",
        "It catches the keyboard's interrupt and the exit as well.",
        "Catch `Exception`, or better what is expected.",
    );
pub(super) static IGNORED_ERROR: Rule =
    Rule::new("logic/ignored-error", Logic, Medium).confidence(Likely).says(
        "An error is thrown away.",
        "The value beside it is zero or half made when there was one.",
        "Look at the error and return it.",
    );
pub(super) static IGNORED_RESULT: Rule =
    Rule::new("logic/ignored-result", Logic, Medium).confidence(Likely).says(
        "Whether it worked is thrown away.",
        "What was to be written, sent or renamed may not be, and nobody learns of it.",
        "Return the error with `?`, log it, or say in a comment why it doesn't matter.",
    );
pub(super) static UNWRAP_ON_INPUT: Rule = Rule::new("logic/unwrap-on-input", Logic, Medium)
    .confidence(Likely)
    .languages(&[Language::Rust])
    .says(
        "What comes from outside is unwrapped.",
        "A file that isn't there or a text that doesn't fit ends the program.",
        "Return an error that says what was expected.",
    );
pub(super) static MISSING_AWAIT: Rule = Rule::new("logic/missing-await", Logic, High)
    .confidence(Likely)
    .languages(&[Language::Python, Language::JavaScript, Language::TypeScript, Language::Rust])
    .says(
        "An asynchronous call isn't waited for.",
        "It has not happened when the next line runs, its error is lost, and in some languages it never runs.",
        "Write `await`, or hand it to something that does.",
    );
pub(super) static ASYNC_FOREACH: Rule = Rule::new("logic/async-foreach", Logic, High).says(
    "`forEach` is given an asynchronous function.",
    "It waits for none of them, and their errors are lost.",
    "Use `for ... of` with `await`, or `Promise.all` over `map`.",
);
pub(super) static OFF_BY_ONE: Rule = Rule::new("logic/off-by-one", Logic, High)
    .confidence(Likely)
    .languages(&[
        Language::Rust,
        Language::Python,
        Language::JavaScript,
        Language::TypeScript,
        Language::Go,
        Language::Java,
    ])
    .says(
        "The index reaches the length.",
        "The last element is at the length less one.",
        "Use `<` instead of `<=`, or take one off.",
    );
pub(super) static UNREACHABLE_CODE: Rule = Rule::new("logic/unreachable-code", Logic, Medium)
    .languages(&[
        Language::Rust,
        Language::Python,
        Language::JavaScript,
        Language::TypeScript,
        Language::Go,
        Language::Java,
        Language::C,
    ])
    .says(
        "Nothing leads to the code behind a line that always leaves.",
        "It was meant to run and doesn't, or is left over.",
        "Move it above that line, or remove it.",
    );
pub(super) static FLOAT_EQUALITY: Rule =
    Rule::new("logic/float-equality", Logic, Medium).languages(COMPARED).confidence(Likely).says(
        "A number with a fraction is compared by value.",
        "Most fractions have no exact form, so what was computed hardly ever equals what is written.",
        "Compare the distance with a bound, or count in whole units.",
    );
pub(super) static MUTABLE_DEFAULT: Rule =
    Rule::new("logic/mutable-default", Logic, High).languages(&[Language::Python]).says(
        "A default value can change.",
        "It is made once, so what one call puts into it is there in the next.",
        "Default to `None` and make it within the function.",
    );
pub(super) static SWITCH_FALLTHROUGH: Rule = Rule::new("logic/switch-fallthrough", Logic, Medium)
    .confidence(Likely)
    .languages(&[Language::JavaScript, Language::TypeScript, Language::Java, Language::C])
    .says(
        "The case above runs into this one.",
        "Without `break`, both are run, which is rarely meant.",
        "End the case with `break` or `return`, or say in a comment that it falls through.",
    );
pub(super) static REMOVED_TEST: Rule =
    Rule::new("logic/removed-test", Logic, Medium).confidence(Likely).languages(TESTED).says(
        "A test was removed here.",
        "What it held is no longer held.",
        "Say what takes its place, or keep it.",
    );
pub(super) static REMOVED_ASSERTION: Rule =
    Rule::new("logic/removed-assertion", Logic, Medium).confidence(Likely).languages(TESTED).says(
        "A test lost assertions here.",
        "It passes with less than before.",
        "Assert what holds now.",
    );
pub(super) static SKIPPED_TEST: Rule = Rule::new("logic/skipped-test", Logic, Medium).says(
    "A test is skipped.",
    "A test that doesn't run holds nothing, and skipped ones are forgotten.",
    "Mend it or remove it.",
);
pub(super) static FOCUSED_TEST: Rule = Rule::new("logic/focused-test", Logic, High).says(
    "Only this test runs.",
    "All others of the file are skipped in silence.",
    "Remove `only`.",
);
pub(super) static LOOSE_EQUALITY: Rule = Rule::new("logic/loose-equality", Logic, Low).says(
    "Values are compared after being converted.",
    "An empty text equals zero, and a list of one text equals that text.",
    "Use `===` or `!==`.",
);
pub(super) static TYPEOF_LITERAL: Rule = Rule::new("logic/typeof-literal", Logic, High)
    .languages(&[Language::JavaScript, Language::TypeScript])
    .says(
        "`typeof` is compared with something that it never gives.",
        "The condition is never true.",
        "Write one of the names that it gives.",
    );
pub(super) static SHARED_ROWS: Rule = Rule::new("logic/shared-rows", Logic, High).says(
    "A list of one list many times is made.",
    "All rows are the same list, so setting a cell sets it in each.",
    "Make each row anew in a comprehension.",
);
pub(super) static WAITGROUP_INSIDE: Rule =
    Rule::new("logic/waitgroup-inside", Logic, High).languages(&[Language::Go]).says(
        "A goroutine adds itself to the group that is waited for.",
        "The wait can be over before it has begun.",
        "Call `Add` before `go`.",
    );
pub(super) static CHECK_THEN_ACT: Rule = Rule::new("logic/check-then-act", Logic, Low)
    .languages(&[Language::Python, Language::JavaScript, Language::TypeScript])
    .confidence(Unsure)
    .says(
        "A file is used because a moment ago it was there.",
        "Another process can make or remove it in between.",
        "Do it, and handle the error.",
    );
pub(super) static STATEMENT_WITHOUT_WHERE: Rule =
    Rule::new("logic/statement-without-where", Logic, High)
        .languages(&[Language::Sql])
        .confidence(Likely)
        .says(
            "All rows are changed or deleted.",
            "The statement has no WHERE.",
            "Say which rows; if it is all of them, say so in a comment.",
        );
pub(super) static NOT_NULL_WITHOUT_DEFAULT: Rule =
    Rule::new("logic/not-null-without-default", Logic, High).languages(&[Language::Sql]).says(
        "A column that must not be empty is added without a default.",
        "On a table with rows the statement fails.",
        "Give a default, or add it empty, fill it, and then forbid NULL.",
    );
pub(super) static SHELL_UNQUOTED_TEST: Rule = Rule::new("logic/shell-unquoted-test", Logic, Medium)
    .says(
        "A variable in a test isn't quoted.",
        "Where it is empty or has blanks, the test is another one or an error.",
        "Put it in double quotes.",
    );
pub(super) static LENGTH_NEVER_NEGATIVE: Rule =
    Rule::new("logic/length-never-negative", Logic, Medium).says(
        "A length is compared in a way that has one answer.",
        "A length is never below zero.",
        "Compare with `> 0` or `== 0`.",
    );
pub(super) static INDEX_OF_TRUTHINESS: Rule = Rule::new("logic/index-of-truthiness", Logic, High)
    .says(
        "A position is taken for a yes or no.",
        "It is 0, and so false, at the beginning, and -1, and so true, where nothing was found.",
        "Use `includes`, or compare with -1.",
    );
pub(super) static NEGATED_IN: Rule = Rule::new("logic/negated-in", Logic, High).says(
    "The left side of an operator is negated, not the whole.",
    "It asks whether `false` is in there.",
    "Put the question in brackets and negate that.",
);
pub(super) static RETURN_IN_FINALLY: Rule = Rule::new("logic/return-in-finally", Logic, High)
    .languages(&[
        Language::Python,
        Language::JavaScript,
        Language::TypeScript,
        Language::Java,
        Language::Ruby,
    ])
    .says(
        "A `finally` returns.",
        "The error that was under way, or the value, is thrown away.",
        "Return behind it.",
    );
pub(super) static UNFINISHED_CODE: Rule =
    Rule::new("logic/unfinished-code", Logic, Medium).confidence(Likely).says(
        "The code says that it isn't finished.",
        "Whoever gets here gets an error.",
        "Finish it, or refuse earlier with an error that says what isn't supported.",
    );
pub(super) static YAML_DUPLICATE_KEY: Rule = Rule::new("logic/yaml-duplicate-key", Logic, High)
    .languages(&[Language::Yaml])
    .confidence(Likely)
    .says(
        "A key stands twice.",
        "Most readers take the last one in silence, others refuse the file.",
        "Keep one of them.",
    );
pub(super) static CONFLICT_MARKER: Rule = Rule::new("logic/conflict-marker", Logic, High).says(
    "A merge isn't finished.",
    "Both sides and git's signs are in the file.",
    "Decide for one, and remove the signs.",
);
pub(super) static NEGATED_EQUALITY: Rule =
    Rule::new("logic/negated-equality", Logic, Medium).languages(BRACED).confidence(Likely).says(
        "A value is negated before it is compared.",
        "`!a == b` compares `not a` with `b`.",
        "Write `a != b`.",
    );

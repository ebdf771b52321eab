//! The rules of the style node.

use crate::finding::Confidence::Medium as Likely;
use crate::finding::Node::Style;
use crate::finding::Severity::Low;
use crate::language::Language;
use crate::rule::Rule;

const NAMED: &[Language] = &[
    Language::Python,
    Language::JavaScript,
    Language::TypeScript,
    Language::Go,
    Language::Java,
    Language::Ruby,
    Language::Rust,
];
const STATEMENTS: &[Language] = &[
    Language::Rust,
    Language::Python,
    Language::JavaScript,
    Language::TypeScript,
    Language::Go,
    Language::Java,
    Language::Ruby,
    Language::Shell,
    Language::Sql,
    Language::Dockerfile,
    Language::C,
];

pub(super) static LINE_LENGTH: Rule =
    Rule::new("style/line-length", Style, Low).languages(STATEMENTS).says(
        "The line is longer than this house wants.",
        "Its end is out of sight beside another file, and a difference in it is hard to see.",
        "Break it, or give a part of it a name.",
    );
pub(super) static TRAILING_WHITESPACE: Rule =
    Rule::new("style/trailing-whitespace", Style, Low).languages(STATEMENTS).says(
        "There are blanks at the end of the line.",
        "Nobody sees them, and the next editor that removes them changes lines of no concern.",
        "Remove them, and let the editor do so.",
    );
pub(super) static INDENTATION: Rule =
    Rule::new("style/indentation", Style, Low).languages(STATEMENTS).says(
        "The line is indented with something else than the lines around it.",
        "Tabs are as wide as each editor likes, so the line stands elsewhere for others.",
        "Indent as the language or the file does.",
    );
pub(super) static LINE_ENDINGS: Rule = Rule::new("style/line-endings", Style, Low).says(
    "The line ends in another way than the lines around it.",
    "Tools then see whole files as changed, and some programs read the carriage return.",
    "Keep the file's line endings, or convert all of it in a commit of its own.",
);
pub(super) static FINAL_NEWLINE: Rule =
    Rule::new("style/final-newline", Style, Low).languages(STATEMENTS).says(
        "The file ends without a newline.",
        "Some tools drop or join the last line, and adding a line changes this one as well.",
        "End the file with a newline.",
    );
pub(super) static NAMING: Rule =
    Rule::new("style/naming", Style, Low).confidence(Likely).languages(NAMED).says(
        "The name isn't written as the language's names are.",
        "A reader takes what it is from how it is written.",
        "Write it as the language's guide says.",
    );
pub(super) static FORBIDDEN_PATTERN: Rule = Rule::new("style/forbidden-pattern", Style, Low).says(
    "The line has what this house doesn't want.",
    "The house has decided so in its settings.",
    "Write it as the setting's message says.",
);
pub(super) static TODO_WITHOUT_ISSUE: Rule = Rule::new("style/todo-without-issue", Style, Low)
    .says(
        "A note for later names no issue.",
        "Nobody looks for notes in code, so later never comes.",
        "File an issue and name it in the note, or do it now.",
    );
pub(super) static DEBUG_LEFTOVER: Rule = Rule::new("style/debug-leftover", Style, Low).says(
    "Something is left from looking for a fault.",
    "It stops or prints where nobody expects it, and can show what shouldn't be shown.",
    "Remove it, or log it at a level that is off by default.",
);
pub(super) static WILDCARD_IMPORT: Rule = Rule::new("style/wildcard-import", Style, Low).says(
    "Everything of a module is imported.",
    "A reader can't tell where a name comes from, and a new version can take names over.",
    "Import what is used by name.",
);
pub(super) static VAR_DECLARATION: Rule = Rule::new("style/var-declaration", Style, Low).says(
    "A variable is declared with `var`.",
    "It is there in the whole function, also before its line and outside its block.",
    "Use `const`, or `let` where it changes.",
);

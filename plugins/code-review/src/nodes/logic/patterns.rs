//! The logic node's patterns by language.

use crate::language::Language;
use crate::nodes::pattern::{GO, JAVA, PYTHON, Pattern, Place, RUBY, RUST, SCRIPT, SHELL, SQL};

use super::rules::*;

const SCRIPT_AND_JAVA: &[Language] = &[Language::JavaScript, Language::TypeScript, Language::Java];

pub(super) const VALUES: &[Pattern] = &[
    Pattern::code(&NONE_COMPARISON, PYTHON, r"[=!]=\s*None\b|\bNone\s*[=!]="),
    Pattern::code(&NAN_COMPARISON, SCRIPT, r"[=!]==?\s*(?:Number\.)?NaN\b|\bNaN\s*[=!]=="),
    Pattern::text(
        &NAN_COMPARISON,
        PYTHON,
        r#"[=!]=\s*(?:float\(\s*["']nan["']|(?:np|numpy|math)\.nan\b)"#,
    ),
    Pattern::code(&NAN_COMPARISON, RUST, r"[=!]=\s*(?:std::)?f(?:32|64)::(?:consts::)?NAN\b"),
    Pattern::code(&NAN_COMPARISON, JAVA, r"[=!]=\s*(?:Double|Float)\.NaN\b"),
    Pattern::code(&NAN_COMPARISON, GO, r"[=!]=\s*math\.NaN\(\)"),
    Pattern::code(
        &SQL_NULL_COMPARISON,
        SQL,
        r"(?i)\b(?:where|and|or|on|having|when)\b[^;]*?(?:[^<>!]=|<>|!=)\s*null\b",
    )
    .unless(r"(?i)^\s*set\b|\bset\s+\w+\s*=\s*null\s*(?:,|$|;|where)"),
    Pattern::text(&LITERAL_IDENTITY, PYTHON, r#"\bis\s+(?:not\s+)?(?:-?\d|["'])"#),
    Pattern::text(&LITERAL_IDENTITY, JAVA, r#"[^=!<>][=!]=\s*"|"\s*[=!]=\s*[\w"]"#),
    Pattern::text(
        &ASSERT_TUPLE,
        PYTHON,
        r#"^\s*assert\s*\([^()]*(?:\([^()]*\)[^()]*)*,\s*f?["'][^"']*["']\s*\)\s*$"#,
    ),
    Pattern::code(&LOOSE_EQUALITY, SCRIPT, r"[^=!<>][=!]=[^=]")
        .unless(r"[=!]=\s*(?:null|undefined)\b|\bnull\s*[=!]="),
    Pattern::code(
        &SHARED_ROWS,
        PYTHON,
        r"\[\s*\[[^\[\]]*\]\s*(?:\*\s*[\w.()]+\s*)?\]\s*\*\s*[\w(]",
    ),
    Pattern::code(&SHARED_ROWS, SCRIPT, r"\bnew\s+Array\([^)]*\)\.fill\(\s*(?:\[|\{|new\b)"),
    Pattern::code(
        &LENGTH_NEVER_NEGATIVE,
        SCRIPT_AND_JAVA,
        r"\.(?:length|size\(\)|length\(\))\s*(?:>=\s*0\b|<\s*0\b)",
    ),
    Pattern::code(
        &LENGTH_NEVER_NEGATIVE,
        PYTHON,
        r"\blen\([^()]*(?:\([^()]*\))?[^()]*\)\s*(?:>=\s*0\b|<\s*0\b)",
    ),
    Pattern::code(&LENGTH_NEVER_NEGATIVE, GO, r"\blen\([^()]*\)\s*(?:>=\s*0\b|<\s*0\b)"),
    Pattern::code(&LENGTH_NEVER_NEGATIVE, RUST, r"\.len\(\)\s*(?:>=\s*0\b|<\s*0\b)"),
    Pattern::code(
        &INDEX_OF_TRUTHINESS,
        SCRIPT,
        r"\bif\s*\(\s*!?[\w.$\[\]]+\.(?:last)?[iI]ndexOf\([^()]*\)\s*\)",
    ),
    Pattern::code(&NEGATED_IN, SCRIPT, r"\(\s*![\w.$]+\s+(?:in|instanceof)\s"),
    Pattern::code(&NEGATED_EQUALITY, SCRIPT, r"\bif\s*\(\s*![\w.$]+\s*={2,3}\s*[\w\x22']"),
    Pattern::code(
        &CONSTANT_CONDITION,
        SCRIPT_AND_JAVA,
        r"\bif\s*\(\s*!?(?:true|false|0|1)\s*\)|\b(?:if|while)\s*\([^()]*\|\|\s*true\s*\)|\bif\s*\([^()]*&&\s*false\s*\)",
    ),
    Pattern::code(
        &CONSTANT_CONDITION,
        PYTHON,
        r"^\s*(?:if|elif)\s+(?:True|False|0|1)\s*:|^\s*if\s.*\bor\s+True\s*:|^\s*if\s.*\band\s+False\s*:",
    ),
    Pattern::code(
        &CONSTANT_CONDITION,
        GO,
        r"\bif\s+(?:true|false)\s*\{|\bif\s[^{]*\|\|\s*true\s*\{",
    ),
    Pattern::code(
        &CONSTANT_CONDITION,
        RUST,
        r"\bif\s+(?:true|false)\s*\{|\bif\s[^{]*\|\|\s*true\s*\{",
    ),
];

pub(super) const ACTIONS: &[Pattern] = &[
    Pattern::code(&ASYNC_FOREACH, SCRIPT, r"\.forEach\s*\(\s*async\b"),
    Pattern::code(&SWALLOWED_ERROR, RUBY, r"\brescue\s+nil\b|^\s*rescue\s+Exception\b"),
    Pattern::code(
        &IGNORED_ERROR,
        GO,
        r"^\s*[\w, ]+,\s*_\s*:?=\s*(?:strconv\.(?:Atoi|Parse\w+)|json\.(?:Marshal|MarshalIndent)|os\.(?:Open|Create|ReadFile|Stat|OpenFile)|io\.ReadAll|ioutil\.\w+|http\.(?:Get|Post|NewRequest)|url\.Parse|time\.Parse|net\.Dial|sql\.Open|hex\.DecodeString|base64\.\w+\.DecodeString)\s*\(",
    )
    .not_in_tests(),
    Pattern::code(&IGNORED_ERROR, GO, r"^\s*_\s*=\s*(?:json\.Unmarshal|os\.(?:Remove|Rename|WriteFile|MkdirAll)|\w+\.(?:Exec|ExecContext|Commit|Sync|Flush))\s*\(").not_in_tests(),
    Pattern::code(
        &MISSING_AWAIT,
        PYTHON,
        r"^\s*asyncio\.(?:sleep|wait|wait_for|gather|open_connection)\s*\(",
    )
    .within(Place::Async),
    Pattern::code(&MISSING_AWAIT, RUST, r"^\s*(?:tokio::time::sleep|tokio::task::yield_now|sleep)\s*\([^;]*\)\s*;")
        .within(Place::Async),
    Pattern::code(&SHELL_UNQUOTED_TEST, SHELL, r"(?:^|[^\[])\[\s+(?:!\s+)?(?:-[a-z]\s+)?\$\w+\s|(?:^|[^\[])\[\s[^\]]*\s(?:=|!=|==|-eq|-ne|-lt|-gt)\s+\$[A-Za-z_]\w*\s*\]"),
    Pattern::code(&UNFINISHED_CODE, RUST, r"\b(?:todo|unimplemented)!\s*[(\[]").not_in_tests(),
    Pattern::text(&UNFINISHED_CODE, SCRIPT, r#"\bthrow\s+new\s+Error\(\s*["'`](?i:not (?:yet )?implemented|unimplemented|todo)"#),
    Pattern::text(&UNFINISHED_CODE, GO, r#"\bpanic\(\s*"(?i:not (?:yet )?implemented|unimplemented|todo)"#),
    Pattern::text(&UNFINISHED_CODE, JAVA, r#"\bthrow\s+new\s+UnsupportedOperationException\(\s*"(?i:not (?:yet )?implemented|todo)"#),
    Pattern::code(&SKIPPED_TEST, RUST, r"^\s*#\[ignore\b"),
    Pattern::code(&SKIPPED_TEST, PYTHON, r"^\s*@(?:pytest\.mark\.skip|unittest\.skip)\s*(?:\(|$)|^\s*pytest\.skip\s*\("),
    Pattern::code(&SKIPPED_TEST, SCRIPT, r"^\s*(?:(?:it|test|describe)\.skip|xit|xdescribe|xtest)\s*\("),
    Pattern::code(&SKIPPED_TEST, GO, r"^\s*t\.Skip(?:Now|f)?\s*\("),
    Pattern::code(&SKIPPED_TEST, JAVA, r"^\s*@(?:Disabled|Ignore)\b"),
    Pattern::code(&SKIPPED_TEST, RUBY, r"^\s*(?:xit|xdescribe|xcontext)\s|^\s*(?:skip|pending)(?:\s+\x22|\s*$)"),
    Pattern::code(&FOCUSED_TEST, SCRIPT, r"^\s*(?:(?:it|test|describe|context)\.only|fit|fdescribe)\s*\("),
    Pattern::code(&FOCUSED_TEST, RUBY, r"^\s*(?:fit|fdescribe|fcontext)\s|\bfocus:\s*true\b"),
];

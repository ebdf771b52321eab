//! Conditions that compare with the wrong side.

use std::sync::LazyLock;

use regex::bytes::Regex;

use crate::language::Language;
use crate::nodes::findings::Findings;
use crate::nodes::pattern::compile;
use crate::source::{Line, View};

use super::rules::*;

/// Two operands around an operator; whether they are the same is compared behind.
static COMPARED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    compile(
        r"(?:^\s*|[({\[;,=?:&|]\s*|\b(?:if|elif|while|return|and|or|not|unless|when)\s+)([A-Za-z_$][\w.$]*(?:\[\w+\])?(?:\(\))?)\s*(===|==|<=|>=|<|>)\s*([A-Za-z_$][\w.$]*(?:\[\w+\])?(?:\(\))?)(?:$|[^\w.$(\[])",
    )
});

static ASSIGNED: LazyLock<Option<Regex>> =
    LazyLock::new(|| compile(r"^\s*([A-Za-z_$][\w.$]*)\s*=\s*([A-Za-z_$][\w.$]*)\s*;?\s*$"));

static CONDITION: LazyLock<Option<Regex>> =
    LazyLock::new(|| compile(r"(?:^|[^\w.])(?:if|while)\s*\((.*)$"));

static FLOAT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    compile(r"[^=!<>][=!]==?\s*-?(\d+\.\d+)(?:f|f32|f64)?\b|\b(\d+\.\d+)(?:f|f32|f64)?\s*[=!]==?")
});

static TYPEOF: LazyLock<Option<Regex>> =
    LazyLock::new(|| compile(r#"\btypeof\s*\(?\s*[\w.$\[\]]+\s*\)?\s*[=!]==?\s*["']([^"']*)["']"#));

/// Everything that `typeof` gives.
const TYPES: &[&str] = &[
    "undefined",
    "object",
    "boolean",
    "number",
    "bigint",
    "string",
    "symbol",
    "function",
    "unknown",
];

pub(super) fn check(view: &View<'_>, findings: &mut Findings<'_>) {
    let language = view.language();
    let compares = language.has_braces() || matches!(language, Language::Python | Language::Ruby);
    if !compares {
        return;
    }
    for (place, line) in view.added() {
        let code = line.code();
        if code.contains(['=', '<', '>']) {
            if compares_itself(code) {
                findings.add(&SELF_COMPARISON, view, place);
            }
            if assigns_itself(language, code) {
                findings.add(&SELF_ASSIGNMENT, view, place);
            }
            if assigns_in_condition(language, code) {
                findings.add(&ASSIGNMENT_IN_CONDITION, view, place);
            }
            if code.contains('.')
                && compares_float(line)
                && !view.is_in_tests(place)
                && !code.contains("assert")
            {
                findings.add(&FLOAT_EQUALITY, view, place);
            }
            if language.is_script() && code.contains("typeof") && asks_for_no_type(line) {
                findings.add(&TYPEOF_LITERAL, view, place);
            }
        }
        let joins = ["&&", "||", " and ", " or "].iter().any(|operator| code.contains(operator));
        if joins && asks_twice(language, code, line) {
            findings.add(&DUPLICATE_OPERAND, view, place);
        }
    }
}

fn group<'l>(line: &'l str, captures: &regex::bytes::Captures<'_>, at: usize) -> Option<&'l str> {
    line.get(captures.get(at)?.range())
}

fn compares_itself(code: &str) -> bool {
    let Some(regex) = COMPARED.as_ref() else { return false };
    regex.captures_iter(code.as_bytes()).any(|captures| {
        let (left, right) = (group(code, &captures, 1), group(code, &captures, 3));
        let operator = group(code, &captures, 2).unwrap_or_default();
        // `Vec<Vec<` and `Map<A, A>` are types; an ordering has blanks around it.
        let end = captures.get(2).map_or(0, |found| found.end());
        let is_apart = code[..].as_bytes().get(end) == Some(&b' ') || operator.starts_with('=');
        left.is_some() && left == right && is_apart
    })
}

fn assigns_itself(language: Language, code: &str) -> bool {
    let Some(captures) = ASSIGNED.as_ref().and_then(|regex| regex.captures(code.as_bytes())) else {
        return false;
    };
    let (left, right) = (group(code, &captures, 1), group(code, &captures, 2));
    // Without a semicolon it may be an argument of its name; at a module's top it exports a name.
    let is_statement = match language {
        Language::Python | Language::Ruby | Language::Go => {
            left.is_some_and(|name| name.contains('.'))
        }
        _ => code.trim_end().ends_with(';'),
    };
    left == right && is_statement
}

/// `if (a = b)`; with brackets of its own, or compared with something, it is meant.
fn assigns_in_condition(language: Language, code: &str) -> bool {
    let knows = language.is_script() || matches!(language, Language::Java | Language::C);
    let captures =
        CONDITION.as_ref().filter(|_| knows).and_then(|regex| regex.captures(code.as_bytes()));
    let Some(condition) = captures.and_then(|captures| group(code, &captures, 1)) else {
        return false;
    };
    let bytes = condition.as_bytes();
    let mut depth = 0_usize;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' if depth == 0 => return false,
            b')' => depth -= 1,
            b'=' if depth == 0 => {
                let before = at.checked_sub(1).map(|before| bytes[before]);
                let is_other = before.is_some_and(|byte| b"=!<>+-*/%&|^?".contains(&byte));
                let is_longer = matches!(bytes.get(at + 1), Some(b'=' | b'>'));
                let is_target = bytes[..at]
                    .iter()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"_.$[] ".contains(byte));
                if is_other || is_longer {
                    return false;
                }
                return is_target;
            }
            _ => {}
        }
    }
    false
}

/// Zero and one are exact, and often what nothing and all are marked with.
fn compares_float(line: &Line<'_>) -> bool {
    let Some(regex) = FLOAT.as_ref() else { return false };
    let code = line.code();
    regex.captures_iter(code.as_bytes()).any(|captures| {
        let number = group(code, &captures, 1).or_else(|| group(code, &captures, 2));
        let is_exact = |number: &str| {
            let fraction = number.split('.').nth(1).unwrap_or_default();
            fraction.bytes().all(|digit| digit == b'0') || matches!(fraction, "5" | "25" | "75")
        };
        number.is_some_and(|number| !is_exact(number))
    })
}

fn asks_for_no_type(line: &Line<'_>) -> bool {
    let text = line.text();
    let captures = TYPEOF.as_ref().and_then(|regex| regex.captures(text.as_bytes()));
    let literal = captures.and_then(|captures| group(text, &captures, 1));
    let in_code = text.find("typeof").is_some_and(|at| line.code()[at..].starts_with("typeof"));
    in_code && literal.is_some_and(|literal| !TYPES.contains(&literal))
}

/// `a && a`, `a or a`: the operands between brackets, other operators and the line's ends.
fn asks_twice(language: Language, code: &str, line: &Line<'_>) -> bool {
    let operators: &[&str] = match language {
        Language::Python | Language::Ruby => &[" and ", " or "],
        _ => &["&&", "||"],
    };
    let text = line.text();
    operators.iter().any(|operator| {
        if !code.contains(operator) {
            return false;
        }
        let mut parts = Vec::new();
        let mut from = 0;
        for (at, _) in code.match_indices(operator) {
            parts.push((from, at));
            from = at + operator.len();
        }
        parts.push((from, code.len()));
        parts.windows(2).any(|two| {
            let left = text.get(two[0].0..two[0].1).unwrap_or_default();
            let right = text.get(two[1].0..two[1].1).unwrap_or_default();
            let (left, right) = (last_operand(left), first_operand(right));
            left.len() > 1 && left == right && !left.contains("++") && !left.ends_with("()")
        })
    })
}

fn last_operand(text: &str) -> &str {
    let mut depth = 0_i32;
    let mut start = 0;
    for (at, character) in text.char_indices().rev() {
        match character {
            ')' | ']' => depth += 1,
            '(' | '[' if depth == 0 => {
                start = at + 1;
                break;
            }
            '(' | '[' => depth -= 1,
            '{' | '}' | ';' | ',' | '&' | '|' | '?' | ':' if depth == 0 => {
                start = at + character.len_utf8();
                break;
            }
            _ => {}
        }
    }
    let operand = text[start..].trim();
    ["if ", "return ", "while ", "elif ", "unless ", "not "]
        .iter()
        .fold(operand, |operand, word| operand.strip_prefix(word).unwrap_or(operand))
        .trim()
}

fn first_operand(text: &str) -> &str {
    let mut depth = 0_i32;
    for (at, character) in text.char_indices() {
        match character {
            '(' | '[' => depth += 1,
            ')' | ']' if depth == 0 => return text[..at].trim(),
            ')' | ']' => depth -= 1,
            '{' | '}' | ';' | ',' | '&' | '|' | '?' | ':' if depth == 0 => {
                return text[..at].trim();
            }
            _ => {}
        }
    }
    text.trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_compared_with_itself_is_found() {
        for code in ["if (a.b == a.b) {", "return x >= x", "while a[i] === a[i]:"] {
            assert!(compares_itself(code), "{code}");
        }
        for code in
            ["a.b == b", "Vec<Vec<u8>>", "a.x == b.x", "f(a) == a", "1 + a == a", "Map<K, K>"]
        {
            assert!(!compares_itself(code), "{code}");
        }
    }

    #[test]
    fn an_assignment_in_a_condition_is_found() {
        let found = |code| assigns_in_condition(Language::JavaScript, code);
        for code in ["if (a = b) {", "} else if (a.b = 'x') {", "while (a = next()) {"] {
            assert!(found(code), "{code}");
        }
        for code in [
            "if (a == b) {",
            "if (a <= b) {",
            "if ((a = b)) {",
            "if ((a = b) !== null) {",
            "if (f(x => y)) {",
            "if (a) { b = c; }",
            "if (a && b.some((c) => c === d)) {",
            "if (f({a: 1}, b => b = 1)) {",
        ] {
            assert!(!found(code), "{code}");
        }
    }
}

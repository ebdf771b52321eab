//! What lets others in: secrets, dangerous calls, injections, and how things are deployed.

mod patterns;
mod query;
mod rules;
mod secrets;
mod workflow;

use crate::language::Language;
use crate::rule::Rule;
use crate::source::View;
use crate::source::blocks::has_word;

use super::findings::Findings;
use super::pattern::{Pattern, Tables};
use rules::*;
pub(crate) use secrets::mask;

pub(crate) const PATTERNS: &[&[Pattern]] =
    &[patterns::RUNNING, patterns::WEB, patterns::CRYPTOGRAPHY, patterns::DEPLOYED];

pub(crate) const RULES: &[&Rule] = &[
    &secrets::PRIVATE_KEY,
    &secrets::AWS_KEY,
    &secrets::GITHUB_TOKEN,
    &secrets::GITLAB_TOKEN,
    &secrets::SLACK_TOKEN,
    &secrets::STRIPE_KEY,
    &secrets::GOOGLE_KEY,
    &secrets::MODEL_KEY,
    &secrets::REGISTRY_TOKEN,
    &secrets::SERVICE_TOKEN,
    &secrets::JWT,
    &secrets::URL_CREDENTIALS,
    &secrets::HARDCODED_CREDENTIAL,
    &secrets::HIGH_ENTROPY,
    &DYNAMIC_CODE,
    &SHELL_COMMAND,
    &UNSAFE_DESERIALIZATION,
    &SQL_INJECTION,
    &HTML_INJECTION,
    &PATH_TRAVERSAL,
    &OPEN_REDIRECT,
    &REQUEST_FORGERY,
    &TLS_DISABLED,
    &WEAK_HASH,
    &WEAK_CIPHER,
    &WEAK_RANDOM,
    &JWT_UNVERIFIED,
    &TIMING_COMPARISON,
    &DEBUG_SERVER,
    &CSRF_DISABLED,
    &MASS_ASSIGNMENT,
    &CROSS_ORIGIN,
    &INSECURE_TEMPORARY_FILE,
    &ARCHIVE_EXTRACTION,
    &UNSAFE_BLOCK,
    &UNCHECKED_MEMORY,
    &BIDI_CONTROL,
    &PIPE_TO_SHELL,
    &UNGUARDED_REMOVAL,
    &WORLD_WRITABLE,
    &SSH_HOST_CHECK,
    &BROAD_GRANT,
    &WORKFLOW_INJECTION,
    &WORKFLOW_UNTRUSTED_CHECKOUT,
    &WORKFLOW_UNPINNED_ACTION,
    &WORKFLOW_WRITE_ALL,
    &CONTAINER_PRIVILEGED,
    &DOCKER_SECRET,
    &DOCKER_REMOTE_ADD,
    &DOCKER_ROOT,
    &DOCKER_FLOATING_TAG,
];

static TABLES: Tables = Tables::new(PATTERNS);

/// Lines above unsafe code that may say why it is sound.
const SAFETY_LINES: usize = 4;

/// Words in a name that make it one of a secret.
const SECRET_WORDS: &[&str] = &[
    "token",
    "passw",
    "secret",
    "otp",
    "nonce",
    "salt",
    "session",
    "api_key",
    "apikey",
    "csrf",
    "credential",
];

/// Generators that can be predicted.
const GENERATORS: &[(Language, &[&str])] = &[
    (
        Language::Python,
        &[
            "random.random(",
            "random.randint(",
            "random.choice(",
            "random.choices(",
            "random.randrange(",
            "random.sample(",
            "random.getrandbits(",
        ],
    ),
    (Language::JavaScript, &["Math.random("]),
    (Language::TypeScript, &["Math.random("]),
    (Language::Java, &["new Random(", "Math.random("]),
    (Language::Go, &["rand.Int(", "rand.Intn(", "rand.Int63(", "rand.Uint32(", "rand.Float64("]),
    (Language::Ruby, &["rand(", "Random.rand("]),
];

pub(super) fn check(view: &View<'_>, findings: &mut Findings<'_>) {
    TABLES.check(view, findings);
    secrets::check(view, findings);
    query::check(view, findings);
    workflow::check(view, findings);
    for (place, line) in view.added() {
        let code = line.code();
        if !line.raw.is_ascii() && line.raw.chars().any(is_bidi_control) {
            findings.add(&BIDI_CONTROL, view, place);
        }
        if is_weak_random(view, place, code) {
            findings.add(&WEAK_RANDOM, view, place);
        }
        if compares_signature(view.language(), code) {
            findings.add(&TIMING_COMPARISON, view, place);
        }
        if view.language() == Language::Rust {
            rust(view, place, code, findings);
        }
    }
}

fn is_bidi_control(character: char) -> bool {
    matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn rust(view: &View<'_>, place: usize, code: &str, findings: &mut Findings<'_>) {
    let opens = ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"];
    if has_word(code, "unsafe") && opens.iter().any(|open| code.contains(open)) {
        let from = place.saturating_sub(SAFETY_LINES);
        let is_explained = view.lines[from..=place].iter().any(|line| {
            line.comments().any(|comment| comment.to_ascii_uppercase().contains("SAFETY"))
        });
        // What an unsafe trait or function asks for stands in its documentation.
        if !is_explained {
            findings.add(&UNSAFE_BLOCK, view, place);
        }
    }
    if code.contains("format!(") || code.contains(".arg(") {
        let statement = view.statement(place);
        let is_shell = ["\"sh\"", "\"bash\"", "\"/bin/sh\"", "\"cmd\""]
            .iter()
            .any(|shell| statement.contains(&format!("Command::new({shell})")));
        let argument = ["\"-c\"", "\"/C\""].iter().any(|flag| statement.contains(flag));
        if is_shell && argument && view.lines[place].text().contains("format!(") {
            findings.add(&SHELL_COMMAND, view, place);
        }
    }
}

fn is_weak_random(view: &View<'_>, place: usize, code: &str) -> bool {
    let language = view.language();
    let Some((_, calls)) = GENERATORS.iter().find(|(of, _)| *of == language) else { return false };
    let Some(at) = calls.iter().find_map(|call| code.find(call)) else { return false };
    let is_part = code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.');
    let names_secret = |text: &str| {
        let text = text.to_ascii_lowercase();
        SECRET_WORDS.iter().any(|word| text.contains(word))
    };
    let function = view.around(place, at).find(|block| block.kind.is_function());
    !is_part
        && !view.is_in_tests(place)
        && (names_secret(code) || function.is_some_and(|function| names_secret(&function.header)))
}

/// `signature == expected` and the like.
fn compares_signature(language: Language, code: &str) -> bool {
    let knows = matches!(
        language,
        Language::Python
            | Language::JavaScript
            | Language::TypeScript
            | Language::Go
            | Language::Ruby
    );
    let Some((left, right)) = code.split_once("==").filter(|_| knows) else { return false };
    let right = right.trim_start_matches('=').trim_start();
    let operand = |text: &str, from_end: bool| {
        let is_part = |c: char| c.is_alphanumeric() || "_.()".contains(c);
        let word: String = if from_end {
            text.trim_end()
                .chars()
                .rev()
                .take_while(|c| is_part(*c))
                .collect::<Vec<_>>()
                .into_iter()
                .rev()
                .collect()
        } else {
            text.chars().take_while(|c| is_part(*c)).collect()
        };
        word.to_ascii_lowercase()
    };
    let (left, right) = (operand(left, true), operand(right, false));
    let is_signature =
        |word: &str| word.ends_with("signature") || word.ends_with("hmac") || word.ends_with("mac");
    let is_computed = |word: &str| {
        ["expected", "computed", "calculated", "actual", "hmac", "hexdigest"]
            .iter()
            .any(|part| word.contains(part))
    };
    (is_signature(&left) && is_computed(&right)) || (is_signature(&right) && is_computed(&left))
}

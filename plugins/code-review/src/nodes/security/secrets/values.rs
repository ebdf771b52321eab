//! Values that are secrets by the name they are given to, or by being random.

use std::ops::Range;
use std::sync::LazyLock;

use regex::bytes::Regex;

use crate::config::SecurityConfig;
use crate::finding::Confidence::{Low as Unsure, Medium as Likely};
use crate::finding::Node::Security;
use crate::finding::Severity::{High, Medium};
use crate::nodes::pattern::compile;
use crate::rule::Rule;

use super::Found;
use super::entropy::is_random;
use super::tokens::is_placeholder;

pub(crate) static HARDCODED_CREDENTIAL: Rule =
    Rule::new("security/hardcoded-credential", Security, High)
        .confidence(Likely)
        .cause("secret")
        .says(
            "A password or key is written into the code.",
            "It is known to whoever reads the code, is the same everywhere, and can't be changed.",
            "Take it from the environment or a secret store.",
        );
pub(crate) static HIGH_ENTROPY: Rule =
    Rule::new("security/high-entropy", Security, Medium).confidence(Unsure).cause("secret").says(
        "A text looks random, as keys and tokens do.",
        "If it is one, whoever can read the repository has it.",
        "Take it from a secret store; if it is no secret, add it to `allowed_secrets`.",
    );

/// A name that ends with what it is, a sign, and a value: in quotes, or to the end of the line.
static NAMED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    compile(
        r#"(?i)(?:^|[^\w$])["']?[\w.-]*?(passw(?:or)?d|passwd|pwd|secret|api_?key|secret_?key|access_?key|private_?key|signing_?key|encryption_?key|auth_?token|access_?token|token)\d?["']?\]?\s*(?::=|=>|=|:)\s*(?:"([^"]{6,120})"|'([^'\s]{6,120})'|`([^`\s]{6,120})`|([^\s"'`#,;(){}\[\]<>$]{8,120})\s*$)"#,
    )
});

/// A part of each name; whatever has none isn't looked at any closer.
static NAMES: LazyLock<Option<Regex>> =
    LazyLock::new(|| compile(r"(?i)(?:passw|pwd|secret|key|token)\w*[\x22']?\]?\s*[:=]"));

/// Texts that may be random: in quotes, or behind a sign to the end of the line.
static TEXTS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    compile(r#"["'`]([A-Za-z0-9+/=_-]{20,200})["'`]|[=:]\s*([A-Za-z0-9+/=_-]{20,200})\s*$"#)
});

/// The shortest line that can hold one.
const TEXT_BYTES_MIN: usize = 21;

/// Names of what looks random and is public, in lower case.
const PUBLIC: &[&str] = &[
    "public",
    "pubkey",
    "integrity",
    "checksum",
    "hash",
    "digest",
    "sha",
    "etag",
    "fingerprint",
    "commit",
    "revision",
    "uuid",
    "guid",
    "cert",
    "version",
    "ref:",
    "alphabet",
    "charset",
];

pub(super) fn find(line: &str, config: &SecurityConfig) -> Vec<Found> {
    let mut found: Vec<_> = credential(line).into_iter().collect();
    if let Some(range) = random(line, config) {
        found.push(Found { rule: &HIGH_ENTROPY, range });
    }
    found
}

fn credential(line: &str) -> Option<Found> {
    if !NAMES.as_ref()?.is_match(line.as_bytes()) {
        return None;
    }
    let captures = NAMED.as_ref()?.captures(line.as_bytes())?;
    let keyword = captures.get(1)?.as_bytes().to_ascii_lowercase();
    let value = (2..=5).find_map(|group| captures.get(group))?;
    let is_bare = captures.get(5).is_some();
    let text = line.get(value.range())?;
    let is_password = keyword.starts_with(b"passw") || keyword == b"pwd";
    let is_secret = !is_placeholder(text)
        && !is_reference(text)
        && classes(text) >= if is_password && !is_bare { 2 } else { 3 }
        && (keyword != b"token" || text.len() >= 16)
        && !text.contains(' ');
    is_secret.then(|| Found { rule: &HARDCODED_CREDENTIAL, range: value.range() })
}

/// Whether a value names where the secret is, and isn't one: a path, a call, a variable, a name.
fn is_reference(text: &str) -> bool {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_.-:/".contains(c);
    let has_call = text.contains('(') || text.contains("()") || text.contains("::");
    let is_path = text.starts_with(['/', '.', '~']) || text.contains("://");
    let is_dotted = text.split('.').count() > 1 && text.chars().all(is_name);
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let is_word =
        digits == 0 && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-.:".contains(c));
    has_call || is_path || is_dotted || is_word
}

/// How many of small letters, capitals, digits and signs it has.
fn classes(text: &str) -> usize {
    let has = |is: fn(char) -> bool| usize::from(text.chars().any(is));
    has(|c| c.is_ascii_lowercase())
        + has(|c| c.is_ascii_uppercase())
        + has(|c| c.is_ascii_digit())
        + has(|c| !c.is_ascii_alphanumeric())
}

fn random(line: &str, config: &SecurityConfig) -> Option<Range<usize>> {
    if line.len() < TEXT_BYTES_MIN {
        return None;
    }
    let regex = TEXTS.as_ref()?;
    let mut texts = regex.captures_iter(line.as_bytes());
    texts.find_map(|captures| {
        let range = captures.get(1).or_else(|| captures.get(2))?.range();
        let text = line.get(range.clone())?;
        let before = line.get(..range.start).unwrap_or_default().to_ascii_lowercase();
        let is_public = PUBLIC.iter().any(|word| before.contains(word))
            || text.starts_with("sha")
            || text.contains("//")
            || is_placeholder(text);
        (!is_public && is_random(text, config.entropy_bits_min)).then_some(range)
    })
}

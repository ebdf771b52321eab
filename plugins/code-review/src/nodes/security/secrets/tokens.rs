//! Tokens that their issuer gave a form to be known by.

use std::sync::LazyLock;

use regex::bytes::{Regex, RegexSet, RegexSetBuilder};

use crate::finding::Confidence::Medium as Likely;
use crate::finding::Node::Security;
use crate::finding::Severity::{Critical, High};
use crate::nodes::pattern::compile;
use crate::rule::Rule;
use crate::source::View;

use super::Found;

const WHY: &str = "Whoever can read the repository, now or in its history, can act as its owner.";
const ADVICE: &str =
    "Revoke it, take it from the environment or a secret store, and give out another.";

const fn token(id: &'static str, message: &'static str) -> Rule {
    Rule::new(id, Security, Critical).cause("secret").says(message, WHY, ADVICE)
}

pub(crate) static PRIVATE_KEY: Rule =
    token("security/private-key", "A private key is in the repository.");
pub(crate) static AWS_KEY: Rule = token("security/aws-key", "An access key of AWS is in the code.");
pub(crate) static GITHUB_TOKEN: Rule =
    token("security/github-token", "A token of GitHub is in the code.");
pub(crate) static GITLAB_TOKEN: Rule =
    token("security/gitlab-token", "A token of GitLab is in the code.");
pub(crate) static SLACK_TOKEN: Rule =
    token("security/slack-token", "A token or webhook of Slack is in the code.");
pub(crate) static STRIPE_KEY: Rule =
    token("security/stripe-key", "A live key of Stripe is in the code.");
pub(crate) static GOOGLE_KEY: Rule =
    token("security/google-key", "An API key of Google is in the code.");
pub(crate) static MODEL_KEY: Rule =
    token("security/model-key", "A key of a model provider is in the code.");
pub(crate) static REGISTRY_TOKEN: Rule =
    token("security/registry-token", "A token of a package registry is in the code.");
pub(crate) static SERVICE_TOKEN: Rule =
    token("security/service-token", "A token of a service is in the code.");
pub(crate) static JWT: Rule = Rule::new("security/jwt", Security, High)
    .confidence(Likely)
    .cause("secret")
    .says("A signed token is in the code.", WHY, ADVICE);
pub(crate) static URL_CREDENTIALS: Rule = Rule::new("security/url-credentials", Security, High)
    .confidence(Likely)
    .cause("secret")
    .says("An address has a password in it.", WHY, ADVICE);

/// A rule, its form, and which group of it is the secret.
const FORMS: &[(&Rule, &str, usize)] = &[
    (&AWS_KEY, r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b", 0),
    (&GITHUB_TOKEN, r"\bgh[pousr]_[A-Za-z0-9]{36,}\b|\bgithub_pat_[A-Za-z0-9_]{60,}", 0),
    (&GITLAB_TOKEN, r"\bgl(?:pat|ptt|dt|rt)-[A-Za-z0-9_-]{20,}", 0),
    (
        &SLACK_TOKEN,
        r"\bxox[abeoprs]-[0-9A-Za-z-]{10,}|\bhooks\.slack\.com/services/T\w{8,}/B\w{8,}/\w{20,}",
        0,
    ),
    (&STRIPE_KEY, r"\b[rs]k_live_[0-9A-Za-z]{16,}", 0),
    (&GOOGLE_KEY, r"\bAIza[0-9A-Za-z_-]{35}", 0),
    (&MODEL_KEY, r"\bsk-(?:ant-|proj-)[A-Za-z0-9_-]{20,}|\bsk-[A-Za-z0-9]{40,}", 0),
    (
        &REGISTRY_TOKEN,
        r"\bnpm_[A-Za-z0-9]{36}\b|\bpypi-AgE[A-Za-z0-9_-]{50,}|\bcio[A-Za-z0-9]{32}\b",
        0,
    ),
    (
        &SERVICE_TOKEN,
        r"\bSG\.[\w-]{22}\.[\w-]{43}|\bdop_v1_[a-f0-9]{64}\b|\bhf_[A-Za-z]{34}\b|\b\d{8,10}:AA[\w-]{33}\b|\bshpat_[a-f0-9]{32}\b",
        0,
    ),
    (&JWT, r"\beyJ[A-Za-z0-9_-]{15,}\.eyJ[A-Za-z0-9_-]{15,}\.[A-Za-z0-9_-]{15,}", 0),
    (
        &URL_CREDENTIALS,
        r#"\b[a-z][a-z0-9+.-]*://[^/\s:@"'`<{$%(]+:([^/\s:@"'`<{$%(]{4,})@([\w.-]+)"#,
        1,
    ),
];

/// The shortest of them: an address with one letter, a name and four letters of password.
const TOKEN_BYTES_MIN: usize = 11;

static SET: LazyLock<RegexSet> = LazyLock::new(|| {
    let forms = FORMS.iter().map(|(_, form, _)| form);
    RegexSetBuilder::new(forms).unicode(false).build().unwrap_or_default()
});

static REGEXES: LazyLock<Vec<Option<Regex>>> =
    LazyLock::new(|| FORMS.iter().map(|(_, form, _)| compile(form)).collect());

/// What tells that a text only shows a secret's form, in lower case.
const PLACEHOLDERS: &[&str] = &[
    "example",
    "xxxx",
    "****",
    "....",
    "0000000",
    "1234567",
    "abcdefg",
    "your",
    "placeholder",
    "changeme",
    "change-me",
    "change_me",
    "redacted",
    "dummy",
    "fake",
    "sample",
    "todo",
    "insert",
    "replace",
];

/// Whether it is no secret but stands in for one.
pub(super) fn is_placeholder(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    PLACEHOLDERS.iter().any(|placeholder| lower.contains(placeholder))
        || ["${", "$(", "{{", "%(", "<%"].iter().any(|open| text.contains(open))
        || text.starts_with(['$', '<'])
        || (text.contains('{') && text.contains('}'))
}

pub(super) fn find(line: &str) -> Vec<Found> {
    let mut found = Vec::new();
    if line.len() < TOKEN_BYTES_MIN || !SET.is_match(line.as_bytes()) {
        return found;
    }
    for at in SET.matches(line.as_bytes()) {
        let (rule, _, group) = FORMS[at];
        let Some(regex) = REGEXES.get(at).and_then(Option::as_ref) else { continue };
        for captures in regex.captures_iter(line.as_bytes()) {
            let Some(range) = captures.get(group).map(|group| group.range()) else { continue };
            let Some(text) = line.get(range.clone()) else { continue };
            let host = captures.get(2).and_then(|host| line.get(host.range()));
            let is_own = host.is_some_and(is_own_host) || group == 1 && is_common(text);
            if !(is_placeholder(text) || is_own) {
                found.push(Found { rule, range });
            }
        }
    }
    found
}

/// A host that only the machine itself reaches, or that documentation is written with.
fn is_own_host(host: &str) -> bool {
    host.starts_with("localhost")
        || host.starts_with("127.")
        || host.ends_with("example.com")
        || host.ends_with("example.org")
        || host == "host"
}

/// A password that stands for itself, as in documentation.
fn is_common(password: &str) -> bool {
    let lower = password.to_ascii_lowercase();
    ["password", "pass", "passwd", "secret", "postgres", "guest", "root", "admin", "token", "test"]
        .contains(&lower.as_str())
}

/// Whether a line begins a private key: code that only speaks of keys has no key behind the sign.
pub(super) fn is_private_key(view: &View<'_>, place: usize) -> bool {
    let line = view.lines[place].raw;
    let Some(begin) = line.find("-----BEGIN ") else { return false };
    let sign = &line[begin..];
    let Some(end) = sign.find("PRIVATE KEY") else { return false };
    let behind =
        sign[end + "PRIVATE KEY".len()..].trim_start_matches(" BLOCK").trim_start_matches('-');
    let same = behind.trim_start_matches(['\\', 'n', 'r']);
    let next =
        view.lines.get(place + 1).map(|line| line.raw.trim_matches(['"', '\'', ' ', '+', '\t']));
    is_base64(same) || next.is_some_and(is_base64)
}

fn is_base64(text: &str) -> bool {
    let length = text
        .bytes()
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='))
        .count();
    length >= 32
}

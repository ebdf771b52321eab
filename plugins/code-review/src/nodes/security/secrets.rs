//! Secrets: tokens of well-known form, random text, and values of names that say what they are.
//!
//! They are looked for in whole lines, comments included, of every file. **Invariant:** [`mask`]
//! hides whatever this module would find, so that no evidence of any node gives a secret away.

mod entropy;
mod tokens;
mod values;

use std::ops::Range;

use crate::config::SecurityConfig;
use crate::nodes::findings::Findings;
use crate::rule::Rule;
use crate::source::View;

pub(super) use tokens::{
    AWS_KEY, GITHUB_TOKEN, GITLAB_TOKEN, GOOGLE_KEY, JWT, MODEL_KEY, PRIVATE_KEY, REGISTRY_TOKEN,
    SERVICE_TOKEN, SLACK_TOKEN, STRIPE_KEY, URL_CREDENTIALS,
};
pub(super) use values::{HARDCODED_CREDENTIAL, HIGH_ENTROPY};

/// How many characters of a secret are shown, so that its owner knows which it is.
const SHOWN: usize = 4;

/// A secret in a line.
struct Found {
    rule: &'static Rule,
    range: Range<usize>,
}

pub(super) fn check(view: &View<'_>, findings: &mut Findings<'_>) {
    let config = &findings.config.security;
    for (place, line) in view.added() {
        if tokens::is_private_key(view, place) {
            findings.add(&PRIVATE_KEY, view, place);
        }
        for found in find(line.raw, config, || view.is_in_tests(place)) {
            let value = line.raw.get(found.range.clone()).unwrap_or_default();
            if !config.allowed_secrets.iter().any(|allowed| allowed == value) {
                findings.add(found.rule, view, place);
            }
        }
    }
}

/// The line with every secret in it shortened.
pub(crate) fn mask(line: &str) -> String {
    let config = SecurityConfig::default();
    let mut ranges: Vec<_> =
        find(line, &config, || false).into_iter().map(|found| found.range).collect();
    ranges.sort_by_key(|range| range.start);
    let mut masked = String::with_capacity(line.len());
    let mut at = 0;
    for range in ranges {
        if range.start < at {
            continue;
        }
        let secret = line.get(range.clone()).unwrap_or_default();
        masked.push_str(line.get(at..range.start).unwrap_or_default());
        masked.extend(secret.chars().take(SHOWN));
        masked.push('…');
        at = range.end;
    }
    masked.push_str(line.get(at..).unwrap_or_default());
    masked
}

/// The secrets of a line; what is only told by a name or by chance isn't looked for in tests, which
/// have passwords of their own that open nothing.
fn find(line: &str, config: &SecurityConfig, is_test: impl FnOnce() -> bool) -> Vec<Found> {
    let mut found = tokens::find(line);
    let values = values::find(line, config);
    if !values.is_empty() && !is_test() {
        found.extend(values);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(line: &str) -> Vec<&'static str> {
        find(line, &SecurityConfig::default(), || false).iter().map(|found| found.rule.id).collect()
    }

    /// The parts are put together here, so that whoever scans this file finds no token.
    fn joined(parts: [&str; 2]) -> String {
        parts.concat()
    }

    #[test]
    fn tokens_are_found_by_their_form() {
        let cases = [
            (joined(["AKIA", "QX7ZP3MLW5T2VRKD"]), "security/aws-key"),
            (joined(["ghp_", "q7Xv2LbT9sKd4WmZ8pRfYc3HnJ6uE1aG5oBt"]), "security/github-token"),
            (joined(["sk_live_", "9fKq2TzXw7LmVb4RcYd8HnPs"]), "security/stripe-key"),
            (joined(["npm_", "Qw8rT2vXz9LmK4bNcYd7HnPs3JfGt6ReUa1B"]), "security/registry-token"),
        ];
        for (token, rule) in cases {
            assert_eq!(rules(&format!("key({token})")), [rule], "{token}");
            let masked = mask(&format!("key = \"{token}\";"));
            assert_eq!(masked, format!("key = \"{}…\";", &token[..4]));
        }
    }

    #[test]
    fn examples_and_placeholders_are_no_secrets() {
        for line in [
            "AKIAIOSFODNN7EXAMPLE",
            "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "password = \"${DB_PASSWORD}\"",
            "password: <your-password>",
            "password = os.environ['PASSWORD1']",
            "password_file = \"/run/secrets/Db1\"",
            "api_key = \"YOUR_API_KEY_1\"",
            "url = \"postgres://user:password@localhost/db\"",
            "url = f\"postgres://{user}:{password}@db/x\"",
            "token = \"access_token\"",
            "commit = \"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b\"",
            "id: 6ba7b810-9dad-11d1-80b4-00c04fd430c8",
            "integrity = \"sha384-oqVuAfXRKap7fdgcCY5uykM6+R9GqQ8K/uxy9rx7HNQlGYl1kPzQho1wx4JwY8wC\"",
            "const name = \"someVeryLongCamelCaseIdentifierName\";",
            "secret_name: orders-production",
        ] {
            assert_eq!(rules(line), <[&str; 0]>::default(), "{line}");
        }
    }

    #[test]
    fn credentials_are_found_by_their_names() {
        for line in [
            "password = \"Tr4ktor-Wiese\"",
            "  password: Tr4ktor-Wiese",
            "\"clientSecret\": \"a8Fk2-kk3\",",
            "DB_PASSWORD=Tr4ktor-Wiese",
            "private static final String PASSWORD = \"Tr4ktor!\";",
        ] {
            assert_eq!(rules(line), ["security/hardcoded-credential"], "{line}");
            assert!(!mask(line).contains("ktor-W"), "{line}");
        }
    }
}

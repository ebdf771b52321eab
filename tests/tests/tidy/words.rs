//! Calls and words that have no place in the house, and the exceptions with their reasons.

use crate::source::{Fault, Source, closed, words};

/// How a banned word must stand to count.
#[derive(Debug, Clone, Copy)]
enum Form {
    /// Anywhere in code.
    Word,
    /// `word!`
    Macro,
    /// `#[word`, or within `#[cfg_attr(...)]`.
    Attribute,
    /// `word::`
    Path,
    /// `word(`, as a function and not a method, for a method may belong to a virtual clock.
    Call,
}

/// Where a banned word counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Everywhere,
    Tests,
    OutsideTests,
}

struct Banned {
    word: &'static str,
    form: Form,
    scope: Scope,
    reason: &'static str,
    /// Beginnings of paths, each with the reason why it may.
    except: &'static [(&'static str, &'static str)],
}

impl Banned {
    const fn new(form: Form, word: &'static str, reason: &'static str) -> Self {
        Self { word, form, scope: Scope::Everywhere, reason, except: &[] }
    }

    const fn only(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    const fn except(mut self, except: &'static [(&'static str, &'static str)]) -> Self {
        self.except = except;
        self
    }
}

const UNFINISHED: &str = "finish it or leave it out";
const SLEEP: &str = "too short on a busy machine, too long elsewhere; wait for a condition";
const SLEEP_IN: &[(&str, &str)] = &[
    ("benches/load/src/check/", "asks again what a node can't answer yet, until its time is over"),
    ("benches/load/src/coordinate/", "looks until whoever is to come is there, or its time over"),
    ("benches/load/src/drive/", "a generator waits for what is due, and pauses before a retry"),
    ("supervisors/tests/", "time is paused, or must pass to show that nothing happens in it"),
    ("tests/testkit/src/sandbox.rs", "polls for a condition"),
    ("tests/testkit/src/memory/faults.rs", "a delay is the fault"),
    ("tests/src/running.rs", "the test has paused tokio's time"),
    ("tests/tests/effects/", "the test has paused tokio's time"),
    ("benches/micro/benches/supervision/residents.rs", "polls for a condition"),
    ("benches/micro/benches/supervision/spawns.rs", "lets actors end"),
    ("tests/testkit/src/receiver.rs", "a late answer is the fault"),
    ("tests/tests/receiver.rs", "polls for a condition; a suspended process is waited out"),
    ("tests/tests/freeze.rs", "time must pass to show that nothing is sent in it"),
    ("tests/src/profile.rs", "an entity that blocks is what is tested"),
    ("tests/tests/temperatures.rs", "the test has paused tokio's time"),
    ("tests/tests/credentials.rs", "polls for a condition"),
    ("tests/tests/load/", "polls for a condition"),
    ("benches/load/src/bell.rs", "an accept that failed is tried again after a pause"),
    ("benches/load/tests/stub/", "polls for a condition"),
    ("benches/load/src/stop.rs", "looks again for what a signal or a key has asked"),
    ("tests/tests/policy.rs", "polls for a condition"),
    ("tests/tests/tasks.rs", "polls for a condition"),
    ("tests/tests/older.rs", "polls for a condition"),
    ("tests/tests/plugins/signed.rs", "polls for a condition"),
    (
        "tests/tests/story/",
        "polls for a condition; a late answer and a slice of time are what is tested",
    ),
    ("tests/tests/hostile.rs", "a slow client is what is tested"),
    ("tests/tests/feed.rs", "the test has paused tokio's time"),
    ("tests/tests/tree.rs", "the test has paused tokio's time"),
    ("tests/tests/entity/", "the test has paused tokio's time"),
    ("tests/tests/linked/", "the test has paused tokio's time"),
    ("tests/tests/money/", "the test has paused tokio's time"),
    ("tests/tests/workflows/", "the test has paused tokio's time"),
    ("tests/tests/simulation/", "the run has paused tokio's time"),
    ("tests/tests/properties/", "the test has paused tokio's time"),
    ("tests/tests/subscription/", "the test has paused tokio's time"),
    ("tests/tests/store_conformance/leases.rs", "polls for the end of a lease"),
];
const CATCH_IN: &[(&str, &str)] =
    &[("actors/runtime/src/", "the shell turns a panic in an entity into a reload")];
const MAIN: &[(&str, &str)] = &[("gateway/server/src/main.rs", "nobody calls main")];
const SNAPSHOT: &[(&str, &str)] = &[("persistence/src/snapshot.rs", "it is that module")];

const BANNED: &[Banned] = &[
    Banned::new(Form::Macro, "todo", UNFINISHED),
    Banned::new(Form::Macro, "unimplemented", UNFINISHED),
    Banned::new(Form::Macro, "dbg", "a trace of debugging"),
    Banned::new(Form::Attribute, "ignore", "a test runs or goes"),
    Banned::new(Form::Attribute, "should_panic", "assert on what it says"),
    Banned::new(Form::Call, "sleep", SLEEP).only(Scope::Tests).except(SLEEP_IN),
    Banned::new(Form::Call, "sleep_until", SLEEP).only(Scope::Tests).except(SLEEP_IN),
    Banned::new(Form::Word, "catch_unwind", "a panic is the supervisor's business")
        .only(Scope::OutsideTests)
        .except(CATCH_IN),
    Banned::new(Form::Word, "anyhow", "a caller can't act on it").except(MAIN),
    Banned::new(Form::Path, "bincode", "replacing it must stay cheap").except(SNAPSHOT),
];

/// Banned calls and words.
pub(crate) fn banned(source: &Source) -> Vec<Fault> {
    if !source.is_rust() {
        return Vec::new();
    }
    let excepted =
        |rule: &Banned| rule.except.iter().any(|(path, _)| source.path.starts_with(path));
    let mut faults = Vec::new();
    for rule in BANNED.iter().filter(|rule| !excepted(rule)) {
        for at in words(&source.code, rule.word) {
            let in_scope = match rule.scope {
                Scope::Everywhere => true,
                Scope::Tests => source.is_test(at),
                Scope::OutsideTests => !source.is_test(at),
            };
            let (before, after) = source.code.split_at(at);
            if in_scope && stands_as(rule.form, before, &after[rule.word.len()..]) {
                faults.push(source.fault(at, format!("`{}`: {}", rule.word, rule.reason)));
            }
        }
    }
    faults
}

fn stands_as(form: Form, before: &str, after: &str) -> bool {
    let (before, after) = (before.trim_end(), after.trim_start());
    match form {
        Form::Word => true,
        Form::Macro => after.starts_with('!') && !after.starts_with("!="),
        Form::Attribute => {
            let line = before.rsplit('\n').next().unwrap_or_default().trim_start();
            line.ends_with("#[") || line.starts_with("#[cfg_attr(")
        }
        Form::Path => after.starts_with("::"),
        Form::Call => after.starts_with('(') && !before.ends_with('.') && !before.ends_with("fn"),
    }
}

/// Lints switched off without a reason.
pub(crate) fn silenced_without_reason(source: &Source) -> Vec<Fault> {
    let mut faults = Vec::new();
    if !source.is_rust() {
        return faults;
    }
    for word in ["allow", "expect"] {
        for at in words(&source.code, word) {
            let before = &source.code[..at];
            let open = at + word.len();
            let is_attribute = before.ends_with("#[") || before.ends_with("#![");
            if is_attribute && source.code[open..].starts_with('(') {
                let arguments = &source.code[open..closed(&source.code, open)];
                if words(arguments, "reason").next().is_none() {
                    faults.push(source.fault(at, format!("`{word}` of a lint without a reason")));
                }
            }
        }
    }
    faults
}

/// Errors that a library's caller can't tell apart.
pub(crate) fn boxed_errors(source: &Source) -> Vec<Fault> {
    let mut faults = Vec::new();
    if !source.is_rust() || source.path == "gateway/server/src/main.rs" {
        return faults;
    }
    for at in words(&source.code, "dyn") {
        let is_boxed = source.code[..at].trim_end().ends_with("Box<");
        let bounds = &source.code[at + "dyn".len()..];
        let bounds = bounds.split(['>', ',', ';', ')']).next().unwrap_or_default();
        let mut names = bounds.split('+').filter_map(|bound| bound.trim().rsplit("::").next());
        if is_boxed && !source.is_test(at) && names.any(|name| name == "Error") {
            faults.push(source.fault(at, "a boxed error: give the caller a variant to act on"));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(rule: fn(&Source) -> Vec<Fault>, path: &str, text: &str) -> usize {
        rule(&Source::new(path, text)).len()
    }

    /// Text of a macro call, without standing here as one for whoever greps the tree.
    fn call(name: &str) -> String {
        format!("fn f() {{ {name}!() }}")
    }

    #[test]
    fn unfinished_code_is_found_in_tests_too() {
        for name in ["todo", "unimplemented", "dbg"] {
            for path in ["actors/core/src/a.rs", "tests/tests/a.rs"] {
                assert_eq!(faults(banned, path, &call(name)), 1, "{name} in {path}");
            }
            let quoted = format!("// {name}!()\nconst A: &str = \"{name}!()\";");
            assert_eq!(faults(banned, "a.rs", &quoted), 0);
        }
        assert_eq!(faults(banned, "a.rs", "let a = todo != b;"), 0);
    }

    #[test]
    fn skipped_and_panicking_tests_are_found() {
        for name in ["ignore", "should_panic"] {
            assert_eq!(faults(banned, "a.rs", &format!("#[{name}]\nfn f() {{}}")), 1);
            assert_eq!(faults(banned, "a.rs", &format!("#[{name} = \"slow\"]\nfn f() {{}}")), 1);
            assert_eq!(
                faults(banned, "a.rs", &format!("#[cfg_attr(miri, {name})]\nfn f() {{}}")),
                1
            );
            assert_eq!(faults(banned, "a.rs", &format!("let {name} = items[{name}];")), 0);
        }
    }

    #[test]
    fn a_sleep_in_a_test_is_found() {
        for call in ["std::thread::sleep(d)", "tokio::time::sleep(d).await", "sleep_until(t)"] {
            let text = format!("fn f() {{ {call}; }}");
            assert_eq!(faults(banned, "tests/tests/a.rs", &text), 1, "{call}");
            assert_eq!(faults(banned, "actors/runtime/src/a.rs", &text), 0, "{call}");
            let inner = format!("#[cfg(test)]\nmod tests {{ {text} }}");
            assert_eq!(faults(banned, "actors/runtime/src/a.rs", &inner), 1, "{call}");
        }
        assert_eq!(faults(banned, "tests/tests/a.rs", "fn sleep(d: D) { clock.sleep(d) }"), 0);
    }

    #[test]
    fn a_caught_panic_is_found_outside_the_shell() {
        let text = "fn f() { std::panic::catch_unwind(g) }";
        assert_eq!(faults(banned, "persistence/src/a.rs", text), 1);
        assert_eq!(faults(banned, "actors/runtime/src/a.rs", text), 0);
    }

    #[test]
    fn untyped_errors_are_found_in_libraries() {
        assert_eq!(faults(banned, "persistence/src/a.rs", "use anyhow::Result;"), 1);
        assert_eq!(faults(banned, "gateway/server/src/main.rs", "use anyhow::Result;"), 0);
        for boxed in ["Box<dyn Error>", "Box<dyn std::error::Error + Send + Sync + 'static>"] {
            let text = format!("fn f() -> Result<(), {boxed}> {{}}");
            assert_eq!(faults(boxed_errors, "persistence/src/a.rs", &text), 1, "{boxed}");
            assert_eq!(faults(boxed_errors, "tests/testkit/src/a.rs", &text), 0, "{boxed}");
        }
        let lent = "fn source(&self) -> Option<&(dyn Error + 'static)> { None }";
        assert_eq!(faults(boxed_errors, "persistence/src/a.rs", lent), 0);
        assert_eq!(faults(boxed_errors, "persistence/src/a.rs", "fn f(a: Box<dyn Vault>) {}"), 0);
    }

    #[test]
    fn bincode_is_found_outside_its_module() {
        let text = "use bincode::config;";
        assert_eq!(faults(banned, "actors/runtime/src/a.rs", text), 1);
        assert_eq!(faults(banned, "persistence/src/snapshot.rs", text), 0);
    }

    #[test]
    fn a_silenced_lint_needs_a_reason() {
        for word in ["allow", "expect"] {
            let count = |text: &str| faults(silenced_without_reason, "a.rs", text);
            assert_eq!(count(&format!("#[{word}(dead_code)]\nfn f() {{}}")), 1);
            assert_eq!(count(&format!("#![{word}(dead_code)]")), 1);
            assert_eq!(count(&format!("#[{word}(dead_code, reason = \"b\")]\nfn f() {{}}")), 0);
            assert_eq!(count(&format!("a.{word}(b)")), 0);
        }
    }

    #[test]
    fn every_exception_names_something_that_exists() {
        let paths = crate::source::files();
        for (path, _) in BANNED.iter().flat_map(|rule| rule.except) {
            let stands = paths.iter().any(|file| file.path.starts_with(path));
            assert!(stands, "{path} has an exception and is not there");
        }
    }
}

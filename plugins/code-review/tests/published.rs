//! Diffs between published versions of well-known crates and npm packages, fetched when the test
//! runs: real code that nobody wrote for this crate.
//!
//! Nobody has labelled them, so what is asserted is that each is reviewed, that each finding's line
//! is there, and that there aren't more findings than a reader would bear. The figures are printed.
//! What is fetched stays under the target directory.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::reviewed;
use coppice_code_review::steps::review;
use coppice_code_review::{Config, DiffInput, Severity, split};

/// Crates with an older and a newer version.
const CRATES: [(&str, &str, &str); 14] = [
    ("anyhow", "1.0.75", "1.0.86"),
    ("base64", "0.21.5", "0.21.7"),
    ("bytes", "1.5.0", "1.7.1"),
    ("either", "1.9.0", "1.13.0"),
    ("httparse", "1.8.0", "1.9.4"),
    ("indexmap", "2.1.0", "2.5.0"),
    ("itertools", "0.12.0", "0.12.1"),
    ("itoa", "1.0.9", "1.0.11"),
    ("memchr", "2.6.4", "2.7.4"),
    ("regex-syntax", "0.8.2", "0.8.4"),
    ("ryu", "1.0.15", "1.0.18"),
    ("semver", "1.0.20", "1.0.23"),
    ("serde_json", "1.0.108", "1.0.128"),
    ("smallvec", "1.11.0", "1.13.2"),
];

/// Packages with an older and a newer version.
const PACKAGES: [(&str, &str, &str); 13] = [
    ("axios", "1.6.0", "1.7.2"),
    ("body-parser", "1.20.1", "1.20.2"),
    ("chalk", "5.2.0", "5.3.0"),
    ("commander", "11.1.0", "12.1.0"),
    ("debug", "4.3.4", "4.3.6"),
    ("express", "4.18.2", "4.19.2"),
    ("fastify", "4.24.0", "4.28.0"),
    ("koa", "2.14.0", "2.15.3"),
    ("lodash", "4.17.20", "4.17.21"),
    ("semver", "7.5.4", "7.6.3"),
    ("uuid", "9.0.0", "9.0.1"),
    ("ws", "8.14.2", "8.18.0"),
    ("yargs", "17.7.1", "17.7.2"),
];

/// The most findings of a severity for a thousand new lines. Published code was reviewed by people,
/// so nearly everything severe that is found in it is a false alarm.
const PER_THOUSAND_MAX: [(Severity, usize); 2] = [(Severity::Critical, 1), (Severity::High, 5)];

/// How often something is fetched.
const TRIES: u32 = 3;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("published")
}

/// Runs a command that may be run again where it fails: what is fetched may not come at once.
fn run(command: &mut Command) {
    for tries_left in (0..TRIES).rev() {
        let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        if output.status.success() {
            return;
        }
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(tries_left > 0, "{command:?}: {text}");
    }
}

/// Fetches into a folder of its own, once: it is moved to its place when it is whole.
fn once(name: &str, fetch: impl FnOnce(&Path)) -> PathBuf {
    let place = folder().join(name);
    if !place.exists() {
        fs::create_dir_all(folder()).expect("it must work");
        let fresh = tempfile::tempdir_in(folder()).expect("it must work");
        fetch(fresh.path());
        // Another run may have been faster; its content is the same.
        if fs::rename(fresh.path(), &place).is_err() {
            assert!(place.exists(), "{} can't be made", place.display());
        }
    }
    place
}

/// One side of all crates, through a project that depends on them.
fn crates(side: &str, version: fn(&(&str, &str, &str)) -> String) -> PathBuf {
    once(&format!("crates-2-{side}"), |fresh| {
        let depends: String =
            CRATES.iter().map(|row| format!("{} = \"={}\"\n", row.0, version(row))).collect();
        let manifest = format!(
            "[package]\nname = \"scratch\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[workspace]\n\
             [dependencies]\n{depends}"
        );
        fs::create_dir_all(fresh.join("src")).expect("it must work");
        fs::write(fresh.join("Cargo.toml"), manifest).expect("it must work");
        fs::write(fresh.join("src/lib.rs"), "").expect("it must work");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        run(Command::new(cargo).args(["vendor", "--quiet", "sources"]).current_dir(fresh));
    })
    .join("sources")
}

/// Both sides of all packages.
fn packages() -> PathBuf {
    once("packages-1", |fresh| {
        let specifiers: Vec<_> = PACKAGES
            .iter()
            .flat_map(|(name, old, new)| [format!("{name}@{old}"), format!("{name}@{new}")])
            .collect();
        run(Command::new("npm").args(["pack", "--silent"]).args(&specifiers).current_dir(fresh));
        for (name, old, new) in PACKAGES {
            for (side, version) in [("old", old), ("new", new)] {
                let to = fresh.join(side).join(name);
                fs::create_dir_all(&to).expect("it must work");
                let archive = fresh.join(format!("{name}-{version}.tgz"));
                run(Command::new("tar")
                    .args(["-xz", "--strip-components=1", "-f"])
                    .arg(&archive)
                    .arg("-C")
                    .arg(&to));
            }
        }
    })
}

/// What git says of two folders side by side.
fn difference(old: &Path, new: &Path) -> String {
    let output = Command::new("git")
        .args(["diff", "--no-index", "--no-color", "--no-ext-diff", "-M"])
        .args([old, new])
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .output()
        .expect("git must be installed");
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What was found in all of them.
#[derive(Debug, Default)]
struct Tally {
    added: usize,
    by_rule: BTreeMap<String, usize>,
    by_severity: BTreeMap<Severity, usize>,
}

impl Tally {
    fn add(&mut self, name: &str, text: &str) {
        let sorted = split(&DiffInput { diff: text.to_owned() });
        assert_eq!(sorted.notes, [], "{name}");
        self.added += sorted.batches.iter().map(|batch| batch.added).sum::<usize>();
        reviewed(text);
        for found in review(text, &Config::default()).findings {
            *self.by_rule.entry(found.rule.into_owned()).or_default() += 1;
            *self.by_severity.entry(found.severity).or_default() += 1;
        }
    }

    #[expect(clippy::print_stdout, reason = "the figures are what this test is for")]
    fn print(&self, what: &str) {
        let tenths = |count: usize| {
            let per = count * 10_000 / self.added.max(1);
            format!("{}.{}", per / 10, per % 10)
        };
        println!("{what}: {} new lines; findings for a thousand of them:", self.added);
        for node in coppice_code_review::Node::ALL {
            let of_node = self.by_rule.iter().filter(|(rule, _)| rule.starts_with(node.name()));
            println!(
                "  {}: {}",
                node.name(),
                tenths(of_node.clone().map(|(_, count)| count).sum())
            );
            for (rule, count) in of_node {
                println!("    {rule}: {} ({count})", tenths(*count));
            }
        }
        println!("  by severity: {:?}", self.by_severity);
    }

    fn check(&self) {
        assert!(self.added > 5_000, "only {} new lines", self.added);
        for (severity, max) in PER_THOUSAND_MAX {
            let count = self.by_severity.get(&severity).copied().unwrap_or_default();
            assert!(count * 1_000 <= max * self.added, "{count} of {severity:?}");
        }
    }
}

#[test]
fn versions_of_crates_are_reviewed() {
    let (old, new) = (crates("old", |row| row.1.to_owned()), crates("new", |row| row.2.to_owned()));
    let mut tally = Tally::default();
    for (name, ..) in CRATES {
        tally.add(name, &difference(&old.join(name), &new.join(name)));
    }
    tally.print("crates");
    tally.check();
}

#[test]
fn versions_of_packages_are_reviewed() {
    let folder = packages();
    let mut tally = Tally::default();
    for (name, ..) in PACKAGES {
        tally
            .add(name, &difference(&folder.join("old").join(name), &folder.join("new").join(name)));
    }
    tally.print("packages");
    tally.check();
}

//! Crates: who may use whom, and what every manifest says.
//!
//! Arrows point down only. A new arrow is a design decision: it gets a row here in a commit of its
//! own.

use std::process::Command;

use serde_json::Value;
use toml::Table;

use crate::source::{Fault, Source, root};

/// What a crate may depend on within the workspace.
enum May {
    Only(&'static [&'static str]),
    /// Tests and measurements: anything.
    Anything,
}

const EDGES: &[(&str, May)] = &[
    ("coppice-core", May::Only(&[])),
    ("coppice-domain", May::Only(&["coppice-core"])),
    ("coppice-persistence", May::Only(&["coppice-core"])),
    ("coppice-runtime", May::Only(&["coppice-core", "coppice-persistence", "coppice-supervisors"])),
    ("coppice-supervisors", May::Only(&[])),
    ("coppice-plugin-sdk", May::Only(&[])),
    (
        "coppice-plugins",
        May::Only(&[
            "coppice-core",
            "coppice-domain",
            "coppice-persistence",
            "coppice-plugin-sdk",
            "coppice-runtime",
        ]),
    ),
    ("coppice-egress", May::Only(&["coppice-runtime"])),
    ("coppice-treasury", May::Only(&["coppice-core", "coppice-domain", "coppice-runtime"])),
    ("coppice-policy", May::Only(&["coppice-core"])),
    ("coppice-code-review", May::Only(&["coppice-plugin-sdk"])),
    ("coppice-api", May::Only(&["coppice-core"])),
    (
        "coppice-server",
        May::Only(&[
            "coppice-api",
            "coppice-core",
            "coppice-domain",
            "coppice-egress",
            "coppice-load",
            "coppice-persistence",
            "coppice-code-review",
            "coppice-plugin-sdk",
            "coppice-plugins",
            "coppice-policy",
            "coppice-runtime",
            "coppice-treasury",
        ]),
    ),
    ("coppice-load", May::Only(&[])),
    ("coppice-testkit", May::Anything),
    ("coppice-tests", May::Anything),
    ("coppice-bench", May::Anything),
];

/// All that the pure crates may use from outside: no runtime, database, clock or randomness.
const OUTSIDE: &[(&str, &[&str])] = &[
    ("coppice-core", &["serde", "serde_json", "sha2", "thiserror", "uuid"]),
    ("coppice-domain", &["serde", "serde_json", "thiserror"]),
    ("coppice-code-review", &["regex", "serde", "serde_json", "thiserror"]),
];

/// What cargo says of the workspace.
pub(crate) fn metadata() -> Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo must be there: it runs this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON")
}

fn each<'a>(value: &'a Value, list: &str) -> impl Iterator<Item = &'a Value> {
    value[list].as_array().into_iter().flatten()
}

fn name(value: &Value) -> &str {
    value["name"].as_str().unwrap_or_default()
}

/// What a package's own code is built with; what only its tests use is free.
fn dependencies(package: &Value) -> impl Iterator<Item = &str> {
    each(package, "dependencies").filter(|dependency| dependency["kind"] != "dev").map(name)
}

/// Edges between crates that aren't in the table.
pub(crate) fn edges(metadata: &Value) -> Vec<Fault> {
    let members: Vec<_> = each(metadata, "packages").map(name).collect();
    let mut faults = Vec::new();
    for package in each(metadata, "packages") {
        let from = name(package);
        let Some((_, may)) = EDGES.iter().find(|(crate_name, _)| *crate_name == from) else {
            faults.push(Fault(format!("{from} has no row in the table of edges")));
            continue;
        };
        let May::Only(allowed) = may else { continue };
        let inside = dependencies(package).filter(|to| members.contains(to));
        let refused = inside.filter(|to| !allowed.contains(to));
        faults.extend(refused.map(|to| Fault(format!("{from} must not use {to}"))));
    }
    faults
}

/// What the pure crates use beyond their table.
pub(crate) fn impurities(metadata: &Value) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (pure, allowed) in OUTSIDE {
        match each(metadata, "packages").find(|package| name(package) == *pure) {
            Some(package) => {
                let outside = dependencies(package).filter(|to| !to.starts_with("coppice-"));
                let refused = outside.filter(|to| !allowed.contains(to));
                faults.extend(refused.map(|to| Fault(format!("{pure} is pure: no {to}"))));
            }
            None => faults.push(Fault(format!("{pure} is gone"))),
        }
    }
    faults
}

/// More or fewer binaries than the one that `cargo run` finds by itself.
pub(crate) fn binaries(metadata: &Value) -> Vec<Fault> {
    let targets = each(metadata, "packages").flat_map(|package| each(package, "targets"));
    let is_binary = |target: &&Value| each(target, "kind").any(|kind| kind == "bin");
    let found: Vec<_> = targets.filter(is_binary).map(name).collect();
    if found == ["coppice"] {
        Vec::new()
    } else {
        vec![Fault(format!("the workspace has the binaries {found:?}, not the one `coppice`"))]
    }
}

/// What a manifest or a clippy.toml lacks.
pub(crate) fn settings(source: &Source) -> Vec<Fault> {
    let complaints = match source.path.rsplit('/').next() {
        Some("Cargo.toml") => manifest(&parsed(source)),
        Some("clippy.toml") => clippy(&parsed(source)),
        _ => Vec::new(),
    };
    complaints.into_iter().map(|what| source.fault_of_file(what)).collect()
}

fn parsed(source: &Source) -> Table {
    source.text.parse().unwrap_or_else(|error| panic!("{}: {error}", source.path))
}

fn flag(table: &Table, section: &str, key: &str) -> Option<bool> {
    table.get(section)?.get(key)?.as_bool()
}

fn manifest(table: &Table) -> Vec<&'static str> {
    let mut complaints = Vec::new();
    if table.get("workspace").is_some_and(|workspace| workspace.get("default-members").is_some()) {
        complaints.push("with `default-members`, plain `cargo test` skips members in silence");
    }
    if table.contains_key("package") {
        if flag(table, "lib", "bench") != Some(false) {
            complaints
                .push("say `bench = false` in [lib]: its harness chokes on criterion's flags");
        }
        if flag(table, "lints", "workspace") != Some(true) {
            complaints.push("say `workspace = true` in [lints]");
        }
    }
    complaints
}

/// Every clippy.toml replaces the root one, so each must say it.
fn clippy(table: &Table) -> Vec<&'static str> {
    let lines_max = table.get("too-many-lines-threshold").and_then(toml::Value::as_integer);
    if lines_max == Some(70) { Vec::new() } else { vec!["say `too-many-lines-threshold = 70`"] }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A name and the kind that cargo gives it: none where it is an ordinary one.
    type Dependency<'a> = (&'a str, Option<&'a str>);

    fn workspace(packages: &[(&str, &[Dependency<'_>])]) -> Value {
        let packages = packages.iter().map(|(name, dependencies)| {
            let dependencies = dependencies.iter();
            let dependencies: Vec<_> =
                dependencies.map(|(name, kind)| json!({"name": name, "kind": kind})).collect();
            json!({"name": name, "dependencies": dependencies})
        });
        json!({"packages": packages.collect::<Vec<_>>()})
    }

    #[test]
    fn an_edge_upwards_is_found() {
        let up: &[_] = &[("coppice-runtime", None)];
        let found = |from| edges(&workspace(&[(from, up), ("coppice-runtime", &[])])).len();
        assert_eq!(found("coppice-core"), 1);
        assert_eq!(found("coppice-server"), 0);
        assert_eq!(found("coppice-tests"), 0);
        assert_eq!(found("coppice-new"), 1, "a crate that the table doesn't know");
    }

    #[test]
    fn an_edge_of_a_build_script_counts_and_one_of_tests_does_not() {
        let found = |kind| {
            let up: &[_] = &[("coppice-testkit", Some(kind))];
            edges(&workspace(&[("coppice-core", up), ("coppice-testkit", &[])])).len()
        };
        assert_eq!([found("build"), found("dev")], [1, 0]);
    }

    #[test]
    fn an_impure_dependency_is_found() {
        let found = |core: &[_], domain: &[_]| {
            let review: &[_] = &[("regex", None)];
            let crates = [
                ("coppice-core", core),
                ("coppice-domain", domain),
                ("coppice-code-review", review),
            ];
            impurities(&workspace(&crates)).len()
        };
        assert_eq!(found(&[("uuid", None)], &[("coppice-core", None)]), 0);
        assert_eq!(found(&[("tokio", None)], &[("uuid", None)]), 2);
        assert_eq!(found(&[("proptest", Some("dev"))], &[]), 0);
        assert_eq!(impurities(&workspace(&[])).len(), OUTSIDE.len());
    }

    #[test]
    fn a_second_binary_is_found() {
        let found = |names: &[&str]| {
            let targets = names.iter().map(|name| json!({"name": name, "kind": ["bin"]}));
            let library = json!({"name": "coppice_server", "kind": ["lib"]});
            let targets: Vec<_> = targets.chain([library]).collect();
            binaries(&json!({"packages": [{"name": "a", "targets": targets}]})).len()
        };
        assert_eq!([found(&[]), found(&["coppice"]), found(&["coppice", "b"])], [1, 0, 1]);
    }

    #[test]
    fn what_a_manifest_lacks_is_found() {
        let count = |text: &str| settings(&Source::new("a/Cargo.toml", text)).len();
        let good = "[package]\nname = \"a\"\n[lib]\nbench = false\n[lints]\nworkspace = true\n";
        assert_eq!(count(good), 0);
        assert_eq!(count(&good.replace("false", "true")), 1);
        assert_eq!(count("[package]\nname = \"a\"\n"), 2);
        assert_eq!(count("[workspace]\nmembers = []\n"), 0);
        assert_eq!(count("[workspace]\ndefault-members = []\n"), 1);
    }

    #[test]
    fn a_longer_function_limit_is_found() {
        let count = |text: &str| settings(&Source::new("clippy.toml", text)).len();
        assert_eq!(count("too-many-lines-threshold = 70\n"), 0);
        assert_eq!([count("too-many-lines-threshold = 100\n"), count("")], [1; 2]);
    }
}

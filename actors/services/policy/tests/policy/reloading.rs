//! How a changed bundle takes the place of the one in force.

use std::fs;
use std::os::unix::fs::symlink;

use coppice_policy::{BundleError, CedarPolicy, Policy, Reloading, Source, Standing, Verdict};

use super::support::{denied, of_version, tool, verdict, write};

/// The compiled-in bundle with a tool more, under another version.
fn with_tool(version: &str) -> Source {
    let mut source = of_version(version);
    source.data = source.data.replace("tools = [", "tools = [\"shell.exec\", ");
    source
}

#[test]
fn a_changed_bundle_is_put_in_force_by_the_next_look() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), &of_version("1"));
    let policy = Reloading::open(directory.path()).unwrap();
    let question = tool("coder", "shell.exec");
    assert_eq!(verdict(&policy, &question), denied("tool_not_allowed"));
    assert!(!policy.refresh().unwrap(), "nothing has changed");
    let before = policy.stamp();

    write(directory.path(), &with_tool("2"));
    assert_eq!(verdict(&policy, &question), denied("tool_not_allowed"), "until the next look");
    assert!(policy.refresh().unwrap());
    assert_eq!(verdict(&policy, &question), Verdict::Allowed);
    assert_ne!(policy.stamp(), before);
    assert!(policy.stamp().starts_with("2@"));
    let known = policy.known();
    let told: Vec<_> =
        known.iter().map(|known| (&*known.policy.reference().version, known.standing)).collect();
    assert_eq!(told, [("2", Standing::InForce), ("1", Standing::Superseded)]);

    write(directory.path(), &of_version("1"));
    assert!(policy.refresh().unwrap(), "and back");
    assert_eq!(policy.stamp(), before);
    assert_eq!(policy.known().len(), 2);
}

#[test]
fn a_bundle_that_does_not_load_leaves_the_one_in_force_and_shows() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), &of_version("1"));
    let policy = Reloading::open(directory.path()).unwrap();
    let (before, question) = (policy.bundle(), tool("coder", "repository.write"));

    fs::write(directory.path().join("policies.cedar"), "permit (").unwrap();
    assert!(policy.refresh().is_err());
    assert_eq!(policy.bundle(), before);
    assert_eq!(verdict(&policy, &question), Verdict::Allowed);
    let problem = policy.status().last_problem.unwrap();
    assert!(problem.starts_with("policies.cedar:1"), "{problem}");

    fs::remove_dir_all(directory.path()).unwrap();
    assert!(matches!(policy.refresh(), Err(BundleError::Directory { .. })));
    assert_eq!(policy.bundle(), before);

    fs::create_dir(directory.path()).unwrap();
    write(directory.path(), &of_version("1"));
    assert!(!policy.refresh().unwrap());
    assert_eq!(policy.status().last_problem, None, "it is as it should be again");
}

#[test]
fn a_version_never_comes_to_mean_other_content() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), &of_version("1"));
    let policy = Reloading::open(directory.path()).unwrap();
    write(directory.path(), &with_tool("1"));
    let refused = policy.refresh().unwrap_err();
    assert!(matches!(&refused, BundleError::VersionReused { version } if version == "1"));

    write(directory.path(), &with_tool("2"));
    assert!(policy.refresh().unwrap());
    write(directory.path(), &with_tool("1"));
    assert!(policy.refresh().is_err(), "nor one of earlier times");
    assert!(policy.stamp().starts_with("2@"));
}

#[test]
fn a_link_that_is_moved_brings_all_four_files_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let place = |name: &str| directory.path().join(name);
    for (name, source) in [("one", of_version("1")), ("two", with_tool("2"))] {
        fs::create_dir(place(name)).unwrap();
        write(&place(name), &source);
    }
    symlink(place("one"), place("current")).unwrap();
    let policy = Reloading::open(&place("current")).unwrap();
    symlink(place("two"), place("next")).unwrap();
    fs::rename(place("next"), place("current")).unwrap();
    assert!(policy.refresh().unwrap());
    assert!(policy.stamp().starts_with("2@"));
}

#[test]
fn publications_take_each_others_place_by_their_number_whenever_they_are_heard_of() {
    let policy = Reloading::compiled_in().unwrap();
    let question = tool("coder", "shell.exec");
    let of = |source: Source| CedarPolicy::new(source).unwrap();
    let compiled = policy.stamp();
    assert!(policy.publish(2, of(with_tool("2"))));
    assert_eq!(verdict(&policy, &question), Verdict::Allowed);
    assert!(!policy.publish(1, of(of_version("1"))), "heard of late");
    assert!(!policy.publish(2, of(of_version("other"))), "heard of twice");
    assert!(policy.stamp().starts_with("2@"));
    let reused = policy.check_version(of(of_version("2")).reference());
    assert!(matches!(reused, Err(BundleError::VersionReused { .. })), "{reused:?}");

    assert!(policy.publish(3, of(Source::compiled_in())), "back to the first");
    assert_eq!((policy.stamp(), policy.publication()), (compiled, 3));
    assert_eq!(verdict(&policy, &question), denied("tool_not_allowed"));
    let known: Vec<_> = policy.known().iter().map(|known| known.standing).collect();
    assert_eq!(known, [Standing::InForce, Standing::Superseded]);
}

#[test]
fn the_compiled_in_bundle_stays() {
    let policy = Reloading::compiled_in().unwrap();
    assert!(!policy.is_reloading());
    assert!(!policy.refresh().unwrap());
    assert_eq!(policy.status().last_problem, None);
}

#[test]
fn what_does_not_load_at_the_start_is_not_started_with() {
    let directory = tempfile::tempdir().unwrap();
    assert!(matches!(Reloading::open(directory.path()), Err(BundleError::File { .. })));
}

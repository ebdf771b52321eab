//! The binary's commands, as an operator runs them.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use coppice_testkit::binary;

use crate::database::Verdict;

/// The binary with these arguments, ready to be started.
pub(crate) fn command<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(binary());
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(crate) fn backup(data: &Path, to: &Path) -> Verdict {
    run(command_of("backup", "--data", data, "--to", to))
}

pub(crate) fn restore(from: &Path, data: &Path) -> Verdict {
    run(command_of("restore", "--from", from, "--data", data))
}

pub(crate) fn command_of(
    name: &str,
    flag: &str,
    path: &Path,
    other_flag: &str,
    other: &Path,
) -> Command {
    let [name, flag, other_flag] = [name, flag, other_flag].map(OsStr::new);
    command([name, flag, path.as_os_str(), other_flag, other.as_os_str()])
}

/// It ended with this code and said all of these.
#[track_caller]
pub(crate) fn fails(verdict: &Verdict, code: i32, names: &[&str]) {
    assert_eq!(verdict.code, Some(code), "{verdict:?}");
    for name in names {
        assert!(verdict.stderr.contains(name), "it does not say {name:?}: {}", verdict.stderr);
    }
    assert_eq!(verdict.stdout, "", "what failed is not counted");
}

pub(crate) fn run(mut command: Command) -> Verdict {
    let done = command.output().unwrap();
    Verdict {
        code: done.status.code(),
        stdout: String::from_utf8_lossy(&done.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&done.stderr).into_owned(),
    }
}

//! PostgreSQL's own benchmark, beside ours.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use coppice_bench::{Row, Size};

/// TPC-B's branches: large enough that 8 clients seldom wait for the same row.
const SCALE: &str = "10";
const CLIENTS: &str = "8";
const THREADS: &str = "2";

/// What PATH says, or the newest that Debian has put aside.
fn program() -> PathBuf {
    let in_path = std::env::var_os("PATH")
        .into_iter()
        .flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>())
        .map(|directory| directory.join("pgbench"))
        .find(|program| program.is_file());
    let put_aside = || {
        let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
        let mut programs: Vec<PathBuf> = versions
            .filter_map(|version| Some(version.ok()?.path().join("bin/pgbench")))
            .filter(|program| program.is_file())
            .collect();
        programs.sort();
        programs.pop()
    };
    in_path.or_else(put_aside).expect("pgbench comes with PostgreSQL's server package")
}

fn run(arguments: &[&str], url: &str) -> String {
    let output = Command::new(program()).args(arguments).arg(url).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "pgbench {arguments:?}: {told}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Transactions per second, on tables that it makes and takes away.
pub(crate) fn transactions(url: &str, size: Size) -> Row {
    let mut row = Row::new("postgresql: pgbench, TPC-B, 8 clients", "/s");
    run(&["--initialize", "--quiet", "--scale", SCALE], url);
    let time = match size {
        Size::Tiny => ["--transactions", "10"],
        Size::Full => ["--time", "5"],
    };
    for _ in 0..size.runs() {
        let told =
            run(&["--client", CLIENTS, "--jobs", THREADS, "--no-vacuum", time[0], time[1]], url);
        let rate = told.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next());
        let rate: f64 = rate.and_then(|rate| rate.parse().ok()).expect("pgbench prints tps");
        row.rate(1, Duration::from_secs_f64(rate.recip()));
    }
    run(&["--initialize", "--init-steps", "d"], url);
    row
}

//! What stands on the command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use crate::coordinate::GENERATORS_MAX;
use crate::plan::Slice;

/// What makes no sense where several generators do one run: a slice and threads of one of them, what
/// is done to the target's process, and further runs.
const ONE_ONLY: [&str; 9] = [
    "slice",
    "threads",
    "pid",
    "restart",
    "postgres_stop",
    "postgres_start",
    "runs",
    "save_baseline",
    "join",
];
const ONE_ONLY_BUT_THREADS: [&str; 7] =
    ["slice", "pid", "restart", "postgres_stop", "postgres_start", "runs", "save_baseline"];
/// What the coordinator says or does.
const ASSIGNED: [&str; 7] =
    ["scenario", "list", "seed", "time_scale", "baseline", "elle", "shared"];

/// Drives a gateway and says how fast it is, honestly, and whether it did everything right.
#[derive(Debug, Clone, Args)]
pub struct LoadArguments {
    /// One of --list, or a file. Without one: the canonical workload, answered with two numbers.
    pub(super) scenario: Option<String>,
    /// Shows the scenarios that come with the harness.
    #[arg(long)]
    pub(super) list: bool,
    /// The gateway to drive [default: one of its own, in a temporary directory].
    #[arg(long, value_name = "URL")]
    pub(super) target: Option<String>,
    /// The target's API key.
    #[arg(long, value_name = "KEY", env = "COPPICE_API_KEY", hide_env_values = true)]
    pub(super) key: Option<String>,
    /// Certificates in PEM whose word is taken for an https target's [default: those the system trusts].
    #[arg(long, value_name = "FILE", requires = "target")]
    pub(super) ca: Option<PathBuf>,
    /// Where the history and the report go [default: a new temporary directory].
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// A seed in place of the scenario's.
    #[arg(long)]
    pub(super) seed: Option<u64>,
    /// Makes all times longer or shorter.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = factor)]
    pub(super) time_scale: f64,
    /// Threads that send. One makes some tens of thousands of requests a second.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(super) threads: u32,
    /// Does only the part of several generators that is this one's, such as 0/2 and 1/2.
    #[arg(long, value_name = "INDEX/OF", value_parser = slice, default_value = "0/1")]
    pub(super) slice: Slice,
    /// Has several generators carry the scenario out together, which join at this address, and judges
    /// what came of all. Sends nothing itself.
    #[arg(long, value_name = "ADDR", requires_all = ["generators", "target"], conflicts_with_all = ONE_ONLY)]
    pub(super) coordinate: Option<String>,
    /// How many generators.
    #[arg(long, value_name = "N", requires = "coordinate")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=i64::from(GENERATORS_MAX)))]
    pub(super) generators: Option<u32>,
    /// Carries out what the coordinator at this address assigns, and hands over what came of it.
    #[arg(long, value_name = "ADDR", requires = "target", conflicts_with_all = ASSIGNED)]
    #[arg(conflicts_with_all = ONE_ONLY_BUT_THREADS)]
    pub(super) join: Option<String>,
    /// How long the others are waited for.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(super) join_within: u64,
    /// A PostgreSQL database for the server of its own, in place of the embedded store.
    #[arg(long, value_name = "URL", conflicts_with = "target")]
    pub(super) database: Option<String>,
    /// The target's process, for faults that need it.
    #[arg(long, requires = "target")]
    pub(super) pid: Option<u32>,
    /// Starts the target again after a kill, and returns once it serves, with its output closed. Prints
    /// the new process last.
    #[arg(long, value_name = "COMMAND", requires = "pid")]
    pub(super) restart: Option<String>,
    /// Where the target's setting effects.bell_url leads to: the harness listens there, for scenarios
    /// that set alarms.
    #[arg(long, value_name = "ADDR", requires = "target")]
    pub(super) bell: Option<SocketAddr>,
    /// Stops the PostgreSQL behind the target.
    #[arg(long, value_name = "COMMAND", requires = "postgres_start")]
    pub(super) postgres_stop: Option<String>,
    /// Starts it, and returns once it can be used.
    #[arg(long, value_name = "COMMAND", requires = "postgres_stop")]
    pub(super) postgres_start: Option<String>,
    /// Compares with earlier runs, and fails where this one is worse.
    #[arg(long, value_name = "FILE")]
    pub(super) baseline: Option<PathBuf>,
    /// Keeps the figures of these runs to compare later ones with.
    #[arg(long, value_name = "FILE", conflicts_with = "baseline")]
    pub(super) save_baseline: Option<PathBuf>,
    /// How often it is run [default: 1; 5 for a baseline].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(super) runs: Option<u32>,
    /// Writes a history that Elle reads.
    #[arg(long)]
    pub(super) elle: bool,
    /// Others use the run's entities as well: what the run never asked for is no fault.
    #[arg(long)]
    pub(super) shared: bool,
    /// Shows the seconds as they pass in a line each, also in a terminal.
    #[arg(long)]
    pub(super) plain: bool,
    /// Doesn't show the seconds as they pass.
    #[arg(long)]
    pub(super) quiet: bool,
}

fn factor(text: &str) -> Result<f64, String> {
    let factor: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.001..=1_000.0).contains(&factor) {
        Ok(factor)
    } else {
        Err("must be from 0.001 to 1000".to_owned())
    }
}

fn slice(text: &str) -> Result<Slice, String> {
    let parts = text
        .split_once('/')
        .and_then(|(index, of)| Some(Slice { index: index.parse().ok()?, of: of.parse().ok()? }));
    parts
        .filter(|slice| slice.index < slice.of)
        .ok_or_else(|| "must be such as 0/2: which one, counted from 0, and of how many".to_owned())
}

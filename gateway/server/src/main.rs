//! The `coppice` binary: its command line, nothing else.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use coppice_server::backup::BackupError;
use coppice_server::commands::{self, ServeError, VerifyError};
use coppice_server::config::{self, Flags, Secret, Settings, Sources};
use coppice_server::problem::Chain;

/// The node could not do what it was told to.
const FAILED: u8 = 1;
/// The command line or the configuration doesn't fit; clap uses the same.
const USAGE: u8 = 2;
/// Parts of the node crashed again and again: it is to be started anew.
const GAVE_UP: u8 = 4;
/// `verify`, `backup` or `restore` found a fault in what they were to check.
const FAULT_FOUND: u8 = 3;

/// A runtime for agents that grow back.
#[derive(Debug, Parser)]
#[command(name = "coppice", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves HTTP until SIGTERM or SIGINT.
    Serve {
        #[command(flatten)]
        options: Options,
        /// The address to listen on [default: 127.0.0.1:8080].
        #[arg(long, value_name = "ADDR")]
        listen: Option<String>,
    },
    /// Checks the whole journal and names the first fault.
    Verify {
        #[command(flatten)]
        options: Options,
    },
    /// Copies the embedded store, also beside the node that works on it, and checks the copy.
    Backup {
        #[command(flatten)]
        options: Options,
        /// The backup to make: a directory that is not there yet.
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
    },
    /// Makes a data directory out of a backup and checks it. Only one of the two may serve.
    Restore {
        #[command(flatten)]
        options: Options,
        /// The backup.
        #[arg(long, value_name = "DIR")]
        from: PathBuf,
    },
    /// Ends all leases and moves the epochs on, after a database was set back to an earlier time.
    Fence {
        #[command(flatten)]
        options: Options,
    },
}

#[derive(Debug, Args)]
struct Options {
    /// The embedded store's directory [default: ./data].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// A PostgreSQL URL in place of the embedded store.
    #[arg(long, value_name = "URL", value_parser = secret)]
    database: Option<Secret>,
    /// A configuration file; see config/default.toml for every setting.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

fn secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text.to_owned()))
}

impl Options {
    fn sources(self, listen: Option<String>) -> Sources {
        Sources {
            file: self.config,
            environment: std::env::vars_os().collect(),
            flags: Flags { data: self.data, listen, database: self.database },
        }
    }
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Serve { options, listen } => run(&options.sources(listen), async |settings| {
            commands::serve(settings).await.map_err(|error| {
                let code = match &error {
                    ServeError::BootstrapKey(_) => USAGE,
                    ServeError::GaveUp(_) => GAVE_UP,
                    _ => FAILED,
                };
                fail(&error, code)
            })
        }),
        Command::Verify { options } => run(&options.sources(None), async |settings| {
            commands::verify(settings).await.map_err(|error| {
                let found = matches!(error, VerifyError::Fault(_));
                fail(&error, if found { FAULT_FOUND } else { FAILED })
            })
        }),
        Command::Backup { options, to } => run(&options.sources(None), async |settings| {
            commands::backup(settings, &to).await.map_err(|error| of_backup(&error))
        }),
        Command::Restore { options, from } => run(&options.sources(None), async |settings| {
            commands::restore(settings, &from).await.map_err(|error| of_backup(&error))
        }),
        Command::Fence { options } => run(&options.sources(None), async |settings| {
            commands::fence(settings).await.map_err(|error| fail(&error, FAILED))
        }),
    }
}

fn of_backup(error: &BackupError) -> ExitCode {
    fail(error, if error.is_fault() { FAULT_FOUND } else { FAILED })
}

fn run(
    sources: &Sources,
    command: impl AsyncFnOnce(&Settings) -> Result<(), ExitCode>,
) -> ExitCode {
    let settings = match config::load(sources) {
        Ok(settings) => settings,
        Err(error) => return fail(&error, USAGE),
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error, FAILED),
    };
    match runtime.block_on(command(&settings)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(code) => code,
    }
}

#[allow(
    clippy::print_stderr,
    reason = "logging may not have been started, and a person is reading"
)]
fn fail(error: &(dyn std::error::Error + 'static), code: u8) -> ExitCode {
    eprintln!("coppice: {}", Chain(error));
    ExitCode::from(code)
}

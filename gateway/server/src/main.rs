//! The `coppice` binary: its command line, nothing else.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use coppice_core::{EntityId, EntityKind, Sequence, StreamKey, TenantId, Timestamp};
use coppice_load::command::LoadArguments;
use coppice_server::archive::ArchiveError;
use coppice_server::backup::BackupError;
use coppice_server::bootstrap::DEFAULT_TENANT;
use coppice_server::commands::{
    self, InspectCommandError, PolicyCheckError, ReplayRequest, ServeError, TokenError,
    TokenRequest, VerifyError,
};
use coppice_server::config::{self, Flags, Secret, Settings, Sources};
use coppice_server::demo::{DemoOptions, demo};
use coppice_server::inspection::{InspectError, Look};
use coppice_server::problem::Chain;
use coppice_server::replay::{Asked, ReplayError, Until};

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The node could not do what it was told to.
const FAILED: u8 = 1;
/// The command line or the configuration doesn't fit; clap uses the same.
const USAGE: u8 = 2;
/// Parts of the node crashed again and again: it is to be started anew.
const GAVE_UP: u8 = 4;
/// `verify`, `replay`, `archive`, `backup`, `restore` or `policy check` found a fault in what they
/// were to check.
const FAULT_FOUND: u8 = 3;
/// What `inspect` or `replay` was asked to show isn't there.
const ABSENT: u8 = 5;
/// How long a token is valid that is issued here, in seconds.
const TOKEN_TTL_S: u64 = 3_600;
/// Rows that `inspect` shows.
const ROWS: u32 = 100;

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
    /// Plays the whole story on a node of its own: a webhook becomes reviewed, approved, paid and
    /// proven work, through a SIGKILL. Needs nothing.
    Demo {
        /// Leaves the node running, and prints its address and key.
        #[arg(long)]
        keep: bool,
        /// A PostgreSQL database, in place of the embedded store.
        #[arg(long, value_name = "URL")]
        database: Option<String>,
        /// When the process is killed, in milliseconds after the webhook; at random if unset.
        #[arg(long, value_name = "MS")]
        kill_after_ms: Option<u64>,
        /// Where the data goes; a directory of its own if unset.
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// Drives a gateway with a load and says how fast it is and whether it did everything right.
    /// Without arguments: a node of its own, answered with two numbers. Ends with 2 where a threshold
    /// wasn't kept, 3 where the generator was the bottleneck, 4 where something was done wrong.
    Load(Box<LoadArguments>),
    /// Checks the whole journal and names the first fault.
    Verify {
        #[command(flatten)]
        options: Options,
        /// Checks an archive as well, and that the journal goes on from it.
        #[arg(long, value_name = "DIR")]
        archive: Option<PathBuf>,
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
    /// Writes what is older than an age into files, also beside the node, and checks them.
    Archive {
        #[command(flatten)]
        options: Options,
        /// How old, such as 30d; a whole number with s, m, h or d.
        #[arg(long, value_name = "AGE", value_parser = commands::age)]
        before: Duration,
        /// The archive, which is gone on with where it is there.
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
    },
    /// Shows an entity as it was, by its events in an archive, a journal or both. Beside the node too.
    Replay(Replay),
    /// Shows what a running node's API shows. The key comes from COPPICE_API_KEY.
    Inspect {
        /// Where the node serves.
        #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080", global = true)]
        url: String,
        /// The answer as it is, in place of text.
        #[arg(long, global = true)]
        json: bool,
        #[command(subcommand)]
        what: What,
    },
    /// Prints a token that a node with the same settings and COPPICE_JWT_SECRET accepts.
    Token {
        /// A configuration file; its section auth.jwt says what the token must claim.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Whose data it may reach.
        #[arg(long)]
        tenant: String,
        /// What it allows, once for each scope.
        #[arg(long = "scope", required = true)]
        scopes: Vec<String>,
        /// Who it is for: what is done with it is recorded under this name.
        #[arg(long, default_value = "operator")]
        subject: String,
        /// For how many seconds.
        #[arg(long, default_value_t = TOKEN_TTL_S)]
        ttl: u64,
    },
    /// Looks at policy bundles.
    Policy {
        #[command(subcommand)]
        what: OfPolicy,
    },
    /// Prints the OpenAPI document of all routes.
    Openapi,
    /// Ends all leases and moves the epochs on, after a database was set back to an earlier time.
    Fence {
        #[command(flatten)]
        options: Options,
    },
}

#[derive(Debug, Subcommand)]
enum OfPolicy {
    /// Says whether a bundle can be put in force, and what would change with it.
    Check {
        /// The bundle's directory.
        directory: PathBuf,
        /// Records of decisions to try it on, one a line as JSON.
        #[arg(long, value_name = "FILE")]
        records: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
enum What {
    /// The supervision tree, with the figures of kinds, pools and the writer.
    Tree,
    /// The state of an entity.
    Entity { kind: String, id: String },
    /// The events of an entity, the oldest first.
    Events {
        kind: String,
        id: String,
        /// Goes on where an earlier page ended.
        #[arg(long)]
        cursor: Option<String>,
        /// Rows.
        #[arg(long, default_value_t = ROWS)]
        limit: u32,
    },
    /// What is out of delivery, in order of arrival.
    DeadLetters {
        /// Goes on where an earlier page ended.
        #[arg(long)]
        after: Option<u64>,
        /// Rows.
        #[arg(long, default_value_t = ROWS)]
        limit: u32,
    },
    /// The entities of a kind in memory, those first that hold most up.
    Actors {
        kind: String,
        /// Rows.
        #[arg(long, default_value_t = ROWS)]
        limit: u32,
    },
}

impl From<What> for Look {
    fn from(what: What) -> Self {
        match what {
            What::Tree => Self::Tree,
            What::Entity { kind, id } => Self::Entity { kind, id },
            What::Events { kind, id, cursor, limit } => Self::Events { kind, id, cursor, limit },
            What::DeadLetters { after, limit } => Self::DeadLetters { after, limit },
            What::Actors { kind, limit } => Self::Actors { kind, limit },
        }
    }
}

#[derive(Debug, Args)]
struct Replay {
    #[command(flatten)]
    options: Options,
    #[arg(value_parser = EntityKind::new)]
    kind: EntityKind,
    #[arg(value_parser = EntityId::new)]
    id: EntityId,
    /// Whose entity.
    #[arg(long, default_value = DEFAULT_TENANT, value_parser = TenantId::new)]
    tenant: TenantId,
    /// An archive. Beside it a store is read only where one is named; it need not be there any more.
    #[arg(long, value_name = "DIR")]
    archive: Option<PathBuf>,
    /// As it was after its event of this sequence [default: after its last].
    #[arg(long, value_name = "SEQUENCE", value_parser = clap::value_parser!(u64).range(1..))]
    at: Option<u64>,
    /// As it was at this time, such as 2026-11-21T19:03:40.5Z.
    #[arg(long, value_name = "RFC3339", value_parser = commands::moment, conflicts_with = "at")]
    at_time: Option<Timestamp>,
    /// Its last events up to then as well, 10,000 at most.
    #[arg(long)]
    events: bool,
    /// JSON in place of text.
    #[arg(long)]
    json: bool,
}

impl Replay {
    fn run(self) -> ExitCode {
        let Self { options, kind, id, tenant, archive, at, at_time, events, json } = self;
        let until = match (at, at_time) {
            (Some(sequence), _) => Until::Sequence(Sequence(sequence)),
            (None, Some(time)) => Until::Time(time),
            (None, None) => Until::End,
        };
        let asked = Asked { key: StreamKey::new(tenant, kind, id), until, events };
        let by_flag = options.data.is_some() || options.database.is_some();
        run(&options.sources(None), async |settings| {
            let names_store = by_flag || settings.names_store();
            let request = ReplayRequest { asked, archive, names_store, json };
            commands::replay(settings, &request).await.map_err(|error| of_replay(&error))
        })
    }
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
                    ServeError::BootstrapKey(_)
                    | ServeError::Tokens(_)
                    | ServeError::Routing(_)
                    | ServeError::Tls(_) => USAGE,
                    ServeError::GaveUp(_) => GAVE_UP,
                    _ => FAILED,
                };
                fail(&error, code)
            })
        }),
        Command::Demo { keep, database, kill_after_ms, data } => block_on(async {
            let options = DemoOptions { keep, database, kill_after_ms, data };
            match demo(&options).await {
                Ok(true) => Ok(()),
                Ok(false) => Err(ExitCode::from(FAULT_FOUND)),
                Err(error) => Err(fail(&error, FAILED)),
            }
        }),
        Command::Load(arguments) => load(&arguments),
        Command::Verify { options, archive } => run(&options.sources(None), async |settings| {
            commands::verify(settings, archive.as_deref()).await.map_err(|error| {
                let found = matches!(error, VerifyError::Fault(_));
                fail(&error, if found { FAULT_FOUND } else { FAILED })
            })
        }),
        Command::Archive { options, before, to } => run(&options.sources(None), async |settings| {
            commands::archive(settings, before, &to).await.map_err(|error| {
                let found = matches!(error, ArchiveError::Fault(_));
                fail(&error, if found { FAULT_FOUND } else { FAILED })
            })
        }),
        Command::Backup { options, to } => run(&options.sources(None), async |settings| {
            commands::backup(settings, &to).await.map_err(|error| of_backup(&error))
        }),
        Command::Restore { options, from } => run(&options.sources(None), async |settings| {
            commands::restore(settings, &from).await.map_err(|error| of_backup(&error))
        }),
        Command::Replay(replay) => replay.run(),
        Command::Inspect { url, json, what } => block_on(async {
            let shown = commands::inspect(&url, &what.into(), json).await;
            shown.map_err(|error| of_inspect(&error))
        }),
        Command::Token { config, tenant, scopes, subject, ttl } => {
            let sources = Sources {
                file: config,
                environment: std::env::vars_os().collect(),
                flags: Flags::default(),
            };
            run(&sources, async |settings| {
                let request = TokenRequest { tenant, scopes, subject, ttl_s: ttl };
                commands::token(settings, &request).map_err(|error| of_token(&error))
            })
        }
        Command::Policy { what: OfPolicy::Check { directory, records } } => {
            match commands::check_policy(&directory, records.as_deref()) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => of_policy(&error),
            }
        }
        Command::Openapi => openapi(),
        Command::Fence { options } => run(&options.sources(None), async |settings| {
            commands::fence(settings).await.map_err(|error| fail(&error, FAILED))
        }),
    }
}

fn load(arguments: &LoadArguments) -> ExitCode {
    match commands::load(arguments) {
        Ok(verdict) => ExitCode::from(verdict.code()),
        Err(error) => fail(&error, FAILED),
    }
}

fn openapi() -> ExitCode {
    match commands::openapi() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, FAILED),
    }
}

fn of_inspect(error: &InspectCommandError) -> ExitCode {
    let code = match error {
        InspectCommandError::Ask(InspectError::NoKey | InspectError::Name(..)) => USAGE,
        InspectCommandError::Ask(InspectError::Refused { absent: true, .. }) => ABSENT,
        InspectCommandError::Ask(_) | InspectCommandError::Stdout(_) => FAILED,
    };
    fail(error, code)
}

fn of_replay(error: &ReplayError) -> ExitCode {
    let code = match error {
        ReplayError::Fault(_) => FAULT_FOUND,
        ReplayError::Absent(_) => ABSENT,
        ReplayError::NoSource(_)
        | ReplayError::NoArchive(_)
        | ReplayError::Archive(_)
        | ReplayError::Store(_)
        | ReplayError::Keys(_)
        | ReplayError::Stdout(_) => FAILED,
    };
    fail(error, code)
}

fn of_token(error: &TokenError) -> ExitCode {
    fail(error, if matches!(error, TokenError::Stdout(_)) { FAILED } else { USAGE })
}

fn of_policy(error: &PolicyCheckError) -> ExitCode {
    fail(error, if error.is_fault() { FAULT_FOUND } else { FAILED })
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
    block_on(command(&settings))
}

fn block_on(command: impl Future<Output = Result<(), ExitCode>>) -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error, FAILED),
    };
    match runtime.block_on(command) {
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

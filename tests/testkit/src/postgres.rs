//! A private PostgreSQL server as processes: started, stopped hard or gently, and started again on
//! the same data. And databases of their own on the server that `scripts/test` starts.
//!
//! The server waits for the disk at each commit, so that what a hard stop loses is what a power cut
//! would lose. It goes away with the test, even where the test's process is killed.

use std::collections::VecDeque;
use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;
use thiserror::Error;
use uuid::Uuid;

/// Names the server that `scripts/test` starts: a URL of a user who may create databases.
pub const SHARED_SERVER: &str = "COPPICE_TEST_POSTGRES_URL";

/// How long a start or a stop may take. Generous: a loaded machine is no reason to fail.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many ports are tried, since another process may take a free one before the server does.
const PORTS_MAX: usize = 5;
/// How many lines of the log an error shows.
const LOG_LINES: usize = 60;
/// Where Debian keeps the server's programs, in a directory per version.
const PROGRAMS: &str = "/usr/lib/postgresql";
/// What the server logs once it takes connections, whether it started anew or recovered.
const READY: &str = "database system is ready to accept connections";

/// Becomes the server, and leaves behind a process that waits on the pipe from the test: a line
/// says that all is well, its end without one that the test is gone. That process is nobody's
/// child, since the server would take a child that it doesn't know for one of its own.
const LAUNCH: &str = r#"
exec 3<&0
( { read -r _ <&3 || kill -QUIT $$; } </dev/null >/dev/null 2>&1 & )
exec "$@" </dev/null 3<&-
"#;

/// PostgreSQL not doing what it should, with what it says about it.
#[derive(Debug, Error)]
pub enum PostgresError {
    /// A program isn't installed.
    #[error(
        "there is no program {0} in PATH or under {PROGRAMS}; install PostgreSQL 15 or newer \
         (scripts/test does, where it may)"
    )]
    Missing(&'static str),
    /// The tests weren't started in the way that brings a server.
    #[error("{SHARED_SERVER} is not set: run scripts/test, which starts a PostgreSQL server")]
    NoSharedServer,
    /// The files or a process can't be made.
    #[error("the PostgreSQL server could not be set up")]
    Setup(#[from] io::Error),
    /// A program that should have done its work and ended well.
    #[error("{program} failed ({status}):\n{output}\nthe server's log ends:\n{log}")]
    Program {
        /// Which program.
        program: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// What it wrote.
        output: String,
        /// The end of the server's log, where it is ours.
        log: String,
    },
    /// It ended without ever being ready.
    #[error("PostgreSQL ended before it was ready ({status}); its log ends:\n{log}")]
    Ended {
        /// How it ended.
        status: ExitStatus,
        /// The end of its log.
        log: String,
    },
    /// It is running and never said that it was ready.
    #[error("PostgreSQL was not ready in time and was killed; its log ends:\n{log}")]
    NotReady {
        /// The end of its log.
        log: String,
    },
    /// It was told to stop and went on.
    #[error("PostgreSQL did not stop in time and was killed; its log ends:\n{log}")]
    DidNotStop {
        /// The end of its log.
        log: String,
    },
}

/// How to stop a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopMode {
    /// At once, without writing anything more; the next start recovers from the log of writes.
    Immediate,
    /// Ends every session, rolls back what is open, and writes everything down.
    Fast,
}

/// A database of its own on the server that `scripts/test` starts; its URL.
///
/// # Errors
/// [`PostgresError::NoSharedServer`] where the tests weren't started that way; they never go on
/// without.
pub fn shared_database() -> Result<String, PostgresError> {
    let server = env::var(SHARED_SERVER).map_err(|_| PostgresError::NoSharedServer)?;
    create_database(&find("psql")?, &server).map_err(|failure| failure.with_log(String::new()))
}

/// A server of its own. Dropping it stops it and removes its files.
#[derive(Debug)]
pub struct PostgresServer {
    programs: Programs,
    port: u16,
    running: Option<Running>,
    log: Log,
    /// Last, so that it is removed once the processes are gone.
    home: TempDir,
}

#[derive(Debug)]
struct Programs {
    initdb: PathBuf,
    postgres: PathBuf,
    psql: PathBuf,
}

#[derive(Debug)]
struct Running {
    server: Child,
    keeper: ChildStdin,
    /// One message each time the server is ready; the other end goes when its last process does.
    ready: Receiver<()>,
}

impl PostgresServer {
    /// Makes a server and starts it. As root it runs as the user `postgres`, since PostgreSQL
    /// refuses root.
    ///
    /// # Errors
    /// [`PostgresError`].
    pub fn start() -> Result<Self, PostgresError> {
        let programs =
            Programs { postgres: find("postgres")?, initdb: find("initdb")?, psql: find("psql")? };
        let home = tempfile::Builder::new().prefix("coppice-postgres-").tempdir()?;
        initialize(&programs, home.path())?;
        let log = Log::default();
        let mut server = Self { programs, port: 0, running: None, log, home };
        for _ in 1..PORTS_MAX {
            server.port = free_port()?;
            match server.start_again() {
                Err(PostgresError::Ended { log, .. }) if log.contains("could not bind") => {}
                outcome => return outcome.map(|()| server),
            }
        }
        server.port = free_port()?;
        server.start_again().map(|()| server)
    }

    /// The URL of one of its databases.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// Creates a database with a name of its own; its URL.
    ///
    /// # Errors
    /// [`PostgresError::Program`].
    pub fn create_database(&self) -> Result<String, PostgresError> {
        create_database(&self.programs.psql, &self.url("postgres"))
            .map_err(|failure| failure.with_log(self.log_tail()))
    }

    /// All that it has on the disk.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// The end of everything that it logged.
    #[must_use]
    pub fn log_tail(&self) -> String {
        self.log.tail()
    }

    /// Stops it and waits until all of its processes are gone. Nothing where it doesn't run.
    ///
    /// # Errors
    /// [`PostgresError::DidNotStop`], and then it is killed.
    pub fn stop(&mut self, mode: StopMode) -> Result<(), PostgresError> {
        let Some(running) = self.running.take() else { return Ok(()) };
        running.signal(match mode {
            StopMode::Immediate => Signal::QUIT,
            StopMode::Fast => Signal::INT,
        })?;
        if running.wait_for_end() {
            running.dismiss().map(drop)?;
            Ok(())
        } else {
            running.kill()?;
            Err(PostgresError::DidNotStop { log: self.log_tail() })
        }
    }

    /// Starts it on the same data, at the same address, and waits until it takes connections.
    /// Nothing where it runs.
    ///
    /// # Errors
    /// [`PostgresError::Ended`], [`PostgresError::NotReady`].
    pub fn start_again(&mut self) -> Result<(), PostgresError> {
        if self.running.is_some() {
            return Ok(());
        }
        let running = self.launch()?;
        match running.ready.recv_timeout(PATIENCE) {
            Ok(()) => {
                self.running = Some(running);
                Ok(())
            }
            Err(RecvTimeoutError::Disconnected) => {
                let status = running.dismiss()?;
                Err(PostgresError::Ended { status, log: self.log_tail() })
            }
            Err(RecvTimeoutError::Timeout) => {
                running.kill()?;
                Err(PostgresError::NotReady { log: self.log_tail() })
            }
        }
    }

    fn launch(&self) -> Result<Running, PostgresError> {
        let home = self.home.path();
        let mut postgres = unprivileged(&self.programs.postgres);
        postgres.arg("-D").arg(home.join("data"));
        let sockets = format!("unix_socket_directories={}", home.display());
        let port = format!("port={}", self.port);
        let settings = ["listen_addresses=127.0.0.1", "fsync=on", "synchronous_commit=on"];
        for setting in settings.into_iter().chain([port.as_str(), sockets.as_str()]) {
            postgres.arg("-c").arg(setting);
        }
        let mut command = Command::new("sh");
        command.arg("-c").arg(LAUNCH).arg("sh").arg(postgres.get_program());
        command.args(postgres.get_args()).current_dir(home);
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        let mut server = command.stderr(Stdio::piped()).spawn()?;
        let (Some(keeper), Some(stderr)) = (server.stdin.take(), server.stderr.take()) else {
            return Err(io::Error::other("a process without pipes").into());
        };
        let (say_ready, ready) = channel();
        let log = self.log.clone();
        // Ends with the server, when the last of its processes closes the log.
        thread::Builder::new()
            .name("postgres-log".to_owned())
            .spawn(move || log.follow(stderr, &say_ready))?;
        Ok(Running { server, keeper, ready })
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        // A test that cares how it stops has stopped it; nobody is left to hear of it here.
        drop(self.stop(StopMode::Immediate));
    }
}

impl Running {
    fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(kill_process(Pid::from_child(&self.server), signal)?)
    }

    /// Whether all of its processes end in time.
    fn wait_for_end(&self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.ready.recv_timeout(left) {
                // It was ready once more, after one of its processes had crashed.
                Ok(()) => {}
                Err(RecvTimeoutError::Disconnected) => return true,
                Err(RecvTimeoutError::Timeout) => return false,
            }
        }
    }

    /// Takes leave of an ended server. The keeper first, while the server's process id can't have
    /// gone to another process.
    fn dismiss(mut self) -> io::Result<ExitStatus> {
        // An error says that the keeper is gone already.
        drop(self.keeper.write_all(b"\n"));
        self.server.wait()
    }

    fn kill(mut self) -> io::Result<()> {
        self.server.kill()?;
        self.dismiss().map(drop)
    }
}

/// The last lines of a server's log, through every start.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<VecDeque<String>>>);

impl Log {
    /// Keeps the lines, and says when one of them is that the server is ready.
    fn follow(&self, stderr: ChildStderr, say_ready: &Sender<()>) {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let is_ready = line.contains(READY);
            let mut lines = self.0.lock();
            if lines.len() == LOG_LINES {
                lines.pop_front();
            }
            lines.push_back(line);
            drop(lines);
            if is_ready {
                // Where nobody waits any more, the pipe is read on, so that the server doesn't block.
                let _unheard = say_ready.send(());
            }
        }
    }

    fn tail(&self) -> String {
        Vec::from(self.0.lock().clone()).join("\n")
    }
}

/// A program that failed, before it is known whose log belongs to it.
enum Failure {
    Setup(io::Error),
    Program { program: &'static str, status: ExitStatus, output: String },
}

impl Failure {
    fn with_log(self, log: String) -> PostgresError {
        match self {
            Self::Setup(error) => PostgresError::Setup(error),
            Self::Program { program, status, output } => {
                PostgresError::Program { program, status, output, log }
            }
        }
    }
}

fn run(program: &'static str, mut command: Command) -> Result<(), Failure> {
    let done = command.stdin(Stdio::null()).output().map_err(Failure::Setup)?;
    if done.status.success() {
        return Ok(());
    }
    let output = [done.stdout, done.stderr].concat();
    let output = String::from_utf8_lossy(&output).trim_end().to_owned();
    Err(Failure::Program { program, status: done.status, output })
}

fn initialize(programs: &Programs, home: &Path) -> Result<(), PostgresError> {
    let no_log = |failure: Failure| failure.with_log(String::new());
    if geteuid().is_root() {
        let mut chown = Command::new("chown");
        chown.arg("postgres:").arg(home);
        run("chown", chown).map_err(no_log)?;
    }
    let mut initdb = unprivileged(&programs.initdb);
    initdb.current_dir(home).arg("--pgdata").arg(home.join("data"));
    initdb.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale"]);
    // What initdb writes needn't outlive a power cut; the server's own writes do.
    initdb.args(["--no-sync", "--no-instructions"]);
    run("initdb", initdb).map_err(no_log)
}

/// A program of PostgreSQL, as a user that isn't root.
fn unprivileged(program: &Path) -> Command {
    if !geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program);
    command
}

/// From `template0`, which nobody is ever connected to: a connection would make it fail.
fn create_database(psql: &Path, server: &str) -> Result<String, Failure> {
    let name = format!("test_{}", Uuid::new_v4().simple());
    let mut command = Command::new(psql);
    command.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--dbname", server]);
    command.arg("--command").arg(format!("CREATE DATABASE {name} TEMPLATE template0"));
    run("psql", command)?;
    Ok(with_database(server, &name))
}

/// A URL with another database in it; its parameters stay.
fn with_database(url: &str, database: &str) -> String {
    let (address, parameters) = url.split_once('?').map_or((url, None), |(a, p)| (a, Some(p)));
    let after_scheme = address.find("://").map_or(0, |at| at + 3);
    let end = address[after_scheme..].find('/').map_or(address.len(), |at| after_scheme + at);
    let server = &address[..end];
    match parameters {
        Some(parameters) => format!("{server}/{database}?{parameters}"),
        None => format!("{server}/{database}"),
    }
}

/// A program in PATH, or of the newest version that Debian has put aside.
fn find(program: &'static str) -> Result<PathBuf, PostgresError> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut directories: Vec<PathBuf> = env::split_paths(&path).collect();
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir(PROGRAMS)
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
        .collect();
    versions.sort_unstable();
    directories.extend(versions.into_iter().rev().map(|(_, version)| version.join("bin")));
    let mut files = directories.into_iter().map(|directory| directory.join(program));
    files.find(|file| file.is_file()).ok_or(PostgresError::Missing(program))
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_takes_the_place_of_another_in_a_url() {
        for (url, expected) in [
            ("postgres://u@h:1/postgres", "postgres://u@h:1/new"),
            ("postgres://u:p@h/postgres?sslmode=disable", "postgres://u:p@h/new?sslmode=disable"),
            ("postgres://h", "postgres://h/new"),
            ("postgres://h?host=/run/a", "postgres://h/new?host=/run/a"),
        ] {
            assert_eq!(with_database(url, "new"), expected);
        }
    }

    fn psql(server: &PostgresServer, url: &str, text: &str) -> String {
        let mut command = Command::new(&server.programs.psql);
        command.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", text]);
        let done = command.output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().trim_end().to_owned()
    }

    #[test]
    fn a_server_keeps_what_it_committed_through_either_stop() {
        let mut server = PostgresServer::start().unwrap();
        let url = server.create_database().unwrap();
        assert_ne!(url, server.create_database().unwrap());
        psql(&server, &url, "CREATE TABLE kept (a INT)");
        for mode in [StopMode::Immediate, StopMode::Fast] {
            psql(&server, &url, "INSERT INTO kept VALUES (1)");
            server.stop(mode).unwrap();
            let error = server.create_database().unwrap_err().to_string();
            assert!(error.contains("psql failed") && error.contains("log ends"), "{error}");
            server.start_again().unwrap();
        }
        assert_eq!(psql(&server, &url, "SELECT COUNT(*) FROM kept"), "2");
    }

    #[test]
    fn a_server_that_cannot_start_shows_its_log() {
        let mut server = PostgresServer::start().unwrap();
        server.stop(StopMode::Immediate).unwrap();
        fs::write(server.home.path().join("data/postgresql.conf"), "nonsense = 1\n").unwrap();
        let error = server.start_again().unwrap_err();
        assert!(matches!(&error, PostgresError::Ended { .. }), "{error:?}");
        assert!(error.to_string().contains("nonsense"), "{error}");
    }
}

//! The real binary as a process: started, killed, frozen, stopped and started again on the same
//! data.
//!
//! Its output goes to `coppice.log` beside the data directory, through every restart; the end of
//! it is part of every error, and is shown when a test panics.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use thiserror::Error;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

/// The key that a sandbox has unless the test gives another.
pub const DEFAULT_KEY: &str = "sk_test_00112233445566778899aabbccddeeff";

/// The operators' key of every sandbox.
pub const OPERATOR_KEY: &str = "sk_test_ffeeddccbbaa99887766554433221100";

/// How long a start or a stop may take unless the test says otherwise. Generous: a loaded machine
/// is no reason to fail.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a process is asked whether it has ended.
const POLL: Duration = Duration::from_millis(5);
/// How many lines of the log an error shows.
const LOG_LINES: usize = 60;
const READY: &str = "coppice ready ";

/// A process that doesn't do what it should.
#[derive(Debug, Error)]
pub enum SandboxError {
    /// The files or the process can't be made.
    #[error("the sandbox could not be set up")]
    Setup(#[from] io::Error),
    /// It ended without ever being ready.
    #[error("coppice ended before it was ready ({status}); its log ends:\n{log}")]
    Ended {
        /// How it ended.
        status: ExitStatus,
        /// The end of its log.
        log: String,
    },
    /// It is running and never said that it was ready.
    #[error("coppice was not ready in time; its log ends:\n{log}")]
    NotReady {
        /// The end of its log.
        log: String,
    },
    /// It was told to stop and went on.
    #[error("coppice did not stop in time and was killed; its log ends:\n{log}")]
    DidNotStop {
        /// The end of its log.
        log: String,
    },
}

/// How to start the process.
#[derive(Debug)]
pub struct SandboxBuilder {
    binary: PathBuf,
    data: Option<PathBuf>,
    database: Option<String>,
    config: Option<PathBuf>,
    listen: String,
    key: String,
    arguments: Vec<OsString>,
    variables: Vec<(OsString, OsString)>,
    patience: Duration,
}

impl SandboxBuilder {
    /// Uses this data directory, which then outlives the sandbox; a temporary one otherwise.
    #[must_use]
    pub fn data(mut self, directory: impl Into<PathBuf>) -> Self {
        self.data = Some(directory.into());
        self
    }

    /// Uses PostgreSQL at this URL.
    #[must_use]
    pub fn database(mut self, url: impl Into<String>) -> Self {
        self.database = Some(url.into());
        self
    }

    /// Uses this configuration file.
    #[must_use]
    pub fn config(mut self, file: impl Into<PathBuf>) -> Self {
        self.config = Some(file.into());
        self
    }

    /// Listens here instead of on a free port of the loopback.
    #[must_use]
    pub fn listen(mut self, address: impl Into<String>) -> Self {
        self.listen = address.into();
        self
    }

    /// Uses this bootstrap key.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = key.into();
        self
    }

    /// Uses a bootstrap key that no other sandbox has. Clients that go on calling while the process is
    /// away may find another one's at its address, and that must not take their commands.
    #[must_use]
    pub fn own_key(self) -> Self {
        self.key(format!("sk_test_{}", Uuid::new_v4().simple()))
    }

    /// Adds an argument after the others.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Sets an environment variable of the process.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// Waits this long for a start or a stop.
    #[must_use]
    pub const fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Starts the process and waits until it serves.
    ///
    /// # Errors
    /// [`SandboxError`].
    pub async fn start(self) -> Result<Sandbox, SandboxError> {
        let (home, data) = match &self.data {
            Some(data) => (None, data.clone()),
            None => {
                let home = tempfile::Builder::new().prefix("coppice-").tempdir()?;
                let data = home.path().join("data");
                (Some(home), data)
            }
        };
        let log = data.with_file_name("coppice.log");
        let mut sandbox =
            Sandbox { options: self, data, log, running: None, url: String::new(), _home: home };
        sandbox.launch().await?;
        Ok(sandbox)
    }
}

/// A running `coppice serve`, or one that was killed and can be started again. Dropping it kills
/// the process.
#[derive(Debug)]
pub struct Sandbox {
    options: SandboxBuilder,
    data: PathBuf,
    log: PathBuf,
    running: Option<Child>,
    url: String,
    /// Last, so that it is removed once the process is gone.
    _home: Option<TempDir>,
}

impl Sandbox {
    /// A sandbox of this binary; see [`crate::binary()`].
    #[must_use]
    pub fn builder(binary: PathBuf) -> SandboxBuilder {
        SandboxBuilder {
            binary,
            data: None,
            database: None,
            config: None,
            listen: "127.0.0.1:0".to_owned(),
            key: DEFAULT_KEY.to_owned(),
            arguments: Vec::new(),
            variables: Vec::new(),
            patience: PATIENCE,
        }
    }

    /// Where it serves, such as `http://127.0.0.1:4711`. A restart may move it.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The bootstrap key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.options.key
    }

    /// The data directory.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The end of everything that it wrote.
    #[must_use]
    pub fn log_tail(&self) -> String {
        match std::fs::read(&self.log) {
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes);
                let lines: Vec<_> = text.lines().collect();
                lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
            }
            Err(error) => format!("(no log: {error})"),
        }
    }

    /// The process id, while it runs.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        self.running.as_ref().map(Child::id)
    }

    /// Kills it with SIGKILL and waits until it is gone. Nothing where it doesn't run.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn kill(&mut self) -> io::Result<()> {
        let Some(mut child) = self.running.take() else { return Ok(()) };
        child.kill()?;
        child.wait().map(drop)
    }

    /// Starts it on the same data and waits until it serves; kills it before, where it runs.
    ///
    /// # Errors
    /// [`SandboxError`].
    pub async fn restart(&mut self) -> Result<(), SandboxError> {
        self.kill()?;
        self.launch().await
    }

    /// Freezes it with SIGSTOP.
    ///
    /// # Errors
    /// Where the system refuses, or it doesn't run.
    pub fn suspend(&self) -> io::Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on with SIGCONT.
    ///
    /// # Errors
    /// Where the system refuses, or it doesn't run.
    pub fn resume(&self) -> io::Result<()> {
        self.signal(Signal::CONT)
    }

    /// Asks it to stop with SIGTERM and waits for its end.
    ///
    /// # Errors
    /// [`SandboxError::DidNotStop`], and then it is killed.
    pub async fn terminate(&mut self) -> Result<ExitStatus, SandboxError> {
        self.signal(Signal::TERM)?;
        self.ended().await
    }

    /// Waits for it to end by itself.
    ///
    /// # Errors
    /// [`SandboxError::DidNotStop`], and then it is killed.
    pub async fn ended(&mut self) -> Result<ExitStatus, SandboxError> {
        let deadline = Instant::now() + self.options.patience;
        while let Some(child) = &mut self.running {
            if let Some(status) = child.try_wait()? {
                self.running = None;
                return Ok(status);
            }
            if Instant::now() >= deadline {
                self.kill()?;
                break;
            }
            sleep(POLL).await;
        }
        Err(SandboxError::DidNotStop { log: self.log_tail() })
    }

    /// Runs another command of the binary on the same data, such as `verify`, to its end.
    ///
    /// # Errors
    /// Where it can't be started.
    pub fn run<A: AsRef<OsStr>>(
        &self,
        command: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> io::Result<Output> {
        self.command(command).args(arguments).stdin(Stdio::null()).output()
    }

    fn command(&self, name: &str) -> Command {
        let options = &self.options;
        let mut command = Command::new(&options.binary);
        // What the test was started with is no business of the process.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("COPPICE_") {
                command.env_remove(name);
            }
        }
        command.arg(name).arg("--data").arg(&self.data);
        if let Some(database) = &options.database {
            command.arg("--database").arg(database);
        }
        if let Some(config) = &options.config {
            command.arg("--config").arg(config);
        }
        command.envs(options.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    async fn launch(&mut self) -> Result<(), SandboxError> {
        let log = self.open_log()?;
        let mut command = self.command("serve");
        command.arg("--listen").arg(&self.options.listen).args(&self.options.arguments);
        command.env("COPPICE_BOOTSTRAP_KEY", &self.options.key);
        command.env("COPPICE_OPERATOR_KEY", OPERATOR_KEY);
        // A test that sets the key itself means it.
        command.envs(self.options.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log.try_clone()?);
        let mut child = command.spawn()?;
        let stdout = child.stdout.take().ok_or_else(|| io::Error::other("no standard output"))?;
        self.running = Some(child);
        let (say_ready, ready) = oneshot::channel();
        // Ends with the process, when its standard output does.
        thread::Builder::new()
            .name("sandbox-stdout".to_owned())
            .spawn(move || copy_lines(stdout, log, say_ready))?;
        match timeout(self.options.patience, ready).await {
            Ok(Ok(url)) => {
                self.url = url;
                Ok(())
            }
            Ok(Err(_)) => {
                let status = self.ended().await?;
                Err(SandboxError::Ended { status, log: self.log_tail() })
            }
            Err(_) => {
                self.kill()?;
                Err(SandboxError::NotReady { log: self.log_tail() })
            }
        }
    }

    fn open_log(&self) -> io::Result<File> {
        if let Some(directory) = self.log.parent() {
            std::fs::create_dir_all(directory)?;
        }
        OpenOptions::new().create(true).append(true).open(&self.log)
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        let id = self.process_id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let id = id.ok_or_else(|| io::Error::other("coppice does not run"))?;
        kill_process(id, signal).map_err(io::Error::from)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if thread::panicking() {
            show(&format!("the log of {} ends:\n{}", self.log.display(), self.log_tail()));
        }
        if let Err(error) = self.kill() {
            show(&format!("coppice could not be killed: {error}"));
        }
    }
}

#[expect(clippy::print_stderr, reason = "the test harness keeps it with the failed test's output")]
fn show(text: &str) {
    eprintln!("{text}");
}

/// Copies standard output to the log, and tells the address once the process is ready.
fn copy_lines(stdout: ChildStdout, mut log: File, say_ready: oneshot::Sender<String>) {
    let mut say_ready = Some(say_ready);
    for line in BufReader::new(stdout).lines() {
        let Ok(line) = line else { return };
        // At once, for the process writes its standard error to the same file.
        if log.write_all(format!("{line}\n").as_bytes()).is_err() {
            return;
        }
        if let Some(url) = line.strip_prefix(READY)
            && let Some(say_ready) = say_ready.take()
        {
            // An error means that nobody waits any more.
            drop(say_ready.send(url.trim().to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A shell script in place of the binary. A copy made by another process: a file that this one has
    /// open for writing while another test starts a process is busy until that has let go of it.
    fn script(directory: &Path, text: &str) -> PathBuf {
        let (text_file, path) = (directory.join("text"), directory.join("coppice"));
        std::fs::write(&text_file, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&text_file, std::fs::Permissions::from_mode(0o755)).unwrap();
        let copied = Command::new("cp").args([&text_file, &path]).status().unwrap();
        assert!(copied.success(), "{copied}");
        path
    }

    const SERVE: &str = "trap 'exit 3' TERM; echo starting; \
         echo coppice ready http://127.0.0.1:9; while :; do sleep 0.01; done";

    #[tokio::test]
    async fn a_process_is_ready_killed_restarted_and_terminated() {
        let home = tempfile::tempdir().unwrap();
        let mut sandbox = Sandbox::builder(script(home.path(), SERVE)).start().await.unwrap();
        assert_eq!(sandbox.url(), "http://127.0.0.1:9");
        let first = sandbox.process_id();
        sandbox.kill().unwrap();
        assert_eq!(sandbox.process_id(), None);
        sandbox.restart().await.unwrap();
        assert_ne!(sandbox.process_id(), first);
        sandbox.suspend().unwrap();
        sandbox.resume().unwrap();
        assert_eq!(sandbox.terminate().await.unwrap().code(), Some(3));
        assert_eq!(sandbox.log_tail().matches("starting").count(), 2);
    }

    #[tokio::test]
    async fn a_process_that_ends_early_shows_its_log_and_status() {
        let home = tempfile::tempdir().unwrap();
        let binary = script(home.path(), "echo \"no $1 for $COPPICE_BOOTSTRAP_KEY\" >&2; exit 7");
        let error = Sandbox::builder(binary).start().await.unwrap_err();
        match error {
            SandboxError::Ended { status, log } => {
                assert_eq!(status.code(), Some(7));
                assert_eq!(log, format!("no serve for {DEFAULT_KEY}"));
            }
            other => panic!("got {other:?}"),
        }
    }

    #[tokio::test]
    async fn a_process_that_is_never_ready_is_killed() {
        let home = tempfile::tempdir().unwrap();
        let binary = script(home.path(), "while :; do sleep 0.01; done");
        let builder = Sandbox::builder(binary).patience(Duration::from_millis(50));
        let error = builder.start().await.unwrap_err();
        assert!(matches!(error, SandboxError::NotReady { .. }), "got {error:?}");
    }

    #[tokio::test]
    async fn another_command_runs_on_the_same_data() {
        let home = tempfile::tempdir().unwrap();
        let binary = script(home.path(), &format!("[ $1 = serve ] || exec echo \"$@\"\n{SERVE}"));
        let sandbox = Sandbox::builder(binary).start().await.unwrap();
        let output = sandbox.run("verify", ["--all"]).unwrap();
        let data = sandbox.data().display();
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            format!("verify --data {data} --all\n")
        );
    }
}

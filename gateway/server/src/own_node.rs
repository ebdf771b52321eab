//! A node of one's own: this very binary, in a process that can be killed.
//!
//! The demonstration and the load harness work on one.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use thiserror::Error;

/// Where one listens the first time: on a port that is free.
pub(crate) const ANY_PORT: &str = "127.0.0.1:0";

const READY: &str = "coppice ready ";
const SCHEME: &str = "http://";

/// Lines of the log that are shown where the node did not come up.
const LOG_LINES: usize = 5;

/// What the node needs to know.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) listen: String,
    pub(crate) data: PathBuf,
    pub(crate) log: PathBuf,
    pub(crate) database: Option<String>,
    pub(crate) config: Option<PathBuf>,
    pub(crate) environment: Vec<(String, String)>,
}

/// Why there is no node.
#[derive(Debug, Error)]
pub enum NodeError {
    /// The operating system did not play along.
    #[error("{doing}")]
    System {
        /// What was tried.
        doing: &'static str,
        /// Why it could not be done.
        #[source]
        source: io::Error,
    },
    /// The node ended before it was ready.
    #[error("the node did not come up; its log ends with: {0}")]
    NotReady(String),
}

/// A running node. Dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Node {
    child: Child,
    url: String,
    settings: Settings,
    keeps_running: bool,
}

impl Node {
    pub(crate) fn start(settings: &Settings) -> Result<Self, NodeError> {
        let system = |doing| move |source| NodeError::System { doing, source };
        let binary = std::env::current_exe().map_err(system("finding the binary"))?;
        let log = File::options().create(true).append(true).open(&settings.log);
        let log = log.map_err(system("opening the node's log"))?;
        let mut command = Command::new(binary);
        command
            .args(["serve", "--listen", &settings.listen, "--data"])
            .arg(&settings.data)
            .env("COPPICE_LOG__LEVEL", "info")
            .envs(settings.environment.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::piped())
            .stderr(log)
            .stdin(Stdio::null());
        if let Some(config) = &settings.config {
            command.arg("--config").arg(config);
        }
        if let Some(database) = &settings.database {
            command.args(["--database", database]);
        }
        let mut child = command.spawn().map_err(system("starting the node"))?;
        let url = ready(&mut child);
        let mut node =
            Self { child, url: String::new(), settings: settings.clone(), keeps_running: false };
        match url {
            Some(url) => {
                node.url = url;
                Ok(node)
            }
            None => Err(NodeError::NotReady(log_tail(&settings.log))),
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Kills the process, as SIGKILL does, and starts the next one on the same data.
    pub(crate) fn kill_and_start(mut self) -> Result<Self, NodeError> {
        self.end();
        Self::start(&self.settings)
    }

    /// Kills the process. What it takes to start the next one, on the same data and at the same
    /// address, is what comes back.
    pub(crate) fn kill(mut self) -> Settings {
        self.end();
        let listen = self.url.strip_prefix(SCHEME).unwrap_or(&self.settings.listen).to_owned();
        Settings { listen, ..self.settings.clone() }
    }

    /// Leaves the process running when this is dropped.
    pub(crate) const fn keep(&mut self) {
        self.keeps_running = true;
    }

    fn end(&mut self) {
        // One that has ended already can't be killed, and that is what is wanted.
        let _killed = self.child.kill();
        let _ended = self.child.wait();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if !self.keeps_running {
            self.end();
        }
    }
}

/// Reads until the node says where it is. The rest of what it says is nothing.
fn ready(child: &mut Child) -> Option<String> {
    let stdout = child.stdout.take()?;
    let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
    lines.find_map(|line| line.strip_prefix(READY).map(str::to_owned))
}

fn log_tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].join(" | ")
}

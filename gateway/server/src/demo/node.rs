//! The node of the demonstration: this very binary, in a process of its own that can be killed.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::DemoError;

/// What the node needs to know.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) data: PathBuf,
    pub(super) log: PathBuf,
    pub(super) database: Option<String>,
    pub(super) key: String,
    pub(super) webhook_secret: String,
    /// A file that names the host that diffs are fetched from.
    pub(super) config: PathBuf,
}

/// A running node. Dropped, it is killed.
#[derive(Debug)]
pub(super) struct Node {
    child: Child,
    url: String,
    settings: Settings,
    keeps_running: bool,
}

const READY: &str = "coppice ready ";

/// Lines of the log that are shown where the node did not come up.
const LOG_LINES: usize = 5;

impl Node {
    pub(super) fn start(settings: &Settings) -> Result<Self, DemoError> {
        let system = |doing| move |source| DemoError::System { doing, source };
        let binary = std::env::current_exe().map_err(system("finding the binary"))?;
        let log = File::options().create(true).append(true).open(&settings.log);
        let log = log.map_err(system("opening the node's log"))?;
        let mut command = Command::new(binary);
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(&settings.data)
            .arg("--config")
            .arg(&settings.config)
            .env("COPPICE_BOOTSTRAP_KEY", &settings.key)
            .env("COPPICE_GITHUB_WEBHOOK_SECRET", &settings.webhook_secret)
            .env("COPPICE_LOG__LEVEL", "info")
            .stdout(Stdio::piped())
            .stderr(log)
            .stdin(Stdio::null());
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
            None => Err(DemoError::NotReady(log_tail(&settings.log))),
        }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Kills the process, as SIGKILL does, and starts the next one on the same data.
    pub(super) fn kill_and_start(mut self) -> Result<Self, DemoError> {
        self.end();
        let settings = self.settings.clone();
        Self::start(&settings)
    }

    /// Leaves the process running when this is dropped.
    pub(super) fn keep(&mut self) {
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

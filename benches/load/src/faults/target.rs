//! Who starts the target, and what can be done to it.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::process::{Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use thiserror::Error;

use crate::wire::{Target, TargetError, Trust};

/// Something could not be done to the target.
#[derive(Debug, Error)]
pub enum StarterError {
    /// The system refused.
    #[error("{doing} failed")]
    System {
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// A command that was given for it failed.
    #[error("`{command}` ended with {status}")]
    Command {
        /// The command.
        command: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// The server did not come up; what it said last.
    #[error("the server did not come up: {0}")]
    NotReady(String),
    /// No entity of the run could be made to begin anew; what was said of the last.
    #[error("no entity began anew: {0}")]
    NotCrashed(String),
    /// This target can't have that done to it.
    #[error("{0}")]
    Unable(&'static str),
}

/// A target that serves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reached {
    /// Where.
    pub url: String,
    /// With which key.
    pub key: String,
    /// Whose word is taken for it, where it is spoken with over TLS.
    pub trust: Trust,
}

impl Reached {
    /// What requests are sent to.
    ///
    /// # Errors
    ///
    /// [`TargetError`]
    pub fn target(&self) -> Result<Target, TargetError> {
        Target::new(&self.url, &self.key, &self.trust)
    }
}

/// Starts the target, or knows where it is. The binary has one for the server of its own.
pub trait Starter: Send + std::fmt::Debug {
    /// Brings it up, with settings as environment variables, and returns once it serves.
    ///
    /// # Errors
    ///
    /// Where it doesn't come up.
    fn start(&mut self, environment: &BTreeMap<String, String>) -> Result<Reached, StarterError>;

    /// Its process, where it is known.
    fn process_id(&self) -> Option<u32>;

    /// Whether it can be started again after its end.
    fn can_restart(&self) -> bool;

    /// Whether its database can be stopped and started.
    fn can_stop_database(&self) -> bool;

    /// Where its effects can be heard: an address to listen at, with port 0 where the target is told the
    /// one that is found. None where nobody knows.
    fn bell(&self) -> Option<SocketAddr> {
        None
    }

    /// Ends its process with SIGKILL.
    ///
    /// # Errors
    ///
    /// Where that can't be done.
    fn kill(&mut self) -> Result<(), StarterError>;

    /// Starts it again at the same address, on the same data, and returns once it serves.
    ///
    /// # Errors
    ///
    /// Where it doesn't come up.
    fn restart(&mut self) -> Result<(), StarterError>;

    /// Stops its database.
    ///
    /// # Errors
    ///
    /// Where that can't be done.
    fn stop_database(&mut self) -> Result<(), StarterError>;

    /// Starts it again.
    ///
    /// # Errors
    ///
    /// Where that can't be done.
    fn start_database(&mut self) -> Result<(), StarterError>;
}

/// Commands that stop a database and start it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DatabaseCommands {
    /// Stops it.
    pub stop: Option<String>,
    /// Starts it, and returns once it can be used.
    pub start: Option<String>,
}

impl DatabaseCommands {
    /// Whether both are known.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        self.stop.is_some() && self.start.is_some()
    }

    /// Stops it.
    ///
    /// # Errors
    ///
    /// Where the command fails or there is none.
    pub fn stop(&self) -> Result<(), StarterError> {
        shell(self.stop.as_deref()).map(drop)
    }

    /// Starts it.
    ///
    /// # Errors
    ///
    /// Where the command fails or there is none.
    pub fn start(&self) -> Result<(), StarterError> {
        shell(self.start.as_deref()).map(drop)
    }
}

/// A target that somebody else started.
#[derive(Debug, Clone)]
pub struct External {
    /// Where it is.
    pub reached: Reached,
    /// Its process, where it runs on this machine.
    pub process_id: Option<u32>,
    /// A command that starts it again, and returns once it serves, with its output closed. Where the
    /// last line that it prints is a number, that is the new process.
    pub restart: Option<String>,
    /// Its database.
    pub database: DatabaseCommands,
    /// The address that its setting `effects.bell_url` leads to, which the harness may listen at.
    pub bell: Option<SocketAddr>,
}

impl Starter for External {
    fn start(&mut self, _: &BTreeMap<String, String>) -> Result<Reached, StarterError> {
        Ok(self.reached.clone())
    }

    fn bell(&self) -> Option<SocketAddr> {
        self.bell
    }

    fn process_id(&self) -> Option<u32> {
        self.process_id
    }

    fn can_restart(&self) -> bool {
        self.process_id.is_some() && self.restart.is_some()
    }

    fn can_stop_database(&self) -> bool {
        self.database.is_known()
    }

    fn kill(&mut self) -> Result<(), StarterError> {
        signal(self, Signal::KILL)?;
        self.process_id = None;
        Ok(())
    }

    fn restart(&mut self) -> Result<(), StarterError> {
        let said = shell(self.restart.as_deref())?;
        let last = said.trim_end().rsplit('\n').next();
        self.process_id = last.and_then(|line| line.trim().parse().ok());
        Ok(())
    }

    fn stop_database(&mut self) -> Result<(), StarterError> {
        self.database.stop()
    }

    fn start_database(&mut self) -> Result<(), StarterError> {
        self.database.start()
    }
}

pub(super) fn stop(starter: &dyn Starter) -> Result<(), StarterError> {
    signal(starter, Signal::STOP)
}

pub(super) fn go_on(starter: &dyn Starter) -> Result<(), StarterError> {
    signal(starter, Signal::CONT)
}

fn signal(starter: &dyn Starter, signal: Signal) -> Result<(), StarterError> {
    let id = starter.process_id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let id = id.ok_or(StarterError::Unable("its process is not known"))?;
    kill_process(id, signal).map_err(|error| StarterError::System {
        doing: "sending a signal to the server",
        source: error.into(),
    })
}

fn shell(command: Option<&str>) -> Result<String, StarterError> {
    let command = command.ok_or(StarterError::Unable("there is no command for it"))?;
    let output = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|source| StarterError::System { doing: "starting a shell", source })?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(StarterError::Command { command: command.to_owned(), status: output.status })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Child;

    use super::*;

    /// A process that waits to be told something, until it is killed.
    fn waiting() -> Child {
        Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap()
    }

    fn external(process_id: Option<u32>, restart: Option<&str>) -> External {
        External {
            reached: Reached::default(),
            process_id,
            restart: restart.map(str::to_owned),
            database: DatabaseCommands::default(),
            bell: None,
        }
    }

    /// Waits until the system says that the process is in a state, such as `T` where it is stopped.
    fn becomes(process_id: u32, state: char) {
        let is_so = || {
            let stat = std::fs::read_to_string(format!("/proc/{process_id}/stat")).unwrap();
            stat.rsplit_once(") ").unwrap().1.starts_with(state)
        };
        while !is_so() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_target_of_somebody_else_is_stopped_goes_on_and_is_killed_by_its_process() {
        let mut child = waiting();
        let mut target = external(Some(child.id()), Some("echo starting; echo 4711"));
        stop(&target).unwrap();
        becomes(child.id(), 'T');
        go_on(&target).unwrap();
        becomes(child.id(), 'S');
        target.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        assert!(matches!(target.kill(), Err(StarterError::Unable(_))), "it is gone");
        target.restart().unwrap();
        assert_eq!(target.process_id(), Some(4_711));
    }

    #[test]
    fn a_command_that_fails_is_an_error_and_so_is_none() {
        let mut target = external(Some(1), Some("exit 3"));
        assert!(matches!(target.restart(), Err(StarterError::Command { .. })));
        assert!(matches!(target.stop_database(), Err(StarterError::Unable(_))));
        let commands = |stop: &str| DatabaseCommands {
            stop: Some(stop.to_owned()),
            start: Some("true".to_owned()),
        };
        target.database = commands("false");
        assert!(target.can_stop_database());
        assert!(matches!(target.stop_database(), Err(StarterError::Command { .. })));
        target.database = commands("true");
        target.stop_database().unwrap();
        target.start_database().unwrap();
    }

    #[test]
    fn only_what_is_known_of_a_target_can_be_done_to_it() {
        assert!(!external(None, Some("true")).can_restart());
        assert!(!external(Some(1), None).can_restart());
        assert!(external(Some(1), Some("true")).can_restart());
        assert!(!external(None, None).can_stop_database());
    }
}

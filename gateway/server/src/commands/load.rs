//! `coppice load`: drives a gateway, or a node of its own, with a load.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use coppice_load::command::{self, CommandError, LoadArguments, OwnServer, Verdict};
use coppice_load::faults::{Reached, Starter, StarterError};
use coppice_load::wire::Trust;

use crate::own_node::{ANY_PORT, Node, NodeError, Settings};

/// Runs the harness, which is a client like any other. Where it is given no target it gets a node
/// whose data goes with it.
///
/// # Errors
///
/// Where it could not do what it was told to.
pub fn load(arguments: &LoadArguments) -> Result<Verdict, CommandError> {
    command::load(arguments, |own| Ok(Box::new(Own::new(own)?)))
}

/// A node of the harness's own, in a temporary directory.
#[derive(Debug)]
struct Own {
    home: PathBuf,
    key: String,
    asked: OwnServer,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Not started yet.
    New,
    Running(Node),
    /// What the next one is started with.
    Killed(Settings),
}

impl Own {
    fn new(asked: OwnServer) -> Result<Self, StarterError> {
        let failed = |doing, source| StarterError::System { doing, source };
        let mut random = [0; 24];
        getrandom::fill(&mut random)
            .map_err(|error| failed("getting random numbers", io::Error::other(error)))?;
        let (name, key) = random.split_at(8);
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let home = std::env::temp_dir().join(format!("coppice-load-node-{}", hex(name)));
        std::fs::create_dir_all(&home)
            .map_err(|source| failed("making a directory for the node", source))?;
        Ok(Self { home, key: format!("sk_test_{}", hex(key)), asked, state: State::New })
    }

    fn run(&mut self, settings: &Settings) -> Result<&Node, StarterError> {
        let node = Node::start(settings).map_err(of_node)?;
        self.state = State::Running(node);
        match &self.state {
            State::Running(node) => Ok(node),
            State::New | State::Killed(_) => Err(StarterError::Unable(NOT_RUNNING)),
        }
    }
}

/// Where the harness listens for what a node of its own does to the outside.
const ANY_BELL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const NOT_RUNNING: &str = "the node is not running";
const NOT_KILLED: &str = "the node was not killed";

fn of_node(error: NodeError) -> StarterError {
    match error {
        NodeError::System { doing, source } => StarterError::System { doing, source },
        NodeError::NotReady(said) => StarterError::NotReady(said),
    }
}

impl Starter for Own {
    fn start(&mut self, environment: &BTreeMap<String, String>) -> Result<Reached, StarterError> {
        let mut environment: Vec<_> = environment.clone().into_iter().collect();
        environment.push(("COPPICE_BOOTSTRAP_KEY".to_owned(), self.key.clone()));
        let settings = Settings {
            listen: ANY_PORT.to_owned(),
            data: self.home.join("data"),
            log: self.home.join("node.log"),
            database: self.asked.database.clone(),
            config: None,
            environment,
        };
        let url = self.run(&settings)?.url().to_owned();
        Ok(Reached { url, key: self.key.clone(), trust: Trust::System })
    }

    fn bell(&self) -> Option<SocketAddr> {
        Some(ANY_BELL)
    }

    fn process_id(&self) -> Option<u32> {
        match &self.state {
            State::Running(node) => Some(node.process_id()),
            State::New | State::Killed(_) => None,
        }
    }

    fn can_restart(&self) -> bool {
        true
    }

    fn can_stop_database(&self) -> bool {
        self.asked.database.is_some() && self.asked.database_commands.is_known()
    }

    fn kill(&mut self) -> Result<(), StarterError> {
        match std::mem::replace(&mut self.state, State::New) {
            State::Running(node) => {
                self.state = State::Killed(node.kill());
                Ok(())
            }
            other => {
                self.state = other;
                Err(StarterError::Unable(NOT_RUNNING))
            }
        }
    }

    fn restart(&mut self) -> Result<(), StarterError> {
        let State::Killed(settings) = &self.state else {
            return Err(StarterError::Unable(NOT_KILLED));
        };
        let settings = settings.clone();
        self.run(&settings).map(drop)
    }

    fn stop_database(&mut self) -> Result<(), StarterError> {
        self.asked.database_commands.stop()
    }

    fn start_database(&mut self) -> Result<(), StarterError> {
        self.asked.database_commands.start()
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.state = State::New;
        remove(&self.home);
    }
}

/// What was made for the run goes with it; what can't be removed is left to the system.
fn remove(home: &Path) {
    let _left = std::fs::remove_dir_all(home);
}

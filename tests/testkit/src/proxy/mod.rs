//! A proxy in front of PostgreSQL that cuts and stalls connections where a test says.
//!
//! It follows the protocol's frames both ways, so a cut is exact: [`Cut::AfterItsAnswer`] lets the
//! whole request through, waits until the server has said that it is done with it, and gives the
//! client none of it. That is "COMMIT sent, answer lost", with the commit certainly done.
//!
//! A request for TLS is answered with no, so that frames can be read; `sslmode=require` doesn't
//! pass.
//!
//! A pattern is searched in single frames of the client. With prepared statements the text of a
//! statement is in its first request only; what is bound (a payload, an id) is in each. `COMMIT`
//! as a statement of its own is a frame of its own.

mod connection;
mod frames;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use self::connection::Connection;
use crate::bytes::contains;

/// What happens to the connection whose client sends a frame with the pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The frame isn't forwarded; the connection ends.
    BeforeIt,
    /// The frame and the rest of its request are forwarded, nothing of the answer is, and the
    /// connection ends once the server is done with the request.
    AfterItsAnswer,
    /// The frame and the rest of its request are forwarded and the connection ends at once: the
    /// server may have done it or not.
    AfterItsRequest,
}

#[derive(Debug)]
struct Rule {
    pattern: Vec<u8>,
    cut: Cut,
    times: u64,
}

#[derive(Debug)]
struct Control {
    rules: Mutex<Vec<Rule>>,
    cuts: watch::Sender<u64>,
    /// Counts the calls of `cut_all`: a connection ends when it changes.
    generation: watch::Sender<u64>,
    stalled: watch::Sender<bool>,
    refusing: Mutex<bool>,
}

impl Control {
    /// The cut that a frame asks for, if any; it is used up by asking.
    fn cut_for(&self, frame: &[u8]) -> Option<Cut> {
        let mut rules = self.rules.lock();
        let rule =
            rules.iter_mut().find(|rule| rule.times > 0 && contains(frame, &rule.pattern))?;
        rule.times -= 1;
        Some(rule.cut)
    }

    fn count_cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

/// A running proxy. Dropping it ends every connection.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    control: Arc<Control>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    /// Listens on a free port of the loopback and forwards to a server, `host:port`.
    ///
    /// # Errors
    /// Where no port can be had.
    pub async fn start(server: &str) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let control = Arc::new(Control {
            rules: Mutex::default(),
            cuts: watch::Sender::new(0),
            generation: watch::Sender::new(0),
            stalled: watch::Sender::new(false),
            refusing: Mutex::new(false),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, server.to_owned(), Arc::clone(&control)));
        Ok(Self { address, control, _tasks: tasks })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// A database URL with its host and port replaced by the proxy's. User, password, database
    /// and parameters stay; a unix socket given by a `host` parameter doesn't.
    ///
    /// # Panics
    /// For a text that is no URL of a server.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let (scheme, rest) = database.split_once("://").expect("a database URL has a scheme");
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
        let at = if user.is_empty() { "" } else { "@" };
        format!("{scheme}://{user}{at}{}{path}", self.address)
    }

    /// Cuts the next so many connections whose client sends a frame with these bytes.
    pub fn cut(&self, pattern: impl Into<Vec<u8>>, cut: Cut, times: u64) {
        self.control.rules.lock().push(Rule { pattern: pattern.into(), cut, times });
    }

    /// Forgets what was to be cut.
    pub fn clear(&self) {
        self.control.rules.lock().clear();
    }

    /// Ends every connection now. New ones are taken.
    pub fn cut_all(&self) {
        self.control.generation.send_modify(|generation| *generation += 1);
    }

    /// Takes no new connections (they end at once), or takes them again.
    pub fn refuse(&self, refuse: bool) {
        *self.control.refusing.lock() = refuse;
    }

    /// Forwards nothing more, either way, on any connection, and ends none.
    pub fn stall(&self) {
        self.control.stalled.send_replace(true);
    }

    /// Forwards again, from where it stood.
    pub fn resume(&self) {
        self.control.stalled.send_replace(false);
    }

    /// How many connections were cut.
    #[must_use]
    pub fn cuts(&self) -> u64 {
        *self.control.cuts.borrow()
    }

    /// Waits until so many connections were cut; false where the time runs out before.
    pub async fn reached_cuts(&self, cuts: u64, patience: Duration) -> bool {
        let mut seen = self.control.cuts.subscribe();
        let reached = seen.wait_for(|seen| *seen >= cuts);
        matches!(timeout(patience, reached).await, Ok(Ok(_)))
    }
}

async fn accept(listener: TcpListener, server: String, control: Arc<Control>) {
    // Owned here, so that every connection ends with the proxy.
    let mut connections = JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        while connections.try_join_next().is_some() {}
        if *control.refusing.lock() {
            continue;
        }
        let server = server.clone();
        let control = Arc::clone(&control);
        connections.spawn(async move {
            // Subscribed before connecting, so that a cut in between isn't missed.
            let mut generation = control.generation.subscribe();
            generation.mark_unchanged();
            let Ok(server) = TcpStream::connect(&server).await else { return };
            // Latency of small frames would be the proxy's, not the server's; not worth failing.
            let _unimportant = (client.set_nodelay(true), server.set_nodelay(true));
            let connection = Connection::new(&control);
            let was_cut = tokio::select! {
                was_cut = connection.forward(client, server) => was_cut,
                _ = generation.changed() => true,
            };
            if was_cut {
                control.count_cut();
            }
        });
    }
}

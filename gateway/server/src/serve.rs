//! Connections: accepting them, serving HTTP/1.1 on them, and letting them finish.
//!
//! **Invariants:** never more than `connections_max` at a time, those included that became
//! WebSockets, and each belongs to a task that
//! [`serve`] owns and has joined when it returns. After the shutdown signal, and once the listening
//! socket takes no connection any more, none is accepted and no new request is read; those under way
//! may finish within the grace period.
//!
//! **Deliberately absent:** HTTP/2, which belongs to the proxy in front; and the HTTP library's own header timeout, which arms a timer per request. One look per connection and
//! period at whether anything was written finds the idle and the byte-by-byte client as well.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use rustix::io::Errno;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, error, info, warn};

use crate::config::ServerConfig;
use crate::crowd::{Crowd, Guest};
use crate::metered::Metered;
use crate::seat::{Seat, Seated};
use crate::tls::{Introduced, Tls};

/// Bounds what one connection buffers of pipelined requests and unsent answers.
const BUFFER_BYTES_MAX: usize = 64 * 1024;
/// After an error of the listener that may pass, such as no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// While all slots are taken by connections that work: one of them may have become idle.
const LOOK_FOR_IDLE_EVERY: Duration = Duration::from_millis(50);

/// Limits of the listener and its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Connections at the same time; one more waits in the listener's queue.
    pub connections_max: usize,
    /// The largest request line with headers.
    pub header_bytes_max: usize,
    /// A connection is closed after nothing was written to it for this long.
    pub idle_timeout: Duration,
    /// How long requests under way may take to finish at shutdown.
    pub shutdown_grace: Duration,
}

impl From<&ServerConfig> for ConnectionLimits {
    fn from(config: &ServerConfig) -> Self {
        Self {
            connections_max: config.connections_max,
            header_bytes_max: config.header_bytes_max,
            idle_timeout: Duration::from_millis(config.idle_timeout_ms),
            shutdown_grace: Duration::from_millis(config.shutdown_grace_ms),
        }
    }
}

/// Serves a router on a listener until `shutdown` resolves and the connections have ended.
///
/// # Errors
/// The listener's, where it will never accept again. The connections have ended as well.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ConnectionLimits,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    serve_with(listener, router, limits, None, shutdown).await
}

/// As [`serve`], with TLS where there is any.
///
/// # Errors
/// As [`serve`].
pub async fn serve_with(
    listener: TcpListener,
    router: Router,
    limits: ConnectionLimits,
    tls: Option<Tls>,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let http = Arc::new(protocol(limits));
    let slots = Arc::new(Semaphore::new(limits.connections_max));
    let crowd = Crowd::new();
    let mut waiting = None;
    let (stop, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    let ended = loop {
        let slot = tokio::select! {
            biased;
            () = &mut shutdown => break Ok(()),
            Some(ended) = connections.join_next() => {
                report(ended);
                continue;
            }
            accepted = accept(&listener, &slots, &crowd, &mut waiting) => match accepted {
                Ok(slot) => slot,
                Err(error) => break Err(error),
            },
        };
        let Some((stream, peer)) = waiting.take() else { continue };
        let connection = Connection {
            http: Arc::clone(&http),
            router: router.clone(),
            idle_timeout: limits.idle_timeout,
            stopped: stopped.clone(),
            guest: crowd.enter(),
        };
        let seat = Seat::new(slot);
        match &tls {
            None => connections.spawn(connection.run(stream, peer, seat)),
            Some(tls) => connections.spawn(connection.run_tls(tls.clone(), stream, peer, seat)),
        };
    };
    drop(listener);
    stop.send_replace(true);
    drain(connections, limits.shutdown_grace).await;
    ended
}

/// Without `pipeline_flush`: it holds answers back while half a request is buffered, so the answer to
/// a request that can't be parsed would never leave.
fn protocol(limits: ConnectionLimits) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.max_header_size(limits.header_bytes_max)
        .max_buf_size(BUFFER_BYTES_MAX.max(limits.header_bytes_max))
        // Head and body of an answer are small: one buffer, one write.
        .writev(false)
        .header_read_timeout(None);
    http
}

/// Waits for a connection and then for its slot: an idle one makes way where all are taken. Safe to
/// drop at any time, for whoever waits stays in `waiting`.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
    crowd: &Crowd,
    waiting: &mut Option<(TcpStream, SocketAddr)>,
) -> io::Result<Option<OwnedSemaphorePermit>> {
    if waiting.is_none() {
        *waiting = Some(next(listener).await?);
    }
    Ok(slot(slots, crowd).await)
}

/// `None` never comes: the semaphore is never closed.
async fn slot(slots: &Arc<Semaphore>, crowd: &Crowd) -> Option<OwnedSemaphorePermit> {
    let mut warned = false;
    loop {
        if slots.available_permits() == 0 && !crowd.make_room() && !warned {
            warn!("all connection slots are taken, and none of them by an idle connection");
            warned = true;
        }
        let slot = timeout(LOOK_FOR_IDLE_EVERY, Arc::clone(slots).acquire_owned()).await;
        if let Ok(slot) = slot {
            return slot.ok();
        }
    }
}

async fn next(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    loop {
        match listener.accept().await {
            Ok(accepted) => return Ok(accepted),
            Err(error) if is_of_the_connection(&error) => {}
            Err(error) if is_for_good(&error) => return Err(error),
            Err(error) => {
                error!(%error, "accepting connections failed");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The client gave up before it was accepted; the listener is fine.
fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

/// The socket listens no more, as after `ss --kill` or `shutdown(2)`: waiting for it would be waiting
/// for ever. What is missing for a while, such as descriptors or memory, says so with other numbers.
fn is_for_good(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::BADF | Errno::INVAL | Errno::NOTSOCK))
}

struct Connection {
    http: Arc<http1::Builder>,
    router: Router,
    idle_timeout: Duration,
    stopped: watch::Receiver<bool>,
    guest: Guest,
}

impl Connection {
    /// The seat is free once the connection has ended, and what it became.
    async fn run(self, stream: TcpStream, peer: SocketAddr, seat: Seat) {
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%error, %peer, "the connection ended before it began");
            return;
        }
        let service = self.service(seat);
        self.drive(stream, service, peer).await;
    }

    fn service(&self, seat: Seat) -> Seated<TowerToHyperService<Router>> {
        let service = TowerToHyperService::new(self.router.clone());
        Seated::new(service, seat, self.guest.counter())
    }

    async fn run_tls(mut self, tls: Tls, stream: TcpStream, peer: SocketAddr, seat: Seat) {
        let shaken = async {
            stream.set_nodelay(true)?;
            tls.accept(stream).await
        };
        let shaken = tokio::select! {
            biased;
            shaken = shaken => shaken,
            // No request was read, so none is cut off.
            _ = self.stopped.changed() => return,
            () = self.guest.asked_to_leave() => return,
        };
        match shaken {
            Ok((stream, caller)) => {
                let service = self.service(seat);
                self.drive(stream, Introduced::new(service, caller), peer).await;
            }
            Err(error) => debug!(%error, %peer, "the handshake failed"),
        }
    }

    async fn drive<I, S>(self, stream: I, service: S, peer: SocketAddr)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: Service<Request<Incoming>, Response = Response, Error = Infallible>,
        S::Future: Send + 'static,
    {
        let (io, written) = Metered::new(stream);
        let http = Arc::clone(&self.http);
        let mut served = pin!(http.serve_connection(io, service).with_upgrades());
        let mut idle = pin!(sleep(self.idle_timeout));
        let mut seen = written.bytes();
        let mut stopping = false;
        let Self { idle_timeout, mut stopped, guest, .. } = self;
        loop {
            tokio::select! {
                biased;
                outcome = &mut served => {
                    if let Err(error) = outcome {
                        debug!(%error, %peer, "the connection ended early");
                    }
                    return;
                }
                () = &mut idle => {
                    if written.bytes() == seen {
                        debug!(%peer, "the connection was idle for too long");
                        return;
                    }
                    seen = written.bytes();
                    idle.as_mut().reset(tokio::time::Instant::now() + idle_timeout);
                }
                () = guest.asked_to_leave() => {
                    debug!(%peer, "the connection was idle, and its slot was needed");
                    return;
                }
                // An error means that the sender is gone, and so is the server.
                _ = stopped.changed(), if !stopping => {
                    stopping = true;
                    served.as_mut().graceful_shutdown();
                }
            }
        }
    }
}

async fn drain(mut connections: JoinSet<()>, grace: Duration) {
    let open = connections.len();
    info!(open, "the listener is closed");
    let ended = timeout(grace, async {
        while let Some(ended) = connections.join_next().await {
            report(ended);
        }
    });
    if ended.await.is_err() {
        warn!(open = connections.len(), "connections were cut off at the end of the grace period");
        connections.shutdown().await;
    }
}

/// A panic in a handler ends its connection and nothing else, but it is a bug.
fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        error!(%error, "a connection panicked");
    }
}

//! A counter gateway in memory, exact in what it says and switchable in how it lies.
//!
//! It speaks what the harness asks of a node: commands and reads of counters, lists, events, metrics
//! and readiness. It serves on a thread of its own, so that a stall of it holds nobody else up.

#![allow(dead_code, reason = "every test binary uses a part of it")]

mod answers;
mod world;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::LocalSet;

pub(crate) use world::World;

/// What the stub does wrong. `0` and `None` are never.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults {
    /// No answer leaves before this moment.
    pub(crate) stalled_until: Option<Instant>,
    /// Every answer takes as long.
    pub(crate) delay: Option<Duration>,
    /// Every nth command is done and its connection closed without an answer.
    pub(crate) break_after_every: u64,
    /// Every nth command is not done and its connection closed without an answer.
    pub(crate) break_before_every: u64,
    /// Every nth command is acknowledged and never recorded.
    pub(crate) lose_every: u64,
    /// Every nth command is recorded twice.
    pub(crate) duplicate_every: u64,
    /// Every nth command changes places with the one before it in the journal.
    pub(crate) reorder_every: u64,
    /// With every nth command comes an event that nobody asked for.
    pub(crate) invent_every: u64,
    /// Every nth command leaves a gap in the sequence.
    pub(crate) skip_every: u64,
    /// Every nth command's idempotency key is not looked at, nor remembered.
    pub(crate) forget_key_every: u64,
    /// Every nth read shows a value that the events don't come to.
    pub(crate) misread_every: u64,
    /// Every nth read shows the state before the latest command.
    pub(crate) stale_every: u64,
    /// Every nth command is refused with 429, and nothing changes.
    pub(crate) overload_every: u64,
    /// Every nth command is done and answered 503 with the outcome `unknown`.
    pub(crate) unknown_every: u64,
}

/// A running stub; its thread ends with it.
#[derive(Debug)]
pub(crate) struct Stub {
    address: SocketAddr,
    world: Arc<Mutex<World>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Stub {
    /// The key that it takes; any other is answered with 401.
    pub(crate) const KEY: &'static str = "sk_test_00112233445566778899aabbccddeeff";

    pub(crate) fn start() -> Self {
        Self::with(Faults::default())
    }

    pub(crate) fn with(faults: Faults) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        listener.set_nonblocking(true).expect("a socket can be made non-blocking");
        let address = listener.local_addr().expect("a bound socket has an address");
        let world = Arc::new(Mutex::new(World::new(faults)));
        let (stop, stopped) = oneshot::channel();
        let served = Arc::clone(&world);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.expect("a runtime starts");
            LocalSet::new().block_on(&runtime, async {
                let listener = TcpListener::from_std(listener).expect("it is a listener");
                let serving = serve(listener, served);
                tokio::select! { () = serving => (), _ = stopped => () }
            });
        });
        Self { address, world, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes what it does wrong from now on.
    pub(crate) fn set(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.world().faults);
    }

    /// For a thread of its own that does something to it meanwhile.
    pub(crate) fn switch(&self) -> Switch {
        Switch(Arc::clone(&self.world))
    }

    /// What it holds.
    pub(crate) fn world(&self) -> std::sync::MutexGuard<'_, World> {
        self.world.lock().expect("the stub doesn't panic")
    }
}

/// A hand on a stub's faults.
#[derive(Debug)]
pub(crate) struct Switch(Arc<Mutex<World>>);

impl Switch {
    /// Waits until it has had so many commands.
    pub(crate) fn after_commands(&self, count: u64) {
        while self.world().commands < count {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// No answer leaves for as long.
    pub(crate) fn stall(&self, time: Duration) {
        self.world().faults.stalled_until = Some(Instant::now() + time);
    }

    fn world(&self) -> std::sync::MutexGuard<'_, World> {
        self.0.lock().expect("the stub doesn't panic")
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

async fn serve(listener: TcpListener, world: Arc<Mutex<World>>) {
    while let Ok((stream, _)) = listener.accept().await {
        stream.set_nodelay(true).expect("a socket takes the option");
        drop(tokio::task::spawn_local(connection(stream, Arc::clone(&world))));
    }
}

async fn connection(stream: TcpStream, world: Arc<Mutex<World>>) {
    let answering = service_fn(move |request| answer(request, Arc::clone(&world)));
    let served = hyper::server::conn::http1::Builder::new();
    // A fault of the service closes the connection, which is what some of its faults are.
    let _closed = served.serve_connection(TokioIo::new(stream), answering).await;
}

/// The connection is to close without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the stub breaks the connection")]
struct Break;

async fn answer(
    request: Request<Incoming>,
    world: Arc<Mutex<World>>,
) -> Result<Response<Full<Bytes>>, Break> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Break)?.to_bytes();
    let (answer, stalled_until, delay) = {
        let mut world = world.lock().expect("the stub doesn't panic");
        let answer = answers::answer(&mut world, &parts, &body);
        (answer, world.faults.stalled_until, world.faults.delay)
    };
    let until = delay.map(|delay| Instant::now() + delay).max(stalled_until);
    if let Some(until) = until {
        tokio::time::timeout_at(until.into(), std::future::pending::<Infallible>())
            .await
            .expect_err("nothing is waited for but the time");
    }
    answer.ok_or(Break)
}

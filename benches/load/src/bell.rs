//! The other side of the target's effects: whatever is sent here is noted and answered.
//!
//! It is there only where a scenario sets alarms, whose bell it is.

use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinSet, LocalSet};

/// The header by which repetitions are told.
const KEY: &str = "idempotency-key";
/// After an accept that failed.
const PAUSE: Duration = Duration::from_millis(100);
/// A ring is far shorter.
const BODY_BYTES_MAX: usize = 64 * 1_024;

/// A ring as it came.
#[derive(Debug, Clone)]
pub struct Noted {
    /// Its idempotency key.
    pub key: String,
    /// A hash of its body.
    pub body: u64,
    /// Which timer rang.
    pub timer: String,
    /// When.
    pub at: Instant,
}

/// What was noted so far, in order of time: some 150 bytes a ring.
pub type Notes = Arc<Mutex<Vec<Noted>>>;

/// A bell that listens; its thread ends with it.
#[derive(Debug)]
pub struct Bell {
    address: SocketAddr,
    notes: Notes,
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Deserialize)]
struct Ring {
    timer: String,
}

impl Bell {
    /// Starts one at an address; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// Where the address or a thread can't be had.
    pub fn start(at: SocketAddr) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = std::net::TcpListener::bind(at)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let notes = Notes::default();
        let (stop, stopped) = oneshot::channel::<Infallible>();
        let thread = std::thread::Builder::new().name("load-bell".to_owned());
        let noting = Arc::clone(&notes);
        let thread = thread.spawn(move || {
            LocalSet::new().block_on(&runtime, async {
                tokio::select! {
                    // Without a listener nothing is heard, which the verdict shows.
                    _ = listen(listener, &noting) => (),
                    _ = stopped => (),
                }
            });
        })?;
        Ok(Self { address, notes, stop: Some(stop), thread: Some(thread) })
    }

    /// Where the target's effects are to go.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/bell", self.address)
    }

    /// What is noted.
    #[must_use]
    pub fn notes(&self) -> Notes {
        Arc::clone(&self.notes)
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It has nothing to say.
            let _ended = thread.join();
        }
    }
}

async fn listen(listener: std::net::TcpListener, notes: &Notes) -> io::Result<Infallible> {
    let listener = TcpListener::from_std(listener)?;
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(connections.spawn_local(serve(stream, Arc::clone(notes)))),
            // Of this connection, or for want of files: the next may come through.
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

/// One connection. A target that is killed in the middle of a request is what is tested.
async fn serve(stream: TcpStream, notes: Notes) {
    let service = service_fn(|request| heard(request, Arc::clone(&notes)));
    let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    drop(served.await);
}

async fn heard(
    request: Request<Incoming>,
    notes: Notes,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let key = request.headers().get(KEY).and_then(|key| key.to_str().ok());
    let key = key.unwrap_or_default().to_owned();
    let body = Limited::new(request.into_body(), BODY_BYTES_MAX).collect().await;
    let mut response = Response::new(Full::from("{}"));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let body = body.map(|body| body.to_bytes()).unwrap_or_default();
    let Ok(Ring { timer }) = serde_json::from_slice(&body) else {
        *response.status_mut() = StatusCode::BAD_REQUEST;
        return Ok(response);
    };
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    let noted = Noted { key, body: hasher.finish(), timer, at: Instant::now() };
    notes.lock().unwrap_or_else(PoisonError::into_inner).push(noted);
    Ok(response)
}

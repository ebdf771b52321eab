//! The other side of an effect: an HTTP server that notes what it is sent and answers 200, late.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::random::Random;

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The `idempotency-key` header.
    pub key: String,
    /// The body.
    pub body: String,
}

/// The longest body that it takes.
const BODY_BYTES_MAX: usize = 1 << 20;

/// A server on a free port. Dropping it ends it.
#[derive(Debug)]
pub struct Receiver {
    url: String,
    received: Arc<Mutex<Vec<Received>>>,
    hangs_up: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Receiver {
    /// Starts one that answers after a random time up to this one, by the seed.
    ///
    /// # Errors
    /// Where no port is free.
    pub async fn start(late_max: Duration, seed: u64) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/bell", listener.local_addr()?);
        let received: Arc<Mutex<Vec<Received>>> = Arc::default();
        let random = Arc::new(Mutex::new(Random::seeded(seed)));
        let noted = Arc::clone(&received);
        let hangs_up = Arc::new(AtomicBool::new(false));
        let hanging_up = Arc::clone(&hangs_up);
        let task = coppice_runtime::task::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (noted, random) = (Arc::clone(&noted), Arc::clone(&random));
                let hangs_up = Arc::clone(&hanging_up);
                connections.spawn(async move {
                    // A client that goes away in the middle is what is tested.
                    drop(serve(stream, &noted, &random, late_max, &hangs_up).await);
                });
            }
        });
        Ok(Self { url, received, hangs_up, task })
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on, hangs up on whoever has made a request and notes nothing; or listens again.
    /// The other side can't know whether it was heard.
    pub fn hang_up(&self, on_everybody: bool) {
        self.hangs_up.store(on_everybody, Ordering::Relaxed);
    }

    /// Everything that came so far, in order.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    stream: TcpStream,
    noted: &Mutex<Vec<Received>>,
    random: &Mutex<Random>,
    late_max: Duration,
    hangs_up: &AtomicBool,
) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut length, mut key, mut line) = (0_usize, String::new(), String::new());
        loop {
            line.clear();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let header = line.trim_end().split_once(": ");
            match header {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.parse().map_err(io::Error::other)?;
                }
                Some((name, value)) if name.eq_ignore_ascii_case("idempotency-key") => {
                    key = value.to_owned();
                }
                Some(_) => {}
                None if line.trim_end().is_empty() => break,
                None => {}
            }
        }
        if length > BODY_BYTES_MAX {
            return Err(io::Error::other("the body is too large"));
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        if hangs_up.load(Ordering::Relaxed) {
            return Ok(());
        }
        let body = String::from_utf8_lossy(&body).into_owned();
        noted.lock().push(Received { key, body });
        let millis = u64::try_from(late_max.as_millis()).unwrap_or(u64::MAX - 1);
        let late = random.lock().below(millis + 1);
        tokio::time::sleep(Duration::from_millis(late)).await;
        stream
            .write_all(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
            )
            .await?;
    }
}

//! HTTP/1.1 to one target, over connections that are kept.
//!
//! Each [`Slot`] is a place for one connection. A request is sent and its answer read by whoever
//! asks, in one task: nothing is handed between tasks and nothing is shared. What went wrong is told
//! apart by whether the target may have seen the request.

mod address;
mod tls;

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Instant;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout_at;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

pub use address::{Target, TargetError};
pub use tls::{Tls, TlsError, Trust};

use crate::record::Nanos;

/// The longest answer that is read: a page of a thousand events of the largest size is well below it.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// Time since the run began.
#[derive(Debug, Clone, Copy)]
pub struct Clock(Instant);

impl Clock {
    /// One that begins now.
    #[must_use]
    pub fn begin() -> Self {
        Self(Instant::now())
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Nanos {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(Nanos::MAX)
    }

    /// A moment of the machine as one of the run.
    #[must_use]
    pub fn of(&self, moment: Instant) -> Nanos {
        let since = moment.saturating_duration_since(self.0);
        u64::try_from(since.as_nanos()).unwrap_or(Nanos::MAX)
    }

    /// A moment of the run as one of the machine.
    #[must_use]
    pub fn at(&self, nanos: Nanos) -> Instant {
        self.0 + std::time::Duration::from_nanos(nanos)
    }
}

/// A request.
#[derive(Debug, Clone)]
pub struct Call {
    /// Its method.
    pub method: Method,
    /// Its path, with a query where it has one.
    pub path: Uri,
    /// A JSON body; empty for none.
    pub body: Bytes,
    /// `x-correlation-id`.
    pub correlation: Option<HeaderValue>,
    /// `idempotency-key`.
    pub key: Option<HeaderValue>,
    /// `prefer`.
    pub prefer: Option<HeaderValue>,
}

impl Call {
    /// A read of a path.
    #[must_use]
    pub const fn get(path: Uri) -> Self {
        Self {
            method: Method::GET,
            path,
            body: Bytes::new(),
            correlation: None,
            key: None,
            prefer: None,
        }
    }

    /// A JSON body to a path.
    #[must_use]
    pub const fn post(path: Uri, body: Bytes) -> Self {
        Self { method: Method::POST, path, body, correlation: None, key: None, prefer: None }
    }

    fn request(&self, target: &Target) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.path.clone();
        let headers = request.headers_mut();
        headers.insert(HOST, target.host.clone());
        headers.insert(AUTHORIZATION, target.bearer.clone());
        if !self.body.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let more = [
            ("x-correlation-id", &self.correlation),
            ("idempotency-key", &self.key),
            ("prefer", &self.prefer),
        ];
        for (name, value) in more {
            if let Some(value) = value {
                headers.insert(name, value.clone());
            }
        }
        request
    }
}

/// An answer, whole.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Whether it says when to come again: `Retry-After`.
    pub retry_after: bool,
    /// The body.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// No connection could be made, or it was closed before anything was written.
    NotSent,
    /// It broke behind that.
    Broken,
    /// The time was over, with the request sent.
    TimedOut,
}

/// A try: when it was written, and what came of it.
#[derive(Debug)]
pub struct Tried {
    /// When the request was written, or the try to connect began that led to nothing.
    pub sent: Nanos,
    /// What came of it.
    pub answer: Result<Answer, Lost>,
}

/// Boxed where it is large: each operation that is under way has one.
type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;
type Carrier = Connection<TokioIo<Stream>, Full<Bytes>>;

/// A place for a connection.
#[derive(Debug)]
pub struct Slot {
    /// Names it in the history.
    pub index: u32,
    line: Option<Line>,
}

struct Line {
    sender: SendRequest<Full<Bytes>>,
    /// Carries the bytes; none once it has ended.
    connection: Option<Pin<Box<Carrier>>>,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("open", &self.connection.is_some()).finish_non_exhaustive()
    }
}

/// What became of a request on one connection.
enum Sent {
    /// It was answered.
    Answered(Answer),
    /// The connection was closed already, and the request never written.
    Never,
    /// The connection broke behind that, or the answer makes no sense.
    Broke,
}

impl Slot {
    /// An empty place.
    #[must_use]
    pub const fn new(index: u32) -> Self {
        Self { index, line: None }
    }

    /// Asks and reads the answer, on the connection that is there or a new one. A kept connection
    /// that turns out to be closed is replaced once.
    pub async fn ask(
        &mut self,
        target: &Target,
        call: &Call,
        clock: Clock,
        deadline: Nanos,
    ) -> Tried {
        let until = clock.at(deadline).into();
        loop {
            let (kept, mut line) = match self.line.take() {
                Some(line) => (true, line),
                None => {
                    let sent = clock.now();
                    match timeout_at(until, Line::open(target)).await {
                        Ok(Ok(line)) => (false, line),
                        Ok(Err(_)) | Err(_) => return Tried { sent, answer: Err(Lost::NotSent) },
                    }
                }
            };
            let sent = clock.now();
            let answer = match timeout_at(until, line.exchange(call.request(target))).await {
                Err(_) => Err(Lost::TimedOut),
                Ok(Sent::Never) if kept => continue,
                Ok(Sent::Never) => Err(Lost::NotSent),
                Ok(Sent::Broke) => Err(Lost::Broken),
                Ok(Sent::Answered(answer)) => {
                    self.line = line.connection.is_some().then_some(line);
                    Ok(answer)
                }
            };
            return Tried { sent, answer };
        }
    }
}

impl Line {
    async fn open(target: &Target) -> io::Result<Self> {
        let stream = connect(target).await?;
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(io::Error::other)?;
        Ok(Self { sender, connection: Some(Box::pin(connection)) })
    }

    /// Polls the exchange and what carries it in turn, until the exchange is over.
    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Sent {
        let Self { sender, connection } = self;
        let mut exchange = pin!(exchange(sender, request));
        poll_fn(|cx| {
            if let Poll::Ready(sent) = exchange.as_mut().poll(cx) {
                return Poll::Ready(sent);
            }
            let ended = connection.as_mut().is_none_or(|one| one.as_mut().poll(cx).is_ready());
            if ended {
                *connection = None;
            }
            exchange.as_mut().poll(cx)
        })
        .await
    }
}

/// A connection to the target, which was believed to be it where it had to prove it.
///
/// # Errors
///
/// Where none could be made, or it proved to be somebody else.
pub(crate) async fn connect(target: &Target) -> io::Result<Stream> {
    let stream = TcpStream::connect(target.address).await?;
    stream.set_nodelay(true)?;
    match &target.tls {
        None => Ok(Either::Left(stream)),
        Some(tls) => Ok(Either::Right(Box::new(tls.speak(stream).await?))),
    }
}

async fn exchange(sender: &mut SendRequest<Full<Bytes>>, request: Request<Full<Bytes>>) -> Sent {
    if sender.ready().await.is_err() {
        return Sent::Never;
    }
    let response = match sender.try_send_request(request).await {
        Ok(response) => response,
        Err(error) if error.message().is_some() => return Sent::Never,
        Err(_) => return Sent::Broke,
    };
    let status = response.status().as_u16();
    let retry_after = response.headers().contains_key(RETRY_AFTER);
    match Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await {
        Ok(body) => Sent::Answered(Answer { status, retry_after, body: body.to_bytes() }),
        Err(_) => Sent::Broke,
    }
}

#[cfg(test)]
mod tests;

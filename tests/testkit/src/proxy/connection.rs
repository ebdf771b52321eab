//! One connection through the proxy.

use std::future;
use std::io;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::Notify;

use super::frames::{Frames, Kind};
use super::{Control, Cut};

/// How much is read at once.
const CHUNK: usize = 16 * 1024;

pub(super) struct Connection<'a> {
    control: &'a Control,
    state: Mutex<State>,
    /// Rung when the connection is to be cut.
    end: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Requests forwarded whose "ready" hasn't come yet.
    outstanding: u64,
    /// The cut that a frame asked for; from then on the client gets no answers.
    cut: Option<Cut>,
    /// The request with that frame has been forwarded whole.
    forwarded: bool,
}

/// What to do with a frame of the client.
enum Step {
    Forward,
    /// Forward it and then no more: its request is whole and a cut is coming.
    ForwardLast,
    Cut,
}

impl<'a> Connection<'a> {
    pub(super) fn new(control: &'a Control) -> Self {
        Self { control, state: Mutex::default(), end: Notify::new() }
    }

    /// Forwards until either side ends or a cut is due; whether it was cut.
    pub(super) async fn forward(&self, mut client: TcpStream, mut server: TcpStream) -> bool {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let to_client = tokio::sync::Mutex::new(to_client);
        // Whichever direction fails or ends, ends both; the sides see it by their own end.
        tokio::select! {
            _ = self.upwards(from_client, &to_client, to_server) => false,
            _ = self.downwards(from_server, &to_client) => false,
            () = self.end.notified() => true,
        }
    }

    async fn upwards(
        &self,
        mut from_client: ReadHalf<'_>,
        to_client: &tokio::sync::Mutex<WriteHalf<'_>>,
        mut to_server: WriteHalf<'_>,
    ) -> io::Result<()> {
        let mut frames = Frames::of_client();
        let mut chunk = vec![0; CHUNK];
        loop {
            let read = from_client.read(&mut chunk).await?;
            if read == 0 {
                return Ok(());
            }
            frames.push(&chunk[..read]);
            while let Some(frame) = frames.next() {
                self.wait_while_stalled().await;
                if frame.kind == Kind::Encryption {
                    to_client.lock().await.write_all(b"N").await?;
                    continue;
                }
                match self.step(frame.kind, &frame.bytes) {
                    Step::Forward => to_server.write_all(&frame.bytes).await?,
                    Step::ForwardLast => {
                        to_server.write_all(&frame.bytes).await?;
                        self.request_is_forwarded();
                        future::pending::<()>().await;
                    }
                    Step::Cut => {
                        self.end.notify_one();
                        future::pending::<()>().await;
                    }
                }
            }
        }
    }

    fn step(&self, kind: Kind, bytes: &[u8]) -> Step {
        let mut state = self.state.lock();
        if state.cut.is_none() {
            state.cut = self.control.cut_for(bytes);
        }
        if state.cut == Some(Cut::BeforeIt) {
            return Step::Cut;
        }
        if !kind.ends_request() {
            return Step::Forward;
        }
        state.outstanding += 1;
        if state.cut.is_some() { Step::ForwardLast } else { Step::Forward }
    }

    fn request_is_forwarded(&self) {
        let mut state = self.state.lock();
        state.forwarded = true;
        let answered = state.outstanding == 0;
        if state.cut == Some(Cut::AfterItsRequest) || answered {
            self.end.notify_one();
        }
    }

    async fn downwards(
        &self,
        mut from_server: ReadHalf<'_>,
        to_client: &tokio::sync::Mutex<WriteHalf<'_>>,
    ) -> io::Result<()> {
        let mut frames = Frames::of_server();
        let mut chunk = vec![0; CHUNK];
        loop {
            let read = from_server.read(&mut chunk).await?;
            if read == 0 {
                return Ok(());
            }
            frames.push(&chunk[..read]);
            let mut answer = Vec::new();
            while let Some(frame) = frames.next() {
                if self.may_be_seen(frame.kind) {
                    answer.extend(frame.bytes);
                }
            }
            self.wait_while_stalled().await;
            to_client.lock().await.write_all(&answer).await?;
        }
    }

    /// Counts a frame of the server; whether the client may see it.
    fn may_be_seen(&self, kind: Kind) -> bool {
        let mut state = self.state.lock();
        if kind.is_ready() {
            state.outstanding = state.outstanding.saturating_sub(1);
        }
        if state.cut.is_some() && state.forwarded && state.outstanding == 0 {
            self.end.notify_one();
        }
        state.cut.is_none()
    }

    async fn wait_while_stalled(&self) {
        let mut stalled = self.control.stalled.subscribe();
        // An error means that the proxy is gone, and with it this task.
        drop(stalled.wait_for(|stalled| !*stalled).await);
    }
}

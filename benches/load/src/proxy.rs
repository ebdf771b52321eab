//! A proxy on the way to the target that can cut connections, swallow data and hold it up.
//!
//! It stands there only where a scenario has such a fault: it costs a copy each way and a thread.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, timeout_at};

/// Taken from one side at once.
const PIECE_BYTES: usize = 16_384;

/// What it does with what comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Hands it on.
    Open,
    /// Resets every connection, and new ones too.
    Cut,
    /// Holds everything back without a word, as a network does that has lost its way.
    Silent,
    /// Hands each piece on after a time.
    Delayed(Duration),
}

/// A running proxy; its thread ends with it.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Starts one in front of an address.
    ///
    /// # Errors
    ///
    /// Where no port or thread can be had.
    pub fn start(upstream: SocketAddr) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (mode, modes) = watch::channel(Mode::Open);
        let (stop, stopped) = oneshot::channel::<Infallible>();
        let thread = std::thread::Builder::new().name("load-proxy".to_owned());
        let thread = thread.spawn(move || {
            LocalSet::new().block_on(&runtime, async {
                let serving = serve(listener, upstream, modes);
                tokio::select! {
                    // Without a listener nothing comes through, which the run shows.
                    _ = serving => (),
                    _ = stopped => (),
                }
            });
        })?;
        Ok(Self { address, mode, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes what it does, for connections that are there and for new ones.
    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

async fn serve(
    listener: std::net::TcpListener,
    upstream: SocketAddr,
    modes: watch::Receiver<Mode>,
) -> io::Result<Infallible> {
    let listener = TcpListener::from_std(listener)?;
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // One that fails is of one client: it was gone again, or files ran out for now.
                if let Ok((client, _)) = accepted {
                    connections.spawn_local(carry(client, upstream, modes.clone()));
                }
            }
            Some(_ended) = connections.join_next() => {}
        }
    }
}

/// The connection is to be reset.
struct Reset;

async fn carry(mut client: TcpStream, upstream: SocketAddr, modes: watch::Receiver<Mode>) {
    let cut = modes.borrow().eq(&Mode::Cut);
    let server = if cut { None } else { TcpStream::connect(upstream).await.ok() };
    let Some(mut server) = server else {
        reset(&client);
        return;
    };
    // Where the option can't be set, data is only later.
    let _set = (client.set_nodelay(true), server.set_nodelay(true));
    let carried = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        tokio::try_join!(
            relay(from_client, to_server, modes.clone()),
            relay(from_server, to_client, modes)
        )
    };
    if carried.is_err() {
        reset(&client);
        reset(&server);
    }
}

fn reset(stream: &TcpStream) {
    // Where it can't be set, the connection is closed in order, which the other side notices too.
    let _set = stream.set_zero_linger();
}

async fn relay(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut modes: watch::Receiver<Mode>,
) -> Result<(), Reset> {
    let mut piece = vec![0; PIECE_BYTES];
    let mut cut = modes.clone();
    loop {
        let read = tokio::select! {
            biased;
            _ = cut.wait_for(|mode| *mode == Mode::Cut) => return Err(Reset),
            read = from.read(&mut piece) => read.map_err(|_| Reset)?,
        };
        held_up(&mut modes, Instant::now()).await?;
        let written = tokio::select! {
            biased;
            _ = cut.wait_for(|mode| *mode == Mode::Cut) => return Err(Reset),
            written = pass(&mut to, &piece[..read]) => written,
        };
        written.map_err(|_| Reset)?;
        if read == 0 {
            return Ok(());
        }
    }
}

async fn pass(to: &mut WriteHalf<'_>, piece: &[u8]) -> io::Result<()> {
    if piece.is_empty() { to.shutdown().await } else { to.write_all(piece).await }
}

/// Waits until what arrived at a moment may go on.
async fn held_up(modes: &mut watch::Receiver<Mode>, arrived: Instant) -> Result<(), Reset> {
    loop {
        let mode = *modes.borrow_and_update();
        let changed = match mode {
            Mode::Open => return Ok(()),
            Mode::Cut => return Err(Reset),
            Mode::Silent => modes.changed().await,
            Mode::Delayed(time) => match timeout_at(arrived + time, modes.changed()).await {
                Ok(changed) => changed,
                Err(_) => return Ok(()),
            },
        };
        changed.map_err(|_| Reset)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn echo(listener: TcpListener) {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut byte = [0];
            while stream.read(&mut byte).await.is_ok_and(|read| read == 1) {
                stream.write_all(&byte).await.unwrap();
            }
        }
    }

    async fn ping(stream: &mut TcpStream) -> io::Result<u8> {
        stream.write_all(b"a").await?;
        let mut byte = [0];
        stream.read_exact(&mut byte).await?;
        Ok(byte[0])
    }

    const BRIEFLY: Duration = Duration::from_millis(100);

    async fn with_proxy<F: Future<Output = ()>>(test: impl FnOnce(Proxy, TcpStream) -> F) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Proxy::start(listener.local_addr().unwrap()).unwrap();
        let stream = TcpStream::connect(proxy.address()).await.unwrap();
        tokio::select! {
            () = echo(listener) => panic!("the echo never ends"),
            () = test(proxy, stream) => (),
        }
    }

    #[tokio::test]
    async fn it_hands_on_and_a_delay_holds_up_each_way() {
        with_proxy(async |proxy, mut stream| {
            assert_eq!(ping(&mut stream).await.unwrap(), b'a');
            proxy.set(Mode::Delayed(BRIEFLY));
            let begun = Instant::now();
            assert_eq!(ping(&mut stream).await.unwrap(), b'a');
            assert!(begun.elapsed() >= BRIEFLY * 2);
        })
        .await;
    }

    #[tokio::test]
    async fn a_cut_resets_what_is_there_and_what_comes() {
        with_proxy(async |proxy, mut stream| {
            assert_eq!(ping(&mut stream).await.unwrap(), b'a');
            proxy.set(Mode::Cut);
            let kind = stream.read_u8().await.unwrap_err().kind();
            assert_eq!(kind, io::ErrorKind::ConnectionReset);
            // It may be reset before the connect is over, or behind it.
            if let Ok(mut late) = TcpStream::connect(proxy.address()).await {
                assert!(ping(&mut late).await.is_err());
            }
            proxy.set(Mode::Open);
            let mut healed = TcpStream::connect(proxy.address()).await.unwrap();
            assert_eq!(ping(&mut healed).await.unwrap(), b'a');
        })
        .await;
    }

    #[tokio::test]
    async fn silence_loses_nothing_and_lets_nothing_through() {
        with_proxy(async |proxy, mut stream| {
            assert_eq!(ping(&mut stream).await.unwrap(), b'a');
            proxy.set(Mode::Silent);
            stream.write_all(b"b").await.unwrap();
            let heard = timeout_at(Instant::now() + BRIEFLY, stream.read_u8()).await;
            assert!(heard.is_err(), "something came through");
            proxy.set(Mode::Open);
            assert_eq!(stream.read_u8().await.unwrap(), b'b');
        })
        .await;
    }
}

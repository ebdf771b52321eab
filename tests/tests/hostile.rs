//! Clients that mean harm, and what a client that doesn't notices of them.

#![expect(clippy::unwrap_used, reason = "what fails where it must not fails the test")]
#![expect(clippy::print_stdout, reason = "the figures belong to the test's output")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use coppice_runtime::task::spawn;
use coppice_testkit::{Client, Rounds, Sandbox, binary};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// More than a node has places for connections: who sits on one and does nothing makes way.
const IDLE: usize = 10_000;
const SLOW: usize = 200;
const HALF_CLOSED: usize = 200;
const HUGE: usize = 4;
const STREAMS: usize = 60;

const ADDS: usize = 500;
/// How much slower the others may get.
const FACTOR: u32 = 2;
/// What a machine that others use adds to any p99.
const NOISE: Duration = Duration::from_millis(3);

/// The p99 of adds, each on a connection of a pool.
async fn p99(client: &Client, name: &str) -> Duration {
    let mut took = Vec::with_capacity(ADDS);
    for add in 0..ADDS {
        let started = Instant::now();
        let reply = client.add(&format!("{name}-{}", add % 20), 1, None).await.unwrap();
        took.push(started.elapsed());
        assert_eq!(reply.status.as_u16(), 200, "{name}: {reply:?}");
    }
    took.sort();
    took[ADDS * 99 / 100]
}

/// What the others' p99 was in a round.
#[derive(Debug)]
struct Round {
    before: Duration,
    among_idle: Duration,
    among_all: Duration,
}

impl Round {
    fn limit(&self) -> Duration {
        self.before * FACTOR + NOISE
    }
}

/// One that comes anew: it must get a place as well.
async fn stranger_gets_in(url: &str, key: &str) {
    let fresh = Client::with_timeout(url, key, Duration::from_secs(10));
    assert_eq!(fresh.add("fresh", 1, None).await.unwrap().status.as_u16(), 200);
}

/// What is done to the node until it is told to stop.
struct Attack {
    address: String,
    key: String,
    stop: Arc<AtomicBool>,
    refused: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<()>>,
}

impl Attack {
    fn on(sandbox: &Sandbox, refused: &Arc<AtomicU64>) -> Self {
        let address = sandbox.url().strip_prefix("http://").unwrap().to_owned();
        let key = sandbox.key().to_owned();
        let refused = Arc::clone(refused);
        Self { address, key, stop: Arc::default(), refused, tasks: Vec::new() }
    }

    /// Connections that never say a word.
    async fn idle(&self, count: usize) -> Vec<TcpStream> {
        let mut held = Vec::with_capacity(count);
        for _ in 0..count {
            let stream = TcpStream::connect(&self.address).await.unwrap();
            // Whoever leaves so leaves no port behind that waits for a minute.
            stream.set_zero_linger().unwrap();
            held.push(stream);
        }
        held
    }

    /// Requests that come a byte at a time and have no end.
    fn slow(&mut self, count: usize) {
        for _ in 0..count {
            let (address, stop) = (self.address.clone(), Arc::clone(&self.stop));
            self.tasks.push(spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let Ok(mut stream) = TcpStream::connect(&address).await else { return };
                    let begun = b"POST /v1/entities/counter/slow/add HTTP/1.1\r\nx: ";
                    let mut open = stream.write_all(begun).await.is_ok();
                    while open && !stop.load(Ordering::Relaxed) {
                        open = stream.write_all(b"y").await.is_ok();
                        sleep(Duration::from_millis(100)).await;
                    }
                }
            }));
        }
    }

    /// Asks, says that no more will come, and reads nothing.
    async fn half_closed(&self, count: usize) -> Vec<TcpStream> {
        let request = format!(
            "GET /v1/entities/counter/x HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n",
            self.key
        );
        let mut held = Vec::with_capacity(count);
        for _ in 0..count {
            let mut stream = TcpStream::connect(&self.address).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
            held.push(stream);
        }
        held
    }

    /// Heads that are far larger than any may be, one after another.
    fn huge(&mut self, count: usize) {
        for _ in 0..count {
            let (address, stop) = (self.address.clone(), Arc::clone(&self.stop));
            let refused = Arc::clone(&self.refused);
            self.tasks.push(spawn(async move {
                let head = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(1 << 20));
                while !stop.load(Ordering::Relaxed) {
                    let Ok(mut stream) = TcpStream::connect(&address).await else { return };
                    // It may be cut off before it has sent all of it.
                    drop(timeout(Duration::from_secs(2), stream.write_all(head.as_bytes())).await);
                    let mut answer = [0; 12];
                    let read = timeout(Duration::from_secs(2), stream.read(&mut answer)).await;
                    if matches!(read, Ok(Ok(12))) && &answer[9..] == b"431" {
                        refused.fetch_add(1, Ordering::Relaxed);
                    }
                    sleep(Duration::from_millis(20)).await;
                }
            }));
        }
    }

    /// Streams of events whose readers don't read.
    async fn streams(&self, count: usize) -> Vec<TcpStream> {
        let request = format!(
            "GET /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n",
            self.key
        );
        let mut held = Vec::with_capacity(count);
        for _ in 0..count {
            let mut stream = TcpStream::connect(&self.address).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            held.push(stream);
        }
        held
    }

    async fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
    }
}

/// One round, and no attack behind it.
async fn round(sandbox: &Sandbox, client: &Client, refused: &Arc<AtomicU64>) -> Round {
    let before = p99(client, "before").await;

    let mut attack = Attack::on(sandbox, refused);
    let idle = attack.idle(IDLE).await;
    let among_idle = p99(client, "idle").await;
    stranger_gets_in(sandbox.url(), sandbox.key()).await;

    let half_closed = attack.half_closed(HALF_CLOSED).await;
    let streams = attack.streams(STREAMS).await;
    attack.slow(SLOW);
    attack.huge(HUGE);
    let among_all = p99(client, "all").await;
    stranger_gets_in(sandbox.url(), sandbox.key()).await;

    drop((idle, half_closed, streams));
    attack.end().await;
    Round { before, among_idle, among_all }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_clients_leave_the_others_p99_within_twice() {
    let sandbox = Sandbox::builder(binary()).start().await.unwrap();
    let client = Client::new(sandbox.url(), sandbox.key());
    let refused = Arc::new(AtomicU64::new(0));
    let (mut rounds, mut among_idle, mut among_all) =
        (Vec::new(), Rounds::default(), Rounds::default());
    while !(among_idle.are_decided() && among_all.are_decided()) {
        let round = round(&sandbox, &client, &refused).await;
        println!("{round:?}");
        among_idle.count(round.among_idle <= round.limit());
        among_all.count(round.among_all <= round.limit());
        rounds.push(round);
    }
    assert!(refused.load(Ordering::Relaxed) > 0, "no huge head was answered");
    assert!(among_idle.kept(), "{IDLE} idle connections: {rounds:?}");
    assert!(among_all.kept(), "all of it: {rounds:?}");
    // What an attack leaves behind slows each round after the first.
    let after = rounds[1..].iter().map(|round| round.before).min().unwrap();
    assert!(after <= rounds[0].limit(), "when it was over: {rounds:?}");
}

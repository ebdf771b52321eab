//! What the generator itself can do, against a stub that does nothing but answer: requests a second,
//! and what one costs of a processor. A figure that a real target comes close to is the generator's.
//!
//! Under `cargo test` it runs once and briefly, so that it can't rot.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed step ends the run")]
#![allow(clippy::print_stdout, reason = "printing is what a benchmark is for")]

use std::net::TcpListener as Listener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use coppice_load::faults::{DatabaseCommands, External, Reached};
use coppice_load::plan::Slice;
use coppice_load::run::{Finished, Options, RunName, run};
use coppice_load::scenario::Scenario;
use coppice_load::stop::Stop;
use coppice_load::wire::Trust;
use rustix::time::{ClockId, clock_gettime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const BODY: &str = r#"{"sequence":1,"reply":{"value":1},"repeated":false}"#;

/// Processor time of the thread that asks, in nanoseconds.
fn thread_time() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec).unwrap() * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap()
}

/// Answers every request that comes in one piece, which these do. Its thread ends with the process.
fn stub(spent: Arc<AtomicU64>) -> String {
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener).unwrap();
            let mut served = JoinSet::new();
            let mut tick = tokio::time::interval(Duration::from_millis(5));
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        served.spawn(serve(accepted.unwrap().0));
                    }
                    _ = tick.tick() => spent.store(thread_time(), Ordering::Relaxed),
                }
            }
        });
    });
    url
}

async fn serve(mut stream: TcpStream) {
    stream.set_nodelay(true).unwrap();
    let length = BODY.len();
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{BODY}"
    );
    let mut buffer = [0; 4_096];
    while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn scenario(arrivals: &str, for_s: f64) -> Scenario {
    let text = format!(
        "name = 'generator'\nabout = 'b'\nseed = 1\nconnections_max = 64\n\
         idempotency = {{ policy = 'fresh' }}\n\
         keys = {{ distribution = 'zipfian', count = 1000, theta = 0.99 }}\n\
         mix = [{{ operation = 'add', weight = 1, amount = [1, 100] }}]\n\
         phases = [{{ name = 'p', for_s = {for_s}, arrivals = {arrivals} }}]\n"
    );
    Scenario::parse("generator", &text).unwrap()
}

fn show(name: &str, finished: &Finished, stub: u64) {
    let measured = &finished.measured;
    let seconds = measured.generator.elapsed as f64 / 1e9;
    let spent = measured.generator.processor.saturating_sub(stub);
    let tries = finished.tries as f64;
    println!(
        "{name:<24} {:>8.0}/s  {:>5.1} us of processor each, {:>4.0} % of a core  lag p50 {} us, p99 {} us  \
         dropped {}",
        tries / seconds,
        spent as f64 / 1e3 / tries,
        spent as f64 / 1e7 / seconds,
        measured.lag.value_at_quantile(0.5),
        measured.lag.value_at_quantile(0.99),
        measured.dropped,
    );
}

fn main() {
    let full = std::env::args().any(|argument| argument == "--bench");
    let for_s = if full { 5.0 } else { 1.0 };
    let spent = Arc::new(AtomicU64::new(0));
    let url = stub(Arc::clone(&spent));
    let mut rows =
        vec![("closed, 16 sessions".to_owned(), "{ kind = 'closed', sessions = 16 }".to_owned())];
    let rates: &[u32] = if full { &[1_000, 5_000, 10_000, 20_000, 30_000] } else { &[500] };
    for rate in rates {
        let arrivals = format!("{{ kind = 'constant', rate = {{ per_s = {rate} }} }}");
        rows.push((format!("open, {rate}/s"), arrivals));
    }
    for (name, arrivals) in rows {
        let directory = tempfile::TempDir::new().unwrap();
        let mut target = External {
            reached: Reached { url: url.clone(), key: "k".to_owned(), trust: Trust::System },
            process_id: None,
            restart: None,
            database: DatabaseCommands::default(),
            bell: None,
        };
        let out = directory.path().to_owned();
        let options = Options {
            out,
            threads: 1,
            slice: Slice::WHOLE,
            name: RunName::drawn(),
            onlooker: None,
            stop: Stop::default(),
        };
        let before = spent.load(Ordering::Relaxed);
        let finished = run(scenario(&arrivals, for_s), &mut target, &options).unwrap();
        show(&name, &finished, spent.load(Ordering::Relaxed) - before);
        assert!(finished.tries > 0);
    }
}

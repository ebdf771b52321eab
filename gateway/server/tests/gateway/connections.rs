//! Real connections: limits, idleness and shutdown.

use std::future::Future;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::Duration;

use coppice_server::config::Config;
use coppice_server::routes;
use coppice_server::serve::{ConnectionLimits, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

use crate::support::{Gateway, KEY, config, gateway_with};

const PATIENCE: Duration = Duration::from_secs(10);

struct Served {
    gateway: Gateway,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinSet<io::Result<()>>,
}

async fn start(config: &Config) -> Served {
    start_on(TcpListener::bind("127.0.0.1:0").await.unwrap(), config)
}

fn start_on(listener: TcpListener, config: &Config) -> Served {
    let gateway = gateway_with(config);
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let router = routes::router(gateway.state.clone());
    let limits = ConnectionLimits::from(&config.server);
    let mut server = JoinSet::new();
    server.spawn(serve(listener, router, limits, async {
        stopped.await.unwrap();
    }));
    Served { gateway, address, stop, server }
}

async fn patiently<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("it hangs")
}

fn add(body: &str) -> String {
    format!(
        "POST /v1/entities/counter/a/add HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Reads one answer with a `content-length`; empty where the connection was closed instead.
async fn answer(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    loop {
        if let Some(head) = text.windows(4).position(|four| four == b"\r\n\r\n") {
            let head_text = String::from_utf8_lossy(&text[..head]).to_lowercase();
            let length = head_text
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |length| length.parse().unwrap());
            if text.len() >= head + 4 + length {
                return String::from_utf8(text).unwrap();
            }
        }
        let mut chunk = [0_u8; 4096];
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return String::from_utf8(text).unwrap(),
            Ok(read) => text.extend_from_slice(&chunk[..read]),
        }
    }
}

#[tokio::test]
async fn requests_on_one_connection_are_answered_in_order_even_when_pipelined() {
    let served = start(&config()).await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let two = add(r#"{"n":1}"#) + "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(two.as_bytes()).await.unwrap();
    let mut text = String::new();
    patiently(stream.read_to_string(&mut text)).await.unwrap();
    let answers: Vec<_> = text.match_indices("HTTP/1.1 200").collect();
    assert_eq!(answers.len(), 2, "{text}");
    assert!(text.find("\"sequence\"").unwrap() < text.find("\"status\"").unwrap());
}

#[tokio::test]
async fn a_large_body_gets_its_answer_and_not_a_broken_connection() {
    let served = start(&config()).await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream.write_all(add(&"x".repeat(900_000)).as_bytes()).await.unwrap();
    let text = patiently(answer(&mut stream)).await;
    assert!(text.starts_with("HTTP/1.1 413"), "{text}");
    assert!(text.contains("body_too_large"), "{text}");
}

#[tokio::test]
async fn headers_over_the_limit_are_refused() {
    let served = start(&config()).await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let long = "x".repeat(17_000);
    let request = format!("GET /health HTTP/1.1\r\nHost: x\r\nX-Long: {long}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let text = patiently(answer(&mut stream)).await;
    assert!(text.starts_with("HTTP/1.1 431"), "{text}");
}

#[tokio::test]
async fn half_a_request_does_not_hold_back_the_answer_to_the_one_before() {
    let served = start(&config()).await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream.write_all((add("{}") + "GET /hea").as_bytes()).await.unwrap();
    assert!(patiently(answer(&mut stream)).await.starts_with("HTTP/1.1 200"));
    stream.write_all(b"lth HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert!(patiently(answer(&mut stream)).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn what_is_no_http_is_told_so() {
    let served = start(&config()).await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream.write_all(b"GET /health HTTP/1.1\r\nno header\r\n\r\n").await.unwrap();
    let text = patiently(answer(&mut stream)).await;
    assert!(text.starts_with("HTTP/1.1 400"), "{text}");
}

#[tokio::test]
async fn a_connection_over_the_limit_waits_until_one_is_idle_and_makes_way() {
    let mut config = config();
    config.server.connections_max = 1;
    let served = start(&config).await;
    let request = add("{}");
    let (head, body) = request.split_at(request.len() - 1);
    let mut first = TcpStream::connect(served.address).await.unwrap();
    first.write_all(head.as_bytes()).await.unwrap();
    assert!(timeout(Duration::from_millis(100), first.readable()).await.is_err(), "it is read");
    let mut second = TcpStream::connect(served.address).await.unwrap();
    second.write_all(request.as_bytes()).await.unwrap();
    assert!(timeout(Duration::from_millis(200), second.readable()).await.is_err(), "it waits");
    first.write_all(body.as_bytes()).await.unwrap();
    assert!(patiently(answer(&mut first)).await.starts_with("HTTP/1.1 200"));
    assert!(patiently(answer(&mut second)).await.starts_with("HTTP/1.1 200"));
    assert_eq!(patiently(answer(&mut first)).await, "", "it had to make way");
}

#[tokio::test]
async fn idle_and_trickling_connections_are_closed() {
    let mut config = config();
    config.server.request_timeout_ms = 20;
    config.server.idle_timeout_ms = 40;
    let served = start(&config).await;
    let mut idle = TcpStream::connect(served.address).await.unwrap();
    assert_eq!(patiently(answer(&mut idle)).await, "", "closed without a word");

    let mut trickling = TcpStream::connect(served.address).await.unwrap();
    let trickle = async {
        let mut pace = interval(Duration::from_millis(2));
        for byte in b"GET /health HTTP/1.1\r\nX: ".iter().chain(std::iter::repeat(&b'x')) {
            pace.tick().await;
            if trickling.write_all(&[*byte]).await.is_err() {
                break;
            }
        }
    };
    patiently(trickle).await;
}

#[tokio::test]
async fn at_shutdown_requests_under_way_are_answered_and_idle_connections_closed() {
    let served = start(&config()).await;
    let kind = &served.gateway.kind;
    kind.gate.forget_permits(Semaphore::MAX_PERMITS);
    let mut idle = TcpStream::connect(served.address).await.unwrap();
    let mut busy = TcpStream::connect(served.address).await.unwrap();
    busy.write_all(add("{}").as_bytes()).await.unwrap();
    patiently(kind.arrived.acquire()).await.unwrap().forget();
    served.stop.send(()).unwrap();
    assert_eq!(patiently(answer(&mut idle)).await, "");
    kind.gate.add_permits(1);
    let text = patiently(answer(&mut busy)).await;
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    assert!(patiently(served.server.join_all()).await.iter().all(Result::is_ok));
    assert!(TcpStream::connect(served.address).await.is_err(), "the listener is closed");
}

#[tokio::test]
async fn the_grace_period_ends_what_does_not_end_by_itself() {
    let mut config = config();
    config.server.shutdown_grace_ms = 50;
    let served = start(&config).await;
    let kind = &served.gateway.kind;
    kind.gate.forget_permits(Semaphore::MAX_PERMITS);
    let mut stuck = TcpStream::connect(served.address).await.unwrap();
    stuck.write_all(add("{}").as_bytes()).await.unwrap();
    patiently(kind.arrived.acquire()).await.unwrap().forget();
    served.stop.send(()).unwrap();
    patiently(served.server.join_all()).await;
    assert_eq!(patiently(answer(&mut stuck)).await, "");
}

#[tokio::test]
async fn a_listener_that_broke_ends_the_server_after_the_requests_that_are_under_way() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    // Another descriptor of the same socket: what is done to it is done to the server's.
    let socket = std::net::TcpStream::from(OwnedFd::from(listener.try_clone().unwrap()));
    let mut served = start_on(TcpListener::from_std(listener).unwrap(), &config());
    let kind = &served.gateway.kind;
    kind.gate.forget_permits(Semaphore::MAX_PERMITS);
    let mut busy = TcpStream::connect(served.address).await.unwrap();
    busy.write_all(add("{}").as_bytes()).await.unwrap();
    patiently(kind.arrived.acquire()).await.unwrap().forget();
    socket.shutdown(Shutdown::Both).unwrap();
    assert!(TcpStream::connect(served.address).await.is_err(), "nobody is let in any more");
    kind.gate.add_permits(1);
    assert!(patiently(answer(&mut busy)).await.starts_with("HTTP/1.1 200"));
    let ended = patiently(served.server.join_next()).await.unwrap().unwrap();
    assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::InvalidInput);
}

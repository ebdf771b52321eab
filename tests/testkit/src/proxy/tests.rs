//! The proxy between a client and a server that speak just enough of the protocol.

use coppice_core::envelope::EventBody;
use coppice_core::{
    CommandId, CorrelationId, EntityId, EntityKind, Epoch, EventRecord, Position, ShardId,
    StreamHead, StreamKey, TenantId, Timestamp,
};
use coppice_persistence::{
    Journal, Leases, PostgresOptions, ShardClaim, SqlStore, StoreError, StreamAppend, Unit,
    UnitOutcome,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::*;
use crate::postgres::PostgresServer;

const STARTUP: &[u8] = &[0, 0, 0, 8, 0, 3, 0, 0];
const READY: &[u8] = &[b'Z', 0, 0, 0, 5, b'I'];
const PATIENCE: Duration = Duration::from_secs(10);

fn query(text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len() + 5).unwrap();
    [b"Q", length.to_be_bytes().as_slice(), text.as_bytes(), b"\0"].concat()
}

/// Answers the startup and every query with "ready", and tells which queries it got.
struct Server {
    address: SocketAddr,
    queries: mpsc::Receiver<Vec<u8>>,
    _tasks: JoinSet<()>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, queries) = mpsc::channel(16);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, tell.clone()));
            }
        });
        Self { address, queries, _tasks: tasks }
    }
}

async fn serve(mut stream: TcpStream, tell: mpsc::Sender<Vec<u8>>) {
    let mut frames = frames::Frames::of_client();
    let mut chunk = [0; 1_024];
    while let Ok(read @ 1..) = stream.read(&mut chunk).await {
        frames.push(&chunk[..read]);
        while let Some(frame) = frames.next() {
            if frame.kind != frames::Kind::Startup {
                tell.send(frame.bytes).await.unwrap();
            }
            if stream.write_all(READY).await.is_err() {
                return;
            }
        }
    }
}

async fn connect(proxy: &Proxy) -> TcpStream {
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    client.write_all(STARTUP).await.unwrap();
    assert_eq!(answer(&mut client).await.as_deref(), Some(READY));
    client
}

/// The next answer; `None` where the connection ended first.
async fn answer(client: &mut TcpStream) -> Option<Vec<u8>> {
    let mut ready = vec![0; READY.len()];
    let read = timeout(PATIENCE, client.read_exact(&mut ready)).await.expect("an answer or an end");
    read.ok().map(|_| ready)
}

#[tokio::test]
async fn requests_and_answers_pass_and_tls_is_declined() {
    let mut server = Server::start().await;
    let proxy = Proxy::start(&server.address.to_string()).await.unwrap();
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    client.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).await.unwrap();
    assert_eq!(client.read_u8().await.unwrap(), b'N');
    client.write_all(STARTUP).await.unwrap();
    assert!(answer(&mut client).await.is_some());
    client.write_all(&query("SELECT")).await.unwrap();
    assert!(answer(&mut client).await.is_some());
    assert_eq!(server.queries.recv().await, Some(query("SELECT")));
    assert_eq!(proxy.cuts(), 0);
}

#[tokio::test]
async fn a_cut_after_the_answer_lets_the_request_through_and_no_answer_back() {
    let mut server = Server::start().await;
    let proxy = Proxy::start(&server.address.to_string()).await.unwrap();
    proxy.cut("COMMIT", Cut::AfterItsAnswer, 1);
    let mut client = connect(&proxy).await;
    client.write_all(&query("BEGIN")).await.unwrap();
    assert!(answer(&mut client).await.is_some());
    client.write_all(&query("COMMIT")).await.unwrap();
    assert_eq!(answer(&mut client).await, None);
    assert_eq!(server.queries.recv().await, Some(query("BEGIN")));
    assert_eq!(server.queries.recv().await, Some(query("COMMIT")));
    assert!(proxy.reached_cuts(1, PATIENCE).await);
    // Used up: the next connection's passes.
    let mut client = connect(&proxy).await;
    client.write_all(&query("COMMIT")).await.unwrap();
    assert!(answer(&mut client).await.is_some());
}

#[tokio::test]
async fn a_cut_before_a_frame_keeps_it_from_the_server() {
    let mut server = Server::start().await;
    let proxy = Proxy::start(&server.address.to_string()).await.unwrap();
    proxy.cut("COMMIT", Cut::BeforeIt, 1);
    let mut client = connect(&proxy).await;
    client.write_all(&query("COMMIT")).await.unwrap();
    assert_eq!(answer(&mut client).await, None);
    assert!(proxy.reached_cuts(1, PATIENCE).await);
    let mut client = connect(&proxy).await;
    client.write_all(&query("SELECT")).await.unwrap();
    assert_eq!(server.queries.recv().await, Some(query("SELECT")));
}

#[tokio::test]
async fn a_cut_after_the_request_does_not_wait_for_the_answer() {
    let mut server = Server::start().await;
    let proxy = Proxy::start(&server.address.to_string()).await.unwrap();
    proxy.cut("COMMIT", Cut::AfterItsRequest, 1);
    let mut client = connect(&proxy).await;
    client.write_all(&query("COMMIT")).await.unwrap();
    assert_eq!(answer(&mut client).await, None);
    assert_eq!(server.queries.recv().await, Some(query("COMMIT")));
}

#[tokio::test]
async fn a_stall_keeps_everything_back_until_it_is_over() {
    let mut server = Server::start().await;
    let proxy = Proxy::start(&server.address.to_string()).await.unwrap();
    let mut client = connect(&proxy).await;
    proxy.stall();
    client.write_all(&query("SELECT")).await.unwrap();
    let early = timeout(Duration::from_millis(50), server.queries.recv()).await;
    assert!(early.is_err(), "the query passed a stalled proxy");
    proxy.resume();
    assert!(answer(&mut client).await.is_some());
}

#[tokio::test]
async fn every_connection_can_be_cut_and_new_ones_refused() {
    let server = Server::start().await;
    let proxy = Proxy::start(&server.address.to_string()).await.unwrap();
    let (mut first, mut second) = (connect(&proxy).await, connect(&proxy).await);
    proxy.cut_all();
    assert_eq!(answer(&mut first).await, None);
    assert_eq!(answer(&mut second).await, None);
    assert!(proxy.reached_cuts(2, PATIENCE).await);
    proxy.refuse(true);
    let mut refused = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(answer(&mut refused).await, None);
    proxy.refuse(false);
    connect(&proxy).await;
}

#[tokio::test]
async fn a_url_keeps_all_but_its_host_and_port() {
    let proxy = Proxy::start("127.0.0.1:1").await.unwrap();
    let address = proxy.address();
    for (database, expected) in [
        (
            "postgres://u:p@h:5432/db?sslmode=disable",
            format!("postgres://u:p@{address}/db?sslmode=disable"),
        ),
        ("postgres://h/db", format!("postgres://{address}/db")),
        ("postgres://u@[::1]:1", format!("postgres://u@{address}")),
    ] {
        assert_eq!(proxy.url(database), expected);
    }
}

/// One event of a stream of its own, with a payload that the proxy can find.
fn unit(payload: &str) -> Unit {
    let tenant = TenantId::new("acme").unwrap();
    let kind = EntityKind::new("counter").unwrap();
    let key = StreamKey::new(tenant, kind, EntityId::new(payload).unwrap());
    let expected = StreamHead::genesis(&key);
    let body = EventBody {
        event_type: "counter.added.v1".into(),
        payload: payload.into(),
        recorded_at: Timestamp::EPOCH,
        causation: CommandId(Uuid::nil()),
        correlation: CorrelationId(Uuid::nil()),
        workflow: None,
        policy_bundle: None,
        subject: None,
        key_id: None,
    };
    let events = vec![EventRecord::chain(expected, body)];
    let (shard, epoch) = (ShardId(0), Epoch(1));
    let commands = Vec::new();
    let append = StreamAppend {
        key,
        shard,
        epoch,
        expected,
        events,
        commands,
        wake_at: None,
        owes: false,
        waits_as_before: false,
    };
    Unit { appends: vec![append] }
}

/// The real server and the real store: what the cuts are for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_append_is_durable_after_its_answer_and_absent_before_its_request() {
    let server = PostgresServer::start().unwrap();
    let database = server.create_database().unwrap();
    let address = database.split(['@', '/']).nth(3).unwrap();
    let proxy = Proxy::start(address).await.unwrap();
    let direct = SqlStore::open_postgres(&database, PostgresOptions::default()).await.unwrap();
    let through = proxy.url(&database);
    let store = SqlStore::open_postgres(&through, PostgresOptions::default()).await.unwrap();
    let owner = "a".to_owned();
    let claim = ShardClaim { owner, count: 1, duration: None, succeed_own: false };
    store.claim(&claim).await.unwrap();

    let mut written = 0;
    // Twice: with statements that the connection has yet to prepare, and with prepared ones.
    for round in 0..2 {
        for (cut, name) in [(Cut::AfterItsAnswer, "answered"), (Cut::BeforeIt, "stopped")] {
            let payload = format!("{name}{round}");
            let before = proxy.cuts();
            proxy.cut(payload.as_bytes(), cut, 1);
            let outcome = store.append(&[unit(&payload)]).await;
            let unavailable = matches!(outcome, Err(StoreError::Unavailable { .. }));
            assert!(unavailable, "{payload}: {outcome:?}");
            assert!(proxy.reached_cuts(before + 1, PATIENCE).await);
            written += usize::from(cut == Cut::AfterItsAnswer);
            let events = direct.read_journal(Position(0), 100).await.unwrap();
            assert_eq!(events.len(), written, "after {payload}");
            // The same again tells, and writes it where it wasn't.
            let outcomes = store.append(&[unit(&payload)]).await.unwrap();
            assert_eq!(outcomes, [UnitOutcome::Committed]);
            written += usize::from(cut == Cut::BeforeIt);
            let events = direct.read_journal(Position(0), 100).await.unwrap();
            assert_eq!(events.len(), written, "after {payload} again");
        }
    }
    assert_eq!(proxy.cuts(), 4);
}

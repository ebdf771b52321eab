//! A plugin out of process that does whatever it is told to, and notes what it is asked.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use coppice_plugin_sdk::{HealthReport, InputEnvelope, OutputEnvelope};
use coppice_runtime::task;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};

/// How a call is answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Act {
    /// As it should be.
    Well,
    /// As it should be, but not before [`Impostor::let_go`].
    Late,
    /// By the end of the connection.
    HangUp,
    /// By half an answer and the end of the connection.
    HalfAnAnswer,
    /// With something that is no JSON.
    Garbage,
    /// With JSON that is no envelope.
    NoEnvelope,
    /// To another task.
    WrongTask,
    /// In envelopes of another major version.
    OtherVersion,
    /// With output that breaks its schema.
    WrongOutput,
    /// With more and more, for ever.
    Endless,
    /// With a status.
    Status(u16),
    /// With the way to somewhere else.
    Redirect(String),
    /// With a failure of this code.
    Failed(&'static str),
    /// With a part of what was asked for.
    Partial,
    /// With the secrets that it was given.
    TellSecrets,
}

/// A call as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) key: String,
    pub(crate) trace: String,
    pub(crate) envelope: InputEnvelope,
}

#[derive(Default)]
struct Shared {
    script: Mutex<VecDeque<Act>>,
    asked: Mutex<Vec<Asked>>,
    health: Mutex<Option<HealthReport>>,
}

/// The plugin. It listens until it is dropped.
pub(crate) struct Impostor {
    pub(crate) url: String,
    shared: Arc<Shared>,
    gate: Arc<Semaphore>,
    task: JoinHandle<()>,
}

impl Impostor {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/plugin", listener.local_addr().unwrap());
        let (shared, gate) = (Arc::<Shared>::default(), Arc::new(Semaphore::new(0)));
        let (serving, gates) = (Arc::clone(&shared), Arc::clone(&gate));
        let task = task::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (shared, gate) = (Arc::clone(&serving), Arc::clone(&gates));
                // Whoever asked may be gone in the middle.
                connections.spawn(async move { drop(serve(stream, &shared, &gate).await) });
            }
        });
        Self { url, shared, gate, task }
    }

    /// Answers the next calls so; the ones after well.
    pub(crate) fn script(&self, acts: impl IntoIterator<Item = Act>) {
        self.shared.script.lock().extend(acts);
    }

    /// Lets so many late answers go.
    pub(crate) fn let_go(&self, answers: usize) {
        self.gate.add_permits(answers);
    }

    /// Says this when it is asked how it is.
    pub(crate) fn feels(&self, report: HealthReport) {
        *self.shared.health.lock() = Some(report);
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.shared.asked.lock().len()
    }
}

impl Drop for Impostor {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Read {
    line: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Read {
    fn header(&self, name: &str) -> String {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Read>> {
    let (mut line, mut headers) = (String::new(), Vec::new());
    if stream.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).await?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let mut read = Read { line, headers, body: Vec::new() };
    let length: usize = read.header("content-length").parse().unwrap_or(0);
    read.body = vec![0; length];
    stream.read_exact(&mut read.body).await?;
    Ok(Some(read))
}

async fn serve(stream: TcpStream, shared: &Shared, gate: &Semaphore) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(read) = read(&mut stream).await? {
        if read.line.starts_with("GET /plugin/health ") {
            let report = shared.health.lock().clone().unwrap_or_else(HealthReport::healthy);
            write(&mut stream, 200, "", &json!(report).to_string()).await?;
            continue;
        }
        assert!(read.line.starts_with("POST /plugin/execute "), "{}", read.line);
        let envelope: InputEnvelope = serde_json::from_slice(&read.body).unwrap();
        let (key, trace) = (read.header("idempotency-key"), read.header("traceparent"));
        shared.asked.lock().push(Asked { key, trace, envelope: envelope.clone() });
        let act = shared.script.lock().pop_front().unwrap_or(Act::Well);
        if !answer(&mut stream, act, &envelope, gate).await? {
            return Ok(());
        }
    }
    Ok(())
}

fn well(call: &InputEnvelope) -> OutputEnvelope {
    let n = call.input["n"].as_i64().unwrap();
    OutputEnvelope::success(call, "Doubled.").with_output(json!({ "n": n * 2 }))
}

/// False where the connection ends with it.
async fn answer(
    stream: &mut BufReader<TcpStream>,
    act: Act,
    call: &InputEnvelope,
    gate: &Semaphore,
) -> io::Result<bool> {
    let body: Value = match act {
        Act::Well => json!(well(call)),
        Act::Late => {
            gate.acquire().await.unwrap().forget();
            json!(well(call))
        }
        Act::HangUp => return Ok(false),
        Act::HalfAnAnswer => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"task_id\"").await?;
            return Ok(false);
        }
        Act::Garbage => {
            write(stream, 200, "", "<html>It works!</html>").await?;
            return Ok(true);
        }
        Act::NoEnvelope => json!({ "n": 42 }),
        Act::WrongTask => json!(OutputEnvelope { task_id: "another".to_owned(), ..well(call) }),
        Act::OtherVersion => {
            json!(OutputEnvelope { envelope_version: "2.0".to_owned(), ..well(call) })
        }
        Act::WrongOutput => json!(well(call).with_output(json!({ "n": "forty-two" }))),
        Act::Endless => return endless(stream).await,
        Act::Status(status) => {
            write(stream, status, "", &json!(well(call)).to_string()).await?;
            return Ok(true);
        }
        Act::Redirect(to) => {
            write(stream, 307, &format!("location: {to}\r\n"), "{}").await?;
            return Ok(true);
        }
        Act::Failed(code) => json!(OutputEnvelope::failed(call, code, "it went wrong")),
        Act::TellSecrets => {
            let told = format!("{:?}", call.context.secrets);
            json!(OutputEnvelope { result: told, ..well(call) })
        }
        Act::Partial => {
            json!(OutputEnvelope::partial(call, "Half.").with_output(json!({ "n": 1 })))
        }
    };
    write(stream, 200, "", &body.to_string()).await?;
    Ok(true)
}

async fn endless(stream: &mut BufReader<TcpStream>) -> io::Result<bool> {
    stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await?;
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
    loop {
        stream.write_all(chunk.as_bytes()).await?;
    }
}

async fn write(
    stream: &mut BufReader<TcpStream>,
    status: u16,
    headers: &str,
    body: &str,
) -> io::Result<()> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\n\r\n");
    stream.write_all(format!("{head}{body}").as_bytes()).await
}

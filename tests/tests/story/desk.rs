//! A plugin in another process than the node: it notes every call with its key and its bytes, and
//! tells the test of the call around which the node is to be killed.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use coppice_plugin_sdk::{HealthReport, InputEnvelope, Manifest, OutputEnvelope};
use coppice_runtime::task;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};

/// What the plugin is called.
pub(crate) const NAME: &str = "desk";

/// Its only version.
pub(crate) const VERSION: &str = "1.0.0";

/// What a call is answered with, and how much later.
pub(crate) struct Said {
    pub(crate) after: Duration,
    pub(crate) body: Body,
}

/// An answer.
pub(crate) enum Body {
    Envelope(Box<OutputEnvelope>),
    /// Something that is no envelope.
    Garbage,
    /// The end of the connection.
    Nothing,
}

impl From<OutputEnvelope> for Said {
    fn from(envelope: OutputEnvelope) -> Self {
        Self { after: Duration::ZERO, body: Body::Envelope(Box::new(envelope)) }
    }
}

/// Makes the answer to a call that came for the nth time.
pub(crate) type Script = Arc<dyn Fn(InputEnvelope, u32) -> BoxFuture<'static, Said> + Send + Sync>;

/// On which side of an answer the node is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The call was made, and nothing is known of it.
    Before,
    /// It was answered; the node has recorded that or not.
    After,
}

/// A call around which the node is killed, counted from none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Snare {
    pub(crate) call: usize,
    pub(crate) side: Side,
}

/// Everything that was sent under one key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) times: u32,
    pub(crate) bodies: BTreeSet<String>,
}

struct Shared {
    heard: Mutex<BTreeMap<String, Heard>>,
    calls: Mutex<usize>,
    snare: Mutex<Option<Snare>>,
    sprung: Notify,
    script: Script,
}

/// The plugin. It listens until it is dropped.
pub(crate) struct Desk {
    pub(crate) url: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// What it says of itself: it can do anything, and takes and gives objects.
pub(crate) fn manifest() -> Value {
    let object = json!({ "type": "object" });
    json!(
        Manifest::new(NAME, VERSION)
            .description("Notes what it is asked.")
            .capability("*")
            .input_schema(object.clone())
            .output_schema(object)
            .timeout_seconds(30)
    )
}

impl Desk {
    pub(crate) async fn start(script: Script, snare: Option<Snare>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            heard: Mutex::default(),
            calls: Mutex::new(0),
            snare: Mutex::new(snare),
            sprung: Notify::new(),
            script,
        });
        let serving = Arc::clone(&shared);
        let task = task::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&serving);
                // Whoever asked may be killed in the middle.
                connections.spawn(async move { drop(serve(stream, &shared).await) });
            }
        });
        Self { url, shared, task }
    }

    /// Waits until the call has come around which the node is to be killed.
    pub(crate) async fn sprung(&self) {
        self.shared.sprung.notified().await;
    }

    /// Calls so far, repeats included.
    pub(crate) fn calls(&self) -> usize {
        *self.shared.calls.lock()
    }

    /// What was heard under each key.
    pub(crate) fn heard(&self) -> BTreeMap<String, Heard> {
        self.shared.heard.lock().clone()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A request: its first line, its key and its body.
async fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Option<[String; 3]>> {
    let (mut first, mut key, mut length) = (String::new(), String::new(), 0);
    if stream.read_line(&mut first).await? == 0 {
        return Ok(None);
    }
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).await?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "idempotency-key" => value.clone_into(&mut key),
            "content-length" => length = value.parse().map_err(io::Error::other)?,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    let body = String::from_utf8(body).map_err(io::Error::other)?;
    Ok(Some([first, key, body]))
}

async fn serve(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some([first, key, body]) = read(&mut stream).await? {
        if first.starts_with("GET /health ") {
            write(&mut stream, &json!(HealthReport::healthy()).to_string()).await?;
            continue;
        }
        assert!(first.starts_with("POST /execute "), "{first}");
        let envelope: InputEnvelope = serde_json::from_str(&body).map_err(io::Error::other)?;
        let (side, times) = shared.note(&key, body);
        if side == Some(Side::Before) {
            shared.sprung.notify_one();
            // The node is killed before there is an answer.
            let () = std::future::pending().await;
        }
        let said = (shared.script)(envelope, times).await;
        if !said.after.is_zero() {
            tokio::time::sleep(said.after).await;
        }
        match said.body {
            Body::Envelope(envelope) => write(&mut stream, &json!(envelope).to_string()).await?,
            Body::Garbage => write(&mut stream, "<html>It works!</html>").await?,
            Body::Nothing => return Ok(()),
        }
        if side == Some(Side::After) {
            shared.sprung.notify_one();
        }
    }
    Ok(())
}

impl Shared {
    /// Notes a call: whether the node is killed around it, and how often its key has come.
    fn note(&self, key: &str, body: String) -> (Option<Side>, u32) {
        let mut calls = self.calls.lock();
        let mut snare = self.snare.lock();
        let side = snare.take_if(|snare| snare.call == *calls).map(|snare| snare.side);
        *calls += 1;
        let mut heard = self.heard.lock();
        let of_key = heard.entry(key.to_owned()).or_default();
        of_key.times += 1;
        of_key.bodies.insert(body);
        (side, of_key.times)
    }
}

async fn write(stream: &mut BufReader<TcpStream>, body: &str) -> io::Result<()> {
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(format!("{head}{body}").as_bytes()).await
}

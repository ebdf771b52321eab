//! The example plugin in Python: it registers itself, is called, killed, started again and stopped.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use coppice_runtime::task;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;
use uuid::Uuid;

use crate::routes::{OPERATOR, Served};
use crate::world::{Setting, asking, until};

const ID: &str = "word_count@1.0.0";
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Process {
    child: Child,
    said: Lines<BufReader<ChildStdout>>,
    url: String,
}

impl Process {
    /// Starts the plugin, and waits until it listens.
    async fn start(node: &str) -> Self {
        Self::start_with(node, OPERATOR, None).await
    }

    /// The same of another node's, with a key that requests are to be signed under.
    pub(crate) async fn start_with(node: &str, operator: &str, signed: Option<&str>) -> Self {
        let script =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../plugins/examples/word_count.py");
        let mut child = Command::new("python3")
            .arg(script)
            .env("COPPICE_URL", node)
            .env("COPPICE_OPERATOR_KEY", operator)
            .env("COPPICE_SIGNING_KEY", signed.unwrap_or_default())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut process = Self { child, said, url: String::new() };
        let line = process.says("word_count ready http://").await;
        process.url = line.trim_start_matches("word_count ready ").to_owned();
        process
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) async fn says(&mut self, beginning: &str) -> String {
        let line = timeout(PATIENCE, self.said.next_line()).await.unwrap().unwrap().unwrap();
        assert!(line.starts_with(beginning), "{line}");
        line
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id().unwrap()).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
    }
}

fn counting(text: &Value) -> Value {
    let mut request = asking("word_count");
    request["capability"] = json!("count words");
    request["input"] = json!({ "text": text, "top": 2 });
    request
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_registers_itself_is_called_killed_and_stopped() {
    let mut setting = Setting::default();
    // Its calls say how it is, and not its health.
    setting.options.health_every = PATIENCE;
    let served = Served::start(setting).await;
    let world = &served.world;
    world.keep().await;
    let mut process = Process::start(&served.url).await;
    process.says("word_count registered").await;
    let offered = || world.plugins.catalog().resolve("word_count", None).is_ok();
    until("it is offered", offered).await;

    let (request, key) = (counting(&json!("a rose is a rose is a rose")), Uuid::now_v7());
    let response = world.call_as(&request, key).await.unwrap();
    let most = json!([{ "word": "a", "count": 3 }, { "word": "rose", "count": 3 }]);
    assert_eq!(response.output, json!({ "words": 8, "distinct": 3, "top": most }));
    // It knows a repeat by its key: what it answers is what it answered first, whatever is asked.
    let other = world.call_as(&counting(&json!("one")), key).await.unwrap();
    assert_eq!(other.output, response.output);
    let (code, _) = world.call(&counting(&json!(7))).await.unwrap_err();
    assert_eq!(code, "plugin_input_invalid");

    // Stopped in the middle of a call, and killed there.
    process.signal(Signal::STOP);
    let (plugins, request) = (world.plugins.clone(), counting(&json!("lost")));
    let effect = crate::world::effect(&request, Uuid::now_v7());
    let call = task::spawn(async move { plugins.host().carry_out(&effect).await });
    let catalog = world.plugins.catalog();
    let open = || catalog.versions("word_count")[0].offer.counts().open;
    until("it is called", || open() == 1).await;
    process.child.kill().await.unwrap();
    let failure = format!("{:?}", call.await.unwrap().unwrap_err());
    let lost = ["plugin_transient", "unreachable"].iter().any(|code| failure.contains(code));
    assert!(lost, "{failure}");

    // Another process of it, at another address.
    let mut process = Process::start(&served.url).await;
    process.says("word_count registered").await;
    until("it is offered again", offered).await;
    let response = world.call(&counting(&json!("back again"))).await.unwrap();
    assert_eq!(response.output["words"], 2);
    assert_eq!(world.breaker(ID).await, ("closed".to_owned(), 0));

    process.signal(Signal::TERM);
    let status = timeout(PATIENCE, process.child.wait()).await.unwrap().unwrap();
    assert!(status.success(), "{status}");
    assert!(world.plugins.catalog().is_empty());
    let view = world.view("plugin", ID).await;
    assert_eq!((&view["lifecycle"], &view["draining"]), (&json!("inactive"), &json!(false)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_tries_to_register_until_the_node_is_there() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Nobody answers there: whoever connects is hung up on.
    drop(listener);
    let process = Process::start(&format!("http://{address}")).await;
    process.signal(Signal::TERM);
    let mut child = process.child;
    let status = timeout(PATIENCE, child.wait()).await.unwrap().unwrap();
    assert!(status.success(), "{status}: it stops while it tries");
}

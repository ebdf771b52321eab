//! Lines of the log: one for each request, at the level of what became of it.

use std::io::{self, Write};
use std::process::Command;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use coppice_runtime::Failure;
use coppice_server::config::{LogConfig, LogFormat, LogLevel};
use coppice_server::logging;
use coppice_server::observed::Observed;
use parking_lot::Mutex;
use serde_json::Value;
use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Level};
use tracing_subscriber::Registry;

use crate::support::{Gateway, gateway_observed};

/// As long as there is but one subscriber, `tracing` asks the thread that comes by a line of code first
/// whether anyone wants it, and keeps the answer for all threads: another test's thread, which has none,
/// would say no. Of two it asks each.
static SECOND: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(Registry::default()));

#[derive(Debug, Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    /// What is logged by this thread from now on.
    fn keep(&self) -> DefaultGuard {
        LazyLock::force(&SECOND);
        let lines = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .with_max_level(Level::DEBUG)
            .with_writer(move || lines.clone());
        tracing::subscriber::set_default(subscriber.finish())
    }

    /// Level, message and fields of every line so far, and forgets them.
    fn take(&self) -> Vec<(String, Value)> {
        let text = String::from_utf8(std::mem::take(&mut *self.0.lock())).unwrap();
        let parsed = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let requests = parsed.filter(|line| line["fields"]["route"].is_string());
        requests
            .map(|line| (line["level"].as_str().unwrap().to_owned(), line["fields"].clone()))
            .collect()
    }
}

async fn add(gateway: &Gateway) {
    gateway.add().await;
}

#[tokio::test]
async fn a_request_is_one_line_at_the_level_of_what_became_of_it() {
    let lines = Lines::default();
    let _kept = lines.keep();
    let gateway = gateway_observed(Observed::default());
    add(&gateway).await;
    let answered = lines.take();
    assert_eq!(answered.len(), 1, "{answered:?}");
    let (level, fields) = &answered[0];
    assert_eq!((level.as_str(), &fields["message"]), ("DEBUG", &"request answered".into()));
    for (field, value) in [
        ("tenant", Value::from("t")),
        ("route", "/v1/entities/{kind}/{id}/{command}".into()),
        ("method", "POST".into()),
        ("status", 200.into()),
    ] {
        assert_eq!(fields[field], value, "{field}");
    }
    let id = fields["request_id"].as_str().unwrap();
    assert_eq!(fields["correlation_id"], id, "the caller gave none");
    assert_eq!(fields["trace_id"], id.replace('-', ""));
    assert!(fields["duration_ms"].is_f64());

    for (failure, level, code) in [
        (Failure::Crashed, "ERROR", "actor_crashed"),
        (Failure::MailboxFull { depth: 7 }, "DEBUG", "mailbox_full"),
        (Failure::StoreUnavailable, "DEBUG", "store_unavailable"),
        (Failure::InvalidBody("hunter2".into()), "DEBUG", "invalid_body"),
    ] {
        *gateway.kind.failure.lock() = Some(failure);
        add(&gateway).await;
        let told = lines.take();
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!((told[0].0.as_str(), &told[0].1["code"]), (level, &code.into()));
        assert!(!told[0].1.to_string().contains("hunter2"), "the client's words: {told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn slow_requests_are_warnings_and_no_flood() {
    let lines = Lines::default();
    let _kept = lines.keep();
    let gateway = gateway_observed(Observed::default().slow_after(Duration::ZERO));
    for _ in 0..40 {
        add(&gateway).await;
    }
    let told = lines.take();
    let slow = told.iter().filter(|(level, _)| level == "WARN").count();
    assert_eq!(told.len(), 40, "each has its line");
    assert_eq!(slow, 10, "time stands still, so it is all one second");
}

/// Set for the process that is to panic.
const CHILD: &str = "COPPICE_TEST_PANICS";

#[test]
fn a_panic_is_a_line_besides_what_is_written_of_it_anyway() {
    if std::env::var_os(CHILD).is_some() {
        let config =
            LogConfig { format: LogFormat::Json, level: LogLevel::Info, slow_request_ms: 1 };
        logging::start(config);
        let ended = std::thread::spawn(|| panic!("out of\ncheese")).join();
        return assert!(ended.is_err());
    }
    let name = "logs::a_panic_is_a_line_besides_what_is_written_of_it_anyway";
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    assert!(child.status.success(), "{child:?}");
    let text = String::from_utf8(child.stderr).unwrap();
    let lines: Vec<Value> =
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert_eq!(lines.len(), 1, "{text}");
    let line = &lines[0];
    assert_eq!((&line["level"], &line["message"]), (&"error".into(), &"code panicked".into()));
    assert_eq!((&line["panic"], &line["service"]), (&"out of\ncheese".into(), &"coppice".into()));
    assert!(line["location"].as_str().unwrap().contains("logs.rs"), "{line}");
    assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
    assert_eq!(text.matches("panicked at").count(), 1, "the usual text as well: {text}");
}

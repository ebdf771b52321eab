//! Log lines to stderr; stdout is for what other programs wait for.
//!
//! **Invariants:** a line is one line, whatever its fields hold; a panic is a line as well, besides
//! what the standard library writes of it.
//!
//! A line of JSON has `timestamp`, `level`, `service`, `node` once it is known, `target`, `message`
//! and the fields of the event beside them. Levels are `debug`, `info`, `warning` and `error`; what
//! must wake somebody is an `error` with `severity` `critical`.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt;
use std::io::{self, IsTerminal};
use std::panic::{self, PanicHookInfo};
use std::sync::OnceLock;

use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber, error};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::config::{LogConfig, LogFormat, LogLevel};

const SERVICE: &str = "coppice";

/// The node's id, which is known only once its directory was opened. Logging is the process's and
/// not any one node's, and a process has one node.
static NODE: OnceLock<String> = OnceLock::new();

/// Starts logging, once per process: where it was started before, that stands.
pub fn start(config: LogConfig) {
    let level = match config.level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warning => "warn",
        LogLevel::Error => "error",
    };
    // PostgreSQL's notices (such as a table that is there already) are the driver's own business,
    // and the HTTP client's connections are the caller's.
    let filter =
        EnvFilter::new(format!("{level},sqlx::postgres::notice=warn,hyper_util=info,reqwest=info"));
    let terminal = io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(terminal);
    let text = match config.format {
        LogFormat::Text => true,
        LogFormat::Json => false,
        LogFormat::Auto => terminal,
    };
    let started = if text { lines.try_init() } else { lines.event_format(Json).try_init() };
    if started.is_err() {
        tracing::debug!("logging was started before");
        return;
    }
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        usual(info);
        tell(info);
    }));
}

/// Every line from now on names the node.
pub fn name_node(id: &str) {
    NODE.get_or_init(|| id.to_owned());
}

/// The node's id, once it is known.
pub(crate) fn node() -> Option<&'static str> {
    NODE.get().map(String::as_str)
}

fn tell(info: &PanicHookInfo<'_>) {
    let payload = info.payload();
    let said = payload.downcast_ref::<&str>().copied();
    let panic = said.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let location = info.location().map(tracing::field::display);
    let thread = std::thread::current();
    // Captured only where RUST_BACKTRACE asks for it.
    let trace = Backtrace::capture();
    let captured = trace.status() == BacktraceStatus::Captured;
    let backtrace = captured.then(|| tracing::field::display(&trace));
    error!(panic, location, thread = thread.name(), backtrace, "code panicked");
}

/// One JSON object a line.
#[derive(Debug, Clone, Copy)]
struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let mut line = Line { text: String::from("{\"timestamp\":\"") };
        SystemTime.format_time(&mut Writer::new(&mut line.text))?;
        line.text.push('"');
        line.put("level", &level(*metadata.level()));
        line.put("service", &SERVICE);
        if let Some(node) = NODE.get() {
            line.put("node", node);
        }
        line.put("target", &metadata.target());
        event.record(&mut line);
        line.text.push('}');
        writeln!(writer, "{}", line.text)
    }
}

const fn level(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warning",
        Level::INFO => "info",
        Level::DEBUG | Level::TRACE => "debug",
    }
}

struct Line {
    text: String,
}

impl Line {
    fn put(&mut self, name: &str, value: &(impl Serialize + ?Sized)) {
        // Strings and numbers always serialize.
        let (Ok(name), Ok(value)) = (serde_json::to_string(name), serde_json::to_string(value))
        else {
            return;
        };
        self.text.push(',');
        self.text.push_str(&name);
        self.text.push(':');
        self.text.push_str(&value);
    }
}

impl Visit for Line {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field.name(), &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), &value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field.name(), &format!("{value:?}"));
    }
}

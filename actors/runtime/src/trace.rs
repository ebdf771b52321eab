//! Where a piece of work stands in a trace that spans systems: the W3C trace context, and the spans
//! that are told of it.
//!
//! **Invariants:** a trace changes nothing that is decided or stored; work whose trace isn't
//! recorded costs one comparison; whoever is told of a span never waits.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use coppice_core::hex;
use tokio::time::Instant;
use uuid::Uuid;

/// The longest list of vendors' own entries that is carried on, in bytes: what W3C asks for.
const STATE_LENGTH_MAX: usize = 512;

/// The length of a `traceparent`.
const HEADER_LENGTH: usize = 55;

/// Which trace.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(pub [u8; 16]);

/// Which span of a trace.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId(pub [u8; 8]);

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write(f, &self.0)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write(f, &self.0)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl SpanId {
    /// One that no other span has.
    #[must_use]
    pub fn fresh() -> Self {
        let [_, _, _, _, _, _, _, _, random @ ..] = *Uuid::new_v4().as_bytes();
        Self(random)
    }
}

/// A place in a trace: a span that work below it names as its parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// Which trace.
    pub id: TraceId,
    /// The span.
    pub span: SpanId,
    /// Whether the trace is recorded.
    pub sampled: bool,
    /// Vendors' own entries, carried on as they came.
    pub state: Option<Arc<str>>,
}

impl Trace {
    /// The first span of a trace.
    #[must_use]
    pub fn root(id: Uuid, sampled: bool) -> Self {
        Self { id: TraceId(*id.as_bytes()), span: SpanId::fresh(), sampled, state: None }
    }

    /// Reads the headers `traceparent` and `tracestate`. Of a later version what this one knows is
    /// read; `None` for what is malformed, and then the trace begins here.
    #[must_use]
    pub fn parse(parent: &str, state: Option<&str>) -> Option<Self> {
        let mut parts = parent.split('-');
        let version = hex::<1>(parts.next()?)?;
        let id = hex::<16>(parts.next()?).filter(|id| *id != [0; 16])?;
        let span = hex::<8>(parts.next()?).filter(|span| *span != [0; 8])?;
        let flags = hex::<1>(parts.next()?)?;
        if version == [0xff] || (version == [0] && parts.next().is_some()) {
            return None;
        }
        let state = state.filter(|state| (1..=STATE_LENGTH_MAX).contains(&state.len()));
        Some(Self {
            id: TraceId(id),
            span: SpanId(span),
            sampled: flags[0] & 1 == 1,
            state: state.map(Into::into),
        })
    }

    /// The place of work below this one.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { span: SpanId::fresh(), ..self.clone() }
    }

    /// The header `traceparent`. Made for every answer, so without the machinery of formats.
    #[must_use]
    pub fn header(&self) -> String {
        const DIGITS: [char; 16] =
            ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
        let mut text = String::with_capacity(HEADER_LENGTH);
        text.push_str("00-");
        let mut push = |bytes: &[u8]| {
            for byte in bytes {
                text.push(DIGITS[usize::from(byte >> 4)]);
                text.push(DIGITS[usize::from(byte & 0xf)]);
            }
            text.push('-');
        };
        push(&self.id.0);
        push(&self.span.0);
        text.push_str(if self.sampled { "01" } else { "00" });
        text
    }

    /// Its id as a UUID, which an event's correlation is.
    #[must_use]
    pub const fn uuid(&self) -> Uuid {
        Uuid::from_bytes(self.id.0)
    }
}

/// Lower-case digits only, as W3C has them.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = (digit(pair[0])? << 4) | digit(pair[1])?;
    }
    Some(bytes)
}

/// What kind of work a span is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// A request that somebody else sent.
    Server,
    /// A request that is sent.
    Client,
    /// Work within the node.
    Internal,
}

/// A piece of work that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Its place.
    pub trace: Trace,
    /// What it was part of.
    pub parent: Option<SpanId>,
    /// What was done, as one of few.
    pub name: &'static str,
    /// What kind of work.
    pub kind: SpanKind,
    /// When it began.
    pub started: SystemTime,
    /// How long it took.
    pub took: Duration,
    /// What else is known. No body, no key, nothing personal.
    pub attributes: Vec<(&'static str, String)>,
    /// Whether it failed.
    pub failed: bool,
}

impl Span {
    /// Work at a place, from one moment until another.
    #[must_use]
    pub fn at(
        trace: Trace,
        parent: Option<SpanId>,
        name: &'static str,
        kind: SpanKind,
        (from, until): (Instant, Instant),
    ) -> Self {
        let started = SystemTime::now().checked_sub(from.elapsed());
        Self {
            trace,
            parent,
            name,
            kind,
            started: started.unwrap_or(SystemTime::UNIX_EPOCH),
            took: until.saturating_duration_since(from),
            attributes: Vec::new(),
            failed: false,
        }
    }

    /// Work within the node below a place.
    #[must_use]
    pub fn below(above: &Trace, name: &'static str, times: (Instant, Instant)) -> Self {
        Self::at(above.child(), Some(above.span), name, SpanKind::Internal, times)
    }

    /// Says something more of it.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.attributes.push((name, value.into()));
        self
    }
}

/// Is told of spans that have ended, of recorded traces only.
pub trait Spans: fmt::Debug + Send + Sync + 'static {
    /// Whether a trace that begins with this id is recorded.
    fn samples(&self, id: Uuid) -> bool;

    /// Takes a span, or drops it where there is no room: it never waits.
    fn ended(&self, span: Span);
}

/// Nobody listens.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSpans;

impl Spans for NoSpans {
    fn samples(&self, _id: Uuid) -> bool {
        false
    }

    fn ended(&self, _span: Span) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_header_is_read_and_written_as_it_was() {
        let trace = Trace::parse(PARENT, Some("a=1,b=2")).unwrap();
        assert!(trace.sampled);
        assert_eq!(trace.state.as_deref(), Some("a=1,b=2"));
        assert_eq!(trace.header(), PARENT);
        assert_eq!(trace.uuid().simple().to_string(), "0af7651916cd43dd8448eb211c80319c");
        let child = trace.child();
        assert_eq!((child.id, child.state.clone()), (trace.id, trace.state.clone()));
        assert_ne!(child.span, trace.span);
    }

    #[test]
    fn a_later_version_is_read_for_what_is_known_of_it() {
        let later = "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-09-what";
        assert!(Trace::parse(later, None).unwrap().sampled);
    }

    #[test]
    fn what_is_malformed_is_no_trace() {
        for bad in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333\u{e9}-01",
        ] {
            assert_eq!(Trace::parse(bad, None), None, "{bad:?}");
        }
        let long = "x".repeat(STATE_LENGTH_MAX + 1);
        assert_eq!(Trace::parse(PARENT, Some(&long)).unwrap().state, None);
    }
}

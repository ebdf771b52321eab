//! Where a request stands in a trace: in its sender's, or at the beginning of one.

use axum::http::{HeaderMap, HeaderName};
use coppice_runtime::trace::SpanId;
use coppice_runtime::{Spans, Trace};
use uuid::Uuid;

/// The headers of the W3C trace context.
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACE_STATE: HeaderName = HeaderName::from_static("tracestate");

/// The random part of a trace's id, by which all who sample at the same ratio pick the same traces.
const RANDOM: u64 = (1 << 56) - 1;

/// Which traces that begin here are recorded: so many of [`Sampling::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampling(pub u32);

impl Sampling {
    /// A ratio of one.
    pub const ALL: u32 = 1_000_000;

    /// Whether it takes a trace of this id: the same at the same ratio, wherever it is asked.
    #[must_use]
    pub fn takes(self, id: Uuid) -> bool {
        let (_, low) = id.as_u64_pair();
        let threshold = (RANDOM / u64::from(Self::ALL)).saturating_mul(self.0.into());
        self.0 >= Self::ALL || low & RANDOM < threshold
    }
}

/// A request's place in a trace.
#[derive(Debug, Clone)]
pub struct Arrived {
    /// The request's own span.
    pub trace: Trace,
    /// The sender's span; `None` where the trace begins here.
    pub parent: Option<SpanId>,
}

impl Arrived {
    /// Of a request with these headers. Its sender decides whether the trace is recorded; of one
    /// that begins here, `spans` does.
    #[must_use]
    pub fn read(headers: &HeaderMap, spans: &dyn Spans) -> Self {
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        // Several lists are one; more than the first is rare enough to be left behind.
        let given = text(TRACE_PARENT)
            .filter(|_| headers.get_all(TRACE_PARENT).iter().nth(1).is_none())
            .and_then(|parent| Trace::parse(parent, text(TRACE_STATE)));
        match given {
            Some(sender) => Self { trace: sender.child(), parent: Some(sender.span) },
            None => {
                let id = Uuid::now_v7();
                Self { trace: Trace::root(id, spans.samples(id)), parent: None }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[derive(Debug)]
    struct All;

    impl Spans for All {
        fn samples(&self, _: Uuid) -> bool {
            true
        }

        fn ended(&self, _: coppice_runtime::Span) {}
    }

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

    #[test]
    fn a_sender_decides_and_its_span_is_the_parent() {
        let mut headers = HeaderMap::new();
        headers.insert(TRACE_PARENT, HeaderValue::from_static(PARENT));
        let arrived = Arrived::read(&headers, &All);
        assert_eq!(arrived.parent.unwrap().to_string(), "b7ad6b7169203331");
        assert_eq!(arrived.trace.id.to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert!(!arrived.trace.sampled, "the sender says no");
        headers.append(TRACE_PARENT, HeaderValue::from_static(PARENT));
        assert_eq!(Arrived::read(&headers, &All).parent, None, "two are none");
    }

    #[test]
    fn so_many_traces_are_recorded_as_the_ratio_says() {
        let count = |sampling: Sampling| {
            let taken = (0..4_000).filter(|_| sampling.takes(Uuid::new_v4())).count();
            u32::try_from(taken).unwrap()
        };
        assert_eq!((count(Sampling(0)), count(Sampling(Sampling::ALL))), (0, 4_000));
        assert!((700..1_300).contains(&count(Sampling(Sampling::ALL / 4))));
    }
}

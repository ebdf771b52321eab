//! Samples as OpenMetrics text.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::table::{Kind, Metric};

/// The media type of the exposition.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A metric's value at a moment.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Counter(f64),
    Gauge(f64),
    /// Upper bounds with the values up to each and above the one before; those above all; the sum.
    Histogram(Vec<(f64, u64)>, f64),
}

impl Value {
    fn encode(&self, encoder: &mut MetricEncoder<'_>) -> Result<(), fmt::Error> {
        match self {
            Self::Counter(value) => encoder.encode_counter::<NoLabelSet, _, f64>(value, None),
            Self::Gauge(value) => encoder.encode_gauge(value),
            Self::Histogram(buckets, sum) => {
                let count = buckets.iter().map(|(_, count)| count).sum();
                encoder.encode_histogram::<NoLabelSet>(*sum, count, buckets, None)
            }
        }
    }
}

/// A metric with the values of its labels.
#[derive(Debug, Clone)]
struct Sample {
    labels: Vec<(&'static str, String)>,
    value: Value,
}

/// Everything that is exposed at a moment.
#[derive(Debug, Default)]
pub struct Samples {
    families: Vec<(Metric, Vec<Sample>)>,
}

impl Samples {
    /// Adds a value under the values of the metric's labels.
    ///
    /// # Panics
    /// Where there are not as many values as the metric has labels, or the value is of another type:
    /// mistakes of the code.
    pub(super) fn add(&mut self, metric: Metric, labels: &[&str], value: Value) {
        assert_eq!(metric.labels.len(), labels.len(), "labels of {}", metric.name);
        let fits = match value {
            Value::Counter(_) => metric.kind == Kind::Counter,
            Value::Gauge(_) => metric.kind == Kind::Gauge,
            Value::Histogram(..) => metric.kind == Kind::Histogram,
        };
        assert!(fits, "the type of {}", metric.name);
        let values = labels.iter().map(|value| (*value).to_owned());
        let sample = Sample { labels: metric.labels.iter().copied().zip(values).collect(), value };
        match self.families.iter_mut().find(|(known, _)| known.name == metric.name) {
            Some((_, samples)) => samples.push(sample),
            None => self.families.push((metric, vec![sample])),
        }
    }

    /// As text.
    ///
    /// # Errors
    /// None that a string would give.
    pub fn text(self) -> Result<String, fmt::Error> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        text::encode(&mut text, &registry)?;
        Ok(text)
    }
}

impl Collector for Samples {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for (metric, samples) in &self.families {
            let kind = match metric.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
                Kind::Histogram => MetricType::Histogram,
            };
            // The library adds the full stop.
            let help = metric.help.trim_end_matches('.');
            let mut family = encoder.encode_descriptor(metric.name, help, None, kind)?;
            for sample in samples {
                if sample.labels.is_empty() {
                    sample.value.encode(&mut family)?;
                } else {
                    sample.value.encode(&mut family.encode_family(&sample.labels)?)?;
                }
            }
        }
        Ok(())
    }
}

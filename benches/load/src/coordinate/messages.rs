//! What is said. Histograms are HdrHistogram's V2 bytes in base64.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2Serializer};
use serde::{Deserialize, Serialize};

use super::Assignment;
use crate::measured::{
    Cell, Fault, Generator, Latencies, Measured, Peak, Phase, Second, histogram,
};
use crate::record::{Entry, Nanos, Operation, Outcome};

/// Seconds in a frame: three histograms of a few kilobytes each.
pub(super) const SECONDS_PER_FRAME: usize = 32;
/// Entries in a frame: some 300 bytes each.
pub(super) const ENTRIES_PER_FRAME: usize = 4_096;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ToGenerator {
    Assigned(Assignment),
    Refused { version: u32 },
    Ping,
    Go,
    Sum(Vec<f64>),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ToCoordinator {
    Hello { version: u32 },
    Ready,
    Pong,
    Begun,
    Alive,
    Rates(Vec<f64>),
    Head(Box<Head>),
    Seconds(Vec<OneSecond>),
    Entries(Vec<Entry>),
    Done { entries: u64 },
    Failed { problem: String },
}

#[derive(Debug, Serialize, Deserialize)]
struct OnePhase {
    name: String,
    from: Nanos,
    to: Nanos,
    counts: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct OneFault {
    name: String,
    from: Nanos,
    to: Nanos,
    failed: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct OneCell {
    phase: usize,
    operation: Operation,
    outcome: Outcome,
    corrected: String,
    service: String,
}

/// All of [`Measured`] but its seconds.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Head {
    run: u64,
    seed: u64,
    phases: Vec<OnePhase>,
    cells: Vec<OneCell>,
    lag: String,
    dropped: u64,
    faults: Vec<OneFault>,
    codes: BTreeMap<String, u64>,
    without_retry_after: u64,
    prefix: String,
    capacity: Option<(f64, u32)>,
    threads: u32,
    processor: Nanos,
    elapsed: Nanos,
    lag_p99_max_us: u64,
    lag_p99_us: u64,
    busiest: f64,
}

/// A [`Second`].
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct OneSecond {
    intended: u64,
    started: u64,
    ended: BTreeMap<Outcome, u64>,
    corrected: String,
    service: String,
    dropped: u64,
    in_flight: u64,
    lag: String,
    server: BTreeMap<String, f64>,
}

fn packed(histogram: &Histogram<u64>) -> Result<String, String> {
    let mut bytes = Vec::new();
    let serialized = V2Serializer::new().serialize(histogram, &mut bytes);
    serialized.map_err(|error| format!("a histogram: {error:?}"))?;
    Ok(STANDARD.encode(bytes))
}

/// One with the bounds that all of a run have, whatever the bytes say.
fn bounded(text: &str) -> Result<Histogram<u64>, String> {
    let mut whole = histogram();
    whole.add(unpacked(text)?).map_err(|error| format!("a histogram: {error:?}"))?;
    Ok(whole)
}

fn unpacked(text: &str) -> Result<Histogram<u64>, String> {
    let bytes = STANDARD.decode(text).map_err(|error| error.to_string())?;
    let read = Deserializer::new().deserialize(&mut bytes.as_slice());
    read.map_err(|error| format!("a histogram: {error:?}"))
}

impl Head {
    pub(super) fn of(measured: &Measured) -> Result<Self, String> {
        let cells = measured.cells.iter().map(|(cell, latencies)| {
            let Cell { phase, operation, outcome } = *cell;
            let corrected = packed(&latencies.corrected)?;
            let service = packed(&latencies.service)?;
            Ok(OneCell { phase, operation, outcome, corrected, service })
        });
        let phases = measured.phases.iter().cloned().map(|phase| {
            let Phase { name, from, to, counts } = phase;
            OnePhase { name, from, to, counts }
        });
        let faults = measured.faults.iter().cloned().map(|fault| {
            let Fault { name, from, to, failed } = fault;
            OneFault { name, from, to, failed }
        });
        let Generator { threads, processor, elapsed, lag_p99_max_us, busiest, .. } =
            measured.generator;
        Ok(Self {
            run: measured.run,
            seed: measured.seed,
            phases: phases.collect(),
            cells: cells.collect::<Result<_, String>>()?,
            lag: packed(&measured.lag)?,
            dropped: measured.dropped,
            faults: faults.collect(),
            codes: measured.codes.clone(),
            without_retry_after: measured.without_retry_after,
            prefix: measured.prefix.clone(),
            capacity: measured.capacity.map(|peak| (peak.per_s, peak.sessions)),
            threads,
            processor,
            elapsed,
            lag_p99_max_us,
            lag_p99_us: measured.lag_p99_us(),
            busiest,
        })
    }

    pub(super) fn measured(self, seconds: Vec<Second>) -> Result<Measured, String> {
        let cells = self.cells.into_iter().map(|one| {
            let OneCell { phase, operation, outcome, corrected, service } = one;
            let latencies =
                Latencies { corrected: bounded(&corrected)?, service: bounded(&service)? };
            Ok((Cell { phase, operation, outcome }, latencies))
        });
        let phases = self.phases.into_iter().map(|phase| {
            let OnePhase { name, from, to, counts } = phase;
            Phase { name, from, to, counts }
        });
        let faults = self.faults.into_iter().map(|fault| {
            let OneFault { name, from, to, failed } = fault;
            Fault { name, from, to, failed }
        });
        Ok(Measured {
            run: self.run,
            seed: self.seed,
            phases: phases.collect(),
            cells: cells.collect::<Result<_, String>>()?,
            seconds,
            lag: bounded(&self.lag)?,
            dropped: self.dropped,
            faults: faults.collect(),
            codes: self.codes,
            without_retry_after: self.without_retry_after,
            prefix: self.prefix,
            capacity: self.capacity.map(|(per_s, sessions)| Peak { per_s, sessions }),
            generator: Generator {
                threads: self.threads,
                processor: self.processor,
                elapsed: self.elapsed,
                lag_p99_max_us: self.lag_p99_max_us,
                lag_p99_us: self.lag_p99_us,
                busiest: self.busiest,
            },
        })
    }
}

impl OneSecond {
    pub(super) fn of(second: &Second) -> Result<Self, String> {
        Ok(Self {
            intended: second.intended,
            started: second.started,
            ended: second.ended.clone(),
            corrected: packed(&second.corrected)?,
            service: packed(&second.service)?,
            dropped: second.dropped,
            in_flight: second.in_flight,
            lag: packed(&second.lag)?,
            server: second.server.clone(),
        })
    }

    pub(super) fn second(self) -> Result<Second, String> {
        Ok(Second {
            intended: self.intended,
            started: self.started,
            ended: self.ended,
            corrected: growing(unpacked(&self.corrected)?),
            service: growing(unpacked(&self.service)?),
            dropped: self.dropped,
            in_flight: self.in_flight,
            lag: growing(unpacked(&self.lag)?),
            // Looked at where it was measured.
            busiest: 0.0,
            server: self.server,
        })
    }
}

/// One of a second grows with what is added to it; that isn't written into its bytes.
fn growing(mut histogram: Histogram<u64>) -> Histogram<u64> {
    histogram.auto(true);
    histogram
}

//! Made-up measurements, for tests.

use std::collections::BTreeMap;

use crate::measured::{Cell, Fault, Generator, Latencies, Measured, Phase, Second, histogram};
use crate::record::{Nanos, Operation, Outcome};

const SECOND: Nanos = 1_000_000_000;
const MS: Nanos = 1_000_000;

/// A second with so many acknowledged after so many milliseconds, and so many broken.
pub(crate) fn second(acknowledged: u64, broken: u64, latency_ms: u64) -> Second {
    let mut latencies = histogram();
    latencies.record_n(latency_ms * 1_000, acknowledged).unwrap();
    let ended = [(Outcome::Acknowledged, acknowledged), (Outcome::Broken, broken)];
    Second {
        intended: acknowledged + broken,
        started: acknowledged + broken,
        ended: ended.into_iter().filter(|(_, count)| *count > 0).collect(),
        corrected: latencies.clone(),
        service: latencies,
        dropped: 0,
        in_flight: 4,
        lag: histogram(),
        busiest: 0.0,
        server: BTreeMap::new(),
    }
}

/// A fault from and to, in milliseconds.
pub(crate) fn fault(name: &str, from_ms: u64, to_ms: u64) -> Fault {
    Fault { name: name.to_owned(), from: from_ms * MS, to: to_ms * MS, failed: None }
}

/// A run of these seconds, all of them adds in one phase that counts.
pub(crate) fn measured(seconds: Vec<Second>) -> Measured {
    let mut cells: BTreeMap<Cell, Latencies> = BTreeMap::new();
    for second in &seconds {
        for (outcome, count) in &second.ended {
            let cell = Cell { phase: 0, operation: Operation::Add, outcome: *outcome };
            let new = || Latencies { corrected: histogram(), service: histogram() };
            let latencies = cells.entry(cell).or_insert_with(new);
            if *outcome == Outcome::Acknowledged {
                latencies.corrected.add(&second.corrected).unwrap();
                latencies.service.add(&second.service).unwrap();
            } else {
                latencies.corrected.record_n(1_000, *count).unwrap();
                latencies.service.record_n(1_000, *count).unwrap();
            }
        }
    }
    let to = SECOND * seconds.len() as u64;
    Measured {
        run: 0xfeed,
        seed: 7,
        phases: vec![Phase { name: "main".to_owned(), from: 0, to, counts: true }],
        cells,
        seconds,
        lag: histogram(),
        dropped: 0,
        faults: Vec::new(),
        codes: BTreeMap::new(),
        without_retry_after: 0,
        prefix: "c".to_owned(),
        capacity: None,
        generator: Generator { lag_p99_max_us: 10_000, ..Generator::default() },
    }
}

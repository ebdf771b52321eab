//! What is late is late, and what has no place is dropped.

use std::collections::BTreeMap;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::measured::Cell;
use crate::record::{Operation, Outcome};
use crate::recording::Header;
use crate::scenario::Scenario;
use crate::stop::Stop;
use crate::wire::Trust;

const MS: Nanos = 1_000_000;

fn scenario(more: &str, arrivals: &str) -> Scenario {
    let text = format!(
        "name = 'a'\nabout = 'b'\nseed = 1\n{more}\nkeys = {{ distribution = 'uniform', count = 5 \
         }}\nmix = [{{ operation = 'read', weight = 1 }}]\nphases = [{{ name = 'p', for_s = 0.4, \
         arrivals = {arrivals} }}]\n"
    );
    Scenario::parse("a", &text).unwrap()
}

/// A target that answers every read, after a time; its thread ends with the process.
fn target(delay: std::time::Duration) -> Target {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener).unwrap();
            let mut served = tokio::task::JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                served.spawn(async move {
                    let mut buffer = [0; 2_048];
                    while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {
                        let silent = std::future::pending::<()>();
                        let _waited = tokio::time::timeout(delay, silent).await;
                        let body = r#"{"sequence":1,"state":{"value":1}}"#;
                        let head =
                            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                        stream.write_all((head + body).as_bytes()).await.unwrap();
                    }
                });
            }
        });
    });
    Target::new(&url, "k", &Trust::System).unwrap()
}

fn driven(scenario: &Scenario, target: Target, threads: u32, late: Nanos) -> Tally {
    let directory = TempDir::new().unwrap();
    let header = Header { run: 1, seed: 1, prefix: "a".to_owned() };
    let recording = Recording::begin(directory.path(), &header).unwrap();
    let clock = Clock::begin();
    let stretch = Stretch::new(&scenario.phases[0], 0, 0, 0.0);
    // A plan that began before the run is one whose generator was held up at its beginning.
    while clock.now() < late {
        thread::yield_now();
    }
    let driver = Driver {
        deeds: Arc::new(Deeds::new(scenario, 1, "a".to_owned())),
        target,
        clock,
        timeout: scenario.timeout_ms * MS,
        in_flight_max: scenario.in_flight_max,
        connections_max: scenario.connections_max,
        idempotency: scenario.idempotency,
        threads,
        slice: Slice::WHOLE,
        counts: vec![true],
        stop: Stop::default(),
    };
    let tally = driver.run(&[stretch], 0, &recording, None).unwrap();
    let (_, tries) = recording.end().unwrap();
    assert_eq!(tries, tally.cells.values().map(|one| one.service.len()).sum::<u64>());
    tally
}

fn ended(tally: &Tally) -> BTreeMap<Outcome, u64> {
    let of = |(cell, one): (&Cell, &crate::measured::Latencies)| (cell.outcome, one.service.len());
    tally.cells.iter().map(of).collect()
}

#[test]
fn every_start_of_the_plan_is_done_once_by_whatever_number_of_threads() {
    let scenario = scenario("", "{ kind = 'constant', rate = { per_s = 250 } }");
    for threads in [1, 3] {
        let tally = driven(&scenario, target(std::time::Duration::ZERO), threads, 0);
        assert_eq!(ended(&tally), BTreeMap::from([(Outcome::Acknowledged, 100)]));
        assert_eq!(tally.seconds.iter().map(|one| one.intended).sum::<u64>(), 100);
        assert_eq!(tally.dropped, 0);
    }
}

#[test]
fn a_generator_that_was_held_up_shows_it_as_lag_and_in_every_corrected_latency() {
    let scenario = scenario("", "{ kind = 'constant', rate = { per_s = 250 } }");
    let tally = driven(&scenario, target(std::time::Duration::ZERO), 1, 400 * MS);
    assert!(tally.lag.value_at_quantile(0.99) > 300_000, "{}", tally.lag.value_at_quantile(0.99));
    let cell = Cell { phase: 0, operation: Operation::Read, outcome: Outcome::Acknowledged };
    let latencies = &tally.cells[&cell];
    assert!(latencies.corrected.value_at_quantile(0.5) > 150_000);
    assert!(latencies.service.value_at_quantile(0.5) < 150_000);
}

#[test]
fn what_has_no_place_is_dropped_and_not_made_up_for() {
    let scenario = scenario("in_flight_max = 3", "{ kind = 'constant', rate = { per_s = 250 } }");
    let tally = driven(&scenario, target(std::time::Duration::from_secs(6)), 1, 0);
    assert_eq!(ended(&tally), BTreeMap::from([(Outcome::Acknowledged, 3)]));
    assert_eq!(tally.dropped, 97);
    assert_eq!(tally.seconds.iter().map(|one| one.dropped).sum::<u64>(), 97);
}

#[test]
fn a_closed_loop_has_as_many_under_way_as_it_has_sessions() {
    let scenario = scenario("in_flight_max = 1", "{ kind = 'closed', sessions = 4 }");
    let delay = std::time::Duration::from_millis(50);
    let tally = driven(&scenario, target(delay), 1, 0);
    let count = ended(&tally)[&Outcome::Acknowledged];
    assert!((4..=32).contains(&count), "{count}");
    assert_eq!(tally.seconds.iter().map(|one| one.in_flight).max(), Some(4));
    assert_eq!(tally.lag.max(), 0);
}

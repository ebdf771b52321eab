//! A coordinator and its generators on the loopback.

use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Instant;

use super::*;
use crate::measured::Generator;
use crate::record::{Entry, Operation, Outcome};
use crate::sample::{fault, measured, second};

fn job() -> Assignment {
    let (prefix, scenario) = ("c".to_owned(), "name = \"steady\"".to_owned());
    Assignment { index: 0, of: 0, run: 0xfeed, prefix, scenario }
}

fn entry(op: u64) -> Entry {
    Entry {
        op,
        attempt: 0,
        session: 0,
        operation: Operation::Add,
        keyed: true,
        key: op,
        other: 0,
        amount: -1,
        intended: 1,
        sent: 2,
        done: u64::MAX,
        outcome: Outcome::Acknowledged,
        status: 200,
        sequence: 3,
        value: i64::MIN,
        repeated: false,
    }
}

type Ran = (Result<Gathered, CoordinateError>, Vec<Entry>, Vec<Result<(), CoordinateError>>);

const PATIENT: Duration = Duration::from_secs(60);

fn call(generators: u32) -> Call {
    Call { generators, within: PATIENT }
}

/// A coordinator that nobody follows.
fn leads(listener: &TcpListener, call: Call) -> Result<Gathered, CoordinateError> {
    coordinate(listener, &job(), call, &|_| (), &mut |_| Ok(()))
}

/// Generators that each do what `carry_out` says, and what the coordinator makes of them.
fn run(
    generators: u32,
    carry_out: impl Fn(&Assignment, &mut dyn Company) -> io::Result<Carried<Vec<io::Result<Entry>>>>
    + Sync,
) -> Ran {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut kept = Vec::new();
    let mut keep = |entry: Entry| {
        kept.push(entry);
        Ok(())
    };
    let (gathered, joined) = thread::scope(|scope| {
        let (address, carry_out) = (&address, &carry_out);
        let join = move || join(address, PATIENT, carry_out);
        let joining: Vec<_> = (0..generators).map(|_| scope.spawn(join)).collect();
        let gathered = coordinate(&listener, &job(), call(generators), &|_| (), &mut keep);
        (gathered, joining.into_iter().map(|one| one.join().unwrap()).collect())
    });
    (gathered, kept, joined)
}

fn carried(assignment: &Assignment, entries: u64) -> Carried<Vec<io::Result<Entry>>> {
    let mut measured = measured(vec![second(100 + u64::from(assignment.index), 1, 4); 70]);
    measured.seconds[3].server.insert("bytes".to_owned(), 7.5);
    measured.faults = vec![fault("kill", 1_000 + u64::from(assignment.index), 2_000)];
    let of = u64::from(assignment.of);
    let own = (0..entries).map(|at| Ok(entry(at * of + u64::from(assignment.index))));
    Carried { measured, entries: own.collect() }
}

#[test]
fn two_generators_do_disjoint_slices_of_one_run() {
    let clocks = Mutex::new(Vec::new());
    let (gathered, mut kept, joined) = run(2, |assignment, company| {
        assert_eq!(company.is_first(), assignment.index == 0);
        let clock = company.begin().unwrap();
        clocks.lock().unwrap().push(clock);
        assert_eq!((assignment.of, assignment.run), (2, 0xfeed));
        assert_eq!(assignment.scenario, job().scenario);
        Ok(carried(assignment, 5_000))
    });
    assert!(joined.iter().all(Result::is_ok), "{joined:?}");
    let Gathered { measured, skew } = gathered.unwrap();
    assert_eq!(measured.seconds.len(), 70);
    assert_eq!(measured.seconds[69].ended[&Outcome::Acknowledged], 201);
    assert_eq!(measured.seconds[69].corrected.len(), 201);
    assert_eq!(measured.cells.values().map(|cell| cell.corrected.len()).sum::<u64>(), 70 * 203);
    let fault = &measured.faults[..];
    assert!(
        matches!(fault, [one] if (one.from, one.to) == (1_000_000_000, 2_000_000_000)),
        "{fault:?}"
    );
    let now = Instant::now();
    let [one, other]: [_; 2] = clocks.into_inner().unwrap().try_into().unwrap();
    let apart = one.of(now).abs_diff(other.of(now));
    assert!(apart <= skew && skew < 60_000_000_000, "{apart} of {skew}");
    kept.sort_by_key(|entry| entry.op);
    assert_eq!(kept.len(), 10_000);
    assert!(kept.iter().zip(0..).all(|(kept, op)| *kept == entry(op)));
}

#[test]
fn one_generator_comes_through_as_it_is() {
    let assignment = Assignment { of: 1, ..job() };
    let mut sent = carried(&assignment, 1).measured;
    sent.lag.record(17).unwrap();
    sent.without_retry_after = 4;
    sent.codes.insert("mailbox_full".to_owned(), 3);
    let (gathered, _, _) = run(1, |_, company| {
        company.begin().unwrap();
        Ok(Carried { measured: sent.clone(), entries: Vec::new() })
    });
    let came = gathered.unwrap().measured;
    // Histograms compare by what they hold.
    for (one, other) in came.seconds.iter().zip(&sent.seconds) {
        assert_eq!(
            (&one.corrected, &one.service, &one.lag),
            (&other.corrected, &other.service, &other.lag)
        );
        assert_eq!(
            (one.intended, &one.ended, &one.server),
            (other.intended, &other.ended, &other.server)
        );
        assert_eq!(
            (one.started, one.dropped, one.in_flight),
            (other.started, other.dropped, other.in_flight)
        );
    }
    assert_eq!(came.seconds.len(), sent.seconds.len());
    assert!(came.cells.keys().eq(sent.cells.keys()));
    for (one, other) in came.cells.values().zip(sent.cells.values()) {
        assert_eq!((&one.corrected, &one.service), (&other.corrected, &other.service));
    }
    assert_eq!((came.run, came.seed, &came.lag), (sent.run, sent.seed, &sent.lag));
    assert_eq!(came.without_retry_after, 4);
    assert_eq!((came.codes, came.prefix), (sent.codes, sent.prefix));
    assert_eq!(
        format!("{:?}{:?}", came.phases, came.faults),
        format!("{:?}{:?}", sent.phases, sent.faults)
    );
    // The coordinator puts the sum together, and is told what it was for this one.
    let alone = Generator { lag_p99_us: 17, ..sent.generator };
    assert_eq!((came.capacity, came.generator), (sent.capacity, alone));
}

#[test]
fn a_generator_that_fails_makes_the_run_invalid() {
    let (gathered, _, joined) = run(2, |assignment, company| {
        company.begin().unwrap();
        match assignment.index {
            0 => Ok(carried(assignment, 1)),
            _ => Err(io::Error::other("no target")),
        }
    });
    let failed = |result: &Result<(), CoordinateError>| matches!(result, Err(CoordinateError::Failed { problem, .. }) if problem == "no target");
    assert_eq!(joined.iter().filter(|one| failed(one)).count(), 1);
    let Err(CoordinateError::Failed { whom, .. }) = gathered else { panic!("{gathered:?}") };
    assert!(whom.starts_with("generator 1 at "), "{whom}");
}

#[test]
fn a_generator_that_dies_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let dying = thread::spawn(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        let hello = format!("{{\"hello\":{{\"version\":{VERSION}}}}}");
        let length = u32::try_from(hello.len()).unwrap();
        stream.write_all(&[length.to_be_bytes().as_slice(), hello.as_bytes()].concat()).unwrap();
    });
    let gathered = leads(&listener, call(1));
    dying.join().unwrap();
    let Err(CoordinateError::Connection { whom, .. }) = gathered else { panic!("{gathered:?}") };
    assert!(whom.starts_with("generator 0 at "), "{whom}");
}

#[test]
fn another_version_and_what_is_no_frame_are_refused() {
    let said = |bytes: Vec<u8>| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::scope(|scope| {
            scope.spawn(move || TcpStream::connect(address).unwrap().write_all(&bytes).unwrap());
            leads(&listener, call(1)).unwrap_err()
        })
    };
    let framed = |text: &str| {
        let length = u32::try_from(text.len()).unwrap().to_be_bytes();
        [length.as_slice(), text.as_bytes()].concat()
    };
    let other = said(framed("{\"hello\":{\"version\":99}}"));
    assert!(matches!(other, CoordinateError::Version { is: 99, .. }), "{other}");
    for bytes in [framed("{\"what\":1}"), framed("\"ready\""), u32::MAX.to_be_bytes().to_vec()] {
        let refused = said(bytes);
        assert!(matches!(refused, CoordinateError::Protocol { .. }), "{refused}");
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    assert!(matches!(leads(&listener, call(0)), Err(CoordinateError::Count(0))));
}

#[test]
fn a_generator_that_never_comes_is_missed_and_who_came_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let began = Instant::now();
    let (gathered, joined) = thread::scope(|scope| {
        let joining = scope.spawn(|| {
            join(&address, PATIENT, |assignment, company| match company.begin() {
                Ok(_) => Ok(carried(assignment, 1)),
                Err(error) => Err(io::Error::other(error)),
            })
        });
        let within = Duration::from_secs(5);
        (leads(&listener, Call { generators: 2, within }), joining.join().unwrap())
    });
    let Err(CoordinateError::Missing { joined: 1, of: 2, within_s: 5 }) = gathered else {
        panic!("{gathered:?}");
    };
    assert!(joined.is_err());
    assert!(began.elapsed() < PATIENT / 3, "{:?}", began.elapsed());
}

#[test]
fn a_coordinator_may_come_last_and_one_that_never_comes_is_missed() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let nothing = |_: &Assignment, _: &mut dyn Company| -> io::Result<Carried<Vec<_>>> {
        Err(io::Error::other("it is not to be asked"))
    };
    let alone = join(&free, Duration::ZERO, nothing).unwrap_err();
    assert!(matches!(alone, CoordinateError::Connection { .. }), "{alone}");
    let joined = thread::scope(|scope| {
        let joining = scope.spawn(|| {
            join(&free, PATIENT, |assignment, company| {
                company.begin().unwrap();
                Ok::<_, io::Error>(carried(assignment, 1))
            })
        });
        // By then it has been looked for in vain; if it has not, the test shows less.
        let (_waits, looked) = channel::<()>();
        looked.recv_timeout(Duration::from_millis(500)).unwrap_err();
        leads(&TcpListener::bind(&free).unwrap(), call(1)).unwrap();
        joining.join().unwrap()
    });
    joined.unwrap();
}

#[test]
fn what_each_has_measured_is_added_up_for_all() {
    let (gathered, _, _) = run(3, |assignment, company| {
        company.begin().unwrap();
        let own = f64::from(assignment.index);
        assert_eq!(company.sum(vec![1.5, own]).unwrap(), [4.5, 3.0]);
        Ok(carried(assignment, 1))
    });
    gathered.unwrap();
}

#[test]
fn one_that_measures_nothing_with_the_others_makes_the_run_invalid() {
    let (gathered, _, _) = run(2, |assignment, company| {
        company.begin().unwrap();
        if assignment.index == 0 {
            company.sum(vec![1.0]).map_err(io::Error::other)?;
        }
        Ok(carried(assignment, 1))
    });
    assert!(matches!(gathered, Err(CoordinateError::Protocol { .. })), "{gathered:?}");
}

#[test]
fn one_that_does_not_wait_for_the_others_makes_the_run_invalid() {
    let (gathered, _, _) = run(1, |assignment, _| Ok(carried(assignment, 1)));
    assert!(matches!(gathered, Err(CoordinateError::Protocol { .. })), "{gathered:?}");
}

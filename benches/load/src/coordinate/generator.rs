//! The side of a generator.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::company::{Company, Led, say};
use super::frames::Link;
use super::messages::{ENTRIES_PER_FRAME, Head, OneSecond, SECONDS_PER_FRAME};
use super::messages::{ToCoordinator, ToGenerator};
use super::{Assignment, CoordinateError, VERSION};
use crate::faults::described;
use crate::measured::Measured;
use crate::record::Entry;

/// How often a generator says that it is there.
const ALIVE_EVERY: Duration = Duration::from_secs(1);
/// How often a coordinator is looked for that isn't there yet.
const CONNECT_EVERY: Duration = Duration::from_millis(100);

/// A slice that was carried out: what was measured, and the history.
#[derive(Debug)]
pub struct Carried<I> {
    /// What was measured.
    pub measured: Measured,
    /// Every try, in any order.
    pub entries: I,
}

/// Joins a coordinator, carries out what it assigns, and hands over what came of it. The coordinator is
/// waited for so long, for it may be started last. Whoever carries out begins with the
/// [`Company`].
///
/// # Errors
/// [`CoordinateError`]
///
/// # Panics
/// Where a thread of it did.
pub fn join<I, E, F>(address: &str, within: Duration, carry_out: F) -> Result<(), CoordinateError>
where
    I: IntoIterator<Item = Result<Entry, E>>,
    E: std::error::Error,
    F: FnOnce(&Assignment, &mut dyn Company) -> Result<Carried<I>, E>,
{
    let whom = format!("the coordinator at {address}");
    let connected = connect(address, within);
    let connection = |source| CoordinateError::Connection { whom: whom.clone(), source };
    let mut link = Link::new(connected.map_err(connection)?, whom.clone())?;
    link.send(&ToCoordinator::Hello { version: VERSION })?;
    let assignment = match link.receive()? {
        ToGenerator::Assigned(assignment) => assignment,
        ToGenerator::Refused { version: is } => {
            return Err(CoordinateError::Version { whom, is });
        }
        other => return Err(link.protocol(format!("{other:?} and not what is to be done"))),
    };
    let writing = Mutex::new(link.again()?);
    let mut company = Led { reading: link, writing: &writing, is_first: assignment.index == 0 };
    let carried = while_alive(&writing, || carry_out(&assignment, &mut company))?;
    let mut link = company.reading;
    match carried
        .map_err(|error| described(&error))
        .and_then(|carried| hand_over(&mut link, carried))
    {
        Ok(sent) => sent,
        Err(problem) => {
            link.send(&ToCoordinator::Failed { problem: problem.clone() })?;
            Err(CoordinateError::Failed { whom: "this generator".to_owned(), problem })
        }
    }
}

fn connect(address: &str, within: Duration) -> std::io::Result<TcpStream> {
    let deadline = Instant::now() + within;
    loop {
        match TcpStream::connect(address) {
            Err(error)
                if error.kind() == ErrorKind::ConnectionRefused && Instant::now() < deadline =>
            {
                thread::sleep(CONNECT_EVERY);
            }
            connected => return connected,
        }
    }
}

/// Says each second that it is there while something long goes on.
fn while_alive<T>(link: &Mutex<Link>, long: impl FnOnce() -> T) -> Result<T, CoordinateError> {
    let (done, is_done) = channel::<()>();
    thread::scope(|scope| {
        let alive = scope.spawn(move || {
            while is_done.recv_timeout(ALIVE_EVERY) == Err(RecvTimeoutError::Timeout) {
                say(link, &ToCoordinator::Alive)?;
            }
            Ok::<(), CoordinateError>(())
        });
        let came = long();
        drop(done);
        alive.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok(came)
    })
}

/// Sends everything. The outer error is what is wrong here, the inner one the connection's.
fn hand_over<I, E>(
    link: &mut Link,
    carried: Carried<I>,
) -> Result<Result<(), CoordinateError>, String>
where
    I: IntoIterator<Item = Result<Entry, E>>,
    E: std::error::Error,
{
    macro_rules! send {
        ($message:expr) => {
            if let Err(broken) = link.send(&$message) {
                return Ok(Err(broken));
            }
        };
    }
    send!(ToCoordinator::Head(Box::new(Head::of(&carried.measured)?)));
    for seconds in carried.measured.seconds.chunks(SECONDS_PER_FRAME) {
        let seconds: Result<Vec<OneSecond>, String> = seconds.iter().map(OneSecond::of).collect();
        send!(ToCoordinator::Seconds(seconds?));
    }
    let mut entries = carried.entries.into_iter();
    let mut sent = 0;
    loop {
        let some: Result<Vec<Entry>, E> = entries.by_ref().take(ENTRIES_PER_FRAME).collect();
        let some = some.map_err(|error| described(&error))?;
        if some.is_empty() {
            break;
        }
        sent += some.len() as u64;
        send!(ToCoordinator::Entries(some));
    }
    send!(ToCoordinator::Done { entries: sent });
    Ok(Ok(()))
}

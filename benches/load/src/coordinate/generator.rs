//! The side of a generator.

use std::net::TcpStream;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use super::frames::Link;
use super::messages::{ENTRIES_PER_FRAME, Head, OneSecond, SECONDS_PER_FRAME};
use super::messages::{ToCoordinator, ToGenerator};
use super::{Assignment, CoordinateError, VERSION};
use crate::measured::Measured;
use crate::record::Entry;

/// How often a generator says that it is there.
const ALIVE_EVERY: Duration = Duration::from_secs(1);

/// A slice that was carried out: what was measured, and the history.
#[derive(Debug)]
pub struct Carried<I> {
    /// What was measured.
    pub measured: Measured,
    /// Every try, in any order.
    pub entries: I,
}

/// Joins a coordinator, carries out what it assigns, and hands over what came of it.
///
/// # Errors
/// [`CoordinateError`]
pub fn join<I, E, F>(address: &str, carry_out: F) -> Result<(), CoordinateError>
where
    I: IntoIterator<Item = Result<Entry, E>>,
    E: std::error::Error,
    F: FnOnce(&Assignment) -> Result<Carried<I>, E>,
{
    let whom = format!("the coordinator at {address}");
    let connected = TcpStream::connect(address);
    let connection = |source| CoordinateError::Connection { whom: whom.clone(), source };
    let mut link = Link::new(connected.map_err(connection)?, whom.clone())?;
    link.send(&ToCoordinator::Hello { version: VERSION })?;
    let assignment = match link.receive()? {
        ToGenerator::Assigned(assignment) => assignment,
        ToGenerator::Refused { version: is } => {
            return Err(CoordinateError::Version { whom, is });
        }
        ToGenerator::Ping | ToGenerator::Go => return Err(link.protocol("nothing was assigned")),
    };
    link.send(&ToCoordinator::Ready)?;
    // Others may take their time to come.
    loop {
        match link.receive()? {
            ToGenerator::Ping => link.send(&ToCoordinator::Pong)?,
            ToGenerator::Go => break,
            ToGenerator::Assigned(_) | ToGenerator::Refused { .. } => {
                return Err(link.protocol("it is assigned already"));
            }
        }
    }
    let carried = while_alive(&link, || carry_out(&assignment))?;
    match carried
        .map_err(|error| error.to_string())
        .and_then(|carried| hand_over(&mut link, carried))
    {
        Ok(sent) => sent,
        Err(problem) => {
            link.send(&ToCoordinator::Failed { problem: problem.clone() })?;
            Err(CoordinateError::Failed { whom: "this generator".to_owned(), problem })
        }
    }
}

/// Says each second that it is there while something long goes on.
fn while_alive<T>(link: &Link, long: impl FnOnce() -> T) -> Result<T, CoordinateError> {
    let mut beside = link.again()?;
    let (done, is_done) = channel::<()>();
    thread::scope(|scope| {
        let alive = scope.spawn(move || {
            while is_done.recv_timeout(ALIVE_EVERY) == Err(RecvTimeoutError::Timeout) {
                beside.send(&ToCoordinator::Alive)?;
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
    loop {
        let some: Result<Vec<Entry>, E> = entries.by_ref().take(ENTRIES_PER_FRAME).collect();
        let some = some.map_err(|error| error.to_string())?;
        if some.is_empty() {
            break;
        }
        send!(ToCoordinator::Entries(some));
    }
    send!(ToCoordinator::Done);
    Ok(Ok(()))
}

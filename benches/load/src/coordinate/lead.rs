//! The side of the coordinator.

use std::net::TcpListener;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use super::frames::Link;
use super::messages::{Head, ToCoordinator, ToGenerator};
use super::{Assignment, CoordinateError, GENERATORS_MAX, VERSION};
use crate::measured::{Measured, Second};
use crate::merge::merge;
use crate::record::{Entry, Nanos};

/// Pings to each generator, of which the fastest counts: enough for one to meet no hindrance.
const PINGS: u32 = 5;

/// What all generators came to.
#[derive(Debug)]
pub struct Gathered {
    /// Of all together.
    pub measured: Measured,
    /// How far their clocks may be apart.
    pub skew: Nanos,
}

/// Waits for so many generators, has them carry `job` out (its slice is set for each), and gathers.
/// Every entry is given to `keep`, those of several generators in any order.
///
/// # Errors
/// [`CoordinateError`]: also where a single generator fails or dies, for the run is not valid then.
pub fn coordinate(
    listener: &TcpListener,
    job: &Assignment,
    generators: u32,
    keep: &mut (dyn FnMut(Entry) -> std::io::Result<()> + Send),
) -> Result<Gathered, CoordinateError> {
    if !(1..=GENERATORS_MAX).contains(&generators) {
        return Err(CoordinateError::Count(generators));
    }
    let mut links = Vec::new();
    for index in 0..generators {
        let slice = Assignment { index, of: generators, ..job.clone() };
        links.push(welcome(listener, &slice)?);
        // Whoever waits for the others hears that somebody is there.
        for link in &mut links {
            ping(link)?;
        }
    }
    let mut slowest = 0;
    for link in &mut links {
        let mut fastest = Nanos::MAX;
        for _ in 0..PINGS {
            fastest = fastest.min(ping(link)?);
        }
        slowest = slowest.max(fastest);
    }
    let going = Instant::now();
    for link in &mut links {
        link.send(&ToGenerator::Go)?;
    }
    let skew = slowest + nanos(going);
    let keep = Mutex::new(keep);
    let parts = thread::scope(|scope| {
        let taking: Vec<_> =
            links.into_iter().map(|link| scope.spawn(|| take(link, &keep))).collect();
        let taken = taking
            .into_iter()
            .map(|one| one.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        taken.collect::<Result<Vec<Measured>, CoordinateError>>()
    })?;
    Ok(Gathered { measured: merge(parts)?, skew })
}

fn nanos(since: Instant) -> Nanos {
    Nanos::try_from(since.elapsed().as_nanos()).unwrap_or(Nanos::MAX)
}

fn welcome(listener: &TcpListener, slice: &Assignment) -> Result<Link, CoordinateError> {
    let whom = format!("generator {}", slice.index);
    let accepted = listener.accept();
    let connection = |source| CoordinateError::Connection { whom: whom.clone(), source };
    let (stream, address) = accepted.map_err(connection)?;
    let mut link = Link::new(stream, whom)?;
    link.call(format!("generator {} at {address}", slice.index));
    match link.receive()? {
        ToCoordinator::Hello { version: VERSION } => {}
        ToCoordinator::Hello { version: is } => {
            // It may not have waited for the answer, and the error is the same.
            let _told = link.send(&ToGenerator::Refused { version: VERSION });
            return Err(CoordinateError::Version { whom: link.whom(), is });
        }
        other => return Err(link.protocol(format!("{other:?} in place of a hello"))),
    }
    link.send(&ToGenerator::Assigned(slice.clone()))?;
    match link.receive()? {
        ToCoordinator::Ready => Ok(link),
        ToCoordinator::Failed { problem } => {
            Err(CoordinateError::Failed { whom: link.whom(), problem })
        }
        other => Err(link.protocol(format!("{other:?} and not that it is ready"))),
    }
}

/// How long a frame takes to a generator and back.
fn ping(link: &mut Link) -> Result<Nanos, CoordinateError> {
    let began = Instant::now();
    link.send(&ToGenerator::Ping)?;
    match link.receive()? {
        ToCoordinator::Pong => Ok(nanos(began)),
        other => Err(link.protocol(format!("{other:?} in place of a pong"))),
    }
}

/// Takes in what a generator hands over.
fn take(
    mut link: Link,
    keep: &Mutex<&mut (dyn FnMut(Entry) -> std::io::Result<()> + Send)>,
) -> Result<Measured, CoordinateError> {
    let mut head: Option<Head> = None;
    let mut seconds: Vec<Second> = Vec::new();
    loop {
        match link.receive()? {
            ToCoordinator::Alive => {}
            ToCoordinator::Head(came) => head = Some(*came),
            ToCoordinator::Seconds(some) => {
                for second in some {
                    seconds.push(second.second().map_err(|problem| link.protocol(problem))?);
                }
            }
            ToCoordinator::Entries(some) => {
                let mut keep = keep.lock().map_err(|_| link.protocol("another one failed"))?;
                some.into_iter().try_for_each(&mut **keep).map_err(CoordinateError::Keep)?;
            }
            ToCoordinator::Done => {
                let head = head.ok_or_else(|| link.protocol("it is done and has told nothing"))?;
                return head.measured(seconds).map_err(|problem| link.protocol(problem));
            }
            ToCoordinator::Failed { problem } => {
                return Err(CoordinateError::Failed { whom: link.whom(), problem });
            }
            other @ (ToCoordinator::Hello { .. } | ToCoordinator::Ready | ToCoordinator::Pong) => {
                return Err(link.protocol(format!("{other:?} in the middle of the run")));
            }
        }
    }
}

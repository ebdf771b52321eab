//! The side of the coordinator: a thread attends each generator.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use super::frames::Link;
use super::hall::{Hall, Left};
use super::messages::{Head, ToCoordinator, ToGenerator};
use super::{Assignment, CoordinateError, GENERATORS_MAX, VERSION};
use crate::measured::{Measured, Second};
use crate::merge::merge;
use crate::record::{Entry, Nanos};

/// How long a generator waits at most until it is noticed.
const ACCEPT_EVERY: Duration = Duration::from_millis(20);

/// Who is to come.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    /// How many.
    pub generators: u32,
    /// How long they are waited for.
    pub within: Duration,
}

/// How far a run of several is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// A generator has joined.
    Joined {
        /// Which.
        whom: String,
    },
    /// All are ready, and this one was told to go and has.
    Gone {
        /// Which.
        whom: String,
    },
    /// A generator has handed over all that it has.
    Done {
        /// Which.
        whom: String,
    },
}

/// What all generators came to.
#[derive(Debug)]
pub struct Gathered {
    /// Of all together.
    pub measured: Measured,
    /// How far their clocks may be apart.
    pub skew: Nanos,
}

type Keep<'a> = &'a mut (dyn FnMut(Entry) -> std::io::Result<()> + Send);

/// Waits for so many generators, has them carry `job` out (its slice is set for each), and gathers.
/// Every entry is given to `keep`, those of several generators in any order.
///
/// # Errors
/// [`CoordinateError`]: also where a single generator fails, dies or never comes, for the run is not
/// valid then.
///
/// # Panics
/// Where a thread of the coordinator did.
pub fn coordinate(
    listener: &TcpListener,
    job: &Assignment,
    call: Call,
    told: &(dyn Fn(Progress) + Sync),
    keep: Keep<'_>,
) -> Result<Gathered, CoordinateError> {
    if !(1..=GENERATORS_MAX).contains(&call.generators) {
        return Err(CoordinateError::Count(call.generators));
    }
    let here = |source| CoordinateError::Connection { whom: "the generators".to_owned(), source };
    listener.set_nonblocking(true).map_err(here)?;
    let lead = Lead { hall: Hall::new(call.generators), told, keep: Mutex::new(keep) };
    let taken: Vec<Option<Taken>> = thread::scope(|scope| {
        let deadline = Instant::now() + call.within;
        let mut attending = Vec::new();
        for index in 0..call.generators {
            let slice = Assignment { index, of: call.generators, ..job.clone() };
            let Some((stream, address)) = lead.next(listener, index, call, deadline) else { break };
            let lead = &lead;
            attending.push(scope.spawn(move || lead.attend(stream, address, &slice)));
        }
        let ended = attending.into_iter();
        ended
            .map(|one| one.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    if let Some(error) = lead.hall.failure() {
        return Err(error);
    }
    let taken: Vec<Taken> = taken.into_iter().flatten().collect();
    assert_eq!(taken.len(), call.generators as usize, "whoever is missing has said why");
    // Each clock has begun between the two.
    let first = taken.iter().map(|one| one.before_go).min();
    let last = taken.iter().map(|one| one.after_begun).max();
    let apart = first.zip(last).map_or(Duration::ZERO, |(first, last)| last - first);
    let measured = merge(taken.into_iter().map(|one| one.measured))?;
    Ok(Gathered { measured, skew: nanos(apart) })
}

fn nanos(time: Duration) -> Nanos {
    Nanos::try_from(time.as_nanos()).unwrap_or(Nanos::MAX)
}

/// What a generator handed over, and between which times its clock began.
struct Taken {
    measured: Measured,
    before_go: Instant,
    after_begun: Instant,
}

struct Lead<'a> {
    hall: Hall,
    told: &'a (dyn Fn(Progress) + Sync),
    keep: Mutex<Keep<'a>>,
}

impl Lead<'_> {
    /// Waits for one to connect; none where there will be no result.
    fn next(
        &self,
        listener: &TcpListener,
        joined: u32,
        call: Call,
        deadline: Instant,
    ) -> Option<(TcpStream, SocketAddr)> {
        let failed = |source| {
            let whom = format!("generator {joined}");
            self.hall.fail(CoordinateError::Connection { whom, source });
            None
        };
        while !self.hall.is_over() {
            match listener.accept() {
                Ok((stream, address)) => {
                    let waits = stream.set_nonblocking(false);
                    return waits.map(|()| (stream, address)).map_or_else(failed, Some);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return failed(error),
            }
            if Instant::now() >= deadline {
                let (of, within_s) = (call.generators, call.within.as_secs());
                self.hall.fail(CoordinateError::Missing { joined, of, within_s });
            }
            thread::sleep(ACCEPT_EVERY);
        }
        None
    }

    fn attend(&self, stream: TcpStream, address: SocketAddr, slice: &Assignment) -> Option<Taken> {
        match self.lead(stream, address, slice) {
            Ok(taken) => Some(taken),
            Err(Left::Failed(error)) => {
                self.hall.fail(error);
                None
            }
            Err(Left::Stopped) => None,
        }
    }

    /// One generator from its hello to the last that it hands over.
    fn lead(
        &self,
        stream: TcpStream,
        address: SocketAddr,
        slice: &Assignment,
    ) -> Result<Taken, Left> {
        let mut link = Link::new(stream, format!("generator {} at {address}", slice.index))?;
        let tell =
            |progress: fn(String) -> Progress, link: &Link| (self.told)(progress(link.whom()));
        welcome(&mut link, slice)?;
        tell(|whom| Progress::Joined { whom }, &link);
        self.readied(&mut link)?;
        self.hall.ready.meet(&self.hall, slice.index, (), || ping(&mut link))?;
        let before_go = Instant::now();
        link.send(&ToGenerator::Go)?;
        self.begun(&mut link)?;
        let after_begun = Instant::now();
        tell(|whom| Progress::Gone { whom }, &link);
        let measured = self.take(&mut link, slice.index)?;
        tell(|whom| Progress::Done { whom }, &link);
        Ok(Taken { measured, before_go, after_begun })
    }

    /// The next that is said, but that the generator is alive; nothing where there will be no result.
    fn heard(&self, link: &mut Link) -> Result<ToCoordinator, Left> {
        loop {
            let said = link.receive()?;
            if self.hall.is_over() {
                return Err(Left::Stopped);
            }
            if !matches!(said, ToCoordinator::Alive) {
                return Ok(said);
            }
        }
    }

    fn readied(&self, link: &mut Link) -> Result<(), Left> {
        match self.heard(link)? {
            ToCoordinator::Ready => Ok(()),
            ToCoordinator::Failed { problem } => Err(failed(link, problem)),
            other => Err(link.protocol(format!("{other:?} and not that it is ready")).into()),
        }
    }

    fn begun(&self, link: &mut Link) -> Result<(), Left> {
        match self.heard(link)? {
            ToCoordinator::Begun => Ok(()),
            ToCoordinator::Failed { problem } => Err(failed(link, problem)),
            other => Err(link.protocol(format!("{other:?} and not that it has begun")).into()),
        }
    }

    /// Takes in what a generator hands over.
    fn take(&self, link: &mut Link, index: u32) -> Result<Measured, Left> {
        let mut head: Option<Head> = None;
        let mut seconds: Vec<Second> = Vec::new();
        let mut kept = 0;
        loop {
            match self.heard(link)? {
                ToCoordinator::Rates(own) => {
                    let look = || ping(link);
                    let all = self.hall.measured.meet(&self.hall, index, own, look)?;
                    let sum = added(&all).ok_or_else(|| link.protocol("rates of another plan"))?;
                    link.send(&ToGenerator::Sum(sum))?;
                }
                ToCoordinator::Head(came) => head = Some(*came),
                ToCoordinator::Seconds(some) => {
                    for second in some {
                        seconds.push(second.second().map_err(|problem| link.protocol(problem))?);
                    }
                }
                ToCoordinator::Entries(some) => {
                    kept += some.len() as u64;
                    let mut keep =
                        self.keep.lock().map_err(|_| link.protocol("another one failed"))?;
                    some.into_iter().try_for_each(&mut **keep).map_err(CoordinateError::Keep)?;
                }
                ToCoordinator::Done { entries } if entries != kept => {
                    let problem = format!("{kept} entries came of {entries}");
                    return Err(link.protocol(problem).into());
                }
                ToCoordinator::Done { .. } => {
                    if !self.hall.measured.close() {
                        let problem =
                            "it is done and has not measured the capacity with the others";
                        return Err(link.protocol(problem).into());
                    }
                    let head = head.ok_or_else(|| link.protocol("it is done and told nothing"))?;
                    return Ok(head.measured(seconds).map_err(|problem| link.protocol(problem))?);
                }
                ToCoordinator::Failed { problem } => return Err(failed(link, problem)),
                other => {
                    return Err(link
                        .protocol(format!("{other:?} in the middle of the run"))
                        .into());
                }
            }
        }
    }
}

fn failed(link: &Link, problem: String) -> Left {
    Left::Failed(CoordinateError::Failed { whom: link.whom(), problem })
}

/// Number by number; none where they aren't as many.
fn added(all: &[Vec<f64>]) -> Option<Vec<f64>> {
    let (first, others) = all.split_first()?;
    let mut sum = first.clone();
    for other in others {
        if other.len() != sum.len() {
            return None;
        }
        sum.iter_mut().zip(other).for_each(|(sum, rate)| *sum += rate);
    }
    Some(sum)
}

fn welcome(link: &mut Link, slice: &Assignment) -> Result<(), CoordinateError> {
    match link.receive()? {
        ToCoordinator::Hello { version: VERSION } => {}
        ToCoordinator::Hello { version: is } => {
            // It may not have waited for the answer, and the error is the same.
            let _told = link.send(&ToGenerator::Refused { version: VERSION });
            return Err(CoordinateError::Version { whom: link.whom(), is });
        }
        other => return Err(link.protocol(format!("{other:?} in place of a hello"))),
    }
    link.send(&ToGenerator::Assigned(slice.clone()))
}

/// Has a generator show that it is there.
fn ping(link: &mut Link) -> Result<(), CoordinateError> {
    link.send(&ToGenerator::Ping)?;
    loop {
        match link.receive()? {
            ToCoordinator::Pong => return Ok(()),
            ToCoordinator::Alive => {}
            other => return Err(link.protocol(format!("{other:?} in place of a pong"))),
        }
    }
}

//! Those who carry one run out together, as one of them sees it.

use std::fmt::Debug;
use std::sync::Mutex;

use super::CoordinateError;
use super::frames::Link;
use super::messages::{ToCoordinator, ToGenerator};
use crate::wire::Clock;

/// Those who carry one run out together.
pub trait Company: Debug {
    /// Whether it is this one who makes ready what all need.
    fn is_first(&self) -> bool;

    /// Says that all is ready here, waits until it is everywhere, and begins the run's clock.
    ///
    /// # Errors
    /// Where somebody is gone.
    fn begin(&mut self) -> Result<Clock, CoordinateError>;

    /// Adds up what each has, number by number.
    ///
    /// # Errors
    /// Where somebody is gone.
    fn sum(&mut self, own: Vec<f64>) -> Result<Vec<f64>, CoordinateError>;
}

/// A run of one.
#[derive(Debug, Clone, Copy)]
pub struct Alone;

impl Company for Alone {
    fn is_first(&self) -> bool {
        true
    }

    fn begin(&mut self) -> Result<Clock, CoordinateError> {
        Ok(Clock::begin())
    }

    fn sum(&mut self, own: Vec<f64>) -> Result<Vec<f64>, CoordinateError> {
        Ok(own)
    }
}

/// A generator's place among those that a coordinator leads.
#[derive(Debug)]
pub(super) struct Led<'a> {
    pub(super) reading: Link,
    /// Another thread says meanwhile that this generator is alive.
    pub(super) writing: &'a Mutex<Link>,
    pub(super) is_first: bool,
}

impl Led<'_> {
    /// Waits for what is due. Others may take their time, and pings say that the coordinator is there.
    fn due(&mut self) -> Result<ToGenerator, CoordinateError> {
        loop {
            match self.reading.receive()? {
                ToGenerator::Ping => say(self.writing, &ToCoordinator::Pong)?,
                other => return Ok(other),
            }
        }
    }
}

/// Sends a frame, whole before the next one of another thread.
pub(super) fn say(link: &Mutex<Link>, message: &ToCoordinator) -> Result<(), CoordinateError> {
    // Frames of a thread that panicked are of no use any more; the panic is told by its thread.
    link.lock().unwrap_or_else(std::sync::PoisonError::into_inner).send(message)
}

impl Company for Led<'_> {
    fn is_first(&self) -> bool {
        self.is_first
    }

    fn begin(&mut self) -> Result<Clock, CoordinateError> {
        say(self.writing, &ToCoordinator::Ready)?;
        match self.due()? {
            ToGenerator::Go => {}
            other => {
                return Err(self.reading.protocol(format!("{other:?} and not that all may go")));
            }
        }
        let clock = Clock::begin();
        say(self.writing, &ToCoordinator::Begun)?;
        Ok(clock)
    }

    fn sum(&mut self, own: Vec<f64>) -> Result<Vec<f64>, CoordinateError> {
        let count = own.len();
        say(self.writing, &ToCoordinator::Rates(own))?;
        match self.due()? {
            ToGenerator::Sum(sum) if sum.len() == count => Ok(sum),
            other => Err(self.reading.protocol(format!("{other:?} and not the sum of all"))),
        }
    }
}

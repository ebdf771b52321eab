//! The plan: when each operation is to begin, fixed before the run.
//!
//! It is a function of the phases and the seed, and knows nothing of how the run goes. What begins
//! late is late against it.

mod arrivals;

use crate::record::{Nanos, PLACE_BITS};
use crate::scenario::{Arrivals, Phase, Rate};

use arrivals::Times;

const NANOS_PER_S: f64 = 1e9;

/// Something that is to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// The phase in the upper bits, below it the place within the phase.
    pub number: u64,
    /// When, since the plan began.
    pub at: Nanos,
    /// Index of its phase.
    pub phase: usize,
    /// A session of a closed loop, in place of a single operation.
    pub session: Option<Session>,
}

/// A session of a closed loop. Its first operation has its start's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// Which of its phase.
    pub index: u32,
    /// How many there are: from one operation to its next the number goes up by so much.
    pub of: u32,
    /// No operation begins from here on.
    pub until: Nanos,
    /// How long it waits between two operations.
    pub think: Nanos,
}

/// A phase with its place in time.
#[derive(Debug, Clone, PartialEq)]
pub struct Stretch {
    /// Its index among all phases of the run.
    pub phase: usize,
    /// From when, since the plan began.
    pub from: Nanos,
    /// How long.
    pub long: Nanos,
    arrivals: Shape,
}

/// When operations begin, with rates in numbers per second.
#[derive(Debug, Clone, PartialEq)]
enum Shape {
    Rates(Vec<Segment>),
    Poisson(f64),
    Closed { sessions: u32, think: Nanos },
}

/// A piece in which the rate goes evenly from one to another.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Segment {
    /// In seconds since the phase began.
    from_s: f64,
    long_s: f64,
    first: f64,
    last: f64,
}

impl Stretch {
    /// Places a phase, with `capacity` in operations per second for what is a share of it.
    #[must_use]
    pub fn new(phase: &Phase, index: usize, from: Nanos, capacity: f64) -> Self {
        let per_s = |rate: Rate| {
            rate.per_s.unwrap_or_else(|| rate.of_capacity.unwrap_or_default() * capacity)
        };
        let long_s = phase.for_s;
        let piece = |from_s: f64, long_s: f64, first: f64, last: f64| Segment {
            from_s,
            long_s,
            first,
            last,
        };
        let arrivals = match phase.arrivals {
            Arrivals::Constant { rate } => {
                Shape::Rates(vec![piece(0.0, long_s, per_s(rate), per_s(rate))])
            }
            Arrivals::Ramp { from, to } => {
                Shape::Rates(vec![piece(0.0, long_s, per_s(from), per_s(to))])
            }
            Arrivals::Stairs { from, to, steps } => {
                let step_s = long_s / f64::from(steps);
                let rise = (per_s(to) - per_s(from)) / f64::from(steps.saturating_sub(1).max(1));
                let step = |step: u32| {
                    let rate = rise.mul_add(f64::from(step), per_s(from));
                    piece(step_s * f64::from(step), step_s, rate, rate)
                };
                Shape::Rates((0..steps).map(step).collect())
            }
            Arrivals::Spike { rate, peak, peak_at_s, peak_for_s } => {
                let (rate, peak) = (per_s(rate), per_s(peak));
                let behind_s = peak_at_s + peak_for_s;
                Shape::Rates(vec![
                    piece(0.0, peak_at_s, rate, rate),
                    piece(peak_at_s, peak_for_s, peak, peak),
                    piece(behind_s, long_s - behind_s, rate, rate),
                ])
            }
            Arrivals::Poisson { rate } => Shape::Poisson(per_s(rate)),
            Arrivals::Closed { sessions, think_ms } => {
                Shape::Closed { sessions, think: think_ms * 1_000_000 }
            }
        };
        Self { phase: index, from, long: nanos(long_s), arrivals }
    }

    /// Its end, which is no longer of it.
    #[must_use]
    pub const fn to(&self) -> Nanos {
        self.from + self.long
    }
}

/// A time in seconds as nanoseconds.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "times of a run fit, and none is negative"
)]
pub fn nanos(seconds: f64) -> Nanos {
    (seconds * NANOS_PER_S).round().max(0.0) as Nanos
}

/// All starts in order of time, or those of one slice of them.
#[derive(Debug)]
pub struct Plan {
    stretches: std::vec::IntoIter<Stretch>,
    current: Option<Times>,
    seed: u64,
    slice: Slice,
}

/// Every nth start from the kth on: what one of several generators does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// Which, from 0.
    pub index: u32,
    /// Of how many.
    pub of: u32,
}

impl Slice {
    /// All of it.
    pub const WHOLE: Self = Self { index: 0, of: 1 };

    /// A part of this slice: of several threads of one generator.
    #[must_use]
    pub const fn part(self, index: u32, of: u32) -> Self {
        Self { index: self.index + self.of * index, of: self.of * of }
    }

    fn has(self, place: u64) -> bool {
        place % u64::from(self.of) == u64::from(self.index)
    }
}

impl Plan {
    /// The plan of some stretches, which come one after the other.
    #[must_use]
    pub fn new(stretches: Vec<Stretch>, seed: u64, slice: Slice) -> Self {
        Self { stretches: stretches.into_iter(), current: None, seed, slice }
    }
}

impl Iterator for Plan {
    type Item = Start;

    fn next(&mut self) -> Option<Start> {
        loop {
            if let Some(times) = &mut self.current {
                let slice = self.slice;
                if let Some(start) = times.find(|start| slice.has(place(start.number))) {
                    return Some(start);
                }
            }
            self.current = Some(Times::new(self.stretches.next()?, self.seed));
        }
    }
}

const fn place(number: u64) -> u64 {
    number & ((1 << PLACE_BITS) - 1)
}

const fn number(phase: usize, place: u64) -> u64 {
    ((phase as u64) << PLACE_BITS) | place
}

#[cfg(test)]
mod tests;

//! The starts of one stretch, in order of time.

use super::{Session, Shape, Start, Stretch, nanos, number};
use crate::chance::Chance;
use crate::record::Nanos;

/// The starts of a stretch. All of them lie within it.
#[derive(Debug)]
pub(super) struct Times {
    stretch: Stretch,
    place: u64,
    latest: Nanos,
    /// Of rates: which piece, and how many starts lie before it.
    piece: usize,
    before: f64,
    /// Of chance: the time so far, in seconds.
    at_s: f64,
    chance: Chance,
}

impl Times {
    pub(super) fn new(stretch: Stretch, seed: u64) -> Self {
        let chance = Chance::of(seed, number(stretch.phase, 0) | ARRIVALS);
        let latest = stretch.from;
        Self { stretch, place: 0, latest, piece: 0, before: 0.0, at_s: 0.0, chance }
    }

    /// The start that brings the sum of the rate so far to its place.
    #[expect(clippy::cast_precision_loss, reason = "a place has 40 bits")]
    fn by_rate(&mut self) -> Option<f64> {
        let Shape::Rates(pieces) = &self.stretch.arrivals else { return None };
        let target = self.place as f64;
        loop {
            let piece = pieces.get(self.piece)?;
            let sum = (piece.first + piece.last) / 2.0 * piece.long_s;
            let wanted = target - self.before;
            if wanted < sum {
                let slope = (piece.last - piece.first) / piece.long_s;
                let within_s = if slope == 0.0 {
                    wanted / piece.first
                } else {
                    let root = (2.0 * slope).mul_add(wanted, piece.first * piece.first);
                    (root.max(0.0).sqrt() - piece.first) / slope
                };
                return Some(piece.from_s + within_s.clamp(0.0, piece.long_s));
            }
            self.before += sum;
            self.piece += 1;
        }
    }

    fn by_chance(&mut self, rate: f64) -> Option<f64> {
        if rate <= 0.0 {
            return None;
        }
        self.at_s -= (1.0 - self.chance.unit()).ln() / rate;
        Some(self.at_s)
    }

    fn session(&self, sessions: u32, think: Nanos) -> Option<Session> {
        let index = u32::try_from(self.place).ok().filter(|index| *index < sessions)?;
        Some(Session { index, of: sessions, until: self.stretch.to(), think })
    }
}

/// Keeps the chance of arrivals apart from that of the operations, whose numbers are below it.
const ARRIVALS: u64 = 1 << 63;

impl Iterator for Times {
    type Item = Start;

    fn next(&mut self) -> Option<Start> {
        let (at_s, session) = match self.stretch.arrivals {
            Shape::Rates(_) => (self.by_rate()?, None),
            Shape::Poisson(rate) => (self.by_chance(rate)?, None),
            Shape::Closed { sessions, think } => (0.0, Some(self.session(sessions, think)?)),
        };
        let at = self.stretch.from + nanos(at_s);
        if at >= self.stretch.to() {
            return None;
        }
        // Rounding must not turn two around.
        self.latest = self.latest.max(at);
        let start = Start {
            number: number(self.stretch.phase, self.place),
            at: self.latest,
            phase: self.stretch.phase,
            session,
        };
        self.place += 1;
        Some(start)
    }
}

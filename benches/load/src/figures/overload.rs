//! How a node does under more than it can, and how soon it is itself again.

use super::{Figures, seconds_of};
use crate::measured::{Measured, Phase, Second};
use crate::record::{Nanos, Outcome};
use crate::recovery::{P99_FACTOR, P99_FLOOR_MS, median, ms, p99_ms, rate};

/// A peak is what is held for so many seconds: less is a burst out of a queue.
pub const PEAK_SECONDS: usize = 5;

const SECOND: Nanos = 1_000_000_000;

/// Figures of the most loaded phase.
pub(super) fn note(figures: &mut Figures, measured: &Measured) {
    let counted = measured.phases.iter().filter(|phase| phase.counts);
    let load = |phase: &Phase| {
        let intended: u64 = within(measured, phase).map(|(_, second)| second.intended).sum();
        let over_s = seconds_of(phase);
        if over_s > 0.0 { intended as f64 / over_s } else { 0.0 }
    };
    let Some(loaded) = counted.max_by(|one, other| load(one).total_cmp(&load(other))) else {
        return;
    };
    for phase in &measured.phases {
        let goodput = goodput(measured, phase);
        if std::ptr::eq(phase, loaded) {
            figures.extend(goodput.map(|share| ("goodput_of_peak".to_owned(), share)));
        }
        figures.extend(goodput.map(|share| (format!("{}.goodput_of_peak", phase.name), share)));
    }
    figures.extend(settle_ms(measured, loaded).map(|ms| ("settle_ms".to_owned(), ms)));
}

/// What is acknowledged per second of a phase, of the peak.
fn goodput(measured: &Measured, phase: &Phase) -> Option<f64> {
    let rates: Vec<f64> = within(measured, phase).map(|(_, second)| rate(second)).collect();
    let capacity = measured.capacity.map(|peak| peak.per_s);
    let outside = || {
        let others = measured.phases.iter().filter(|other| !std::ptr::eq(*other, phase));
        others.filter_map(|other| peak(measured, other)).reduce(f64::max)
    };
    let peak = capacity.or_else(outside).or_else(|| peak_of(&rates)).filter(|peak| *peak > 0.0)?;
    (!rates.is_empty()).then(|| rates.iter().sum::<f64>() / rates.len() as f64 / peak)
}

/// The whole seconds of a phase.
fn within<'a>(
    measured: &'a Measured,
    phase: &Phase,
) -> impl Iterator<Item = (Nanos, &'a Second)> + use<'a> {
    let (from, to) = (phase.from, phase.to);
    let begins = (0..).map(|at: u64| at * SECOND);
    begins.zip(&measured.seconds).filter(move |(begin, _)| *begin >= from && begin + SECOND <= to)
}

fn peak(measured: &Measured, phase: &Phase) -> Option<f64> {
    let rates: Vec<f64> = within(measured, phase).map(|(_, second)| rate(second)).collect();
    peak_of(&rates)
}

fn peak_of(rates: &[f64]) -> Option<f64> {
    let means = rates.windows(PEAK_SECONDS).map(|window| window.iter().sum::<f64>());
    means.reduce(f64::max).map(|sum| sum / PEAK_SECONDS as f64)
}

/// From the end of a phase to the first whole second in which all is as before it.
fn settle_ms(measured: &Measured, loaded: &Phase) -> Option<f64> {
    let begins = (0..).map(|at: u64| at * SECOND).zip(&measured.seconds);
    let before = begins.clone().take_while(|(begin, _)| begin + SECOND <= loaded.from);
    let before_ms = median(before.filter_map(|(_, second)| p99_ms(&second.corrected)))?;
    let mut behind = begins.skip_while(|(begin, _)| *begin < loaded.to).peekable();
    behind.peek()?;
    let calm = |second: &Second| {
        let only_acknowledged = second.ended.keys().all(|one| *one == Outcome::Acknowledged);
        let limit = before_ms.max(P99_FLOOR_MS) * P99_FACTOR;
        only_acknowledged && p99_ms(&second.corrected).is_some_and(|p99| p99 <= limit)
    };
    let settled = behind.find(|(_, second)| calm(second));
    Some(settled.map_or(f64::INFINITY, |(begin, _)| ms(begin - loaded.to)))
}

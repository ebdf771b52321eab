//! What a fault did and how long it took, from the seconds of a run.
//!
//! | Time | From the fault to |
//! |---|---|
//! | to detect | the end of the first second, until [`ONSET_SECONDS`] after it was taken back, in which an operation ended other than acknowledged, or the rate or the p99 of the acknowledged was beyond what counts as back |
//! | to recover | the beginning of the first whole second, behind those in which it was lower, whose acknowledged rate is back to [`RATE_BACK`] of the rate before |
//! | to return to the p99 | the beginning of the first whole second, behind those in which it was higher, whose corrected p99 is within [`P99_FACTOR`] of what it was before |
//!
//! *Before* is the median over the last [`BEFORE_SECONDS`] whole seconds that no earlier fault still
//! troubled; where there is none, what was before the fault before. A time of 0 means that nothing
//! was lower, or higher, from when it struck until [`ONSET_SECONDS`] after it was taken back: what dips
//! later has another cause. A fault is followed up to the next one, or to the last whole second of its
//! phase; where that comes first, the time isn't known, and a threshold on it doesn't hold.
//!
//! The grain is a second: a recovery within one second is 0 or shows as up to a second. Rates compare
//! where the plan is steady around a fault; in a ramp they don't.

use hdrhistogram::Histogram;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::measured::{Fault, Measured, Second};
use crate::record::{Nanos, Outcome};

/// The rate is back at nine tenths: below the scatter of a Poisson plan of some hundreds a second.
pub const RATE_BACK: f64 = 0.9;
/// A p99 of one second has few samples; within twice is what can be told apart from chance.
pub const P99_FACTOR: f64 = 2.0;
/// A p99 below this counts as this: twice of next to nothing is nothing either.
pub const P99_FLOOR_MS: f64 = 5.0;
/// Long enough for a median, short enough to be *before*.
pub const BEFORE_SECONDS: usize = 10;

/// Connections that time out, and queues that run over, show a few seconds late.
pub const ONSET_SECONDS: usize = 5;

/// A second of the run.
pub(crate) const SECOND: Nanos = 1_000_000_000;

/// A fault and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Aftermath {
    /// The fault's name.
    pub name: String,
    /// When it struck, in milliseconds since the run began.
    pub from_ms: f64,
    /// When it was taken back.
    pub to_ms: f64,
    /// Why it was not carried out; it has no times then.
    pub failed: Option<String>,
    /// Acknowledged per second before it.
    pub rate_before: Option<f64>,
    /// Corrected p99 before it, in milliseconds.
    pub p99_before_ms: Option<f64>,
    /// The lowest acknowledged rate of a second behind it.
    pub rate_lowest: Option<f64>,
    /// The highest corrected p99 of a second behind it, in milliseconds.
    pub p99_highest_ms: Option<f64>,
    /// To detect; none where nothing was ever noticed.
    pub detect_ms: Option<f64>,
    /// To recover; none where it wasn't seen to.
    pub recover_ms: Option<f64>,
    /// To return to the former p99; none where it wasn't seen to.
    pub p99_return_ms: Option<f64>,
}

/// What was before a fault.
#[derive(Debug, Clone, Copy)]
struct Before {
    rate: f64,
    p99_ms: f64,
}

/// The faults of a run, each with what came of it.
#[must_use]
pub fn aftermaths(measured: &Measured) -> Vec<Aftermath> {
    let seconds = &measured.seconds;
    let mut untroubled_from = 0;
    let mut last: Option<Before> = None;
    let mut all: Vec<Aftermath> = Vec::with_capacity(measured.faults.len());
    for (at, fault) in measured.faults.iter().enumerate() {
        let mut aftermath = untold(fault);
        if fault.failed.is_none() {
            let next = measured.faults[at + 1..].iter().find(|next| next.failed.is_none());
            let (begin, over) = whole_seconds(measured, fault);
            let end = next.map_or(over, |next| second_of(next.from).min(over));
            let struck = second_of(fault.from).min(end);
            let earliest = struck.saturating_sub(BEFORE_SECONDS).max(untroubled_from);
            let earliest = earliest.max(begin).min(struck);
            last = before(&seconds[earliest..struck]).or(last);
            if let Some(before) = last {
                untroubled_from = follow(&mut aftermath, fault, before, &seconds[..end]);
            }
        }
        all.push(aftermath);
    }
    all
}

/// The whole seconds of the phase that a fault struck in: rates and latencies of another are others.
fn whole_seconds(measured: &Measured, fault: &Fault) -> (usize, usize) {
    let mut phases = measured.phases.iter();
    let phase = phases.find(|phase| (phase.from..phase.to).contains(&fault.from));
    let all = measured.seconds.len();
    phase.map_or((0, all), |phase| {
        (second_of(phase.from.next_multiple_of(SECOND)), second_of(phase.to).min(all))
    })
}

fn untold(fault: &Fault) -> Aftermath {
    Aftermath {
        name: fault.name.clone(),
        from_ms: ms(fault.from),
        to_ms: ms(fault.to),
        failed: fault.failed.clone(),
        rate_before: None,
        p99_before_ms: None,
        rate_lowest: None,
        p99_highest_ms: None,
        detect_ms: None,
        recover_ms: None,
        p99_return_ms: None,
    }
}

/// Follows a fault up to the end of these seconds. Gives the second from which on nothing is
/// troubled any more.
fn follow(aftermath: &mut Aftermath, fault: &Fault, before: Before, seconds: &[Second]) -> usize {
    let struck = second_of(fault.from);
    let behind = || (struck..).zip(seconds.iter().skip(struck));
    let since = |second: usize| (ms(SECOND * second as u64) - ms(fault.from)).max(0.0);
    let is_slow = |second: &Second| {
        p99_ms(&second.corrected).is_some_and(|p99| p99.max(P99_FLOOR_MS) > limit(before.p99_ms))
    };
    let is_low = |second: &Second| rate(second) < RATE_BACK * before.rate;
    aftermath.rate_before = Some(before.rate);
    aftermath.p99_before_ms = Some(before.p99_ms);
    aftermath.rate_lowest = behind().map(|(_, second)| rate(second)).reduce(f64::min);
    let p99s = behind().filter_map(|(_, second)| p99_ms(&second.corrected));
    aftermath.p99_highest_ms = p99s.reduce(f64::max);
    // What fails later has another cause.
    let onset = second_of(fault.to).saturating_add(ONSET_SECONDS);
    let noticed = behind()
        .take_while(|(at, _)| *at <= onset)
        .find(|(_, second)| has_failures(second) || is_slow(second) || is_low(second));
    aftermath.detect_ms = noticed.map(|(second, _)| since(second + 1));

    // A second with nothing in it has no p99: it is no return to one.
    let recovered = back(behind(), onset, is_low, |second| !is_low(second));
    let has_p99 = |second: &Second| !second.corrected.is_empty();
    let returned = back(behind(), onset, is_slow, |second| has_p99(second) && !is_slow(second));
    aftermath.recover_ms = recovered.map(|second| second.map_or(0.0, since));
    aftermath.p99_return_ms = returned.map(|second| second.map_or(0.0, since));
    let calm =
        |back: Option<Option<usize>>| back.map_or(seconds.len(), |at| at.unwrap_or(struck + 1));
    calm(recovered).max(calm(returned))
}

/// The first good second behind the first bad one; `Some(None)` where there was no bad one until then.
fn back<'a>(
    mut seconds: impl Iterator<Item = (usize, &'a Second)>,
    until: usize,
    is_bad: impl Fn(&Second) -> bool,
    is_good: impl Fn(&Second) -> bool,
) -> Option<Option<usize>> {
    let bad = seconds.find(|(at, second)| *at > until || is_bad(second));
    if bad.is_none_or(|(at, _)| at > until) {
        return Some(None);
    }
    seconds.find(|(_, second)| is_good(second)).map(|(at, _)| Some(at))
}

fn before(seconds: &[Second]) -> Option<Before> {
    let rate = median(seconds.iter().map(rate))?;
    let p99_ms = median(seconds.iter().filter_map(|second| p99_ms(&second.corrected)))?;
    Some(Before { rate, p99_ms })
}

/// What a p99 is still within.
fn limit(before_ms: f64) -> f64 {
    before_ms.max(P99_FLOOR_MS) * P99_FACTOR
}

/// Which second of the run a moment is in.
pub(crate) fn second_of(at: Nanos) -> usize {
    usize::try_from(at / SECOND).unwrap_or(usize::MAX)
}

fn has_failures(second: &Second) -> bool {
    second.ended.iter().any(|(outcome, count)| *outcome != Outcome::Acknowledged && *count > 0)
}

/// Milliseconds of nanoseconds. A run is far shorter than what a double holds exactly.
#[must_use]
pub fn ms(nanos: Nanos) -> f64 {
    nanos as f64 / 1e6
}

/// Acknowledged in a second.
#[must_use]
pub fn rate(second: &Second) -> f64 {
    second.ended.get(&Outcome::Acknowledged).copied().unwrap_or(0) as f64
}

/// The p99 in milliseconds; none of nothing.
#[must_use]
pub fn p99_ms(histogram: &Histogram<u64>) -> Option<f64> {
    (!histogram.is_empty()).then(|| histogram.value_at_quantile(0.99) as f64 / 1e3)
}

/// The middle one; of an even number, the mean of the two in the middle.
#[must_use]
pub fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        length if length % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{fault, measured, second};

    /// Ten seconds at 100/s and 4 ms, a fault 200 ms into the eleventh, and what follows.
    fn after(following: &[(u64, u64, u64)]) -> Aftermath {
        let steady = std::iter::repeat_n((100, 0, 4), 10);
        let seconds = steady.chain(following.iter().copied());
        let seconds = seconds.map(|(acknowledged, broken, ms)| second(acknowledged, broken, ms));
        let mut run = measured(seconds.collect());
        run.faults = vec![fault("kill", 10_200, 11_200)];
        aftermaths(&run).remove(0)
    }

    #[test]
    fn a_fault_that_nobody_notices_takes_no_time() {
        let aftermath = after(&[(100, 0, 4), (95, 0, 9)]);
        assert_eq!(aftermath.rate_before, Some(100.0));
        assert_eq!(aftermath.p99_before_ms.map(f64::round), Some(4.0));
        assert_eq!(aftermath.detect_ms, None);
        assert_eq!([aftermath.recover_ms, aftermath.p99_return_ms], [Some(0.0); 2]);
    }

    #[test]
    fn an_outage_is_told_from_its_second_and_over_where_rate_and_p99_are_back() {
        // Second 10 has failures, 11 has nothing, 12 catches up and is slow, 13 is as before.
        let aftermath = after(&[(20, 5, 4), (0, 60, 0), (180, 0, 900), (100, 0, 7)]);
        assert_eq!(aftermath.detect_ms, Some(800.0));
        assert_eq!(aftermath.recover_ms, Some(1_800.0));
        assert_eq!(aftermath.p99_return_ms, Some(2_800.0));
        assert_eq!(aftermath.rate_lowest, Some(0.0));
        let highest = aftermath.p99_highest_ms.unwrap();
        assert!((899.0..901.0).contains(&highest), "{highest}");
    }

    #[test]
    fn what_is_never_seen_to_come_back_has_no_time() {
        let aftermath = after(&[(20, 5, 400), (30, 5, 500)]);
        assert_eq!([aftermath.recover_ms, aftermath.p99_return_ms], [None; 2]);
    }

    #[test]
    fn a_late_answer_is_noticed_like_a_failed_one() {
        assert_eq!(after(&[(100, 0, 4), (100, 0, 11), (100, 0, 4)]).detect_ms, Some(1_800.0));
    }

    #[test]
    fn silence_is_noticed_too() {
        let aftermath = after(&[(100, 0, 4), (0, 0, 0), (100, 0, 4)]);
        assert_eq!(aftermath.detect_ms, Some(1_800.0));
    }

    #[test]
    fn a_fault_that_failed_has_no_times() {
        let mut run = measured(vec![second(100, 0, 4); 3]);
        run.faults =
            vec![Fault { failed: Some("no pid".to_owned()), ..fault("kill", 1_000, 1_000) }];
        let aftermath = aftermaths(&run).remove(0);
        assert_eq!((aftermath.rate_before, aftermath.recover_ms), (None, None));
    }

    #[test]
    fn before_a_second_fault_is_what_was_untroubled() {
        let mut seconds = vec![second(100, 0, 4); 5];
        seconds.extend([second(10, 9, 4), second(100, 0, 4)]);
        seconds.extend([second(10, 9, 4), second(20, 9, 4), second(100, 0, 4)]);
        let mut run = measured(seconds);
        run.faults = vec![fault("kill", 5_000, 5_000), fault("freeze", 7_500, 8_000)];
        let all = aftermaths(&run);
        assert_eq!(all[0].recover_ms, Some(1_000.0));
        assert_eq!(all[1].rate_before, Some(100.0));
        assert_eq!(all[1].recover_ms, Some(1_500.0));
    }

    #[test]
    fn what_dips_for_another_reason_is_not_the_faults() {
        // The fault is taken back in second 11; the dip is in 17, beyond its onset.
        let mut following = vec![(100, 0, 4); 7];
        following.push((50, 0, 90));
        let aftermath = after(&following);
        assert_eq!([aftermath.recover_ms, aftermath.p99_return_ms], [Some(0.0); 2]);
        assert_eq!(aftermath.detect_ms, None);
        following[6] = (50, 0, 90);
        assert_eq!(after(&following[..7]).recover_ms, None, "in its onset, and to the end");
    }

    #[test]
    fn a_fault_is_followed_to_the_last_whole_second_of_its_phase() {
        let mut seconds = vec![second(100, 0, 4); 10];
        seconds.extend([second(100, 1, 4), second(100, 0, 4), second(50, 0, 4), second(20, 0, 4)]);
        let mut run = measured(seconds);
        run.phases[0].to = 12_500_000_000;
        run.faults = vec![fault("kill", 10_200, 11_200)];
        assert_eq!(aftermaths(&run)[0].recover_ms, Some(0.0));
        run.phases[0].to = 13_000_000_000;
        assert_eq!(aftermaths(&run)[0].recover_ms, None);
    }

    #[test]
    fn before_a_fault_is_its_own_phase() {
        let mut seconds = vec![second(10, 0, 4); 5];
        seconds.extend(vec![second(100, 0, 4); 5]);
        let mut run = measured(seconds);
        let mut warm = run.phases[0].clone();
        warm.to = 4_500_000_000;
        run.phases[0].from = warm.to;
        run.phases.insert(0, warm);
        run.faults = vec![fault("kill", 8_000, 8_000)];
        assert_eq!(aftermaths(&run)[0].rate_before, Some(100.0));
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), Some(2.5));
        assert_eq!(median(std::iter::empty()), None);
    }
}

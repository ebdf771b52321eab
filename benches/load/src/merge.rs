//! What several generators measured, as one run.
//!
//! Counts and histograms add; percentiles are taken of the sum and never averaged. Seconds are aligned
//! by the start that all agreed on. All know the same capacity, which is the sum of what each measured.
//! A fault of the scenario befell each on its own way, and is one.

use thiserror::Error;

use crate::measured::{Fault, Generator, Latencies, Measured, histogram};

/// Measurements that aren't of one run.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MergeError {
    /// There is none.
    #[error("no generator measured anything")]
    Nothing,
    /// They differ in what they must have in common.
    #[error("the generators' {what} differ: they did not do one run")]
    Different {
        /// In what.
        what: &'static str,
    },
}

/// Merges what several generators measured.
///
/// # Errors
/// [`MergeError`]
pub fn merge(parts: impl IntoIterator<Item = Measured>) -> Result<Measured, MergeError> {
    let mut parts = parts.into_iter();
    let mut whole = parts.next().ok_or(MergeError::Nothing)?;
    for part in parts {
        add(&mut whole, part)?;
    }
    whole.faults.sort_by_key(|fault| fault.from);
    Ok(whole)
}

fn add(whole: &mut Measured, part: Measured) -> Result<(), MergeError> {
    let same = |what, holds: bool| if holds { Ok(()) } else { Err(MergeError::Different { what }) };
    same("runs", (whole.run, whole.seed, &whole.prefix) == (part.run, part.seed, &part.prefix))?;
    let plan = |one: &Measured| -> Vec<(String, bool)> {
        one.phases.iter().map(|phase| (phase.name.clone(), phase.counts)).collect()
    };
    same("phases", plan(whole) == plan(&part))?;
    same("capacities", whole.capacity == part.capacity)?;
    for (cell, latencies) in part.cells {
        let new = || Latencies { corrected: histogram(), service: histogram() };
        let sum = whole.cells.entry(cell).or_insert_with(new);
        // Bounds are a constant of the crate, so nothing is refused.
        sum.corrected += &latencies.corrected;
        sum.service += &latencies.service;
    }
    let mut seconds = part.seconds.into_iter();
    for (sum, second) in whole.seconds.iter_mut().zip(seconds.by_ref()) {
        sum.merge(&second);
    }
    whole.seconds.extend(seconds);
    // Each has its own clock: a phase is over once it is for all.
    for (sum, phase) in whole.phases.iter_mut().zip(&part.phases) {
        sum.from = sum.from.min(phase.from);
        sum.to = sum.to.max(phase.to);
    }
    whole.lag += &part.lag;
    whole.dropped += part.dropped;
    whole.without_retry_after += part.without_retry_after;
    add_faults(&mut whole.faults, part.faults);
    for (code, count) in part.codes {
        *whole.codes.entry(code).or_default() += count;
    }
    let (one, other) = (whole.generator, part.generator);
    whole.generator = Generator {
        threads: one.threads + other.threads,
        processor: one.processor + other.processor,
        elapsed: one.elapsed.max(other.elapsed),
        lag_p99_max_us: one.lag_p99_max_us.min(other.lag_p99_max_us),
        lag_p99_us: one.lag_p99_us.max(other.lag_p99_us),
        busiest: one.busiest.max(other.busiest),
    };
    Ok(())
}

/// The nth of a name is the same for all: from when it struck the first until it was over for the last.
fn add_faults(whole: &mut Vec<Fault>, part: Vec<Fault>) {
    let mut others: Vec<usize> = (0..whole.len()).collect();
    for fault in part {
        let same = others.iter().position(|at| whole[*at].name == fault.name);
        let Some(place) = same else {
            whole.push(fault);
            continue;
        };
        let sum = &mut whole[others.remove(place)];
        sum.from = sum.from.min(fault.from);
        sum.to = sum.to.max(fault.to);
        sum.failed = sum.failed.take().or(fault.failed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::quantile_ms;
    use crate::measured::Peak;
    use crate::record::Outcome;
    use crate::sample::{fault, measured, second};

    #[test]
    fn percentiles_are_of_the_sum() {
        // 99 in 100 are at 1 ms here and 1 in 100 there: no mean of two p99 says 1,000.
        let fast = measured(vec![second(980, 0, 1); 2]);
        let slow = measured(vec![second(20, 5, 1_000); 3]);
        let whole = merge([fast, slow]).unwrap();
        assert_eq!(whole.seconds.len(), 3);
        let first = &whole.seconds[0];
        assert_eq!(first.ended[&Outcome::Acknowledged], 1_000);
        assert_eq!((first.intended, first.in_flight), (1_005, 8));
        assert!(quantile_ms(&first.corrected, 0.98) < 1.1);
        assert!(quantile_ms(&first.corrected, 0.981) > 990.0);
        let (cell, latencies) = whole.cells.first_key_value().unwrap();
        assert_eq!((cell.outcome, latencies.corrected.len()), (Outcome::Acknowledged, 2_020));
        assert_eq!(whole.phases[0].to, 3_000_000_000);
    }

    #[test]
    fn counts_add_and_faults_come_in_order() {
        let mut one = measured(vec![second(1, 0, 1)]);
        one.faults = vec![fault("cut", 900, 950)];
        one.codes.insert("mailbox_full".to_owned(), 2);
        one.capacity = Some(Peak { per_s: 10.0, sessions: 4 });
        one.lag.record(5).unwrap();
        let mut other = one.clone();
        other.faults = vec![fault("delay", 100, 200), fault("cut", 890, 940)];
        other.faults[1].failed = Some("no way".to_owned());
        other.dropped = 3;
        other.without_retry_after = 2;
        let whole = merge([one, other]).unwrap();
        let faults: Vec<_> = whole.faults.iter().map(|fault| fault.name.as_str()).collect();
        assert_eq!(faults, ["delay", "cut"]);
        let cut = &whole.faults[1];
        assert_eq!((cut.from, cut.to), (890_000_000, 950_000_000));
        assert_eq!(cut.failed.as_deref(), Some("no way"));
        assert_eq!((whole.codes["mailbox_full"], whole.dropped, whole.lag.len()), (4, 3, 2));
        assert_eq!(whole.without_retry_after, 2);
        assert_eq!(whole.capacity, Some(Peak { per_s: 10.0, sessions: 4 }));
    }

    #[test]
    fn faults_of_one_name_are_told_apart_by_their_order() {
        let mut one = measured(vec![second(1, 0, 1)]);
        one.faults = vec![fault("cut", 100, 200), fault("cut", 500, 600)];
        let mut other = one.clone();
        other.faults = vec![fault("cut", 101, 201), fault("cut", 502, 602), fault("cut", 900, 950)];
        let whole = merge([one, other]).unwrap();
        let ms = 1_000_000;
        let times: Vec<_> = whole.faults.iter().map(|one| (one.from / ms, one.to / ms)).collect();
        assert_eq!(times, [(100, 201), (500, 602), (900, 950)]);
    }

    #[test]
    fn what_is_not_of_one_run_is_refused() {
        let one = || measured(vec![second(1, 0, 1)]);
        let different = |what| Err(MergeError::Different { what });
        let of_another = Measured { run: 1, ..one() };
        assert_eq!(merge([one(), of_another]).map(|_| ()), different("runs"));
        let mut longer = one();
        longer.phases[0].name = "other".to_owned();
        assert_eq!(merge([one(), longer]).map(|_| ()), different("phases"));
        let mut faster = one();
        faster.capacity = Some(Peak { per_s: 1.0, sessions: 1 });
        assert_eq!(merge([one(), faster]).map(|_| ()), different("capacities"));
        assert_eq!(merge([]).map(|_| ()), Err(MergeError::Nothing));
    }
}

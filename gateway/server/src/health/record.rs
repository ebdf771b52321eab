//! What is known of one dependency, as a function of what its checks found.
//!
//! **Invariant:** a dependency is down only once `failures_max` checks in a row have failed, and is
//! up again with the first that succeeds.

use std::borrow::Cow;
use std::time::Duration;

use coppice_api::health::{Criticality, DependencyHealth, DependencyStatus, Status};
use coppice_core::Timestamp;

/// What a check found. Its text is shown to whoever asks, so it names no address and no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// Nothing wrong.
    Up,
    /// It works with limits.
    Limited(Cow<'static, str>),
    /// It doesn't work.
    Failed(Cow<'static, str>),
}

/// One dependency.
#[derive(Debug, Clone)]
pub(super) struct Record {
    name: &'static str,
    criticality: Criticality,
    status: DependencyStatus,
    since: Timestamp,
    checked: Option<(Timestamp, Duration)>,
    failures: u32,
    detail: Option<Cow<'static, str>>,
}

impl Record {
    /// One that nobody has looked at: it is not up before a check says so.
    pub(super) const fn new(
        name: &'static str,
        criticality: Criticality,
        failures: u32,
        now: Timestamp,
    ) -> Self {
        Self {
            name,
            criticality,
            status: DependencyStatus::Down,
            since: now,
            checked: None,
            failures,
            detail: Some(Cow::Borrowed("not checked yet")),
        }
    }

    /// Takes in what a check found.
    pub(super) fn learn(
        &mut self,
        finding: Finding,
        failures_max: u32,
        now: Timestamp,
        latency: Duration,
    ) {
        let (failures, detail) = match finding {
            Finding::Up => (0, None),
            Finding::Limited(detail) => (0, Some(detail)),
            Finding::Failed(detail) => (self.failures.saturating_add(1), Some(detail)),
        };
        let status = match failures {
            0 if detail.is_none() => DependencyStatus::Up,
            failures if failures >= failures_max => DependencyStatus::Down,
            _ => DependencyStatus::Degraded,
        };
        if status != self.status {
            self.status = status;
            self.since = now;
        }
        self.checked = Some((now, latency));
        self.failures = failures;
        self.detail = detail;
    }

    pub(super) const fn is_checked(&self) -> bool {
        self.checked.is_some()
    }

    pub(super) const fn name(&self) -> &'static str {
        self.name
    }

    pub(super) const fn status(&self) -> DependencyStatus {
        self.status
    }

    /// What it makes of the whole.
    const fn weighs(&self) -> Status {
        match (self.criticality, self.status) {
            (Criticality::Critical, DependencyStatus::Down) => Status::Down,
            (Criticality::Optional, _) | (_, DependencyStatus::Up) => Status::Ok,
            (Criticality::Critical | Criticality::Important, _) => Status::Degraded,
        }
    }

    pub(super) fn show(&self) -> DependencyHealth {
        DependencyHealth {
            name: Cow::Borrowed(self.name),
            status: self.status,
            criticality: self.criticality,
            since: self.since.as_micros(),
            checked_at: self.checked.map(|(at, _)| at.as_micros()),
            latency_us: self.checked.map(|(_, took)| micros(took)),
            failures: self.failures,
            detail: self.detail.clone(),
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// The whole: as bad as the worst that a dependency makes of it.
pub(super) fn whole(records: &[Record]) -> Status {
    records.iter().fold(Status::Ok, |worst, record| match (worst, record.weighs()) {
        (Status::Down, _) | (_, Status::Down) => Status::Down,
        (Status::Degraded, _) | (_, Status::Degraded) => Status::Degraded,
        (Status::Ok, Status::Ok) => Status::Ok,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: u32 = 3;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_micros(second * 1_000_000)
    }

    fn record(criticality: Criticality) -> Record {
        let mut record = Record::new("store", criticality, MAX, at(0));
        record.learn(Finding::Up, MAX, at(1), Duration::from_micros(7));
        record
    }

    fn fail(record: &mut Record, second: i64) {
        record.learn(Finding::Failed("no answer".into()), MAX, at(second), Duration::ZERO);
    }

    #[test]
    fn it_is_down_after_so_many_failures_in_a_row_and_up_after_one_success() {
        let mut record = record(Criticality::Critical);
        let expected = [
            (2, DependencyStatus::Degraded, 2),
            (3, DependencyStatus::Degraded, 2),
            (4, DependencyStatus::Down, 4),
            (5, DependencyStatus::Down, 4),
        ];
        for (second, status, since) in expected {
            fail(&mut record, second);
            assert_eq!((record.status, record.since), (status, at(since)), "at {second}");
        }
        record.learn(Finding::Up, MAX, at(6), Duration::ZERO);
        assert_eq!((record.status, record.failures), (DependencyStatus::Up, 0));
        assert_eq!(record.detail, None);
        fail(&mut record, 7);
        assert_eq!(record.status, DependencyStatus::Degraded, "the row has begun anew");
    }

    #[test]
    fn what_works_with_limits_is_degraded_and_never_down() {
        let mut record = record(Criticality::Critical);
        for second in 2..10 {
            record.learn(Finding::Limited("slow".into()), MAX, at(second), Duration::ZERO);
            assert_eq!(record.status, DependencyStatus::Degraded);
        }
    }

    #[test]
    fn nothing_is_up_before_it_was_checked() {
        let record = Record::new("store", Criticality::Critical, MAX, at(0));
        assert_eq!(whole(&[record]), Status::Down);
    }

    #[test]
    fn the_whole_follows_from_criticality() {
        let of = |criticality, failures: i64| {
            let mut record = record(criticality);
            (0..failures).for_each(|second| fail(&mut record, second));
            record
        };
        for (criticality, failures, status) in [
            (Criticality::Critical, 0, Status::Ok),
            (Criticality::Critical, 1, Status::Degraded),
            (Criticality::Critical, 3, Status::Down),
            (Criticality::Important, 1, Status::Degraded),
            (Criticality::Important, 3, Status::Degraded),
            (Criticality::Optional, 3, Status::Ok),
        ] {
            let others = [of(Criticality::Important, 0), of(criticality, failures)];
            assert_eq!(whole(&others), status, "{criticality:?} {failures}");
        }
        let worst = [of(Criticality::Critical, 3), of(Criticality::Important, 3)];
        assert_eq!(whole(&worst), Status::Down);
    }
}

//! Faults on the timeline: what befalls the target, and when.

mod entity;
mod schedule;
mod target;

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

pub use entity::Operator;
pub use schedule::{Due, schedule};
pub use target::{DatabaseCommands, External, Reached, Starter, StarterError};

use crate::measured::Fault;
use crate::measuring::Sight;
use crate::proxy::{Mode, Proxy};
use crate::record::Nanos;
use crate::scenario::FaultKind;
use crate::stop::{LOOK_EVERY, Stop};
use crate::wire::Clock;

/// Why a scenario can't be run against a target, before anything is.
#[derive(Debug, thiserror::Error)]
#[error("the scenario has the fault `{fault}`, which needs {needs}")]
pub struct FaultError {
    /// The fault.
    pub fault: &'static str,
    /// What it needs.
    pub needs: &'static str,
}

/// Looks whether every fault can be carried out.
///
/// # Errors
///
/// Names the first that can't.
pub fn check(due: &[Due], starter: &dyn Starter) -> Result<(), FaultError> {
    for one in due {
        let (can, needs) = match one.kind {
            FaultKind::Kill => {
                (starter.can_restart(), "a server of the harness's own, or --pid and --restart")
            }
            FaultKind::Freeze => {
                (starter.process_id().is_some(), "a server of the harness's own, or --pid")
            }
            FaultKind::PostgresStop => {
                (starter.can_stop_database(), "--postgres-stop and --postgres-start")
            }
            FaultKind::Cut | FaultKind::Silence | FaultKind::Delay | FaultKind::CrashEntity => {
                (true, "")
            }
        };
        if !can {
            return Err(FaultError { fault: one.kind.name(), needs });
        }
    }
    Ok(())
}

/// What faults are carried out with.
#[derive(Debug)]
pub struct Hands<'a> {
    /// Whoever has the target's process and its database.
    pub starter: &'a mut dyn Starter,
    /// What is on the way to it.
    pub proxy: Option<&'a Proxy>,
    /// Whoever may tell its entities to begin anew.
    pub operator: Option<Operator<'a>>,
}

/// Until when faults are carried out.
#[derive(Debug)]
pub struct Until<'a> {
    /// What the time is.
    pub clock: Clock,
    /// Closed once the run is over.
    pub run_is_over: &'a Receiver<()>,
    /// Whoever may want it to be over.
    pub stop: &'a Stop,
}

impl Until<'_> {
    /// Waits for a moment. False where the run ended before it.
    fn comes(&self, at: Nanos) -> bool {
        loop {
            let wait = Duration::from_nanos(at.saturating_sub(self.clock.now()));
            let waited = self.run_is_over.recv_timeout(wait.min(LOOK_EVERY));
            if !matches!(waited, Err(RecvTimeoutError::Timeout)) || self.stop.is_asked() {
                return false;
            }
            if self.clock.now() >= at {
                return true;
            }
        }
    }
}

/// Carries the faults out, each at its time, until all are over or the run is.
///
/// A fault that can't be carried out, or that the run leaves no time for, is put down as failed.
/// Whatever was done is taken back, also where the run ends first. Whoever looks on is told of what is
/// done.
pub fn carry_out(
    due: &[Due],
    hands: &mut Hands<'_>,
    until: &Until<'_>,
    onlooker: Option<&SyncSender<Sight>>,
) -> Vec<Fault> {
    let clock = until.clock;
    let tell = |sight| {
        // One that is slow misses some.
        let _missed = onlooker.map(|onlooker| onlooker.try_send(sight));
    };
    let mut faults = Vec::new();
    for one in due {
        let name = one.kind.name();
        if !until.comes(one.at) {
            let failed = Some("the run was over before it".to_owned());
            faults.push(Fault { name: name.to_owned(), from: one.at, to: one.at, failed });
            continue;
        }
        let from = clock.now();
        let struck = strike(one, hands);
        if struck.is_ok() {
            tell(Sight::Struck { name, from });
        }
        // What is cut short by the end of the run is taken back at once.
        let _over = struck.is_ok() && !until.comes(from + one.long);
        let failed = match struck {
            Err(error) => Some(described(&error)),
            Ok(()) => undo(one, hands).err().map(|error| {
                format!("it struck and could not be taken back: {}", described(&error))
            }),
        };
        if failed.is_none() {
            tell(Sight::TakenBack { name });
        }
        faults.push(Fault { name: name.to_owned(), from, to: clock.now(), failed });
    }
    faults
}

fn strike(one: &Due, hands: &mut Hands<'_>) -> Result<(), StarterError> {
    let Hands { starter, proxy, operator } = hands;
    match one.kind {
        FaultKind::Kill => starter.kill(),
        FaultKind::Freeze => target::stop(*starter),
        FaultKind::PostgresStop => starter.stop_database(),
        FaultKind::Cut => set(*proxy, Mode::Cut),
        FaultKind::Silence => set(*proxy, Mode::Silent),
        FaultKind::Delay => set(*proxy, Mode::Delayed(Duration::from_millis(one.delay_ms))),
        FaultKind::CrashEntity => match operator {
            Some(operator) => operator.crash(one.number),
            None => Err(StarterError::Unable("there is nobody to tell an entity")),
        },
    }
}

fn undo(one: &Due, hands: &mut Hands<'_>) -> Result<(), StarterError> {
    let Hands { starter, proxy, .. } = hands;
    match one.kind {
        FaultKind::Kill => starter.restart(),
        FaultKind::Freeze => target::go_on(*starter),
        FaultKind::PostgresStop => starter.start_database(),
        FaultKind::Cut | FaultKind::Silence | FaultKind::Delay => set(*proxy, Mode::Open),
        FaultKind::CrashEntity => Ok(()),
    }
}

fn set(proxy: Option<&Proxy>, mode: Mode) -> Result<(), StarterError> {
    let proxy = proxy.ok_or(StarterError::Unable("there is no proxy on the way"))?;
    proxy.set(mode);
    Ok(())
}

/// An error with what is behind it, in a line.
pub(crate) fn described(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests;

//! What a breaker answers.

use std::num::NonZeroU32;

use coppice_core::{CommandId, Decision, Timestamp};

use super::command::{Command, NoteHealth, Report};
use super::error::BreakerError;
use super::event::{Cause, Closed, Event, Noted, Opened, ProbeAdmitted};
use super::state::{Answer, Phase, State, evolve};

pub(super) fn decide(
    state: &State,
    command: &Command,
    now: Timestamp,
    id: CommandId,
) -> Result<Decision<Event, Answer>, BreakerError> {
    let (event, admitted) = match command {
        Command::Admit(admit) => admitted(state, after(now, admit.probe_ttl_ms), now, id)?,
        Command::Report(report) => (reported(state, report, now), None),
        Command::NoteHealth(health) => (health_noted(state, health, now), None),
    };
    let breaker = match &event {
        Some(event) => evolve(state.clone(), event).view(),
        None => state.view(),
    };
    let reply = Answer { probe: admitted.is_some(), at: admitted.unwrap_or(now), breaker };
    Ok(Decision { events: event.into_iter().collect(), reply })
}

/// What a call's admission records, and since when it is the probe, where it is.
fn admitted(
    state: &State,
    gives_way: Timestamp,
    now: Timestamp,
    id: CommandId,
) -> Result<(Option<Event>, Option<Timestamp>), BreakerError> {
    let until = match state.phase {
        Phase::Closed => return Ok((None, None)),
        Phase::HalfOpen { call, at, .. } if call == id => return Ok((None, Some(at))),
        Phase::Open { until } | Phase::HalfOpen { until, .. } => until,
    };
    if now < until {
        return Err(BreakerError::Open { until });
    }
    let probe = ProbeAdmitted { call: id, at: now, until: gives_way };
    Ok((Some(Event::ProbeAdmitted(probe)), Some(now)))
}

fn reported(state: &State, report: &Report, now: Timestamp) -> Option<Event> {
    let opened =
        |cause| Event::Opened(Opened { cause, at: now, until: after(now, report.cooldown_ms) });
    match state.phase {
        // It began before the breaker was closed, and says nothing about now.
        Phase::Closed if report.at < state.changed_at => None,
        Phase::Closed if report.ok => {
            (state.failures > 0).then_some(Event::Recovered(Noted { at: now }))
        }
        Phase::Closed if state.failures.saturating_add(1) >= report.failures_max.get() => {
            Some(opened(Cause::Failures))
        }
        Phase::Closed => Some(Event::Failed(Noted { at: now })),
        Phase::Open { .. } => None,
        // Another probe has taken its place, or it never was one.
        Phase::HalfOpen { at, .. } if !report.probe || report.at != at => None,
        Phase::HalfOpen { .. } if report.ok => Some(Event::Closed(Closed { at: now })),
        Phase::HalfOpen { .. } => Some(opened(Cause::Probe)),
    }
}

fn health_noted(state: &State, health: &NoteHealth, now: Timestamp) -> Option<Event> {
    match state.phase {
        // Only a call can tell that it works again.
        Phase::Open { .. } | Phase::HalfOpen { .. } => None,
        Phase::Closed if !health.unhealthy => {
            (state.unhealthy > 0).then_some(Event::Healthy(Noted { at: now }))
        }
        Phase::Closed if state.unhealthy.saturating_add(1) >= health.unhealthy_max.get() => {
            let until = after(now, health.cooldown_ms);
            Some(Event::Opened(Opened { cause: Cause::Health, at: now, until }))
        }
        Phase::Closed => Some(Event::Unhealthy(Noted { at: now })),
    }
}

fn after(now: Timestamp, millis: NonZeroU32) -> Timestamp {
    now.saturating_add_micros(i64::from(millis.get()) * 1_000)
}

#[cfg(test)]
mod tests;

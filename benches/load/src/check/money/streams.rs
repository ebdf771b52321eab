//! Intents and transfers, each by its own stream.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::super::Options;
use super::super::asked::Asked;
use super::super::served::Event;
use super::super::verdict::{Check, Verdict, Violation};
use crate::record::{Operation, op_of};

/// An intent, as its events tell it.
#[derive(Debug, Default)]
pub(super) struct Intent {
    pub(super) opened_by: Option<u64>,
    amount: i128,
    pub(super) decisions: u64,
    approved: bool,
    pub(super) posted: Option<i128>,
    pub(super) voided: bool,
    /// Posted, voided and expired, together.
    ends: u64,
    /// What this run's operations did to it.
    by: Vec<(u64, Operation)>,
    wrong: Vec<String>,
}

/// A number of minor units, which is text in events.
pub(super) fn amount(payload: &Value, member: &str) -> Result<i128, String> {
    let text = payload.get(member).and_then(Value::as_str);
    let text = text.ok_or_else(|| format!("{payload} has no {member}"))?;
    text.parse().map_err(|error| format!("{member} of {payload}: {error}"))
}

pub(super) fn payload(event: &Event) -> Result<Value, String> {
    serde_json::from_str(event.data.get()).map_err(|error| error.to_string())
}

impl Intent {
    pub(super) fn read(options: &Options, events: &[Event]) -> Self {
        let mut intent = Self::default();
        for event in events {
            if let Err(problem) = intent.note(options, event) {
                intent.wrong.push(format!("event {}: {problem}", event.sequence));
            }
        }
        intent
    }

    fn note(&mut self, options: &Options, event: &Event) -> Result<(), String> {
        let by = op_of(options.run, event.correlation);
        let operation = match event.event_type.as_str() {
            "intent.created.v1" => {
                self.opened_by = by;
                self.amount = amount(&payload(event)?, "amount")?;
                Operation::Intent
            }
            "intent.approved.v1" => {
                self.decisions += 1;
                self.approved = true;
                Operation::Authorize
            }
            "intent.denied.v1" => {
                self.decisions += 1;
                Operation::Authorize
            }
            "intent.posted.v1" => {
                self.ends += 1;
                self.posted = Some(amount(&payload(event)?, "amount")?);
                Operation::Post
            }
            "intent.voided.v1" => {
                self.ends += 1;
                self.voided = true;
                Operation::Void
            }
            "intent.expired.v1" => {
                self.ends += 1;
                return Ok(());
            }
            _ => return Ok(()),
        };
        self.by.extend(by.map(|op| (op, operation)));
        Ok(())
    }
}

/// How a transfer's stream says it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Transfer {
    pub(super) reserved: u64,
    pub(super) moved: u64,
    pub(super) posted: u64,
    /// Voided or expired.
    pub(super) released: u64,
}

impl fmt::Display for Transfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reserved, moved, posted, released } = self;
        write!(f, "reserved {reserved}, moved {moved}, posted {posted}, released {released}")
    }
}

impl Transfer {
    pub(super) fn read(_: &Options, events: &[Event]) -> Self {
        let mut transfer = Self::default();
        for event in events {
            match event.event_type.as_str() {
                "transfer.reserved.v1" => transfer.reserved += 1,
                "transfer.moved.v1" => transfer.moved += 1,
                "transfer.posted.v1" => transfer.posted += 1,
                "transfer.voided.v1" | "transfer.expired.v1" => transfer.released += 1,
                _ => {}
            }
        }
        transfer
    }

    /// It begins once, and ends once at most.
    const fn is_whole(self) -> bool {
        let begins = self.reserved + self.moved;
        let ends = self.posted + self.released;
        begins == 1 && ends <= self.reserved
    }
}

/// An intent is decided once, ends once, posts no more than it is of, and is this run's where it says
/// so.
pub(super) fn check_intents(
    verdict: &mut Verdict,
    options: &Options,
    asked: &Asked,
    intents: &BTreeMap<String, Intent>,
) {
    for (id, intent) in intents {
        let mut violated = |check, op, told: &str, is: String| {
            let (entity, told) = (format!("intent/{id}"), told.to_owned());
            verdict.violated(Violation { check, entity, op, told, is });
        };
        for problem in &intent.wrong {
            violated(Check::Unreadable, None, "its events are an intent's", problem.clone());
        }
        if intent.decisions > 1 {
            let is = format!("it was {} times", intent.decisions);
            violated(Check::Decision, None, "it is decided once", is);
        }
        // One that was never approved may be voided and may expire, once; one that was denied may not.
        let is_denied = intent.decisions > 0 && !intent.approved;
        if intent.ends > u64::from(!is_denied) {
            let is = format!("it ended {} times, approved {}", intent.ends, intent.approved);
            violated(Check::Decision, None, "it ends once", is);
        }
        if intent.posted.is_some_and(|posted| posted > intent.amount || !intent.approved) {
            let is = format!("{:?} was posted, approved {}", intent.posted, intent.approved);
            let told = format!("{} was wanted", intent.amount);
            violated(Check::Bound, None, &told, is);
        }
        for (op, operation) in &intent.by {
            let wanted = asked.get(*op);
            if wanted.is_none_or(|wanted| wanted.operation != *operation) {
                let told = format!("its event is of run {:x}", options.run);
                violated(Check::Invented, Some(*op), &told, "it never asked for that".to_owned());
            }
        }
        let opener = intent.opened_by.and_then(|op| asked.get(op)).filter(|_| {
            intent.by.first().is_some_and(|(_, operation)| *operation == Operation::Intent)
        });
        if let Some(wanted) = opener.filter(|wanted| i128::from(wanted.amount) != intent.amount) {
            let told = format!("{} was wanted", wanted.amount);
            let is = format!("it is of {}", intent.amount);
            violated(Check::Altered, intent.opened_by, &told, is);
        }
        verdict.examined(Check::Decision, 1);
        verdict.examined(Check::Invented, intent.by.len() as u64);
    }
}

/// A transfer begins and ends once, and an intent is approved together with its reservation.
pub(super) fn check_transfers(
    verdict: &mut Verdict,
    intents: &BTreeMap<String, Intent>,
    transfers: &BTreeMap<String, Transfer>,
) {
    for (id, transfer) in transfers {
        verdict.examined(Check::Reservation, 1);
        if !transfer.is_whole() {
            let (told, is) = ("it begins once and ends once".to_owned(), transfer.to_string());
            let entity = format!("transfer/{id}");
            verdict.violated(super::violation(Check::Reservation, entity, told, is));
        }
    }
    for (id, intent) in intents {
        let transfer = transfers.get(id).copied().unwrap_or_default();
        let is_denied = intent.decisions > 0 && !intent.approved;
        // Transfers were read later: one may be ahead of its intent, and not behind it.
        let agrees = match (intent.approved, intent.posted) {
            (true, Some(_)) => transfer.posted == 1,
            (true, None) if intent.ends > 0 => transfer.released == 1,
            (true, None) => transfer.reserved == 1,
            (false, _) => !is_denied || transfer == Transfer::default(),
        };
        if !agrees {
            let told = format!(
                "approved {}, posted {:?}, ended {}",
                intent.approved, intent.posted, intent.ends
            );
            let (is, entity) = (format!("its transfer: {transfer}"), format!("intent/{id}"));
            verdict.violated(super::violation(Check::Decision, entity, told, is));
        }
    }
}

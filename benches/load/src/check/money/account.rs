//! One account: what it has, holds and gives, by its own stream.

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;

use super::super::served::{Event, View};
use super::super::verdict::Check;
use super::streams::{amount, payload};

/// The kind of accounts.
pub(super) const KIND: &str = "account";

/// Which way a hold goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Pay,
    Receive,
    Draw,
}

/// What is set aside for a transfer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hold {
    pub(super) side: Side,
    pub(super) amount: i128,
    pub(super) expires: i64,
}

/// What an event says of a transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    Held(Side, i128),
    Entered(i128),
    Nothing,
}

/// A promise that doesn't hold: what was told, what is.
pub(super) type Wrong = (Check, String, String);

/// An account that is being read.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) id: String,
    pub(super) sequence: u64,
    last_hash: Option<String>,
    /// Balance, or what is used up.
    posted: i128,
    /// By transfer.
    pub(super) holds: BTreeMap<String, Hold>,
    /// When and how much, of a velocity, within its window.
    counted: VecDeque<(i64, i128)>,
    is_velocity: bool,
    /// What was served, and at which sequence, before its stream was read.
    served: Option<(u64, i128)>,
    /// What the stream comes to at the sequence that was served.
    at_served: Option<i128>,
}

impl Account {
    pub(super) fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            sequence: 0,
            last_hash: None,
            posted: 0,
            holds: BTreeMap::new(),
            counted: VecDeque::new(),
            is_velocity: id.starts_with("velocity:"),
            served: None,
            at_served: None,
        }
    }

    fn is_funding(&self) -> bool {
        self.id.starts_with("funding:")
    }

    /// What its amounts are of.
    pub(super) fn asset(&self) -> &str {
        // `cap:DAY:ASSET`, `funding:NAME:ASSET`: the asset comes last but with limits, which sum up to
        // nothing.
        self.id.rsplit(':').next().unwrap_or_default()
    }

    /// Notes what is served, before the events are.
    pub(super) fn serve(&mut self, view: &View) -> Result<(), String> {
        let state: Value =
            serde_json::from_str(view.state.get()).map_err(|error| error.to_string())?;
        self.served = Some((view.sequence, amount(&state, "posted")?));
        Ok(())
    }

    /// What is served and isn't what the stream comes to. A velocity's changes by itself, with time.
    pub(super) fn misserved(&self) -> Option<Wrong> {
        let (sequence, served) = self.served.filter(|_| !self.is_velocity)?;
        if self.at_served == Some(served) {
            return None;
        }
        let told = format!("the journal folds to {:?} at {sequence}", self.at_served);
        Some((Check::Served, told, format!("{served} is served")))
    }

    /// Takes in the next event, for which transfer it is and what it says of it.
    pub(super) fn note(&mut self, event: &Event, wrong: &mut Vec<Wrong>) -> Option<(String, Said)> {
        if event.sequence != self.sequence + 1 {
            let told = format!("sequence {} is next", self.sequence + 1);
            wrong.push((Check::Gap, told, format!("there is {}", event.sequence)));
        }
        self.sequence = event.sequence;
        if let Some(before) = self.last_hash.replace(event.hash.clone())
            && before != event.previous_hash
        {
            let told = format!("the hash before event {} is {before}", event.sequence);
            wrong.push((Check::Chain, told, format!("it names {}", event.previous_hash)));
        }
        let read = payload(event).and_then(|payload| self.apply(event, &payload, wrong));
        if self.served.is_some_and(|(sequence, _)| sequence == self.sequence) {
            self.at_served = Some(self.posted);
        }
        match read {
            Ok(said) => said,
            Err(problem) => {
                let told = format!("event {} is a {}", event.sequence, event.event_type);
                wrong.push((Check::Unreadable, told, problem));
                None
            }
        }
    }

    fn apply(
        &mut self,
        event: &Event,
        payload: &Value,
        wrong: &mut Vec<Wrong>,
    ) -> Result<Option<(String, Said)>, String> {
        if event.event_type == "account.opened.v1" {
            return Ok(None);
        }
        let transfer = payload.get("transfer").and_then(Value::as_str).ok_or("it names none")?;
        let said = match event.event_type.as_str() {
            "account.held.v1" => self.held(event, payload, transfer, wrong)?,
            "account.counted.v1" => self.counts(event, payload, wrong)?,
            "account.released.v1" => {
                self.ends(transfer, amount(payload, "amount")?, wrong);
                Said::Nothing
            }
            "account.drawn.v1" => {
                self.ends(transfer, amount(payload, "held")?, wrong);
                self.posted += amount(payload, "amount")?;
                self.says(amount(payload, "spent")?, wrong);
                Said::Nothing
            }
            "account.entered.v1" => {
                let held = amount(payload, "held")?;
                if held != 0 {
                    self.ends(transfer, held, wrong);
                }
                let moved = amount(payload, "amount")?;
                self.posted += moved;
                self.says(amount(payload, "balance")?, wrong);
                if self.is_funding() && self.posted < 0 {
                    let told = "a funding account never has less than nothing".to_owned();
                    wrong.push((Check::Bound, told, format!("it has {}", self.posted)));
                }
                Said::Entered(moved)
            }
            other => return Err(format!("{other} is not known here")),
        };
        Ok(Some((transfer.to_owned(), said)))
    }

    fn held(
        &mut self,
        event: &Event,
        payload: &Value,
        transfer: &str,
        wrong: &mut Vec<Wrong>,
    ) -> Result<Said, String> {
        let side = match payload.get("side").and_then(Value::as_str) {
            Some("pay") => Side::Pay,
            Some("receive") => Side::Receive,
            Some("draw") => Side::Draw,
            other => return Err(format!("the side {other:?} is not known here")),
        };
        let expires = payload.get("expires").and_then(Value::as_i64).ok_or("it never expires")?;
        let amount_held = amount(payload, "amount")?;
        let hold = Hold { side, amount: amount_held, expires };
        if self.holds.insert(transfer.to_owned(), hold).is_some() {
            let is = format!("{transfer} holds twice");
            wrong.push((Check::Reservation, "a transfer holds once".to_owned(), is));
        }
        let live = self.holds.values();
        let live =
            live.filter(|hold| hold.side != Side::Receive && event.recorded_at < hold.expires);
        let held: i128 = live.map(|hold| hold.amount).sum();
        if self.is_funding() && held > self.posted {
            let told = format!("it has {}", self.posted);
            wrong.push((Check::Bound, told, format!("it promises {held}")));
        }
        if payload.get("ceiling").is_some_and(|ceiling| !ceiling.is_null()) {
            let (ceiling, used) = (amount(payload, "ceiling")?, self.posted + held);
            if used > ceiling {
                let told = format!("its ceiling is {ceiling}");
                wrong.push((Check::Bound, told, format!("{used} is used")));
            }
        }
        Ok(Said::Held(side, amount_held))
    }

    fn counts(
        &mut self,
        event: &Event,
        payload: &Value,
        wrong: &mut Vec<Wrong>,
    ) -> Result<Said, String> {
        let at = payload.get("at").and_then(Value::as_i64).ok_or("it has no time")?;
        let window_s = payload.get("window_s").and_then(Value::as_i64).ok_or("it has no window")?;
        let (counted, ceiling) = (amount(payload, "amount")?, amount(payload, "ceiling")?);
        self.counted.push_back((at, counted));
        let from = event.recorded_at - window_s * 1_000_000;
        while self.counted.front().is_some_and(|(at, _)| *at <= from) {
            self.counted.pop_front();
        }
        let sum: i128 = self.counted.iter().map(|(_, amount)| amount).sum();
        if sum > ceiling {
            let told = format!("{ceiling} may be approved within {window_s} s");
            wrong.push((Check::Bound, told, format!("{sum} was")));
        }
        Ok(Said::Nothing)
    }

    fn ends(&mut self, transfer: &str, held: i128, wrong: &mut Vec<Wrong>) {
        let hold = self.holds.remove(transfer).map(|hold| hold.amount);
        if hold != Some(held) {
            let told = format!("{held} that {transfer} held has ended");
            wrong.push((Check::Reservation, told, format!("it held {hold:?}")));
        }
    }

    fn says(&self, says: i128, wrong: &mut Vec<Wrong>) {
        if says != self.posted {
            let told = format!("it says that it has {says}");
            wrong.push((Check::WrongValue, told, format!("it has {}", self.posted)));
        }
    }
}

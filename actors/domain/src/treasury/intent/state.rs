//! What an intent is.

use coppice_core::{Pending, TimerId, Timestamp};
use serde::{Deserialize, Serialize};

use super::event::{Created, Event};
use crate::treasury::money::{Amount, Asset};
use crate::treasury::names::Name;
use crate::treasury::reason::Reason;

/// The one timer.
const EXPIRY: &str = "expiry";

/// Where an intent is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// There is none yet.
    #[default]
    None,
    /// Nobody has decided it.
    Created,
    /// Its amount is set aside.
    Approved,
    /// It may not be spent.
    Denied,
    /// It, or a part of it, was spent.
    Posted,
    /// It was taken back.
    Voided,
    /// Its time was over.
    Expired,
}

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// How much.
    pub amount: Amount,
    /// Of what.
    pub asset: Asset,
    /// The account that pays.
    pub from: Box<str>,
    /// The account that is paid.
    pub to: Box<str>,
    /// Who is paid.
    pub merchant: Name,
    /// For what kind of thing.
    pub category: Name,
    /// For how long it can be approved and posted, in seconds.
    pub ttl_s: u32,
    /// From when on it can't.
    pub expires: Timestamp,
    /// For which workflow.
    pub workflow: Option<Name>,
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// Whether it was approved.
    pub approved: bool,
    /// Why.
    pub reason: Reason,
}

/// An intent's state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    pub(super) status: Status,
    pub(super) wanted: Option<Wanted>,
    pub(super) decided: Option<Decided>,
    pub(super) posted: Amount,
    pub(super) pending: Pending,
}

/// An intent as a reader sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// Where it is.
    pub status: Status,
    /// What is wanted; none before there is one.
    pub wanted: Option<Wanted>,
    /// What was decided; none before it was.
    pub decided: Option<Decided>,
    /// How much of it was spent.
    pub posted: Amount,
}

impl State {
    pub(super) fn view(&self) -> View {
        View {
            status: self.status,
            wanted: self.wanted.clone(),
            decided: self.decided,
            posted: self.posted,
        }
    }

    pub(super) fn workflow(&self) -> Option<&str> {
        self.wanted.as_ref()?.workflow.as_ref().map(Name::as_str)
    }

    fn create(&mut self, event: &Created) {
        let Created { amount, asset, from, to, merchant, category, ttl_s, expires, workflow } =
            event.clone();
        self.status = Status::Created;
        self.pending.set_timer(timer(), expires);
        self.wanted =
            Some(Wanted { amount, asset, from, to, merchant, category, ttl_s, expires, workflow });
    }

    /// From here on its transfer has the word on time, or it is over.
    fn be(&mut self, status: Status) {
        self.status = status;
        self.pending.clear_timer(&timer());
    }

    fn decide(&mut self, approved: bool, reason: Reason) {
        self.decided = self.decided.or(Some(Decided { approved, reason }));
    }
}

fn timer() -> TimerId {
    TimerId(EXPIRY.into())
}

pub(super) fn evolve(mut state: State, event: &Event) -> State {
    match event {
        Event::Created(created) => state.create(created),
        Event::Approved(_) => {
            state.be(Status::Approved);
            state.decide(true, Reason::Approved);
        }
        Event::Denied(denied) => {
            state.be(Status::Denied);
            state.decide(false, denied.reason);
        }
        Event::Posted(posted) => {
            state.be(Status::Posted);
            state.posted = posted.amount;
        }
        Event::Voided(_) => {
            state.be(Status::Voided);
            state.decide(false, Reason::Withdrawn);
        }
        Event::Expired(_) => {
            state.be(Status::Expired);
            state.decide(false, Reason::IntentExpired);
        }
    }
    state
}

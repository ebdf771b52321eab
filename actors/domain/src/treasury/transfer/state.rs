//! What a transfer is.

use coppice_core::{Effect, EffectId, EffectMode, Pending, TimerId, Timestamp};
use serde::{Deserialize, Serialize};

use super::event::{Event, ExpiryDue, Reserved};
use crate::treasury::money::{Amount, Asset};
use crate::treasury::names::Name;

/// The effect handler that ends what nobody has ended.
pub const TREASURY: &str = "treasury";

/// The one timer.
const EXPIRY: &str = "expiry";

/// Where a transfer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// There is none yet.
    #[default]
    None,
    /// Its amount is set aside.
    Pending,
    /// It, or a part of it, moved.
    Posted,
    /// It was given up.
    Voided,
    /// Its time was over.
    Expired,
}

/// What is moved, and between whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// The account that pays.
    pub from: Box<str>,
    /// The account that is paid.
    pub to: Box<str>,
    /// How much.
    pub amount: Amount,
    /// Of what.
    pub asset: Asset,
    /// From when on it can only expire; none where it moved at once.
    pub expires: Option<Timestamp>,
    /// The limits that hold the amount until it ends.
    pub limits: Vec<Box<str>>,
    /// For which workflow.
    pub workflow: Option<Name>,
}

/// A transfer's state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    pub(super) status: Status,
    pub(super) terms: Option<Terms>,
    pub(super) posted: Amount,
    /// How often it was asked to be ended, so that every such effect is another.
    pub(super) expiries: u32,
    pub(super) pending: Pending,
}

/// A transfer as a reader sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// Where it is.
    pub status: Status,
    /// What is moved, and between whom; none before there is one.
    pub terms: Option<Terms>,
    /// How much of it moved.
    pub posted: Amount,
}

impl State {
    pub(super) fn view(&self) -> View {
        View { status: self.status, terms: self.terms.clone(), posted: self.posted }
    }

    pub(super) fn workflow(&self) -> Option<&str> {
        self.terms.as_ref()?.workflow.as_ref().map(Name::as_str)
    }

    pub(super) fn next_expiry(&self) -> EffectId {
        EffectId(format!("expire-{}", self.expiries + 1).into())
    }

    fn reserve(&mut self, event: &Reserved) {
        let Reserved { from, to, amount, asset, expires, limits, workflow, .. } = event.clone();
        self.status = Status::Pending;
        self.pending.set_timer(timer(), expires);
        let expires = Some(expires);
        self.terms = Some(Terms { from, to, amount, asset, expires, limits, workflow });
    }

    fn owe_expiry(&mut self, event: &ExpiryDue) {
        self.expiries += 1;
        self.pending.clear_timer(&timer());
        // Text always serializes; the handler would refuse an empty request.
        let request = Expiry { op: "expire", transfer: &event.transfer };
        let request = serde_json::to_string(&request).unwrap_or_default().into();
        let effect = Effect { handler: TREASURY.into(), request, mode: EffectMode::Retry };
        self.pending.add_effect(event.effect.clone(), effect);
    }

    fn end(&mut self, status: Status, posted: Amount) {
        (self.status, self.posted) = (status, posted);
        self.rest();
    }

    /// Nothing is owed any more.
    fn rest(&mut self) {
        self.pending.clear_timer(&timer());
        let owed: Vec<EffectId> = self.pending.added_since(0).map(|owed| owed.id.clone()).collect();
        for effect in owed {
            self.pending.remove_effect(&effect);
        }
    }
}

#[derive(Serialize)]
struct Expiry<'a> {
    op: &'a str,
    transfer: &'a str,
}

fn timer() -> TimerId {
    TimerId(EXPIRY.into())
}

pub(super) fn evolve(mut state: State, event: &Event) -> State {
    match event {
        Event::Reserved(reserved) => state.reserve(reserved),
        Event::Moved(moved) => {
            let (from, to, amount) = (moved.from.clone(), moved.to.clone(), moved.amount);
            let (asset, workflow) = (moved.asset.clone(), moved.workflow.clone());
            let (expires, limits) = (None, Vec::new());
            state.terms = Some(Terms { from, to, amount, asset, expires, limits, workflow });
            state.end(Status::Posted, amount);
        }
        Event::Posted(posted) => state.end(Status::Posted, posted.amount),
        Event::Voided(_) => state.end(Status::Voided, Amount::ZERO),
        Event::Expired(_) => state.end(Status::Expired, Amount::ZERO),
        Event::ExpiryDue(due) => state.owe_expiry(due),
        Event::ExpiryPutOff(put_off) => {
            state.rest();
            state.pending.set_timer(timer(), put_off.until);
        }
    }
    state
}

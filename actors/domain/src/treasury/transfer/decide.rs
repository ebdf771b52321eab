//! What a transfer answers.

use coppice_core::{Decision, Timestamp};

use super::command::{Command, Move, Reserve};
use super::error::{LIMITS_MAX, TransferError};
use super::event::{Event, Expired, ExpiryDue, ExpiryPutOff, Moved, Posted, Reserved, Voided};
use super::state::{State, Status, Terms, View, evolve};
use crate::treasury::money::{Amount, Asset};
use crate::treasury::names::{AccountName, Class};

/// How long an expiry that could not be brought about is put off: long enough not to be a load
/// where something is broken, short enough for whoever waits for the money.
const PUT_OFF_MICROS: i64 = 30_000_000;

pub(super) fn decide(
    state: &State,
    command: &Command,
    id: &str,
    now: Timestamp,
) -> Result<Decision<Event, View>, TransferError> {
    let event = match command {
        Command::Reserve(reserve) => Event::Reserved(reserved(state, reserve, now)?),
        Command::Move(moving) => Event::Moved(moved(state, moving)?),
        Command::Post(post) => {
            let terms = pending(state)?;
            before_expiry(terms, now)?;
            if !post.amount.is_movable() || post.amount > terms.amount {
                return Err(TransferError::Amount);
            }
            Event::Posted(Posted { amount: post.amount, workflow: terms.workflow.clone() })
        }
        Command::Void(_) => {
            let terms = pending(state)?;
            before_expiry(terms, now)?;
            Event::Voided(Voided { workflow: terms.workflow.clone() })
        }
        Command::Expire(_) => {
            let terms = pending(state)?;
            if before_expiry(terms, now).is_ok() {
                return Err(TransferError::NotDue);
            }
            Event::Expired(Expired { workflow: terms.workflow.clone() })
        }
        Command::Due => due(pending(state)?, state, id, now),
        Command::PutOff => {
            let until = now.saturating_add_micros(PUT_OFF_MICROS);
            Event::ExpiryPutOff(ExpiryPutOff { until })
        }
    };
    let reply = evolve(state.clone(), &event).view();
    Ok(Decision { events: vec![event], reply })
}

fn due(terms: &Terms, state: &State, id: &str, now: Timestamp) -> Event {
    match terms.expires {
        // The clock was set back since the timer was found to be due.
        Some(until) if until > now => Event::ExpiryPutOff(ExpiryPutOff { until }),
        Some(_) | None => {
            Event::ExpiryDue(ExpiryDue { effect: state.next_expiry(), transfer: id.into() })
        }
    }
}

fn pending(state: &State) -> Result<&Terms, TransferError> {
    match (state.status, &state.terms) {
        (Status::Pending, Some(terms)) => Ok(terms),
        (Status::Posted | Status::Voided | Status::Expired, _) => {
            Err(TransferError::Ended(state.status))
        }
        (Status::None | Status::Pending, _) => Err(TransferError::NotThere),
    }
}

fn before_expiry(terms: &Terms, now: Timestamp) -> Result<(), TransferError> {
    if terms.expires.is_some_and(|expires| now >= expires) {
        return Err(TransferError::Expired);
    }
    Ok(())
}

/// The one asset of two accounts that money may go between.
fn asset(from: &str, to: &str, amount: Amount) -> Result<Asset, TransferError> {
    if !amount.is_movable() {
        return Err(TransferError::Amount);
    }
    let account = |id: &str| {
        let name = AccountName::parse(id).filter(|name| name.class() != Class::Limit);
        name.ok_or(TransferError::Accounts)
    };
    let (paying, paid) = (account(from)?, account(to)?);
    if paying == paid || paying.asset != paid.asset {
        return Err(TransferError::Accounts);
    }
    Ok(paid.asset)
}

fn reserved(state: &State, reserve: &Reserve, now: Timestamp) -> Result<Reserved, TransferError> {
    if state.status != Status::None {
        return Err(TransferError::Other);
    }
    if reserve.expires <= now {
        return Err(TransferError::Expired);
    }
    let is_limit =
        |id: &str| AccountName::parse(id).is_some_and(|name| name.class() == Class::Limit);
    if reserve.limits.len() > LIMITS_MAX || !reserve.limits.iter().all(|id| is_limit(id)) {
        return Err(TransferError::Accounts);
    }
    let asset = asset(&reserve.from, &reserve.to, reserve.amount)?;
    let Reserve { from, to, amount, expires, limits, workflow, merchant, category } =
        reserve.clone();
    Ok(Reserved { from, to, amount, asset, expires, limits, workflow, merchant, category })
}

fn moved(state: &State, moving: &Move) -> Result<Moved, TransferError> {
    if state.status != Status::None {
        return Err(TransferError::Other);
    }
    let asset = asset(&moving.from, &moving.to, moving.amount)?;
    let Move { from, to, amount, workflow } = moving.clone();
    Ok(Moved { from, to, amount, asset, workflow })
}

//! What an intent answers.

use coppice_core::{Decision, Timestamp};

use super::command::{Command, Create, Deny};
use super::error::{IntentError, TTL_S_MAX};
use super::event::{Approved, Created, Denied, Event, Expired, Posted, Voided};
use super::state::{State, Status, View, Wanted, evolve};
use crate::treasury::names::{AccountName, Class, Role};

pub(super) fn decide(
    state: &State,
    command: &Command,
    now: Timestamp,
) -> Result<Decision<Event, View>, IntentError> {
    let event = match command {
        Command::Create(create) => created(state, create, now)?,
        Command::Approve(approve) => {
            let wanted = undecided(state)?;
            if now >= wanted.expires {
                return Err(IntentError::Expired);
            }
            Some(Event::Approved(Approved { policy: approve.policy.clone(), at: now }))
        }
        Command::Deny(deny) => denied(state, deny, now)?,
        Command::Post(post) => {
            let wanted = approved(state)?;
            if !post.amount.is_movable() || post.amount > wanted.amount {
                return Err(IntentError::Amount);
            }
            Some(Event::Posted(Posted { amount: post.amount }))
        }
        Command::Withdraw(_) => {
            let is_over = now >= undecided(state)?.expires;
            Some(if is_over { Event::Expired(Expired {}) } else { Event::Voided(Voided {}) })
        }
        // The transfer has the word on time, in the same commit.
        Command::Void(_) => approved(state).map(|_| Some(Event::Voided(Voided {})))?,
        Command::Expire(_) => approved(state).map(|_| Some(Event::Expired(Expired {})))?,
        // The timer was due by the node's clock, whatever this stream's says.
        Command::Lapse => Some(Event::Expired(Expired {})),
    };
    let events: Vec<Event> = event.into_iter().collect();
    let reply = events.iter().fold(state.clone(), evolve).view();
    Ok(Decision { events, reply })
}

fn undecided(state: &State) -> Result<&Wanted, IntentError> {
    match (state.status, &state.wanted) {
        (Status::Created, Some(wanted)) => Ok(wanted),
        (Status::None, _) | (Status::Created, None) => Err(IntentError::NotThere),
        (
            Status::Approved | Status::Denied | Status::Posted | Status::Voided | Status::Expired,
            _,
        ) => Err(IntentError::Decided),
    }
}

fn approved(state: &State) -> Result<&Wanted, IntentError> {
    match (state.status, &state.wanted) {
        (Status::Approved, Some(wanted)) => Ok(wanted),
        (Status::None, _) => Err(IntentError::NotThere),
        (
            Status::Created
            | Status::Approved
            | Status::Denied
            | Status::Posted
            | Status::Voided
            | Status::Expired,
            _,
        ) => Err(IntentError::NotApproved),
    }
}

/// A denial of what is decided changes nothing and is answered with what stands.
fn denied(state: &State, deny: &Deny, now: Timestamp) -> Result<Option<Event>, IntentError> {
    let wanted = match undecided(state) {
        Ok(wanted) => wanted,
        Err(IntentError::Decided) => return Ok(None),
        Err(refusal) => return Err(refusal),
    };
    // By the time, whatever it was about to be denied for.
    if now >= wanted.expires {
        return Ok(Some(Event::Expired(Expired {})));
    }
    let (reason, policy) = (deny.reason, deny.policy.clone());
    Ok(Some(Event::Denied(Denied { reason, policy, at: now })))
}

/// The same again changes nothing.
fn created(state: &State, create: &Create, now: Timestamp) -> Result<Option<Event>, IntentError> {
    let paying = AccountName::parse(&create.from).filter(|name| name.class() == Class::Funding);
    let paid = AccountName::parse(&create.to).ok_or(IntentError::Accounts)?;
    let paying = paying.ok_or(IntentError::Accounts)?;
    let is_payee = matches!(&paid.role, Role::Payee(merchant) if *merchant == create.merchant);
    if !is_payee || paying.asset != paid.asset {
        return Err(IntentError::Accounts);
    }
    if !create.amount.is_movable() {
        return Err(IntentError::Amount);
    }
    if !(1..=TTL_S_MAX).contains(&create.ttl_s) {
        return Err(IntentError::Ttl);
    }
    let Create { amount, from, to, merchant, category, ttl_s, workflow } = create.clone();
    let asset = paid.asset;
    if let Some(wanted) = &state.wanted {
        let expires = wanted.expires;
        let again =
            Wanted { amount, asset, from, to, merchant, category, ttl_s, expires, workflow };
        return if *wanted == again { Ok(None) } else { Err(IntentError::Other) };
    }
    let expires = now.saturating_add_micros(i64::from(ttl_s) * 1_000_000);
    Ok(Some(Event::Created(Created {
        amount,
        asset,
        from,
        to,
        merchant,
        category,
        ttl_s,
        expires,
        workflow,
    })))
}

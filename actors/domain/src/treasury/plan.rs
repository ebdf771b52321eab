//! Which commands go together: every step of money as the parts of one commit, in a fixed order.
//!
//! **Invariants:** intent and transfer come first, so that what is decided or has ended breaks the
//! group before an account is reached; the accounts come in one order in every group; each group
//! that moves money has both sides of it.

use coppice_core::{Entity, Json};
use serde_json::Error;

use super::account::{self, Account, Cause, Side};
use super::day::Day;
use super::intent::{self, Intent};
use super::money::Amount;
use super::names::{AccountName, Name};
use super::transfer::{self, Transfer};

/// A command to one entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its kind.
    pub kind: &'static str,
    /// Which.
    pub id: Box<str>,
    /// The command's name.
    pub command: &'static str,
    /// Its arguments, JSON text.
    pub body: String,
}

/// The limits in force for an asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// What a tenant may spend on one UTC day.
    pub daily_cap: Amount,
    /// What may be approved within the window for one workflow, merchant and category.
    pub velocity_max: Amount,
    /// The length of that window, in seconds.
    pub velocity_window_s: u32,
}

/// An account that bounds an authorization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// Which part of the authorization reaches it.
    pub part: usize,
    /// Asks it how much room there is.
    pub look: Part,
}

type Parts = Result<Vec<Part>, Error>;

/// Where the accounts of a group begin, the paying one first, and where its limits do.
const PAYING: usize = 2;
const LIMITS: usize = 4;

fn of_account(id: &str, command: &account::Command) -> Result<Part, Error> {
    let (command, body) = command.encode()?;
    Ok(Part { kind: Account::KIND, id: id.into(), command, body })
}

fn of_transfer(id: &str, command: &transfer::Command) -> Result<Option<Part>, Error> {
    let part = |(command, body)| Part { kind: Transfer::KIND, id: id.into(), command, body };
    Ok(command.encode()?.map(part))
}

fn of_intent(id: &str, command: &intent::Command) -> Result<Option<Part>, Error> {
    let part = |(command, body)| Part { kind: Intent::KIND, id: id.into(), command, body };
    Ok(command.encode()?.map(part))
}

/// The limits that an intent draws on: each with the terms in force, and whether it holds the
/// amount until the transfer ends.
struct Drawing {
    account: Box<str>,
    ceiling: Option<Amount>,
    window_s: Option<u32>,
    holds: bool,
}

fn drawing(wanted: &intent::Wanted, limits: &Limits, day: Day) -> Vec<Drawing> {
    let intent::Wanted { workflow, merchant, category, asset, .. } = wanted;
    let budget = workflow.as_ref().map(|workflow| Drawing {
        account: AccountName::budget(workflow.clone(), asset.clone()).id(),
        ceiling: None,
        window_s: None,
        holds: true,
    });
    let velocity = AccountName::velocity(workflow.as_ref(), merchant, category, asset.clone());
    let velocity = Drawing {
        account: velocity.id(),
        ceiling: Some(limits.velocity_max),
        window_s: Some(limits.velocity_window_s),
        holds: false,
    };
    let cap = Drawing {
        account: AccountName::cap(day, asset.clone()).id(),
        ceiling: Some(limits.daily_cap),
        window_s: None,
        holds: true,
    };
    budget.into_iter().chain([velocity, cap]).collect()
}

/// What bounds an authorization, in the order of its parts.
///
/// # Errors
/// None that can come about: what is written is text and numbers.
pub fn bounds(wanted: &intent::Wanted, limits: &Limits, day: Day) -> Result<Vec<Bound>, Error> {
    let look = |part, account: &str, ceiling, window_s| {
        let look = account::Command::Look(account::Look { ceiling, window_s });
        of_account(account, &look).map(|look| Bound { part, look })
    };
    let funding = look(PAYING, &wanted.from, None, None)?;
    let limits = drawing(wanted, limits, day).into_iter().enumerate();
    let limits =
        limits.map(|(at, draw)| look(LIMITS + at, &draw.account, draw.ceiling, draw.window_s));
    std::iter::once(Ok(funding)).chain(limits).collect()
}

/// Approves an intent and sets its amount aside everywhere.
///
/// # Errors
/// As [`bounds`].
pub fn authorize(
    id: &str,
    wanted: &intent::Wanted,
    limits: &Limits,
    day: Day,
    policy: Option<Json>,
) -> Parts {
    let drawing = drawing(wanted, limits, day);
    let (amount, expires) = (wanted.amount, wanted.expires);
    let reserve = transfer::Reserve {
        from: wanted.from.clone(),
        to: wanted.to.clone(),
        amount,
        expires,
        limits: drawing.iter().filter(|draw| draw.holds).map(|draw| draw.account.clone()).collect(),
        workflow: wanted.workflow.clone(),
        merchant: wanted.merchant.clone(),
        category: wanted.category.clone(),
    };
    let hold =
        |side| account::Command::Hold(account::Hold { transfer: id.into(), side, amount, expires });
    let mut parts = Vec::with_capacity(LIMITS + drawing.len());
    parts.extend(of_intent(id, &intent::Command::Approve(intent::Approve { policy }))?);
    parts.extend(of_transfer(id, &transfer::Command::Reserve(reserve))?);
    parts.push(of_account(&wanted.from, &hold(Side::Pay))?);
    parts.push(of_account(&wanted.to, &hold(Side::Receive))?);
    for Drawing { account, ceiling, window_s, .. } in drawing {
        let transfer = id.into();
        let draw = account::Draw { transfer, amount, expires, ceiling, window_s };
        parts.push(of_account(&account, &account::Command::Draw(draw))?);
    }
    Ok(parts)
}

/// Moves what is set aside, or a part of it.
///
/// # Errors
/// As [`bounds`].
pub fn post(id: &str, terms: &transfer::Terms, amount: Amount) -> Parts {
    let posting = |other: Option<&str>, workflow: Option<&Name>| {
        account::Command::Post(account::Post {
            transfer: id.into(),
            amount,
            other: other.map(Into::into),
            workflow: workflow.cloned(),
        })
    };
    let workflow = terms.workflow.as_ref();
    let mut parts = Vec::with_capacity(LIMITS + terms.limits.len());
    parts.extend(of_intent(id, &intent::Command::Post(intent::Post { amount }))?);
    parts.extend(of_transfer(id, &transfer::Command::Post(transfer::Post { amount }))?);
    parts.push(of_account(&terms.from, &posting(Some(&terms.to), workflow))?);
    parts.push(of_account(&terms.to, &posting(Some(&terms.from), workflow))?);
    for limit in &terms.limits {
        parts.push(of_account(limit, &posting(None, None))?);
    }
    Ok(parts)
}

/// Gives back what is set aside.
///
/// # Errors
/// As [`bounds`].
pub fn release(id: &str, terms: &transfer::Terms, cause: Cause) -> Parts {
    let (of_both, transfer) = match cause {
        Cause::Voided => {
            (intent::Command::Void(intent::Void {}), transfer::Command::Void(transfer::Void {}))
        }
        Cause::Expired => (
            intent::Command::Expire(intent::Expire {}),
            transfer::Command::Expire(transfer::Expire {}),
        ),
    };
    let mut parts = Vec::with_capacity(LIMITS + terms.limits.len());
    parts.extend(of_intent(id, &of_both)?);
    parts.extend(of_transfer(id, &transfer)?);
    let release = account::Command::Release(account::Release { transfer: id.into(), cause });
    for account in [&terms.from, &terms.to].into_iter().chain(&terms.limits) {
        parts.push(of_account(account, &release)?);
    }
    Ok(parts)
}

/// Moves an amount at once.
///
/// # Errors
/// As [`bounds`].
pub fn moving(id: &str, moving: &transfer::Move) -> Parts {
    let enter = |side, other: &str| {
        account::Command::Enter(account::Enter {
            transfer: id.into(),
            side,
            amount: moving.amount,
            other: other.into(),
            workflow: moving.workflow.clone(),
        })
    };
    let mut parts = Vec::with_capacity(3);
    parts.extend(of_transfer(id, &transfer::Command::Move(moving.clone()))?);
    parts.push(of_account(&moving.from, &enter(Side::Pay, &moving.to))?);
    parts.push(of_account(&moving.to, &enter(Side::Receive, &moving.from))?);
    Ok(parts)
}

//! Money between what a client sends and is shown, and what the treasury takes and gives.

use coppice_api::codes;
use coppice_api::money::{
    AccountView, IntentView, LedgerEntry, LedgerSum, LedgerTransfer, MinorUnits, NewAccount,
    NewIntent, NewTransfer, TransferView,
};
use coppice_domain::treasury::intent::{self, Status};
use coppice_domain::treasury::names::{AccountName, Class, Name, Role};
use coppice_domain::treasury::{Amount, Asset, account, transfer};
use coppice_treasury::ledger::{Entry, Line, Sums};

use crate::problem::Fault;

fn invalid(what: &str, error: impl std::fmt::Display) -> Fault {
    Fault::new(codes::INVALID_BODY, format!("{what}: {error}"))
}

fn name(what: &str, text: &str) -> Result<Name, Fault> {
    Name::new(text).map_err(|error| invalid(what, error))
}

fn workflow(text: Option<&str>) -> Result<Option<Name>, Fault> {
    text.map(|text| name("workflow_id", text)).transpose()
}

fn asset(text: &str) -> Result<Asset, Fault> {
    Asset::named(text).map_err(|error| invalid("asset", error))
}

/// An amount as the treasury takes it.
pub(super) fn amount_of(units: MinorUnits) -> Result<Amount, Fault> {
    Amount::new(units.0).map_err(|error| invalid("amount", error))
}

/// An amount as a client is shown it.
pub(super) const fn units(amount: Amount) -> MinorUnits {
    MinorUnits(amount.units())
}

/// The account that is to be opened, and its ceiling.
pub(super) fn account_of(new: &NewAccount) -> Result<(AccountName, Option<Amount>), Fault> {
    let asset = asset(&new.asset)?;
    let role = match (&new.workflow_id, &new.name) {
        (Some(workflow), None) => Role::Budget(name("workflow_id", workflow)?),
        (None, given) => {
            Role::Funding(given.as_deref().map(|text| name("name", text)).transpose()?)
        }
        (Some(_), Some(_)) => {
            return Err(invalid("name", "a budget is called by its workflow"));
        }
    };
    let account = AccountName { role, asset };
    Ok((account, new.ceiling.map(amount_of).transpose()?))
}

/// The movement that is asked for.
pub(super) fn transfer_of(new: &NewTransfer) -> Result<coppice_treasury::NewTransfer, Fault> {
    let none = || invalid("to", "there is no such account");
    let to = AccountName::parse(&new.to).ok_or_else(none)?;
    let from = match &new.from {
        Some(from) => from.as_str().into(),
        None => AccountName::world(to.asset.clone()).id(),
    };
    Ok(coppice_treasury::NewTransfer {
        from,
        to: to.id(),
        amount: amount_of(new.amount)?,
        workflow: workflow(new.workflow_id.as_deref())?,
    })
}

/// The intent that is wanted.
pub(super) fn intent_of(new: &NewIntent) -> Result<coppice_treasury::NewIntent, Fault> {
    Ok(coppice_treasury::NewIntent {
        amount: amount_of(new.amount)?,
        asset: asset(&new.asset)?,
        merchant: name("merchant", &new.merchant)?,
        category: name("category", &new.category)?,
        ttl_s: new.ttl_seconds,
        workflow: workflow(new.workflow_id.as_deref())?,
        from: new.from.as_deref().map(Into::into),
    })
}

fn unreadable() -> Fault {
    Fault::new(codes::INTERNAL_ERROR, "the treasury's answer can not be read")
}

/// An account as a client is shown it.
pub(super) fn account(id: &str, view: &account::View) -> Result<AccountView, Fault> {
    let (asset, class) = view.asset.as_ref().zip(view.class).ok_or_else(unreadable)?;
    let class = match class {
        Class::Funding => "funding",
        Class::External => "external",
        Class::Limit => "limit",
    };
    Ok(AccountView {
        id: id.to_owned(),
        class: class.to_owned(),
        asset: asset.to_string(),
        balance: units(view.posted),
        decimal: asset.decimal(view.posted),
        held_out: units(view.held_out),
        held_in: units(view.held_in),
        available: view.available.map(units),
        ceiling: view.ceiling.map(units),
        holds: u64::try_from(view.holds).unwrap_or(u64::MAX),
    })
}

/// A movement as a client is shown it.
pub(super) fn transfer(id: &str, view: &transfer::View) -> Result<TransferView, Fault> {
    let terms = view.terms.as_ref().ok_or_else(unreadable)?;
    Ok(TransferView {
        id: id.to_owned(),
        from: terms.from.to_string(),
        to: terms.to.to_string(),
        asset: terms.asset.to_string(),
        amount: units(terms.amount),
        decimal: terms.asset.decimal(terms.amount),
        status: transfer_status(view.status).to_owned(),
    })
}

/// An intent as a client is shown it.
pub(super) fn intent(id: &str, view: &intent::View) -> Result<IntentView, Fault> {
    let wanted = view.wanted.as_ref().ok_or_else(unreadable)?;
    let decision = |approved| if approved { "approved" } else { "denied" }.to_owned();
    Ok(IntentView {
        id: id.to_owned(),
        status: status(view.status).to_owned(),
        decision: view.decided.map(|decided| decision(decided.approved)),
        reason_code: view.decided.map(|decided| decided.reason.code().to_owned()),
        amount: units(wanted.amount),
        decimal: wanted.asset.decimal(wanted.amount),
        asset: wanted.asset.to_string(),
        posted: units(view.posted),
        merchant: wanted.merchant.to_string(),
        category: wanted.category.to_string(),
        workflow_id: wanted.workflow.as_ref().map(ToString::to_string),
        from: wanted.from.to_string(),
        to: wanted.to.to_string(),
        expires_at: wanted.expires.as_micros(),
    })
}

/// Where an intent is.
pub(super) const fn status(status: Status) -> &'static str {
    match status {
        Status::None => "none",
        Status::Created => "created",
        Status::Approved => "approved",
        Status::Denied => "denied",
        Status::Posted => "posted",
        Status::Voided => "voided",
        Status::Expired => "expired",
    }
}

const fn transfer_status(status: transfer::Status) -> &'static str {
    match status {
        transfer::Status::None => "none",
        transfer::Status::Pending => "pending",
        transfer::Status::Posted => "posted",
        transfer::Status::Voided => "voided",
        transfer::Status::Expired => "expired",
    }
}

/// A transfer of a ledger; none where its own event is still to come.
pub(super) fn line(id: String, line: Line) -> Option<LedgerTransfer> {
    let about = line.about?;
    Some(LedgerTransfer {
        id,
        decimal: about.asset.decimal(about.amount),
        asset: about.asset.to_string(),
        from: about.from,
        to: about.to,
        amount: units(about.amount),
        status: transfer_status(line.status).to_owned(),
        posted: units(line.posted),
        merchant: about.merchant.map(Into::into),
        category: about.category.map(Into::into),
        began_at: about.at,
        ended_at: line.ended_at,
        entries: line.entries.into_iter().map(entry).collect(),
    })
}

fn entry(entry: Entry) -> LedgerEntry {
    LedgerEntry {
        account: entry.account,
        other: entry.other,
        amount: units(entry.amount),
        balance: units(entry.balance),
        at: entry.at,
    }
}

/// What transfers come to in an asset.
pub(super) fn sum((asset, sums): (Asset, Sums)) -> LedgerSum {
    LedgerSum {
        asset: asset.to_string(),
        transfers: sums.transfers,
        posted: units(sums.posted),
        pending: units(sums.pending),
        entries: units(sums.entries),
    }
}

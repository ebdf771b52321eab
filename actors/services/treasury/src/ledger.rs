//! The ledger: a read model of every transfer of a workflow, with both of its entries.
//!
//! It is made of the journal and nothing else, so it can be made again. **Invariants:** an entry is
//! what an account recorded, and a transfer's status what the transfer did; neither is worked out
//! from the other, so that where they don't agree, it shows.

use std::collections::BTreeMap;

use coppice_core::{DomainEvent, Entity, EntityId, StoredEvent, TenantId};
use coppice_domain::treasury::names::Name;
use coppice_domain::treasury::transfer::Status;
use coppice_domain::treasury::{Account, Amount, Asset, Transfer, account, transfer};
use coppice_runtime::projection::{
    Before, DocumentRef, ParkPolicy, Projection, Touched, Undigestible,
};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tracing::error;

/// The subscription and the read model.
pub const LEDGER: &str = "ledger";

/// Documents read at once.
const ROWS: usize = 1_000;

/// One side of a transfer, as its account recorded it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The account.
    pub account: String,
    /// The account on the other side.
    pub other: String,
    /// How much came; negative where it went.
    pub amount: Amount,
    /// What was there after it.
    pub balance: Amount,
    /// When, in microseconds since 1970.
    pub at: i64,
}

/// What a transfer is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The account that pays.
    pub from: String,
    /// The account that is paid.
    pub to: String,
    /// How much, as it was reserved.
    pub amount: Amount,
    /// Of what.
    pub asset: Asset,
    /// Who is paid, where there was an intent.
    pub merchant: Option<Name>,
    /// For what kind of thing, where there was an intent.
    pub category: Option<Name>,
    /// When it began, in microseconds since 1970.
    pub at: i64,
}

/// A transfer with its entries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// What it is about; none only while its own event is still to come.
    pub about: Option<About>,
    /// Where it is.
    pub status: Status,
    /// How much of it moved.
    pub posted: Amount,
    /// When it ended, in microseconds since 1970.
    pub ended_at: Option<i64>,
    /// Both sides, once it moved.
    pub entries: Vec<Entry>,
}

/// What a workflow's transfers come to, in one asset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    /// All entries; nothing, or something is wrong.
    pub entries: Amount,
    /// What was spent.
    pub posted: Amount,
    /// What is set aside.
    pub pending: Amount,
    /// How many transfers.
    pub transfers: u64,
}

/// The ledger of a workflow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    /// A page of its transfers by id, in order of the ids.
    pub lines: Vec<(String, Line)>,
    /// What to ask for the next page with; none where this is the last.
    pub next_cursor: Option<String>,
    /// What all of its transfers come to, by asset.
    pub sums: BTreeMap<Asset, Sums>,
}

/// Documents as (id, body), or why they can't be read.
pub type Documents<E> = Result<Vec<(String, String)>, E>;

/// Reads the documents of the read model.
pub trait Rows: Send + Sync {
    /// What it says where it can't.
    type Error;

    /// Up to `limit` documents of a tenant with ids after `after`, as (id, body).
    fn rows<'a>(
        &'a self,
        tenant: &'a TenantId,
        after: &'a str,
        limit: usize,
    ) -> BoxFuture<'a, Documents<Self::Error>>;
}

/// Reads a workflow's ledger: the page behind a cursor, and the sums over all of it.
///
/// # Errors
/// What reading the documents fails with.
pub async fn read<R: Rows>(
    rows: &R,
    tenant: &TenantId,
    workflow: &Name,
    cursor: &str,
    limit: usize,
) -> Result<Ledger, R::Error> {
    let prefix = format!("{workflow}/");
    let (mut ledger, mut after) = (Ledger::default(), prefix.clone());
    loop {
        let page = rows.rows(tenant, &after, ROWS).await?;
        let is_last = page.len() < ROWS;
        let Some((last, _)) = page.last() else { break };
        after.clone_from(last);
        let is_over = !last.starts_with(&prefix);
        for (id, body) in page {
            let Some(id) = id.strip_prefix(&prefix) else { break };
            // What this build wrote, it reads.
            let Ok(line) = serde_json::from_str::<Line>(&body) else { continue };
            ledger.take(id, line, cursor, limit);
        }
        if is_last || is_over {
            break;
        }
    }
    for (asset, sums) in &ledger.sums {
        if sums.entries != Amount::ZERO {
            error!(severity = "critical", %tenant, %workflow, %asset, sum = %sums.entries, "a ledger does not balance");
        }
    }
    Ok(ledger)
}

impl Ledger {
    fn take(&mut self, id: &str, line: Line, cursor: &str, limit: usize) {
        if let Some(about) = &line.about {
            let sums = self.sums.entry(about.asset.clone()).or_default();
            let entries = line.entries.iter().map(|entry| entry.amount);
            sums.entries = entries.fold(sums.entries, Amount::held_plus);
            sums.posted = sums.posted.held_plus(line.posted);
            sums.transfers += 1;
            if line.status == Status::Pending {
                sums.pending = sums.pending.held_plus(about.amount);
            }
        }
        if id <= cursor {
            return;
        }
        if self.lines.len() < limit {
            self.lines.push((id.to_owned(), line));
        } else {
            self.next_cursor = self.lines.last().map(|(id, _)| id.clone());
        }
    }
}

/// The projection.
#[derive(Debug, Clone, Copy)]
pub struct LedgerModel;

/// An event that the ledger is made of.
#[derive(Debug)]
enum Noted {
    Transfer(transfer::Event),
    Entry(account::Entered),
}

fn noted(event: &StoredEvent) -> Result<Option<Noted>, Undigestible> {
    let body = &event.record.body;
    let fault = |error: coppice_core::DecodeError| Undigestible(error.to_string());
    match event.key.kind().as_str() {
        Transfer::KIND => {
            let event = transfer::Event::decode(&body.event_type, &body.payload).map_err(fault)?;
            Ok(Some(Noted::Transfer(event)))
        }
        // Of an account only what moved: the others are many, and are looked at by their type.
        Account::KIND if &*body.event_type == "account.entered.v1" => {
            match account::Event::decode(&body.event_type, &body.payload).map_err(fault)? {
                account::Event::Entered(entered) => Ok(Some(Noted::Entry(entered))),
                account::Event::Opened(_)
                | account::Event::Held(_)
                | account::Event::Counted(_)
                | account::Event::Drawn(_)
                | account::Event::Released(_) => Ok(None),
            }
        }
        _ => Ok(None),
    }
}

/// Which workflow's transfer it is about; none for what belongs to no workflow.
fn about(event: &StoredEvent, noted: &Noted) -> Option<(Name, Box<str>)> {
    let (workflow, transfer) = match noted {
        Noted::Entry(entry) => (entry.workflow.clone(), entry.transfer.clone()),
        Noted::Transfer(of) => {
            let workflow = match of {
                transfer::Event::Reserved(event) => event.workflow.clone(),
                transfer::Event::Moved(event) => event.workflow.clone(),
                transfer::Event::Posted(event) => event.workflow.clone(),
                transfer::Event::Voided(event) => event.workflow.clone(),
                transfer::Event::Expired(event) => event.workflow.clone(),
                transfer::Event::ExpiryDue(_) | transfer::Event::ExpiryPutOff(_) => None,
            };
            (workflow, event.key.id().as_str().into())
        }
    };
    Some((workflow?, transfer))
}

impl Line {
    fn note(&mut self, Told { entity, at, noted }: Told) {
        match noted {
            Noted::Entry(entered) => self.entries.push(Entry {
                account: entity.as_str().to_owned(),
                other: entered.other.into(),
                amount: entered.amount,
                balance: entered.balance,
                at,
            }),
            Noted::Transfer(transfer::Event::Reserved(of)) => {
                self.status = Status::Pending;
                self.about = Some(About {
                    from: of.from.into(),
                    to: of.to.into(),
                    amount: of.amount,
                    asset: of.asset,
                    merchant: Some(of.merchant),
                    category: Some(of.category),
                    at,
                });
            }
            Noted::Transfer(transfer::Event::Moved(of)) => {
                let (from, to, amount, asset) = (of.from.into(), of.to.into(), of.amount, of.asset);
                let (merchant, category) = (None, None);
                self.about = Some(About { from, to, amount, asset, merchant, category, at });
                self.end(Status::Posted, amount, at);
            }
            Noted::Transfer(transfer::Event::Posted(of)) => {
                self.end(Status::Posted, of.amount, at);
            }
            Noted::Transfer(transfer::Event::Voided(_)) => {
                self.end(Status::Voided, Amount::ZERO, at);
            }
            Noted::Transfer(transfer::Event::Expired(_)) => {
                self.end(Status::Expired, Amount::ZERO, at);
            }
            Noted::Transfer(transfer::Event::ExpiryDue(_) | transfer::Event::ExpiryPutOff(_)) => {}
        }
    }

    fn end(&mut self, status: Status, posted: Amount, at: i64) {
        (self.status, self.posted, self.ended_at) = (status, posted, Some(at));
    }
}

/// What an event says to its line, the account or transfer that says it, and when.
#[derive(Debug)]
pub struct Told {
    entity: EntityId,
    at: i64,
    noted: Noted,
}

impl Projection for LedgerModel {
    type Document = Line;
    type Said = Told;

    fn name(&self) -> &'static str {
        LEDGER
    }

    fn model(&self) -> &'static str {
        LEDGER
    }

    fn park_policy(&self) -> ParkPolicy {
        // A line that misses an event doesn't balance and says so; all others go on.
        ParkPolicy::GoOn
    }

    fn read(&self, event: &StoredEvent) -> Touched<Told> {
        let Some(noted) = noted(event)? else { return Ok(None) };
        let Some((workflow, transfer)) = about(event, &noted) else { return Ok(None) };
        let document = DocumentRef {
            tenant: event.key.tenant().clone(),
            id: format!("{workflow}/{transfer}").into(),
        };
        let at = event.record.body.recorded_at.as_micros();
        Ok(Some((document, Told { entity: event.key.id().clone(), at, noted })))
    }

    /// Nobody deletes an account or a transfer: what moved has moved.
    fn read_deletion(&self, _: &StoredEvent) -> Touched<Told> {
        Ok(None)
    }

    fn fold(&self, line: Before<Line>, told: Told) -> Result<Option<Line>, Undigestible> {
        let mut line = line.read()?.unwrap_or_default();
        line.note(told);
        Ok(Some(line))
    }
}

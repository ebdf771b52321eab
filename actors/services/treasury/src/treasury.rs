//! The treasury: accounts, deposits and intents. What becomes of intents is in `authorize` and
//! `settle`.

use std::sync::Arc;

use coppice_core::{Entity, Rejection, Sequence};
use coppice_domain::treasury::names::{AccountName, Name};
use coppice_domain::treasury::plan::{self, Part};
use coppice_domain::treasury::{
    Account, Amount, Asset, Intent, Transfer, account, intent, transfer,
};
use coppice_runtime::{Clock, Door, Failure};

use crate::call::Call;
use crate::entities::{Entities, Step, read};
use crate::error::{TreasuryError, refusal};
use crate::options::TreasuryOptions;
use crate::permission::Permission;
use crate::queue::Queue;
use crate::turns::Turns;

/// Tries of one step whose group was broken by what others did at the same time. Each of them ended
/// with a commit of somebody else, so this many in a row don't come about by chance.
pub(crate) const TRIES_MAX: usize = 16;

/// The treasury of a node. Clones are the same.
#[derive(Debug, Clone)]
pub struct Treasury(pub(crate) Arc<Parts>);

/// What a treasury is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) entities: Entities,
    pub(crate) options: TreasuryOptions,
    pub(crate) permission: Arc<dyn Permission>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) queue: Queue,
    pub(crate) turns: Turns,
}

/// What somebody wants to spend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewIntent {
    /// How much.
    pub amount: Amount,
    /// Of what.
    pub asset: Asset,
    /// Who is paid.
    pub merchant: Name,
    /// For what kind of thing.
    pub category: Name,
    /// For how long it can be approved and posted, in seconds.
    pub ttl_s: u32,
    /// For which workflow.
    pub workflow: Option<Name>,
    /// The funding account, where it isn't the asset's only one.
    pub from: Option<Box<str>>,
}

/// A movement without an intent: a deposit, or between funding accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTransfer {
    /// The account that pays; the world for a deposit.
    pub from: Box<str>,
    /// The funding account that is paid.
    pub to: Box<str>,
    /// How much.
    pub amount: Amount,
    /// For which workflow.
    pub workflow: Option<Name>,
}

/// What an entity shows, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown<V> {
    /// What it shows.
    pub view: V,
    /// Its sequence then.
    pub sequence: Sequence,
    /// Whether it had been done before.
    pub repeated: bool,
}

impl Treasury {
    /// A treasury whose entities are behind a door.
    #[must_use]
    pub fn new(
        door: Door,
        options: TreasuryOptions,
        permission: Arc<dyn Permission>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (entities, queue, turns) = (Entities(door), Queue::default(), Turns::default());
        Self(Arc::new(Parts { entities, options, permission, clock, queue, turns }))
    }

    /// Opens a funding account, or a budget under its ceiling. Again, it changes nothing.
    ///
    /// # Errors
    /// [`TreasuryError`]; `account_ceiling` where it is open under another ceiling.
    pub async fn open_account(
        &self,
        call: &Call,
        account: &AccountName,
        ceiling: Option<Amount>,
    ) -> Result<Shown<account::View>, TreasuryError> {
        let id = account.id();
        let command = account::Command::Open(account::Open { ceiling });
        let (command, body) = command.encode().map_err(|error| TreasuryError::internal(&error))?;
        let part = Part { kind: Account::KIND, id: id.clone(), command, body };
        self.0.entities.ask(call, Some(Step::Open), &id, part).await?;
        self.account(call, &id).await
    }

    /// An account.
    ///
    /// # Errors
    /// [`TreasuryError`].
    pub async fn account(
        &self,
        call: &Call,
        id: &str,
    ) -> Result<Shown<account::View>, TreasuryError> {
        let shown = self.shown::<Account, account::View>(call, id).await?;
        shown.ok_or_else(|| TreasuryError::NoAccount(id.to_owned()))
    }

    /// Brings money in from the world.
    ///
    /// # Errors
    /// As [`Treasury::transfer`].
    pub async fn deposit(
        &self,
        call: &Call,
        id: &str,
        to: &AccountName,
        amount: Amount,
    ) -> Result<Shown<transfer::View>, TreasuryError> {
        let (from, to) = (AccountName::world(to.asset.clone()).id(), to.id());
        self.transfer(call, id, &NewTransfer { from, to, amount, workflow: None }).await
    }

    /// Moves money at once, from the world or a funding account to a funding account. The same again
    /// changes nothing.
    ///
    /// # Errors
    /// [`TreasuryError`]; [`TreasuryError::Other`] where the id was used for another transfer.
    pub async fn transfer(
        &self,
        call: &Call,
        id: &str,
        new: &NewTransfer,
    ) -> Result<Shown<transfer::View>, TreasuryError> {
        if !new.amount.is_movable() {
            // The accounts would refuse it too, and whoever is first would say why.
            let refused = transfer::TransferError::Amount;
            return Err(TreasuryError::Failed(Failure::Rejected {
                code: refused.code(),
                detail: refused.to_string(),
            }));
        }
        let moving = transfer::Move {
            from: new.from.clone(),
            to: new.to.clone(),
            amount: new.amount,
            workflow: new.workflow.clone(),
        };
        let _turn = self.0.turns.take(&call.tenant, id).await;
        for _ in 0..TRIES_MAX {
            let parts =
                plan::moving(id, &moving).map_err(|error| TreasuryError::internal(&error))?;
            let answers = self.0.entities.ask_linked(call, Step::Move, id, parts, call.deadline);
            match first_failure(answers.await) {
                None => break,
                Some(failure) if refusal(&failure) == Some("transfer_other") => {
                    let shown = self.moved(call, id).await?;
                    return if is_same(&shown.view, new) {
                        Ok(Shown { repeated: true, ..shown })
                    } else {
                        Err(TreasuryError::Other(id.to_owned()))
                    };
                }
                Some(failure) if is_contention(&failure) => {}
                Some(failure) => return Err(failure.into()),
            }
        }
        self.moved(call, id).await
    }

    async fn moved(&self, call: &Call, id: &str) -> Result<Shown<transfer::View>, TreasuryError> {
        let shown = self.shown::<Transfer, transfer::View>(call, id).await?;
        // What was never there fell each time.
        shown.ok_or(TreasuryError::Failed(Failure::Conflict))
    }

    /// Records what somebody wants to spend. The same again changes nothing.
    ///
    /// # Errors
    /// [`TreasuryError`]; [`TreasuryError::Other`] where the id was used for another intent.
    pub async fn create_intent(
        &self,
        call: &Call,
        id: &str,
        new: &NewIntent,
    ) -> Result<Shown<intent::View>, TreasuryError> {
        if new.ttl_s > self.0.options.intent_ttl_s_max {
            let max = self.0.options.intent_ttl_s_max;
            return Err(TreasuryError::Invalid(format!("an intent has at most {max} seconds")));
        }
        let asset = || new.asset.clone();
        let from = new.from.clone().unwrap_or_else(|| AccountName::funding(asset()).id());
        let create = intent::Create {
            amount: new.amount,
            from,
            to: AccountName::payee(new.merchant.clone(), asset()).id(),
            merchant: new.merchant.clone(),
            category: new.category.clone(),
            ttl_s: new.ttl_s,
            workflow: new.workflow.clone(),
        };
        let part = of_intent(id, &intent::Command::Create(create))?;
        let before = self.shown::<Intent, intent::View>(call, id).await?;
        let answer = self.0.entities.ask(call, Some(Step::Create), id, part).await;
        let answer = answer.map_err(|failure| match refusal(&failure) {
            Some("intent_other") => TreasuryError::Other(id.to_owned()),
            _ => TreasuryError::Failed(failure),
        })?;
        let (view, sequence) = (read(&answer.reply)?, answer.sequence);
        Ok(Shown { view, sequence, repeated: before.is_some() })
    }

    /// An intent.
    ///
    /// # Errors
    /// [`TreasuryError`].
    pub async fn intent(
        &self,
        call: &Call,
        id: &str,
    ) -> Result<Shown<intent::View>, TreasuryError> {
        let shown = self.shown::<Intent, intent::View>(call, id).await?;
        shown.ok_or_else(|| TreasuryError::NoIntent(id.to_owned()))
    }

    /// What an entity shows; none where it never had an event.
    pub(crate) async fn shown<K: Entity, V: serde::de::DeserializeOwned>(
        &self,
        call: &Call,
        id: &str,
    ) -> Result<Option<Shown<V>>, TreasuryError> {
        let view = match self.0.entities.view::<K>(call, id).await {
            Ok(view) => view,
            Err(Failure::NotThere) => return Ok(None),
            Err(failure) => return Err(failure.into()),
        };
        if view.sequence == Sequence(0) || view.deleted {
            return Ok(None);
        }
        let (sequence, view) = (view.sequence, read(&view.state)?);
        Ok(Some(Shown { view, sequence, repeated: false }))
    }
}

fn is_same(view: &transfer::View, new: &NewTransfer) -> bool {
    view.terms.as_ref().is_some_and(|terms| {
        let is_plain = terms.expires.is_none();
        is_plain
            && (&terms.from, &terms.to) == (&new.from, &new.to)
            && (terms.amount, &terms.workflow) == (new.amount, &new.workflow)
    })
}

/// A command to an intent.
pub(crate) fn of_intent(id: &str, command: &intent::Command) -> Result<Part, TreasuryError> {
    let encoded = command.encode().map_err(|error| TreasuryError::internal(&error))?;
    // Only the system says what has no name.
    let (command, body) = encoded.unwrap_or_default();
    Ok(Part { kind: Intent::KIND, id: id.into(), command, body })
}

/// Whether it only says that something else happened at the same time.
pub(crate) const fn is_contention(failure: &Failure) -> bool {
    matches!(failure, Failure::Unlinked | Failure::Conflict)
}

/// Why a group wasn't done: what an entity refused rather than that the group broke, and the first
/// of those.
pub(crate) fn first_failure<A>(answers: Vec<Result<A, Failure>>) -> Option<Failure> {
    let failures: Vec<Failure> = answers.into_iter().filter_map(Result::err).collect();
    let refused = failures.iter().find(|failure| refusal(failure).is_some());
    let other = failures.iter().find(|failure| !is_contention(failure));
    refused.or(other).or_else(|| failures.first()).cloned()
}

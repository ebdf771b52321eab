//! The ends of what was set aside: posted, voided or expired, each as one linked commit.

use coppice_core::Sequence;
use coppice_domain::treasury::account::Cause;
use coppice_domain::treasury::intent::{self, Status};
use coppice_domain::treasury::plan::{self, Part};
use coppice_domain::treasury::transfer::{self, Terms};
use coppice_domain::treasury::{Amount, Transfer};
use coppice_runtime::Failure;

use crate::call::Call;
use crate::entities::{Step, read};
use crate::error::{TreasuryError, refusal};
use crate::treasury::{Shown, TRIES_MAX, Treasury, first_failure, is_contention, of_intent};

/// Where an intent is after somebody wanted to end it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// Where it is: not where it was wanted to be, if it had ended otherwise before.
    pub status: Status,
    /// How much of it was spent.
    pub posted: Amount,
    /// The intent's sequence behind it.
    pub sequence: Sequence,
    /// Whether nothing was left to be done.
    pub repeated: bool,
}

/// How a reservation is to end.
#[derive(Debug, Clone, Copy)]
enum End {
    /// Moved, the whole where it is none.
    Post(Option<Amount>),
    Void,
    Expire,
}

impl End {
    const fn step(self) -> Step {
        match self {
            Self::Post(_) => Step::Post,
            Self::Void => Step::Void,
            Self::Expire => Step::Expire,
        }
    }

    fn parts(self, id: &str, terms: &Terms) -> Result<Vec<Part>, TreasuryError> {
        let parts = match self {
            Self::Post(amount) => plan::post(id, terms, amount.unwrap_or(terms.amount)),
            Self::Void => plan::release(id, terms, Cause::Voided),
            Self::Expire => plan::release(id, terms, Cause::Expired),
        };
        parts.map_err(|error| TreasuryError::internal(&error))
    }
}

impl Treasury {
    /// Moves what is set aside for an intent, or a part of it; the rest is given back. Again, it
    /// changes nothing.
    ///
    /// # Errors
    /// [`TreasuryError`]; `transfer_amount` for more than is set aside, and where another amount was
    /// posted before.
    pub async fn post(
        &self,
        call: &Call,
        id: &str,
        amount: Option<Amount>,
    ) -> Result<Settled, TreasuryError> {
        self.end(call, id, End::Post(amount)).await
    }

    /// Gives back what is set aside for an intent, or takes one back that isn't decided. Again, it
    /// changes nothing.
    ///
    /// # Errors
    /// [`TreasuryError`].
    pub async fn void(&self, call: &Call, id: &str) -> Result<Settled, TreasuryError> {
        self.end(call, id, End::Void).await
    }

    /// Ends what is set aside for an intent, its time being over. Again, it changes nothing.
    ///
    /// # Errors
    /// [`TreasuryError`]; `transfer_not_due` before its time is over.
    pub async fn expire(&self, call: &Call, id: &str) -> Result<Settled, TreasuryError> {
        self.end(call, id, End::Expire).await
    }

    async fn end(&self, call: &Call, id: &str, end: End) -> Result<Settled, TreasuryError> {
        let _turn = self.0.turns.take(&call.tenant, id).await;
        let mut end = end;
        for tries in 0..TRIES_MAX {
            let shown = self.shown::<Transfer, transfer::View>(call, id).await?;
            let terms = match shown.map(|shown| (shown.view.status, shown.view.terms)) {
                Some((transfer::Status::Pending, Some(terms))) => terms,
                Some((transfer::Status::Posted, Some(terms))) if terms.expires.is_none() => {
                    // A movement that no intent stands behind.
                    return Err(TreasuryError::NoIntent(id.to_owned()));
                }
                Some(_) => return self.ended(call, id, end, tries == 0).await,
                None => match self.unreserved(call, id, end).await? {
                    Some(settled) => return Ok(settled),
                    None => continue,
                },
            };
            let parts = end.parts(id, &terms)?;
            let entities = &self.0.entities;
            let answers = entities.ask_linked(call, end.step(), id, parts, call.deadline).await;
            let Some(failure) = first_failure(answers) else {
                return self.ended(call, id, end, false).await;
            };
            match refusal(&failure) {
                // It is over, and is now seen to be.
                Some("transfer_expired" | "account_hold_expired") => end = End::Expire,
                // Another node, or an effect, was first.
                Some("transfer_ended") => {}
                None if is_contention(&failure) => {}
                // By one stream's time it is over and by the transfer's it isn't: a clock was set
                // back. It can't be spent, and its end comes with the transfer's own time.
                Some("transfer_not_due") if tries > 0 => {
                    return self.ended(call, id, End::Expire, false).await;
                }
                Some(_) | None => return Err(failure.into()),
            }
        }
        Err(TreasuryError::Failed(Failure::Conflict))
    }

    /// What becomes of an intent that nothing is set aside for; none where that has changed.
    async fn unreserved(
        &self,
        call: &Call,
        id: &str,
        end: End,
    ) -> Result<Option<Settled>, TreasuryError> {
        let Shown { view, sequence, .. } = self.intent(call, id).await?;
        match (view.status, end) {
            (Status::Created, End::Void) => {}
            (Status::Approved, _) => return Ok(None),
            _ => {
                let (status, posted) = (view.status, view.posted);
                return Ok(Some(Settled { status, posted, sequence, repeated: true }));
            }
        }
        let part = of_intent(id, &intent::Command::Withdraw(intent::Withdraw {}))?;
        match self.0.entities.ask(call, Some(Step::Withdraw), id, part).await {
            Ok(answer) => {
                let intent::View { status, posted, .. } = read(&answer.reply)?;
                let sequence = answer.sequence;
                Ok(Some(Settled { status, posted, sequence, repeated: false }))
            }
            Err(failure) if refusal(&failure) == Some("intent_decided") => Ok(None),
            Err(failure) => Err(failure.into()),
        }
    }

    /// Where an intent is whose reservation has ended.
    async fn ended(
        &self,
        call: &Call,
        id: &str,
        end: End,
        repeated: bool,
    ) -> Result<Settled, TreasuryError> {
        let Shown { view, sequence, .. } = self.intent(call, id).await?;
        if let (End::Post(Some(amount)), Status::Posted) = (end, view.status)
            && amount != view.posted
        {
            let detail = format!("{} was posted before", view.posted);
            return Err(TreasuryError::Failed(Failure::Rejected {
                code: "transfer_amount",
                detail,
            }));
        }
        Ok(Settled { status: view.status, posted: view.posted, sequence, repeated })
    }
}

//! The accounts that a run about money needs, opened and filled before its clock begins.
//!
//! They carry no correlation id of the run, since nothing of this is measured.

use hyper::Method;
use serde_json::json;
use thiserror::Error;

use super::calls::{ASSET, header, post};
use super::deeds::Deeds;
use crate::wire::{Answer, Call, Clock, Lost, Slot, Target};

/// What each account begins with: more than any run moves.
pub(super) const DEPOSIT: i64 = 1_000_000_000_000;
/// How long each answer may take.
const PATIENCE_NS: u64 = 30_000_000_000;

/// The accounts could not be opened.
#[derive(Debug, Error)]
pub enum SetupError {
    /// The target did not answer.
    #[error("{path} was not answered before the run ({lost:?})")]
    Unanswered {
        /// What was asked.
        path: String,
        /// Why there is no answer.
        lost: Lost,
    },
    /// It refused.
    #[error("{path} was refused before the run with {status}: {body}")]
    Refused {
        /// What was asked.
        path: String,
        /// The status.
        status: u16,
        /// What it said.
        body: String,
    },
}

/// Opens an account with a deposit for each key, and a budget.
///
/// # Errors
///
/// Where the target refuses or doesn't answer.
pub async fn open_accounts(deeds: &Deeds, keys: u64, target: &Target) -> Result<(), SetupError> {
    let mut slot = Slot::new(0);
    for key in 0..keys {
        let id = deeds.id(key);
        let account = json!({"asset": ASSET, "name": id});
        let deposit = json!({"to": deeds.account(key), "amount": DEPOSIT});
        let budget = json!({"asset": ASSET, "workflow_id": id, "ceiling": DEPOSIT});
        let steps = [
            ("/v1/money/accounts", account),
            ("/v1/money/transfers", deposit),
            ("/v1/money/accounts", budget),
        ];
        for (step, (path, body)) in steps.into_iter().enumerate() {
            let mut call = post(path, body.to_string());
            call.key = Some(header(&format!("{id}-setup-{step}")));
            ask(&mut slot, target, &call).await?;
        }
    }
    Ok(())
}

async fn ask(slot: &mut Slot, target: &Target, call: &Call) -> Result<Answer, SetupError> {
    debug_assert_eq!(call.method, Method::POST);
    let path = || call.path.path().to_owned();
    let tried = slot.ask(target, call, Clock::begin(), PATIENCE_NS).await;
    let answer = tried.answer.map_err(|lost| SetupError::Unanswered { path: path(), lost })?;
    if (200..300).contains(&answer.status) {
        return Ok(answer);
    }
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    Err(SetupError::Refused { path: path(), status: answer.status, body })
}

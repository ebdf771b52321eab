//! The budget of a workflow: an account with a ceiling, open before the workflow can spend.
//!
//! One that was opened for a workflow that then wasn't submitted binds nobody.

use coppice_core::{CorrelationId, TenantId};
use coppice_domain::treasury::names::{AccountName, Name};
use coppice_domain::treasury::{Amount, Asset};
use coppice_domain::workflow::flow::Budget;
use coppice_treasury::{Asker, Call, Treasury, TreasuryError};
use tokio::time::Instant;

/// A call of the treasury on somebody's behalf.
#[must_use]
pub fn treasury_call(
    tenant: TenantId,
    by: String,
    correlation: CorrelationId,
    deadline: Instant,
) -> Call {
    let asker = Asker { kind: "api_key", id: by, role: String::new() };
    Call { tenant, asker, correlation, trace: None, deadline }
}

/// Opens a workflow's budget. Again with the same ceiling, it changes nothing.
///
/// # Errors
/// [`TreasuryError`]; an amount or asset that can't be is `Invalid`.
pub async fn open_budget(
    treasury: &Treasury,
    call: &Call,
    workflow: &str,
    budget: &Budget,
) -> Result<(), TreasuryError> {
    let invalid = |why: String| TreasuryError::Invalid(why);
    let asset = Asset::named(&budget.asset).map_err(|error| invalid(error.to_string()))?;
    let workflow = Name::new(workflow).map_err(|error| invalid(error.to_string()))?;
    let ceiling = Amount::new(budget.amount.into()).map_err(|error| invalid(error.to_string()))?;
    let account = AccountName::budget(workflow, asset);
    treasury.open_account(call, &account, Some(ceiling)).await.map(drop)
}

//! Who asks, and until when an answer is of use.

use coppice_core::{CorrelationId, TenantId};
use coppice_runtime::Trace;
use tokio::time::Instant;

/// Who asks for money, as the policy is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    /// What they are: `workflow`, `api_key`, `agent`.
    pub kind: &'static str,
    /// Which.
    pub id: String,
    /// What they are to the tenant; empty for nothing in particular.
    pub role: String,
}

/// One request to the treasury.
#[derive(Debug, Clone)]
pub struct Call {
    /// Whose money.
    pub tenant: TenantId,
    /// Who asks.
    pub asker: Asker,
    /// The conversation that it belongs to.
    pub correlation: CorrelationId,
    /// Where it stands in a trace, if it stands in one.
    pub trace: Option<Trace>,
    /// After this nobody waits for the answer.
    pub deadline: Instant,
}

//! What a scenario needs of its target.

use super::{FaultKind, Scenario, Share};
use crate::record::Operation;

impl Scenario {
    /// Whether a fault of a kind may come, named or at random.
    #[must_use]
    pub fn has_fault(&self, kind: FaultKind) -> bool {
        let random = self.random_faults.iter().flat_map(|random| &random.kinds);
        self.faults.iter().map(|fault| &fault.kind).chain(random).any(|one| *one == kind)
    }

    /// Whether anything of it is about money, so that accounts must be there.
    #[must_use]
    pub fn moves_money(&self) -> bool {
        let of_money =
            |share: &Share| matches!(share.operation, Operation::Transfer | Operation::Intent);
        self.mix.iter().any(of_money)
    }

    /// Whether it sets alarms, so that somebody must hear them ring.
    #[must_use]
    pub fn sets_alarms(&self) -> bool {
        self.mix.iter().any(|share| share.operation == Operation::Alarm)
    }
}

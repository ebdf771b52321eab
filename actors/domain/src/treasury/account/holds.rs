//! What is set aside, by transfer and by the time from which it is dead.
//!
//! **Invariants:** the sums are those of the holds; what is dead at a time is found without looking
//! at what isn't.

use std::collections::{BTreeMap, BTreeSet};

use coppice_core::Timestamp;
use serde::{Deserialize, Serialize};

use super::Side;
use crate::treasury::money::Amount;

/// The most holds that are open on one account: twice the workflows that are ordinary at once, and
/// a snapshot of a megabyte.
pub const HOLDS_MAX: usize = 20_000;

/// What is set aside for one transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OpenHold {
    pub(super) side: Side,
    pub(super) amount: Amount,
    pub(super) expires: Timestamp,
}

impl OpenHold {
    pub(super) fn is_dead(&self, now: Timestamp) -> bool {
        now >= self.expires
    }
}

/// All that is set aside.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub(super) struct Holds {
    by_transfer: BTreeMap<Box<str>, OpenHold>,
    by_expiry: BTreeSet<(Timestamp, Box<str>)>,
    /// What is promised to others, or drawn: everything but what is to be received.
    out: Amount,
    incoming: Amount,
}

/// What is written to a snapshot: the rest follows from it.
#[derive(Serialize, Deserialize)]
struct Stored(Vec<(Box<str>, OpenHold)>);

impl Holds {
    pub(super) fn len(&self) -> usize {
        self.by_transfer.len()
    }

    pub(super) fn get(&self, transfer: &str) -> Option<&OpenHold> {
        self.by_transfer.get(transfer)
    }

    /// What is set aside to be paid or drawn, dead or not.
    pub(super) const fn out(&self) -> Amount {
        self.out
    }

    /// What is to be received, dead or not.
    pub(super) const fn incoming(&self) -> Amount {
        self.incoming
    }

    /// What is set aside to be paid or drawn and not dead.
    pub(super) fn live_out(&self, now: Timestamp) -> Amount {
        let dead = self.by_expiry.iter().take_while(|(expires, _)| *expires <= now);
        let holds = dead.filter_map(|(_, transfer)| self.by_transfer.get(transfer));
        holds.filter(|hold| hold.side != Side::Receive).fold(self.out, |out, hold| {
            // It is part of the sum.
            out.held_minus(hold.amount)
        })
    }

    pub(super) fn add(&mut self, transfer: &str, hold: OpenHold) {
        self.remove(transfer);
        let sum = if hold.side == Side::Receive { &mut self.incoming } else { &mut self.out };
        *sum = sum.held_plus(hold.amount);
        self.by_expiry.insert((hold.expires, transfer.into()));
        self.by_transfer.insert(transfer.into(), hold);
    }

    pub(super) fn remove(&mut self, transfer: &str) {
        let Some((transfer, hold)) = self.by_transfer.remove_entry(transfer) else { return };
        let sum = if hold.side == Side::Receive { &mut self.incoming } else { &mut self.out };
        *sum = sum.held_minus(hold.amount);
        self.by_expiry.remove(&(hold.expires, transfer));
    }
}

impl From<Holds> for Stored {
    fn from(holds: Holds) -> Self {
        Self(holds.by_transfer.into_iter().collect())
    }
}

impl From<Stored> for Holds {
    fn from(stored: Stored) -> Self {
        let mut holds = Self::default();
        for (transfer, hold) in stored.0 {
            holds.add(&transfer, hold);
        }
        holds
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn side() -> impl Strategy<Value = Side> {
        prop_oneof![Just(Side::Pay), Just(Side::Receive), Just(Side::Draw)]
    }

    proptest! {
        #[test]
        fn sums_are_those_of_the_holds_and_what_is_dead_is_left_out(
            steps in prop::collection::vec((0..8_u8, prop::option::of((side(), 1..100_u32, 0..20_i64))), 0..60),
            now in 0..20_i64,
        ) {
            let mut holds = Holds::default();
            for (transfer, hold) in steps {
                let transfer = transfer.to_string();
                match hold {
                    Some((side, amount, expires)) => {
                        let expires = Timestamp::from_micros(expires);
                        holds.add(&transfer, OpenHold { side, amount: amount.into(), expires });
                    }
                    None => holds.remove(&transfer),
                }
            }
            let sum = |wanted: &dyn Fn(&OpenHold) -> bool| {
                let amounts = holds.by_transfer.values().filter(|hold| wanted(hold));
                amounts.fold(Amount::ZERO, |sum, hold| sum.held_plus(hold.amount))
            };
            let now = Timestamp::from_micros(now);
            prop_assert_eq!(holds.out(), sum(&|hold| hold.side != Side::Receive));
            prop_assert_eq!(holds.incoming(), sum(&|hold| hold.side == Side::Receive));
            let live = sum(&|hold| hold.side != Side::Receive && !hold.is_dead(now));
            prop_assert_eq!(holds.live_out(now), live);
            let text = serde_json::to_string(&holds).unwrap();
            prop_assert_eq!(serde_json::from_str::<Holds>(&text).unwrap(), holds);
        }
    }
}

//! What the operation of a number does: a function of the seed and the number.

use crate::chance::Chance;
use crate::keys::Drawer;
use crate::record::Operation;
use crate::scenario::{Policy, Scenario, Share};

/// Steps that an operation of the mix may have, each an operation of its own: an intent has three.
pub(super) use crate::record::STEPS;

/// All that is known beforehand of what the operations do.
#[derive(Debug)]
pub struct Deeds {
    seed: u64,
    /// Names the run in correlation ids.
    pub run: u64,
    /// What the entities' ids begin with.
    pub prefix: String,
    pub(super) mix: Vec<Share>,
    /// For each of the mix, the sum of the weights up to it.
    sums: Vec<u64>,
    drawer: Drawer,
    keys: u64,
    policy: Policy,
    repeat_share: f64,
    /// How long a workflow may be waited for, in whole seconds.
    pub(super) wait_s: u64,
}

/// What one operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deed {
    /// What is asked. An intent stands for all its steps.
    pub operation: Operation,
    /// Its place in the mix.
    pub share: usize,
    /// Which entity.
    pub key: u64,
    /// Of a transfer: who is paid.
    pub other: u64,
    /// How much.
    pub amount: i64,
    /// Whether it carries an idempotency key.
    pub keyed: bool,
    /// Whether it is sent once more after its acknowledgement.
    pub repeats: bool,
    /// Of an intent: whether it is given back in place of posted.
    pub voids: bool,
}

impl Deeds {
    /// Those of a scenario in one run.
    #[must_use]
    pub fn new(scenario: &Scenario, run: u64, prefix: String) -> Self {
        let mut sum = 0;
        let mut add = |share: &Share| {
            sum += u64::from(share.weight);
            sum
        };
        Self {
            seed: scenario.seed,
            run,
            prefix,
            sums: scenario.mix.iter().map(&mut add).collect(),
            mix: scenario.mix.clone(),
            drawer: Drawer::new(scenario.keys),
            keys: scenario.keys.count(),
            policy: scenario.idempotency.policy,
            repeat_share: scenario.idempotency.repeat_share,
            wait_s: scenario.timeout_ms.div_ceil(1_000),
        }
    }

    /// What all choices come from.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// What the operation of a number does.
    ///
    /// # Panics
    ///
    /// Where the mix has no weight, which no scenario that was checked has.
    #[must_use]
    pub fn of(&self, number: u64) -> Deed {
        let mut chance = Chance::of(self.seed, number);
        let total = *self.sums.last().expect("a scenario has a mix");
        let drawn = chance.below(total);
        let share = self.sums.partition_point(|sum| *sum <= drawn);
        let of = &self.mix[share];
        let key = self.drawer.draw(&mut chance);
        let amount = match of.operation {
            Operation::Read | Operation::Workflow | Operation::Alarm => 0,
            _ => chance.between(of.amount[0], of.amount[1]),
        };
        let other = match of.operation {
            Operation::Transfer if self.keys > 1 => {
                // Anybody but who pays.
                (key + 1 + chance.below(self.keys - 1)) % self.keys
            }
            _ => 0,
        };
        let keyed = of.operation != Operation::Read && self.policy != Policy::None;
        let repeats = keyed && chance.unit() < self.repeat_share;
        let voids = of.operation == Operation::Intent && chance.unit() < of.void_share;
        Deed { operation: of.operation, share, key, other, amount, keyed, repeats, voids }
    }
}

impl Deed {
    /// The operations that follow each other in it.
    pub(super) const fn steps(&self) -> &'static [Operation] {
        match self.operation {
            Operation::Intent if self.voids => {
                &[Operation::Intent, Operation::Authorize, Operation::Void]
            }
            Operation::Intent => &[Operation::Intent, Operation::Authorize, Operation::Post],
            Operation::Add => &[Operation::Add],
            Operation::Read => &[Operation::Read],
            Operation::Workflow => &[Operation::Workflow],
            Operation::Transfer => &[Operation::Transfer],
            Operation::Alarm => &[Operation::Alarm],
            Operation::Authorize | Operation::Post | Operation::Void => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deeds(seed: u64) -> Deeds {
        let text = format!(
            "name = 'a'\nabout = 'b'\nseed = {seed}\nphases = [{{ name = 'p', for_s = 1, arrivals \
             = {{ kind = 'closed', sessions = 1 }} }}]\nkeys = {{ distribution = 'uniform', count \
             = 10 }}\nidempotency = {{ policy = 'repeat', repeat_share = 0.25 }}\n\
             [[mix]]\noperation = 'add'\nweight = 3\namount = [-5, 5]\n\
             [[mix]]\noperation = 'read'\nweight = 1\n\
             [[mix]]\noperation = 'intent'\nweight = 0\n\
             [[mix]]\noperation = 'transfer'\nweight = 4\namount = [1, 9]\n"
        );
        Deeds::new(&Scenario::parse("a", &text).unwrap(), 1, "a".to_owned())
    }

    #[test]
    fn a_number_does_the_same_under_the_same_seed() {
        let (one, same, other) = (deeds(1), deeds(1), deeds(2));
        assert!((0..1_000).all(|number| one.of(number) == same.of(number)));
        assert!((0..1_000).any(|number| one.of(number) != other.of(number)));
    }

    #[test]
    fn the_mix_keeps_its_weights_and_every_deed_its_bounds() {
        let deeds = deeds(1);
        let all: Vec<Deed> = (0..8_000).map(|number| deeds.of(number)).collect();
        let of = |operation| all.iter().filter(|deed| deed.operation == operation).count();
        let [adds, reads, intents, transfers] =
            [Operation::Add, Operation::Read, Operation::Intent, Operation::Transfer].map(of);
        assert_eq!(intents, 0);
        assert!((2_800..3_200).contains(&adds), "{adds}");
        assert!((850..1_150).contains(&reads), "{reads}");
        assert!((3_800..4_200).contains(&transfers), "{transfers}");
        for deed in &all {
            assert!(deed.key < 10 && deed.other < 10);
            match deed.operation {
                Operation::Transfer => assert!(deed.other != deed.key && deed.amount > 0),
                Operation::Read => assert!(!deed.keyed && !deed.repeats),
                _ => assert!((-5..=5).contains(&deed.amount) && deed.keyed),
            }
        }
        let repeats = all.iter().filter(|deed| deed.repeats).count();
        assert!((1_550..1_950).contains(&repeats), "{repeats}");
    }
}

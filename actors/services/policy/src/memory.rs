//! Decisions that were made before.
//!
//! Most questions differ from earlier ones only in who asks: each workflow asks about the same few
//! plugins under an id of its own. An evaluation that can't tell one asker from another comes out
//! alike for all of them, so it is made once.
//!
//! **Invariant:** what is remembered is what the bundle decides. An asker's id is left out of the
//! key only where nothing of the bundle could tell it from another: no policy of the action names
//! an asker, and the schema doesn't count askers up. The lists of a bundle hold none
//! (`entities.rs`), facts are texts, numbers and flags, and Cedar has nothing that looks into an id.
//! What could not be evaluated is not remembered, for it may say who asked.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cedar_policy::{EntityTypeName, PolicySet};
use parking_lot::RwLock;

use crate::data::Risk;
use crate::question::{Action, Question};
use crate::record::{BundleRef, PolicyRecord};

/// Decisions that are remembered, one or two KiB each. One more, and all are forgotten: a node that
/// asks about more than these asks about something new each time, such as amounts.
const DECISIONS_MAX: usize = 1_024;

/// Bytes of a question that is remembered: several times what the platform's own parts ask with.
const QUESTION_BYTES_MAX: usize = 2_048;

/// What was decided, whoever asked.
#[derive(Debug)]
pub(crate) struct Decided {
    pub(crate) allowed: bool,
    pub(crate) requires_approval: bool,
    pub(crate) risk: Option<Risk>,
    pub(crate) policies: Vec<String>,
    pub(crate) reason_code: String,
}

impl Decided {
    pub(crate) fn record(&self, bundle: BundleRef, question: &Question) -> PolicyRecord {
        PolicyRecord {
            bundle,
            question: question.clone(),
            allowed: self.allowed,
            requires_approval: self.requires_approval,
            risk: self.risk,
            policies: self.policies.clone(),
            reason_code: self.reason_code.clone(),
        }
    }
}

/// The decisions of one bundle.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Whether a decision about an action may depend on who asks; where nothing is said, it may.
    tells_apart: BTreeMap<Action, bool>,
    decided: RwLock<HashMap<Question, Arc<Decided>>>,
}

impl Memory {
    /// Of these policies, and a schema that counts askers up or doesn't.
    pub(crate) fn new(
        policies: &BTreeMap<Action, PolicySet>,
        askers: &[EntityTypeName],
        counts_askers_up: bool,
    ) -> Self {
        let names_one = |set: &PolicySet| {
            let literals = set.policies().flat_map(|policy| policy.entity_literals());
            literals.into_iter().any(|literal| askers.contains(literal.type_name()))
        };
        let tells =
            |(action, set): (&Action, &PolicySet)| (*action, counts_askers_up || names_one(set));
        Self { tells_apart: policies.iter().map(tells).collect(), decided: RwLock::default() }
    }

    /// The question without what can't matter.
    pub(crate) fn key(&self, question: &Question) -> Question {
        let mut key = question.clone();
        if self.tells_apart.get(&question.action) == Some(&false) {
            key.principal.id.clear();
        }
        key
    }

    pub(crate) fn get(&self, key: &Question) -> Option<Arc<Decided>> {
        self.decided.read().get(key).cloned()
    }

    pub(crate) fn keep(&self, key: Question, decided: Arc<Decided>) {
        if key.bytes() > QUESTION_BYTES_MAX {
            return;
        }
        let mut all = self.decided.write();
        if all.len() >= DECISIONS_MAX {
            all.clear();
        }
        all.insert(key, decided);
    }

    /// Lets go of all of it.
    pub(crate) fn forget(&self) {
        *self.decided.write() = HashMap::new();
    }
}

//! The bundle in force, and how a changed one takes its place.
//!
//! **Invariants:** a decision is made by one bundle as a whole; a bundle that doesn't load leaves
//! the one in force; a version that was in force here never comes to mean other content.

use std::collections::VecDeque;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};

use crate::authority::{Policy, PolicyUnavailable};
use crate::bundle::BundleError;
use crate::cedar::CedarPolicy;
use crate::data::ActionRule;
use crate::question::Question;
use crate::record::{BundleRef, PolicyRecord};

/// Bundles of earlier times that are kept to be looked at. They are in memory as texts and policies,
/// a few MiB each at the most.
const KEPT_MAX: usize = 16;

/// Whether a bundle decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It does.
    InForce,
    /// It did, since this process started.
    Superseded,
}

/// A bundle that is or was in force.
#[derive(Debug, Clone)]
pub struct Known {
    /// The bundle.
    pub policy: Arc<CedarPolicy>,
    /// Whether it decides.
    pub standing: Standing,
}

/// How the policy is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// What decides.
    pub in_force: BundleRef,
    /// Why the last look put nothing in force, where something is wrong with what it found.
    pub last_problem: Option<String>,
}

/// A policy whose bundle comes from a directory, which [`Reloading::refresh`] looks at again; or the
/// one that is compiled in, until another is published ([`Reloading::publish`]).
pub struct Reloading {
    directory: Option<PathBuf>,
    /// What decides. Locked for as long as it takes to copy a pointer.
    current: RwLock<Arc<CedarPolicy>>,
    superseded: Mutex<VecDeque<Arc<CedarPolicy>>>,
    last_problem: Mutex<Option<String>>,
    /// The publication that decides, 0 before the first. Held while a bundle takes another's place:
    /// two must not pass each other.
    published: Mutex<u64>,
}

impl fmt::Debug for Reloading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloading").field("status", &self.status()).finish_non_exhaustive()
    }
}

impl Reloading {
    /// The bundle in a directory.
    ///
    /// # Errors
    /// [`BundleError`]: what decides nothing at the start isn't started with.
    pub fn open(directory: &Path) -> Result<Self, BundleError> {
        let policy = CedarPolicy::load(directory)?;
        Ok(Self::holding(Some(directory.to_path_buf()), policy))
    }

    /// The bundle that is compiled in.
    ///
    /// # Errors
    /// [`BundleError::Invalid`], which no build that passed its tests gives.
    pub fn compiled_in() -> Result<Self, BundleError> {
        Ok(Self::holding(None, CedarPolicy::compiled_in()?))
    }

    fn holding(directory: Option<PathBuf>, policy: CedarPolicy) -> Self {
        Self {
            directory,
            current: RwLock::new(Arc::new(policy)),
            superseded: Mutex::new(VecDeque::new()),
            last_problem: Mutex::new(None),
            published: Mutex::new(0),
        }
    }

    /// Whether there is a directory to look at.
    #[must_use]
    pub const fn is_reloading(&self) -> bool {
        self.directory.is_some()
    }

    /// What decides at this moment.
    #[must_use]
    pub fn current(&self) -> Arc<CedarPolicy> {
        Arc::clone(&self.current.read())
    }

    /// What events name the bundle in force by.
    #[must_use]
    pub fn stamp(&self) -> Arc<str> {
        self.current.read().stamp()
    }

    /// Looks at the directory, and puts what it finds in force where that is another bundle; says
    /// whether it did. It reads files: from a task, call it where that may block.
    ///
    /// # Errors
    /// [`BundleError`]; what was in force stays, and the status says so until a look finds nothing
    /// wrong.
    pub fn refresh(&self) -> Result<bool, BundleError> {
        let Some(directory) = &self.directory else { return Ok(false) };
        let _published = self.published.lock();
        let looked = self.look(directory);
        let problem = looked.as_ref().err().map(told);
        *self.last_problem.lock() = problem;
        looked
    }

    fn look(&self, directory: &Path) -> Result<bool, BundleError> {
        let source = crate::source::Source::read(directory)?;
        let current = self.current();
        if source == *current.source() {
            return Ok(false);
        }
        let policy = CedarPolicy::new(source)?;
        self.check_version(policy.reference())?;
        self.put(policy);
        Ok(true)
    }

    /// Puts a bundle in force that was published as the `number`th; says whether it did. One that
    /// was published before the one that decides changes nothing, so it doesn't matter in which
    /// order, and how often, publications are heard of.
    ///
    /// # Panics
    /// Where the bundle comes from a directory: what decides has one source.
    pub fn publish(&self, number: u64, policy: CedarPolicy) -> bool {
        assert!(self.directory.is_none(), "a bundle of a directory is published there");
        let mut published = self.published.lock();
        if number <= *published {
            return false;
        }
        *published = number;
        *self.last_problem.lock() = None;
        if self.current().reference() != policy.reference() {
            self.put(policy);
        }
        true
    }

    /// The publication that decides; 0 where none does.
    #[must_use]
    pub fn publication(&self) -> u64 {
        *self.published.lock()
    }

    /// Says why what was published is not what decides.
    pub fn note_problem(&self, problem: Option<String>) {
        *self.last_problem.lock() = problem;
    }

    fn put(&self, policy: CedarPolicy) {
        let before = std::mem::replace(&mut *self.current.write(), Arc::new(policy));
        // Whoever still decides by it, to try it out, begins anew.
        before.forget();
        let mut superseded = self.superseded.lock();
        superseded.retain(|known| known.reference() != before.reference());
        superseded.push_front(before);
        superseded.truncate(KEPT_MAX);
    }

    /// Whether a version may stand for this bundle here. One that goes back to what was in force is
    /// as good as new.
    ///
    /// # Errors
    /// [`BundleError::VersionReused`].
    pub fn check_version(&self, found: &BundleRef) -> Result<(), BundleError> {
        let known = self.known();
        let mut of_version =
            known.iter().filter(|known| known.policy.reference().version == found.version);
        if of_version.any(|known| known.policy.reference().hash != found.hash) {
            return Err(BundleError::VersionReused { version: found.version.clone() });
        }
        Ok(())
    }

    /// The bundle in force and those before it, latest first.
    #[must_use]
    pub fn known(&self) -> Vec<Known> {
        let current = self.current();
        let superseded = self.superseded.lock();
        let before = superseded.iter().filter(|known| known.reference() != current.reference());
        let before = before.map(|policy| (Arc::clone(policy), Standing::Superseded));
        let all = std::iter::once((Arc::clone(&current), Standing::InForce)).chain(before);
        all.map(|(policy, standing)| Known { policy, standing }).collect()
    }

    /// How the policy is.
    #[must_use]
    pub fn status(&self) -> Status {
        Status {
            in_force: self.current().reference().clone(),
            last_problem: self.last_problem.lock().clone(),
        }
    }
}

impl Policy for Reloading {
    fn decide(&self, question: &Question) -> Result<PolicyRecord, PolicyUnavailable> {
        self.current().decide(question)
    }

    fn bundle(&self) -> Option<BundleRef> {
        self.current().bundle()
    }

    fn action_type(&self, task_type: &str) -> String {
        self.current().action_type(task_type)
    }

    fn rule(&self, action_type: &str) -> Option<ActionRule> {
        self.current().rule(action_type)
    }
}

/// An error with what caused it, for whoever reads a status.
fn told(error: &BundleError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

//! Personal data on its way through the runtime: which keys a piece of work needs, and what it
//! means that one isn't there.
//!
//! Sealing and opening happen inside serde, which can't wait; keys live in a database. So work is
//! done with the keys that are in memory, and notes what it missed. Where it missed any, its result
//! is thrown away, the keys are loaded, and it is done again (`Scope::complete`). Nothing has to
//! be declared for that to be right: a snapshot may hold the data of any number of subjects.
//!
//! **Invariant:** a key that is missing, or that can't be unwrapped, is never taken for one that
//! was destroyed: the first refuses the work, the second shows the value as erased.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use coppice_core::sensitive::{Sealed, Vault, with_vault};
use coppice_core::{Epoch, ShardId, StreamKey, SubjectId, TenantId};
use coppice_persistence::Destroyed;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;

use crate::answer::Failure;
use crate::services::Services;

/// Subjects, each once.
pub type Subjects = BTreeSet<SubjectId>;

/// How often work is done again for keys that it missed. Each time all that it missed are loaded,
/// so twice is the rule; more means that they leave the memory faster than they are used.
const ROUNDS_MAX: usize = 8;

/// Where personal data is met.
#[derive(Debug, Clone)]
pub struct Place {
    /// Whose entity.
    pub tenant: TenantId,
    /// The ownership that keys in memory are good for: an erasure goes to the owner, so another
    /// owner's keys may be out of date.
    pub epoch: Option<Epoch>,
}

/// Keys that work missed.
#[derive(Debug, Clone, Default)]
pub struct Wants {
    /// Whose.
    pub subjects: Subjects,
    /// Whether those that have none get one.
    pub make: bool,
}

/// Why personal data wasn't sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyFault {
    /// The key isn't in memory.
    NotLoaded,
    /// The subject has no key and never had one.
    NoKey,
    /// The key can't be used: the platform's key is missing, or is another one.
    Locked,
    /// The key was destroyed.
    Erased,
    /// What is sealed can't be opened; a sentence for people.
    Broken(String),
}

/// The keys of subjects. What is in memory answers at once; the rest is loaded.
pub trait Keys: fmt::Debug + Send + Sync + 'static {
    /// Whether something could be sealed for a subject, as far as is known.
    ///
    /// # Errors
    /// [`KeyFault::NotLoaded`], [`KeyFault::Locked`], [`KeyFault::Erased`].
    fn standing(&self, at: &Place, subject: &SubjectId) -> Result<(), KeyFault>;

    /// Encrypts for a subject.
    ///
    /// # Errors
    /// [`KeyFault`].
    fn seal(&self, at: &Place, subject: &SubjectId, plain: &[u8]) -> Result<Sealed, KeyFault>;

    /// Decrypts; `None` where the key was destroyed.
    ///
    /// # Errors
    /// [`KeyFault`].
    fn open(
        &self,
        at: &Place,
        subject: &SubjectId,
        sealed: &Sealed,
    ) -> Result<Option<Vec<u8>>, KeyFault>;

    /// Loads keys, or makes them.
    ///
    /// # Errors
    /// [`Failure`].
    fn load<'a>(&'a self, at: &'a Place, wants: &'a Wants) -> BoxFuture<'a, Result<(), Failure>>;

    /// Destroys a subject's key, on the disk and in memory; the end that stands then.
    ///
    /// # Errors
    /// [`Failure::TimedOut`] where it isn't known whether it is destroyed.
    fn erase<'a>(
        &'a self,
        at: &'a Place,
        subject: &'a SubjectId,
        end: &'a Destroyed,
    ) -> BoxFuture<'a, Result<Destroyed, Failure>>;
}

/// No keys: personal data is neither written nor read.
#[derive(Debug)]
pub(crate) struct NoKeys;

impl Keys for NoKeys {
    fn standing(&self, _: &Place, _: &SubjectId) -> Result<(), KeyFault> {
        Err(KeyFault::Locked)
    }

    fn seal(&self, _: &Place, _: &SubjectId, _: &[u8]) -> Result<Sealed, KeyFault> {
        Err(KeyFault::Locked)
    }

    fn open(&self, _: &Place, _: &SubjectId, _: &Sealed) -> Result<Option<Vec<u8>>, KeyFault> {
        Err(KeyFault::Locked)
    }

    fn load<'a>(&'a self, _: &'a Place, _: &'a Wants) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(std::future::ready(Err(Failure::PersonalDataLocked)))
    }

    fn erase<'a>(
        &'a self,
        _: &'a Place,
        _: &'a SubjectId,
        _: &'a Destroyed,
    ) -> BoxFuture<'a, Result<Destroyed, Failure>> {
        Box::pin(std::future::ready(Err(Failure::PersonalDataLocked)))
    }
}

/// A vault that has all its keys at hand, and its own way to destroy them.
pub struct AtHand(pub Arc<dyn Vault>);

impl fmt::Debug for AtHand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AtHand")
    }
}

impl Keys for AtHand {
    fn standing(&self, _: &Place, _: &SubjectId) -> Result<(), KeyFault> {
        Ok(())
    }

    fn seal(&self, _: &Place, subject: &SubjectId, plain: &[u8]) -> Result<Sealed, KeyFault> {
        // Such a vault refuses for one reason.
        self.0.seal(subject, plain).map_err(|_| KeyFault::Erased)
    }

    fn open(
        &self,
        _: &Place,
        subject: &SubjectId,
        sealed: &Sealed,
    ) -> Result<Option<Vec<u8>>, KeyFault> {
        self.0.open(subject, sealed).map_err(KeyFault::Broken)
    }

    fn load<'a>(&'a self, _: &'a Place, _: &'a Wants) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn erase<'a>(
        &'a self,
        _: &'a Place,
        _: &'a SubjectId,
        _: &'a Destroyed,
    ) -> BoxFuture<'a, Result<Destroyed, Failure>> {
        Box::pin(std::future::ready(Err(Failure::PersonalDataLocked)))
    }
}

impl Services {
    /// The ownership that personal data is handled under. All shards change hands together, so one
    /// speaks for all.
    pub(crate) fn place(&self, tenant: &TenantId) -> Place {
        Place { tenant: tenant.clone(), epoch: self.lease.epoch(ShardId(0)) }
    }

    /// The vault for one piece of work on an entity.
    pub(crate) fn scope(&self, key: &StreamKey) -> Arc<Scope> {
        Scope::new(Arc::clone(&self.keys), self.place(key.tenant()))
    }
}

/// Whose personal data an entity has in memory. Allocated by the first.
#[derive(Debug, Default)]
pub(crate) struct Holdings(Mutex<Option<Box<Subjects>>>);

impl Holdings {
    /// A new life begins with nothing.
    pub(crate) fn clear(&self) {
        *self.0.lock() = None;
    }

    /// Before the cell that has them in hand is idle again.
    pub(crate) fn add(&self, subjects: Subjects) {
        if !subjects.is_empty() {
            self.0.lock().get_or_insert_default().extend(subjects);
        }
    }

    pub(crate) fn has(&self, subject: &SubjectId) -> bool {
        self.0.lock().as_ref().is_some_and(|subjects| subjects.contains(subject))
    }
}

/// What a piece of work met of personal data.
#[derive(Debug, Default)]
struct Met {
    /// Whose data it had in hand.
    subjects: Subjects,
    wants: Wants,
    refusal: Option<Failure>,
}

/// The vault of one piece of work on one entity.
#[derive(Debug)]
pub(crate) struct Scope {
    keys: Arc<dyn Keys>,
    place: Place,
    met: Mutex<Met>,
}

impl Scope {
    pub(crate) fn new(keys: Arc<dyn Keys>, place: Place) -> Arc<Self> {
        Arc::new(Self { keys, place, met: Mutex::default() })
    }

    /// Does work with the keys that are in memory.
    pub(crate) fn run<R>(self: &Arc<Self>, work: impl FnOnce() -> R) -> R {
        with_vault(Arc::clone(self) as Arc<dyn Vault>, work)
    }

    /// Does work that may be done again until it misses no key.
    ///
    /// # Errors
    /// [`Failure`], where a key can't be loaded or used.
    pub(crate) async fn complete<R>(
        self: &Arc<Self>,
        work: impl Fn() -> R + Send,
    ) -> Result<R, Failure> {
        for _ in 0..ROUNDS_MAX {
            let done = self.run(&work);
            let Some(wants) = self.wants()? else { return Ok(done) };
            drop(done);
            self.keys.load(&self.place, &wants).await?;
        }
        Err(Failure::StoreUnavailable)
    }

    /// What the work missed, once: with any, its result counts for nothing.
    ///
    /// # Errors
    /// [`Failure`], where it met a key that can't be used.
    pub(crate) fn wants(&self) -> Result<Option<Wants>, Failure> {
        let mut met = self.met.lock();
        if let Some(refusal) = met.refusal.take() {
            met.wants = Wants::default();
            return Err(refusal);
        }
        let wants = std::mem::take(&mut met.wants);
        Ok((!wants.subjects.is_empty()).then_some(wants))
    }

    pub(crate) async fn load(&self, wants: &Wants) -> Result<(), Failure> {
        self.keys.load(&self.place, wants).await
    }

    /// Loads what is known to be needed, all at once.
    pub(crate) async fn expect(&self, subjects: Subjects) -> Result<(), Failure> {
        let unknown = |subject: &SubjectId| !self.knows(subject);
        let subjects: Subjects = subjects.into_iter().filter(unknown).collect();
        if subjects.is_empty() {
            return Ok(());
        }
        self.load(&Wants { subjects, make: false }).await
    }

    /// Whether it is in memory what became of a subject's key.
    pub(crate) fn knows(&self, subject: &SubjectId) -> bool {
        self.keys.standing(&self.place, subject) != Err(KeyFault::NotLoaded)
    }

    /// Whether something may be sealed for a subject, as far as is known.
    ///
    /// # Errors
    /// [`Failure::SubjectErased`] or [`Failure::PersonalDataLocked`].
    pub(crate) fn admit(&self, subject: &SubjectId) -> Result<(), Failure> {
        match self.keys.standing(&self.place, subject) {
            Err(KeyFault::Erased) => Err(Failure::SubjectErased),
            Err(KeyFault::Locked) => Err(Failure::PersonalDataLocked),
            Ok(()) | Err(KeyFault::NotLoaded | KeyFault::NoKey | KeyFault::Broken(_)) => Ok(()),
        }
    }

    /// Whose data the work had in hand.
    pub(crate) fn subjects(&self) -> Subjects {
        std::mem::take(&mut self.met.lock().subjects)
    }

    fn note(&self, fault: KeyFault, subject: &SubjectId) -> String {
        let mut met = self.met.lock();
        match fault {
            KeyFault::NotLoaded => {
                met.wants.subjects.insert(subject.clone());
                "the subject's key is not in memory".to_owned()
            }
            KeyFault::NoKey => "the subject's key is not there".to_owned(),
            KeyFault::Locked => {
                met.refusal = Some(Failure::PersonalDataLocked);
                "the subject's key can't be used".to_owned()
            }
            KeyFault::Erased => {
                met.refusal = Some(Failure::SubjectErased);
                "the subject's key was destroyed".to_owned()
            }
            KeyFault::Broken(problem) => problem,
        }
    }
}

impl Vault for Scope {
    fn seal(&self, subject: &SubjectId, plain: &[u8]) -> Result<Sealed, String> {
        match self.keys.seal(&self.place, subject, plain) {
            Ok(sealed) => {
                self.met.lock().subjects.insert(subject.clone());
                Ok(sealed)
            }
            Err(KeyFault::NoKey) => {
                let problem = self.note(KeyFault::NotLoaded, subject);
                self.met.lock().wants.make = true;
                Err(problem)
            }
            Err(fault) => Err(self.note(fault, subject)),
        }
    }

    fn open(&self, subject: &SubjectId, sealed: &Sealed) -> Result<Option<Vec<u8>>, String> {
        match self.keys.open(&self.place, subject, sealed) {
            Ok(Some(plain)) => {
                self.met.lock().subjects.insert(subject.clone());
                Ok(Some(plain))
            }
            Ok(None) => Ok(None),
            // As if it were erased, so that one pass finds all that is missing; what comes of it is
            // thrown away.
            Err(KeyFault::NotLoaded) => {
                self.note(KeyFault::NotLoaded, subject);
                Ok(None)
            }
            Err(fault) => Err(self.note(fault, subject)),
        }
    }
}

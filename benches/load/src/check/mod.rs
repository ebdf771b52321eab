//! A verdict on correctness: what the generator was told, against what the node serves afterwards.
//!
//! | Of | What must hold | Where |
//! |---|---|---|
//! | counters | every acknowledged add is in its stream once, where and as it was answered; nothing else is; the order respects real time; reads and repetitions agree | `counter` |
//! | money | entries sum to zero, both sides hold the same, no bound is crossed, an intent is decided once, every reservation ends | `money` |
//! | workflows | every acknowledged one ended, each step has one result | `workflow` |
//! | effects | every acknowledged alarm was heard, under one key and with one body, and twice only where a fault explains it | [`effects`] |
//!
//! [`Check`] has them by name. An event leads back to its operation by its correlation id
//! ([`crate::record::correlation`]).
//!
//! **Size.** Entries come sorted by key and one key is in memory at a time ([`Options::at_once`]
//! of them), about 60 bytes a try; events come page by page and none is kept. Of money and workflows
//! there are a few dozen bytes for each operation.
//!
//! **What it can't show.** It believes the node's API: a journal that is served as it should be and
//! stored otherwise is for `coppice verify`. Counters that the run never touched aren't looked at.
//! An add without idempotency key that was tried several times and stands there several times has no
//! place in the order. Whatever had no answer yet when its entity was read may happen afterwards.

mod asked;
mod counter;
pub mod effects;
pub mod elle;
mod http;
mod links;
#[cfg(test)]
mod memory;
mod money;
mod served;
#[cfg(test)]
mod tests;
mod verdict;
mod workflow;

use std::time::Duration;

use futures_util::{StreamExt, stream};
use thiserror::Error;

use self::asked::Asked;
use self::counter::Counter;
use self::effects::Ear;
use self::elle::{Elle, Told};
pub use self::http::HttpServed;
pub use self::served::{Event, Served, ServedError, View};
pub use self::verdict::{Check, KEPT_MAX, Tally, Verdict, Violation};
use crate::record::{Entry, Nanos, Operation};

/// The kind that adds go to.
const COUNTER: &str = "counter";
/// Entities that are asked for at once: a node answers reads fast, so few keep it busy.
pub const AT_ONCE: usize = 8;
/// How long what goes on by itself (workflows, expiries) is waited for after the run.
pub const SETTLE: Duration = Duration::from_secs(30);

/// How a run is judged.
#[derive(Debug, Clone)]
pub struct Options {
    /// Names the run in correlation ids.
    pub run: u64,
    /// Counters are called `{prefix}-{key}`.
    pub prefix: String,
    /// Nobody else uses the run's counters: whatever else is in them is invented. Else it is what they
    /// begin from, and go on with.
    pub alone: bool,
    /// How many generators there were.
    pub generators: u64,
    /// How far their clocks may be apart.
    pub skew: Nanos,
    /// Entities that are asked for at once.
    pub at_once: usize,
    /// How long workflows and reservations that have to end, and alarms that have to ring, are waited
    /// for.
    pub settle: Duration,
    /// Whoever heard the alarms.
    pub ear: Option<Ear>,
}

impl Options {
    /// For one generator that had the counters to itself.
    #[must_use]
    pub fn new(run: u64, prefix: impl Into<String>) -> Self {
        Self {
            run,
            prefix: prefix.into(),
            alone: true,
            generators: 1,
            skew: 0,
            at_once: AT_ONCE,
            settle: SETTLE,
            ear: None,
        }
    }
}

/// Why there is no verdict.
#[derive(Debug, Error)]
pub enum CheckError<E> {
    /// The node doesn't serve what is to be checked.
    #[error("what the node serves can not be had")]
    Served(#[from] ServedError),
    /// The recording can't be read.
    #[error("the recording can not be read")]
    Recording(#[source] E),
    /// The recording isn't sorted by key.
    #[error("key {key} comes behind {after} in the recording")]
    Unsorted {
        /// The key.
        key: u64,
        /// A larger one that came before.
        after: u64,
    },
}

/// Judges a run by its entries, sorted by key, and what is served. Where `elle` is given, what was
/// told of counters is added to it.
///
/// # Errors
/// [`CheckError`]
pub async fn check<S: Served, E>(
    served: &S,
    options: &Options,
    entries: impl Iterator<Item = Result<Entry, E>>,
    mut elle: Option<&mut Elle>,
) -> Result<Verdict, CheckError<E>> {
    let mut asked = Asked::default();
    let wants_history = elle.is_some();
    let groups = Groups { entries: entries.peekable(), after: None };
    let counters = groups.filter_map(|group| match group {
        Ok((key, tries)) => asked.take(tries).map(|tries| Ok((key, tries))),
        Err(error) => Some(Err(error)),
    });
    let counters = counters.map(|group| async move {
        let (key, tries) = group?;
        Ok::<_, CheckError<E>>(one_counter(served, options, key, &tries, wants_history).await?)
    });
    let mut verdict = Verdict::default();
    let mut judged = stream::iter(counters).buffered(options.at_once.max(1));
    while let Some(one) = judged.next().await {
        let (one, told) = one?;
        verdict.absorb(one);
        if let (Some(elle), Some(told)) = (elle.as_deref_mut(), told) {
            elle.add(&told);
        }
    }
    drop(judged);
    verdict.absorb(workflow::check(served, options, &asked).await?);
    verdict.absorb(money::check(served, options, &asked).await?);
    verdict.absorb(effects::judge(options, &asked).await);
    Ok(verdict)
}

async fn one_counter<S: Served>(
    served: &S,
    options: &Options,
    key: u64,
    tries: &[Entry],
    wants_history: bool,
) -> Result<(Verdict, Option<Told>), ServedError> {
    let id = format!("{}-{key}", options.prefix);
    let mut counter = Counter::new(&id, tries, options);
    // The state before the events: what comes in between is in the events all the same.
    let view = served.view(COUNTER, &id).await?;
    let mut after = 0;
    loop {
        let page = served.events(COUNTER, &id, after).await?;
        page.iter().for_each(|event| counter.event(event));
        match page.last() {
            // A node that doesn't get on is asked no more: that it repeats itself is a gap already.
            Some(last) if last.sequence > after => after = last.sequence,
            _ => return Ok(counter.finish(view.as_ref(), wants_history)),
        }
    }
}

/// Entries of one key after another.
struct Groups<I: Iterator> {
    entries: std::iter::Peekable<I>,
    after: Option<u64>,
}

impl<E, I: Iterator<Item = Result<Entry, E>>> Iterator for Groups<I> {
    type Item = Result<(u64, Vec<Entry>), CheckError<E>>;

    fn next(&mut self) -> Option<Self::Item> {
        let first = match self.entries.next()? {
            Ok(entry) => entry,
            Err(error) => return Some(Err(CheckError::Recording(error))),
        };
        let key = first.key;
        if let Some(after) = self.after.filter(|after| *after >= key) {
            return Some(Err(CheckError::Unsorted { key, after }));
        }
        self.after = Some(key);
        let mut group = vec![first];
        let of_key = |entry: &Result<Entry, E>| entry.as_ref().is_ok_and(|entry| entry.key == key);
        while let Some(Ok(entry)) = self.entries.next_if(of_key) {
            group.push(entry);
        }
        Some(Ok((key, group)))
    }
}

/// Whether an operation is on a counter.
const fn is_of_counter(operation: Operation) -> bool {
    matches!(operation, Operation::Add | Operation::Read)
}

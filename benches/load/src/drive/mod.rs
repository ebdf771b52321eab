//! Carrying the plan out: threads that each do a slice of it.
//!
//! A pacing thread hands over what is due. What comes up while too much is under way is dropped and
//! counted; what begins late is late. Nothing is filled in afterwards. Each sending thread has a
//! runtime of its own on which all its operations run, so that nothing is shared and nothing locked.

mod answer;
mod calls;
mod deeds;
mod pacer;
mod setup;
mod worker;

use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread;

use thiserror::Error;

pub(crate) use calls::op_of_timer;
pub use deeds::{Deed, Deeds};
pub use setup::{SetupError, open_accounts};

use crate::measuring::{Sight, Tally};
use crate::plan::{Plan, Slice, Stretch};
use crate::record::Nanos;
use crate::recording::Recording;
use crate::scenario::Idempotency;
use crate::stop::Stop;
use crate::wire::{Clock, Target};

/// Batches of starts that may wait between the pacing thread and the one that sends.
const BATCHES_MAX: usize = 256;

/// A thread of the generator can't be started.
#[derive(Debug, Error)]
#[error("a thread of the generator could not be started")]
pub struct DriveError(#[source] std::io::Error);

/// What the threads need to know, the same for all.
#[derive(Debug, Clone)]
pub struct Driver {
    /// What each operation does.
    pub deeds: Arc<Deeds>,
    /// Where to.
    pub target: Target,
    /// Time since the run began.
    pub clock: Clock,
    /// How long an answer may take.
    pub timeout: Nanos,
    /// Operations that have begun and not ended, over all threads of all generators.
    pub in_flight_max: u32,
    /// Connections of the open loop, likewise.
    pub connections_max: u32,
    /// How commands are repeated.
    pub idempotency: Idempotency,
    /// Threads that send.
    pub threads: u32,
    /// Which part of the plan is this generator's.
    pub slice: Slice,
    /// By phase: whether it counts.
    pub counts: Vec<bool>,
    /// Whoever may want the run to end before its time.
    pub stop: Stop,
}

impl Driver {
    /// Carries some phases out, from `base` on, and returns once all that began has ended.
    ///
    /// # Errors
    ///
    /// Where a thread can't be started.
    ///
    /// # Panics
    ///
    /// Where one of the threads did.
    pub fn run(
        &self,
        stretches: &[Stretch],
        base: Nanos,
        recording: &Recording,
        onlooker: Option<&SyncSender<Sight>>,
    ) -> Result<Tally, DriveError> {
        let mut tally = Tally::new(self.counts.clone(), base, None);
        let tallies = thread::scope(|scope| {
            let mut threads = Vec::new();
            for index in 0..self.threads {
                let slice = self.slice.part(index, self.threads);
                let plan = Plan::new(stretches.to_vec(), self.deeds.seed(), slice);
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let runtime = runtime.map_err(DriveError)?;
                let recorder = recording.recorder();
                let tally = Tally::new(self.counts.clone(), base, onlooker.cloned());
                let (starts, due) = tokio::sync::mpsc::channel(BATCHES_MAX);
                let pacing = move || pacer::pace(plan, self.clock, base, &self.stop, &starts);
                let pacer = thread::Builder::new().name(format!("load-pacer-{index}"));
                pacer.spawn_scoped(scope, pacing).map_err(DriveError)?;
                let sending = move || worker::run(self, index, &runtime, due, tally, recorder);
                let sender = thread::Builder::new().name(format!("load-sender-{index}"));
                threads.push(sender.spawn_scoped(scope, sending).map_err(DriveError)?);
            }
            let ended = threads.into_iter().map(|thread| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            });
            Ok(ended.collect::<Vec<Tally>>())
        })?;
        for one in tallies {
            tally.merge(one);
        }
        Ok(tally)
    }
}

#[cfg(test)]
mod tests;

//! A child that does what a test tells it to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use coppice_supervisors::{ChildHandle, ChildSpec};
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};

use crate::record::{Record, soon};

/// What a probe can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Do {
    StopNormally,
    StopWithShutdown,
    Fail,
    Panic,
    /// Not a message: the test kills the actor.
    BeKilled,
    /// Hears nothing for so long.
    Work(Duration),
    /// Links a further actor of this name.
    Link(&'static str),
    /// Links several more, without names.
    Brood,
}

/// How a probe starts and ends.
#[derive(Debug, Clone, Default)]
pub(crate) struct Manner {
    /// How long it takes to start.
    pub(crate) start: Duration,
    /// How many of its starts fail, from its `fail_from`th incarnation on.
    pub(crate) failing_starts: u64,
    pub(crate) fail_from: u64,
    /// How long it takes to stop when asked.
    pub(crate) stop: Duration,
    /// Where it says that it has stopped.
    pub(crate) record: Option<Record>,
}

pub(crate) struct Probe {
    name: &'static str,
    manner: Manner,
    incarnation: u64,
}

/// Is dropped with the probe, however that ends.
pub(crate) struct Trace(Option<(Record, String)>);

impl Drop for Trace {
    fn drop(&mut self) {
        if let Some((record, line)) = &self.0 {
            record.write(line.as_str());
        }
    }
}

impl Actor for Probe {
    type Msg = Do;
    type State = Trace;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Do>, (): ()) -> Result<Trace, ActorProcessingErr> {
        tokio::time::sleep(self.manner.start).await;
        let (from, count) = (self.manner.fail_from, self.manner.failing_starts);
        if (from..from + count).contains(&self.incarnation) {
            return Err("not this time".into());
        }
        let record = self.manner.record.clone();
        Ok(Trace(record.map(|record| (record, format!("{}{} over", self.name, self.incarnation)))))
    }

    async fn handle(
        &self,
        myself: ActorRef<Do>,
        what: Do,
        _: &mut Trace,
    ) -> Result<(), ActorProcessingErr> {
        match what {
            Do::StopNormally => myself.stop(None),
            Do::StopWithShutdown => myself.stop(Some("shutdown".to_owned())),
            Do::Fail => return Err("told to fail".into()),
            Do::Panic => panic!("told to panic"),
            Do::BeKilled => myself.kill(),
            Do::Work(time) => tokio::time::sleep(time).await,
            Do::Link(name) => {
                let probe = Self { name, manner: self.manner.clone(), incarnation: 0 };
                let linked =
                    Self::spawn_linked(Some(name.to_owned()), probe, (), myself.get_cell());
                linked.await?;
            }
            Do::Brood => {
                for name in ["brood1-", "brood2-", "brood3-", "brood4-"] {
                    let probe = Self { name, manner: self.manner.clone(), incarnation: 0 };
                    Self::spawn_linked(None, probe, (), myself.get_cell()).await?;
                }
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Do>,
        _: SupervisionEvent,
        _: &mut Trace,
    ) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn post_stop(&self, _: ActorRef<Do>, _: &mut Trace) -> Result<(), ActorProcessingErr> {
        tokio::time::sleep(self.manner.stop).await;
        Ok(())
    }
}

/// A probe that starts and stops at once.
pub(crate) fn probe(name: &'static str) -> ChildSpec {
    probe_that(name, Manner::default())
}

pub(crate) fn probe_that(name: &'static str, manner: Manner) -> ChildSpec {
    let starts = Arc::new(AtomicU64::new(0));
    ChildSpec::actor(name, move |incarnation| {
        let counted = starts.fetch_add(1, Ordering::Relaxed) + 1;
        assert_eq!(counted, incarnation, "incarnations count the starts");
        (Probe { name, manner: manner.clone(), incarnation }, ())
    })
}

/// Tells the running incarnation of a probe what to do.
pub(crate) fn tell(child: &ChildHandle, what: Do) {
    let actor = child.actor::<Do>().expect("the probe must be up");
    if what == Do::BeKilled {
        actor.kill();
    } else {
        actor.cast(what).expect("the probe must be alive");
    }
}

/// Makes the running incarnation end so, and waits for the next.
pub(crate) async fn tell_and_wait(child: &ChildHandle, what: Do) {
    let incarnation = child.status().incarnation;
    tell(child, what);
    soon(child.up_after(incarnation)).await.expect("the child is still specified");
}

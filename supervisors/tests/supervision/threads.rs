//! The same guarantees where everything really happens at once: many threads, time that runs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use coppice_supervisors::{
    ChildHandle, ChildSpec, ChildState, Outcome, RequestError, Strategy, SupervisorSpec,
    TaskContext, Tree, TreeOptions,
};
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::time::timeout;

use crate::probe::{Do, probe};
use crate::record::{Record, ms, pass, secs};

/// Far longer than any of it takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Ends a child if it is up, in one of four ways.
fn end(child: &ChildHandle, how: usize) {
    let Some(actor) = child.actor::<Do>() else { return };
    match how % 4 {
        0 => drop(actor.cast(Do::Fail)),
        1 => drop(actor.cast(Do::StopNormally)),
        2 => actor.kill(),
        _ => drop(actor.cast(Do::Link("shared-grandchild"))),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn groups_come_back_whole_whatever_falls_at_once() {
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
        let record = Record::new();
        let children = ["a", "b", "c", "d"].map(probe);
        let handles = children.each_ref().map(ChildSpec::handle);
        let mut spec = SupervisorSpec::new("root", strategy).intensity(10_000, secs(60));
        for child in children {
            spec = spec.child(child);
        }
        let tree = Tree::start(spec, record.options()).await.unwrap();
        for round in 0..300 {
            end(&handles[0], round);
            end(&handles[1 + round % 3], round / 3);
            for handle in &handles {
                let up = timeout(PATIENCE, handle.up()).await;
                assert!(up.is_ok(), "{strategy:?}, {round}: {:?}", record.lines().last());
            }
        }
        let outcome = timeout(PATIENCE, tree.shutdown()).await.unwrap();
        assert_eq!(outcome, Outcome::Shutdown, "{strategy:?}");
        let downs = record.lines().iter().filter(|line| line.contains("unknown")).count();
        assert_eq!(downs, 0);
    }
}

/// Counts itself as long as it lives.
struct Alive(Arc<AtomicUsize>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_incarnation_meets_its_predecessor() {
    let alive = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&alive);
    let task = ChildSpec::task("t", move |context: TaskContext| {
        let count = Arc::clone(&count);
        async move {
            assert_eq!(count.fetch_add(1, Ordering::SeqCst), 0, "two at once");
            let _alive = Alive(count);
            tokio::task::yield_now().await;
            if context.incarnation < 500 {
                return Err("told to fail");
            }
            context.stop.raised().await;
            Ok(())
        }
    });
    let handle = task.handle();
    let spec = SupervisorSpec::new("root", Strategy::OneForOne);
    let spec = spec.intensity(600, secs(60)).child(task);
    let tree = Tree::start(spec, TreeOptions::new(1)).await.unwrap();
    timeout(PATIENCE, handle.up_after(499)).await.unwrap().unwrap();
    assert_eq!(handle.status().incarnation, 500);
    tree.shutdown().await;
    assert_eq!(alive.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn thousands_of_dynamic_children_come_and_go() {
    let spec = SupervisorSpec::new("root", Strategy::Dynamic).children_max(3_000);
    let tree = Tree::start(spec, TreeOptions::new(1)).await.unwrap();
    let supervisor = tree.supervisor();
    for number in 0..3_000 {
        let child = ChildSpec::task(format!("t{number}"), |context: TaskContext| async move {
            context.stop.raised().await;
            Ok::<_, std::convert::Infallible>(())
        });
        supervisor.start_child(child).await.unwrap();
    }
    assert_eq!(supervisor.count_children().await.unwrap().active, 3_000);
    let full = supervisor.start_child(probe("one more")).await.unwrap_err();
    assert_eq!(full, RequestError::TooMany(3_000));
    let outcome = timeout(PATIENCE, tree.shutdown()).await.unwrap();
    assert_eq!(outcome, Outcome::Shutdown);
}

/// Holds a thread until the test opens the gate: nothing but the gate ends it, not even a kill.
struct Blocked;

/// Links a [`Blocked`] and then does as it is told.
struct Holder {
    gate: Gate,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Passage {
    #[default]
    Free,
    Occupied,
    Open,
}

type Gate = Arc<(Mutex<Passage>, Condvar)>;

fn passage(gate: &Gate) -> MutexGuard<'_, Passage> {
    gate.0.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens the gate when it is dropped: a test that fails must not hang instead.
struct Opener(Gate);

impl Drop for Opener {
    fn drop(&mut self) {
        *passage(&self.0) = Passage::Open;
        self.0.1.notify_all();
    }
}

impl Actor for Blocked {
    type Msg = Gate;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Gate>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(
        &self,
        _: ActorRef<Gate>,
        gate: Gate,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        // The other tasks of this thread go on elsewhere.
        tokio::task::block_in_place(|| {
            let mut occupied = passage(&gate);
            *occupied = Passage::Occupied;
            drop(gate.1.wait_while(occupied, |passage| *passage != Passage::Open));
        });
        Ok(())
    }
}

impl Actor for Holder {
    type Msg = Do;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Do>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(
        &self,
        myself: ActorRef<Do>,
        how: Do,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        let (blocked, _) = Blocked::spawn_linked(None, Blocked, (), myself.get_cell()).await?;
        blocked.cast(Arc::clone(&self.gate))?;
        while *passage(&self.gate) != Passage::Occupied {
            tokio::task::yield_now().await;
        }
        match how {
            Do::Fail => Err("told to fail".into()),
            Do::Panic => panic!("told to panic"),
            Do::StopNormally => {
                myself.stop(None);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Do>,
        _: SupervisionEvent,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_comes_back_while_a_descendant_is_still_there() {
    // `Brood` only links; the kill then meets an idle actor.
    for how in [Do::Fail, Do::Panic, Do::StopNormally, Do::Brood] {
        let gate = Gate::default();
        let opener = Opener(Arc::clone(&gate));
        let shared = Arc::clone(&gate);
        let child = ChildSpec::actor("a", move |_| (Holder { gate: Arc::clone(&shared) }, ()));
        let handle = child.handle();
        let spec = SupervisorSpec::new("root", Strategy::OneForOne).child(child);
        let tree = Tree::start(spec, TreeOptions::new(1)).await.unwrap();
        let cell = handle.cell().unwrap();
        cell.send_message(how).unwrap();
        if how == Do::Brood {
            let occupied = async {
                while *passage(&gate) != Passage::Occupied {
                    pass(ms(1)).await;
                }
            };
            timeout(PATIENCE, occupied).await.unwrap();
            // It has heard of the start when it is idle again.
            pass(ms(50)).await;
            cell.kill();
        }
        timeout(PATIENCE, cell.wait(None)).await.unwrap().unwrap();
        // Time enough for a supervisor that doesn't wait.
        pass(ms(50)).await;
        assert_ne!(handle.state(), ChildState::Up, "{how:?}");
        assert_eq!(handle.status().incarnation, 1, "{how:?}");
        drop(opener);
        timeout(PATIENCE, handle.up_after(1)).await.unwrap().unwrap();
        assert_eq!(timeout(PATIENCE, tree.shutdown()).await.unwrap(), Outcome::Shutdown);
    }
}

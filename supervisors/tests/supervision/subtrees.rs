//! What is below a child is gone before the child comes back.

use coppice_supervisors::{ChildHandle, ChildSpec, Shutdown, Strategy, SupervisorSpec, Tree};
use ractor::registry::where_is;

use crate::probe::{Do, Manner, probe_that, tell};
use crate::record::{Record, ms, pass, secs, soon};

async fn start(name: &'static str, manner: Manner) -> (Tree, Record, ChildHandle) {
    let record = Record::new();
    let manner = Manner { record: Some(record.clone()), ..manner };
    let child = probe_that(name, manner).shutdown(Shutdown::Timeout(secs(1)));
    let handle = child.handle();
    let spec =
        SupervisorSpec::new("root", Strategy::OneForOne).intensity(1_000, secs(60)).child(child);
    (Tree::start(spec, record.options()).await.expect("the tree must start"), record, handle)
}

async fn link(child: &ChildHandle, name: &'static str) {
    tell(child, Do::Link(name));
    soon(async {
        while where_is(name).is_none() {
            pass(ms(1)).await;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_named_grandchild_never_meets_its_predecessor() {
    for (exit, name) in [
        (Do::Fail, "grandchild-fail"),
        (Do::Panic, "grandchild-panic"),
        (Do::BeKilled, "grandchild-kill"),
        (Do::StopNormally, "grandchild-stop"),
    ] {
        let (_tree, record, child) = start("a", Manner::default()).await;
        for incarnation in 1..=50 {
            // A collision would be a crash of its own, and show in the count.
            link(&child, name).await;
            tell(&child, exit);
            soon(child.up_after(incarnation)).await.unwrap();
            assert_eq!(child.status().incarnation, incarnation + 1, "{exit:?}");
        }
        let lines = record.take();
        let over = format!("{name}0 over");
        for (place, _) in lines.iter().enumerate().filter(|(_, line)| line.ends_with("restarts")) {
            let before = lines[..place].iter().filter(|line| **line == over).count();
            let exits = lines[..place].iter().filter(|line| line.contains("exit")).count();
            assert_eq!(before, exits, "{exit:?}: every grandchild is over before the restart");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_state_of_the_old_incarnation_is_dropped_before_the_new_one_starts() {
    for exit in [Do::Fail, Do::Panic, Do::BeKilled, Do::StopNormally] {
        let (_tree, record, child) = start("a", Manner::default()).await;
        record.take();
        tell(&child, exit);
        soon(child.up_after(1)).await.unwrap();
        let lines = record.take();
        assert_eq!(lines[0], "a1 over", "{exit:?}: {lines:#?}");
        assert_eq!(lines.last().unwrap(), "a2 up");
    }
}

#[tokio::test(start_paused = true)]
async fn descendants_of_a_child_that_is_stopped_are_waited_for_too() {
    let (tree, record, child) = start("a", Manner::default()).await;
    link(&child, "grandchild-shutdown").await;
    record.take();
    tree.supervisor().terminate_child("a").await.unwrap();
    let lines = record.take();
    assert_eq!(lines.last().unwrap(), "a1 down (shutdown)");
    assert!(lines.contains(&"grandchild-shutdown0 over".to_owned()), "{lines:?}");
    assert!(where_is("grandchild-shutdown").is_none());
}

#[tokio::test(start_paused = true)]
async fn descendants_of_a_child_that_is_killed_are_waited_for_too() {
    let (tree, record, child) = start("a", Manner { stop: secs(60), ..Manner::default() }).await;
    link(&child, "grandchild-overdue").await;
    record.take();
    tree.supervisor().terminate_child("a").await.unwrap();
    let lines = record.take();
    assert_eq!(lines.last().unwrap(), "a1 down (killed)");
    assert!(lines.contains(&"grandchild-overdue0 over".to_owned()), "{lines:?}");
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "a state that can't be dropped");
    }
}

struct Armed;

impl ractor::Actor for Armed {
    type Msg = Do;
    type State = Bomb;
    type Arguments = ();

    async fn pre_start(
        &self,
        _: ractor::ActorRef<Do>,
        (): (),
    ) -> Result<Bomb, ractor::ActorProcessingErr> {
        Ok(Bomb)
    }

    async fn handle(
        &self,
        myself: ractor::ActorRef<Do>,
        what: Do,
        _: &mut Bomb,
    ) -> Result<(), ractor::ActorProcessingErr> {
        match what {
            Do::Fail => Err("told to fail".into()),
            _ => {
                myself.stop(None);
                Ok(())
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_state_that_panics_when_dropped_does_not_reach_the_supervisor() {
    for exit in [Do::Fail, Do::BeKilled, Do::StopNormally] {
        let record = Record::new();
        let child = ChildSpec::actor("a", |_| (Armed, ()));
        let handle = child.handle();
        let spec = SupervisorSpec::new("root", Strategy::OneForOne).child(child);
        let _tree = Tree::start(spec, record.options()).await.unwrap();
        tell(&handle, exit);
        soon(handle.up_after(1)).await.unwrap();
        assert!(record.has("a restarts"), "{exit:?}");
    }
}

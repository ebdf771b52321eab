//! Plain tasks as children.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use coppice_supervisors::{
    ChildSpec, ExitReason, Outcome, Restart, Shutdown, Strategy, SupervisorSpec, TaskContext, Tree,
};

use crate::record::{Record, ms, pass, secs, soon};

fn root(child: ChildSpec) -> SupervisorSpec {
    SupervisorSpec::new("root", Strategy::OneForOne).intensity(3, secs(60)).child(child)
}

#[tokio::test(start_paused = true)]
async fn ok_is_a_normal_exit_and_err_or_panic_a_crash() {
    let expected = [("ok", "normal"), ("err", "crash"), ("panic", "crash")];
    for (how, exit) in expected {
        let record = Record::new();
        let task = ChildSpec::task("t", move |context: TaskContext| async move {
            match (how, context.incarnation) {
                ("ok", 1) => return Ok(()),
                ("err", 1) => return Err("told to fail"),
                ("panic", 1) => panic!("told to panic"),
                _ => context.stop.raised().await,
            }
            Ok(())
        });
        let handle = task.handle();
        let tree = Tree::start(root(task), record.options()).await.unwrap();
        soon(handle.up_after(1)).await.unwrap();
        assert!(record.has(&format!("t1 exit ({exit})")), "{how}: {:?}", record.lines());
        assert_eq!(tree.shutdown().await, Outcome::Shutdown);
        assert!(record.has("t2 down (shutdown)"), "{how}: {:?}", record.lines());
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_is_asked_to_stop_and_dropped_when_its_time_is_up() {
    struct Dropped(Arc<AtomicBool>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    for (needs_s, end, took_s) in [(2, "shutdown", 2), (50, "killed", 4)] {
        let record = Record::new();
        let is_dropped = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&is_dropped);
        let task = ChildSpec::task("t", move |context: TaskContext| {
            let dropped = Dropped(Arc::clone(&flag));
            async move {
                assert!(!context.stop.is_raised());
                context.stop.raised().await;
                pass(secs(needs_s)).await;
                drop(dropped);
                Ok::<_, Infallible>(())
            }
        });
        let spec = root(task.shutdown(Shutdown::Timeout(secs(4))));
        let tree = Tree::start(spec, record.options()).await.unwrap();
        pass(ms(10)).await;
        let asked = tokio::time::Instant::now();
        assert_eq!(tree.shutdown().await, Outcome::Shutdown);
        assert_eq!(asked.elapsed().as_secs(), took_s);
        assert!(record.has(&format!("t1 down ({end})")), "{:?}", record.lines());
        assert!(is_dropped.load(Ordering::SeqCst));
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_fails_on_being_stopped_is_stopped_all_the_same() {
    let record = Record::new();
    let task = ChildSpec::task("t", |context: TaskContext| async move {
        context.stop.raised().await;
        Err::<(), _>("could not close")
    });
    let tree = Tree::start(root(task), record.options()).await.unwrap();
    pass(ms(10)).await;
    assert_eq!(tree.shutdown().await, Outcome::Shutdown);
    assert!(record.has("t1 down (crash)"), "{:?}", record.lines());
}

#[tokio::test(start_paused = true)]
async fn a_service_is_up_when_it_is_ready_and_only_then_the_next_starts() {
    let record = Record::new();
    let written = record.clone();
    let service = ChildSpec::service("store", move |context: TaskContext| {
        let record = written.clone();
        async move {
            pass(secs(2)).await;
            record.write("opened");
            Ok::<_, Infallible>(async move {
                context.stop.raised().await;
                record.write("closed");
                Ok(())
            })
        }
    });
    let after = ChildSpec::task("after", |context: TaskContext| async move {
        context.stop.raised().await;
        Ok::<_, Infallible>(())
    });
    let tree = Tree::start(root(service).child(after), record.options()).await.unwrap();
    assert_eq!(tree.shutdown().await, Outcome::Shutdown);
    assert_eq!(
        record.take(),
        [
            "opened",
            "store1 up",
            "after1 up",
            "all up",
            "after1 down (shutdown)",
            "closed",
            "store1 down (shutdown)",
            "all down",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_service_that_does_not_get_ready_fails_to_start() {
    let record = Record::new();
    let service = ChildSpec::service("store", |_| async {
        Err::<std::future::Ready<Result<(), &str>>, _>("disk is gone")
    });
    assert!(Tree::start(root(service), record.options()).await.is_err());
    assert!(record.has("store1 no start (failed)"));
}

#[tokio::test(start_paused = true)]
async fn what_a_task_failed_with_is_kept() {
    let record = Record::new();
    let task = ChildSpec::task("t", |context: TaskContext| async move {
        if context.incarnation == 1 { Err("disk is full") } else { std::future::pending().await }
    });
    let handle = task.handle();
    let spec = root(task.restart(Restart::Transient).shutdown(Shutdown::Brutal));
    let tree = Tree::start(spec, record.options()).await.unwrap();
    soon(handle.up_after(1)).await.unwrap();
    let children = tree.supervisor().which_children().await.unwrap();
    assert_eq!(children[0].last_exit, Some(ExitReason::Crash("disk is full".into())));
}

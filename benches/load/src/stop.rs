//! Whether somebody wants a run to end before its time.
//!
//! Whoever begins something looks here first: so what is under way comes to its end, faults are taken
//! back, and a server of the run's own is stopped. Nothing is judged then.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};
use tokio::signal::unix::{SignalKind, signal};

use crate::view::give_back;

/// How often whoever waits looks whether to go on.
pub const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Whether a run is to end; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Wants it to end, and says whether somebody wanted so before.
    pub fn ask(&self) -> bool {
        self.0.swap(true, Ordering::Relaxed)
    }

    /// Whether somebody wants it to end.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Comes back once somebody wants it to end.
    pub async fn asked(&self) {
        while !self.is_asked() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Takes SIGINT and SIGTERM as wishes from now on. The second one ends the process at once.
    ///
    /// # Errors
    ///
    /// Where signals or a thread can't be had.
    pub fn listen(&self) -> io::Result<()> {
        let stop = self.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let entered = runtime.enter();
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        drop(entered);
        let heed = async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if stop.ask() {
                    give_back();
                    // It can't fail for a process that is there.
                    let _killed = kill_process(getpid(), Signal::KILL);
                }
                let told = "what is under way comes to its end; once more ends it at once";
                // Whoever doesn't read it has asked all the same.
                let _missed = writeln!(io::stderr().lock(), "{told}");
            }
        };
        let thread = thread::Builder::new().name("load-signals".to_owned());
        thread.spawn(move || runtime.block_on(heed)).map(drop)
    }
}

//! Where the threads that each attend a generator wait for each other.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::CoordinateError;

/// How often whoever waits looks after its generator.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Why a thread attends its generator no longer.
#[derive(Debug)]
pub(super) enum Left {
    /// There is no result, and this is why.
    Failed(CoordinateError),
    /// There is none for another's reason.
    Stopped,
}

impl From<CoordinateError> for Left {
    fn from(error: CoordinateError) -> Self {
        Self::Failed(error)
    }
}

/// All that the threads have in common.
#[derive(Debug)]
pub(super) struct Hall {
    /// Once all are ready.
    pub(super) ready: Meeting<()>,
    /// Once each has measured the capacity.
    pub(super) measured: Meeting<Vec<f64>>,
    failure: Mutex<Option<CoordinateError>>,
    is_over: AtomicBool,
}

impl Hall {
    pub(super) fn new(generators: u32) -> Self {
        let of = generators as usize;
        Self {
            ready: Meeting::new(of),
            measured: Meeting::new(of),
            failure: Mutex::new(None),
            is_over: AtomicBool::new(false),
        }
    }

    /// There will be no result: the first reason is the one that counts.
    pub(super) fn fail(&self, error: CoordinateError) {
        locked(&self.failure).get_or_insert(error);
        self.is_over.store(true, Ordering::SeqCst);
    }

    /// Whether there will be no result.
    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    pub(super) fn failure(self) -> Option<CoordinateError> {
        self.failure.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Each brings something, and gets what all have brought.
#[derive(Debug)]
pub(super) struct Meeting<T> {
    brought: Mutex<Brought<T>>,
    has_changed: Condvar,
}

#[derive(Debug)]
struct Brought<T> {
    of_each: Vec<Option<T>>,
    is_closed: bool,
}

impl<T: Clone> Meeting<T> {
    fn new(of: usize) -> Self {
        let brought = Brought { of_each: vec![None; of], is_closed: false };
        Self { brought: Mutex::new(brought), has_changed: Condvar::new() }
    }

    /// Brings something and waits for the others, with a look after one's generator each second.
    pub(super) fn meet(
        &self,
        hall: &Hall,
        index: u32,
        own: T,
        mut look: impl FnMut() -> Result<(), CoordinateError>,
    ) -> Result<Vec<T>, Left> {
        let mut brought = locked(&self.brought);
        brought.of_each[index as usize] = Some(own);
        self.has_changed.notify_all();
        loop {
            let all: Option<Vec<T>> = brought.of_each.iter().cloned().collect();
            if let Some(all) = all {
                return Ok(all);
            }
            if brought.is_closed {
                let whom = "another generator".to_owned();
                let problem = "it is done and has not met the others before".to_owned();
                return Err(CoordinateError::Protocol { whom, problem }.into());
            }
            if hall.is_over() {
                return Err(Left::Stopped);
            }
            let waited = self.has_changed.wait_timeout(brought, LOOK_EVERY);
            let (again, time) = waited.unwrap_or_else(PoisonError::into_inner);
            brought = again;
            if time.timed_out() {
                drop(brought);
                look()?;
                brought = locked(&self.brought);
            }
        }
    }

    /// Nobody comes any more. False where somebody is waited for in vain.
    pub(super) fn close(&self) -> bool {
        let mut brought = locked(&self.brought);
        brought.is_closed = true;
        self.has_changed.notify_all();
        let here = brought.of_each.iter().filter(|one| one.is_some()).count();
        here == 0 || here == brought.of_each.len()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic of another thread is told when it is joined.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_gets_what_all_have_brought() {
        let hall = Hall::new(3);
        let met = std::thread::scope(|scope| {
            let meet = |index: u32| {
                let own = vec![f64::from(index) * 10.0];
                hall.measured.meet(&hall, index, own, || Ok(())).unwrap()
            };
            let threads: Vec<_> = (0..3).map(|index| scope.spawn(move || meet(index))).collect();
            threads.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(met, vec![vec![vec![0.0], vec![10.0], vec![20.0]]; 3]);
        assert!(hall.measured.close(), "all were there");
    }

    #[test]
    fn who_waits_in_vain_is_told() {
        let hall = Hall::new(2);
        assert!(hall.measured.close(), "nobody was there");
        let closed = hall.measured.meet(&hall, 0, Vec::new(), || Ok(()));
        assert!(matches!(closed, Err(Left::Failed(CoordinateError::Protocol { .. }))));
        assert!(!hall.measured.close());
        hall.fail(CoordinateError::Count(1));
        hall.fail(CoordinateError::Count(2));
        let over = hall.ready.meet(&hall, 0, (), || Ok(()));
        assert!(matches!(over, Err(Left::Stopped)) && hall.is_over());
        assert!(matches!(hall.failure(), Some(CoordinateError::Count(1))));
    }

    #[test]
    fn whoever_waits_looks_after_its_generator() {
        let hall = Hall::new(2);
        let met = hall.ready.meet(&hall, 0, (), || Err(CoordinateError::Count(0)));
        assert!(matches!(met, Err(Left::Failed(CoordinateError::Count(0)))));
    }
}

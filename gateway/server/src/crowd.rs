//! Whoever sits on a connection and does nothing makes way for whoever comes, once all places are
//! taken: first those that never asked for anything, then those whose last answer is longest ago.
//!
//! **Invariants:** a connection with a request under way, or with an answer that doesn't end, is
//! never asked to leave; choosing costs nothing while there are places, and a request pays for two
//! counts.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use axum::response::Response;
use parking_lot::Mutex;
use pin_project_lite::pin_project;
use tokio::sync::Notify;

/// Marks an answer that doesn't end by itself: its connection is not idle while it goes on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Endless;

/// One connection, as far as it matters here.
#[derive(Debug, Default)]
struct Member {
    under_way: AtomicU32,
    asked: AtomicBool,
    endless: AtomicBool,
    /// When its last answer was given, in milliseconds of the crowd.
    answered_ms: AtomicU64,
    leave: Notify,
}

impl Member {
    fn is_idle(&self) -> bool {
        self.under_way.load(Ordering::Acquire) == 0 && !self.endless.load(Ordering::Relaxed)
    }
}

/// All connections of a listener. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Crowd(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    begun: Instant,
    members: Mutex<Members>,
}

#[derive(Debug, Default)]
struct Members {
    last: u64,
    all: HashMap<u64, Arc<Member>>,
    /// In the order in which they came; those that are gone are dropped in passing.
    silent: VecDeque<Weak<Member>>,
}

impl Members {
    /// The oldest of those that never asked for anything.
    fn silent(&mut self) -> Option<Arc<Member>> {
        while let Some(first) = self.silent.pop_front() {
            let member = first.upgrade();
            let silent = member.filter(|member| !member.asked.load(Ordering::Relaxed));
            if silent.is_some() {
                return silent;
            }
        }
        None
    }

    /// The one whose last answer is longest ago.
    fn idle(&self) -> Option<Arc<Member>> {
        let idle = self.all.values().filter(|member| member.is_idle());
        idle.min_by_key(|member| member.answered_ms.load(Ordering::Relaxed)).cloned()
    }
}

impl Crowd {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Shared { begun: Instant::now(), members: Mutex::default() }))
    }

    /// A connection comes.
    pub(crate) fn enter(&self) -> Guest {
        let member = Arc::new(Member::default());
        let mut members = self.0.members.lock();
        members.last += 1;
        let number = members.last;
        members.all.insert(number, Arc::clone(&member));
        // Mostly those in front have gone or have asked since.
        let stale = |first: &Weak<Member>| {
            first.upgrade().is_none_or(|member| member.asked.load(Ordering::Relaxed))
        };
        while members.silent.front().is_some_and(stale) {
            members.silent.pop_front();
        }
        members.silent.push_back(Arc::downgrade(&member));
        drop(members);
        Guest { crowd: self.clone(), number, member }
    }

    /// Asks one that does nothing to leave; false where there is none.
    pub(crate) fn make_room(&self) -> bool {
        let mut members = self.0.members.lock();
        let chosen = members.silent().or_else(|| members.idle());
        drop(members);
        let Some(chosen) = chosen else { return false };
        chosen.leave.notify_one();
        true
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.0.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// A connection in the crowd, until it is dropped.
#[derive(Debug)]
pub(crate) struct Guest {
    crowd: Crowd,
    number: u64,
    member: Arc<Member>,
}

impl Guest {
    /// Resolves when it is asked to leave.
    pub(crate) async fn asked_to_leave(&self) {
        self.member.leave.notified().await;
    }

    /// What its requests are counted by.
    pub(crate) fn counter(&self) -> Counter {
        Counter { crowd: self.crowd.clone(), member: Arc::clone(&self.member) }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.crowd.0.members.lock().all.remove(&self.number);
    }
}

/// Counts the requests of one connection.
#[derive(Debug, Clone)]
pub(crate) struct Counter {
    crowd: Crowd,
    member: Arc<Member>,
}

impl Counter {
    /// A request, until its answer begins.
    pub(crate) fn watch<F>(&self, answer: F) -> Watched<F> {
        self.member.under_way.fetch_add(1, Ordering::AcqRel);
        self.member.asked.store(true, Ordering::Relaxed);
        Watched { answer, under_way: UnderWay(self.clone()) }
    }
}

#[derive(Debug)]
struct UnderWay(Counter);

impl Drop for UnderWay {
    fn drop(&mut self) {
        let Counter { crowd, member } = &self.0;
        member.answered_ms.store(crowd.now_ms(), Ordering::Relaxed);
        member.under_way.fetch_sub(1, Ordering::AcqRel);
    }
}

pin_project! {
    /// An answer on its way.
    #[derive(Debug)]
    pub(crate) struct Watched<F> {
        #[pin]
        answer: F,
        under_way: UnderWay,
    }
}

impl<F, E> Future for Watched<F>
where
    F: Future<Output = Result<Response, E>>,
{
    type Output = Result<Response, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = ready!(this.answer.poll(context));
        if answer.as_ref().is_ok_and(|answer| answer.extensions().get::<Endless>().is_some()) {
            this.under_way.0.member.endless.store(true, Ordering::Relaxed);
        }
        Poll::Ready(answer)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::{pending, ready};

    use futures_util::FutureExt;

    use super::*;

    fn is_asked(guest: &Guest) -> bool {
        guest.asked_to_leave().now_or_never().is_some()
    }

    fn answered(guest: &Guest) {
        let answer = ready(Ok::<_, Infallible>(Response::default()));
        guest.counter().watch(answer).now_or_never().unwrap().unwrap();
    }

    #[test]
    fn the_oldest_that_never_asked_leaves_first() {
        let crowd = Crowd::new();
        let guests: Vec<_> = (0..4).map(|_| crowd.enter()).collect();
        answered(&guests[0]);
        assert!(crowd.make_room());
        assert!(is_asked(&guests[1]) && !is_asked(&guests[0]) && !is_asked(&guests[2]));
        assert!(crowd.make_room());
        assert!(is_asked(&guests[2]) && !is_asked(&guests[3]));
    }

    #[test]
    fn then_the_one_whose_last_answer_is_longest_ago() {
        let crowd = Crowd::new();
        let [first, second] = [crowd.enter(), crowd.enter()];
        second.member.answered_ms.store(3, Ordering::Relaxed);
        first.member.answered_ms.store(5, Ordering::Relaxed);
        for guest in [&first, &second] {
            guest.member.asked.store(true, Ordering::Relaxed);
        }
        assert!(crowd.make_room());
        assert!(is_asked(&second) && !is_asked(&first));
    }

    #[test]
    fn nobody_leaves_with_an_answer_under_way_or_without_end() {
        let crowd = Crowd::new();
        let [asking, streaming] = [crowd.enter(), crowd.enter()];
        let waiting = asking.counter().watch(pending::<Result<Response, Infallible>>());
        let mut endless = Response::default();
        endless.extensions_mut().insert(Endless);
        let stream = ready(Ok::<_, Infallible>(endless));
        streaming.counter().watch(stream).now_or_never().unwrap().unwrap();
        assert!(!crowd.make_room());
        drop(waiting);
        assert!(crowd.make_room());
        assert!(is_asked(&asking) && !is_asked(&streaming));
    }

    #[test]
    fn whoever_is_gone_is_forgotten() {
        let crowd = Crowd::new();
        drop((crowd.enter(), crowd.enter()));
        let stays = crowd.enter();
        let members = crowd.0.members.lock();
        assert_eq!((members.all.len(), members.silent.len()), (1, 1));
        drop(members);
        assert!(crowd.make_room());
        assert!(is_asked(&stays));
        drop(stays);
        assert!(!crowd.make_room());
    }
}

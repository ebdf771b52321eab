//! The bounded queue in front of an entity, and its bell.
//!
//! The queue belongs to the slot and not to the actor instance, so it survives a restart, knows
//! its length and refuses when full. The actor itself is only woken: a push that finds the bell
//! silent rings it, and the actor silences the bell **before** it drains.
//!
//! **Invariant (no lost wake-up):** after any push either the bell has been rung since the actor
//! last silenced it, or the actor is yet to drain what was pushed. Both sides touch the bell with
//! a read-modify-write, which always sees the latest value; a plain load may not.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

/// What a push asks of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a bell that has to be rung and isn't loses a wake-up"]
pub enum Bell {
    /// Wake the actor: nobody has since it last looked.
    Ring,
    /// The actor has been woken and will find it.
    Silent,
}

/// Why a push was refused, with what was to be pushed.
#[derive(Debug)]
pub enum Refused<T> {
    /// The mailbox holds as much as it may.
    Full {
        /// What was to be pushed.
        item: T,
        /// How many items the mailbox holds.
        depth: usize,
    },
    /// The mailbox is closed for good: its entity has left the memory.
    Closed(T),
}

struct Queue<T> {
    items: VecDeque<T>,
    closed: bool,
}

/// A bounded first-in-first-out queue with a bell.
pub struct Mailbox<T> {
    queue: Mutex<Queue<T>>,
    rung: AtomicBool,
    capacity: usize,
}

impl<T> fmt::Debug for Mailbox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox")
            .field("len", &self.len())
            .field("capacity", &self.capacity)
            .field("rung", &self.rung.load(Ordering::Relaxed))
            .finish()
    }
}

impl<T> Mailbox<T> {
    /// An empty mailbox that holds up to `capacity` items. It allocates only as it fills: a node
    /// keeps many that are empty.
    #[must_use]
    pub const fn new(capacity: usize) -> Self {
        let queue = Queue { items: VecDeque::new(), closed: false };
        Self { queue: Mutex::new(queue), rung: AtomicBool::new(false), capacity }
    }

    /// Puts an item at the end.
    ///
    /// # Errors
    /// [`Refused`] where the mailbox holds as much as it may, or is closed.
    pub fn push(&self, item: T) -> Result<Bell, Refused<T>> {
        self.push_up_to(self.capacity, item)
    }

    /// Puts an item at the end whatever the capacity: for what is bounded elsewhere.
    ///
    /// # Errors
    /// [`Refused::Closed`].
    pub fn push_over(&self, item: T) -> Result<Bell, Refused<T>> {
        self.push_up_to(usize::MAX, item)
    }

    fn push_up_to(&self, capacity: usize, item: T) -> Result<Bell, Refused<T>> {
        {
            let mut queue = self.queue.lock();
            if queue.closed {
                return Err(Refused::Closed(item));
            }
            if queue.items.len() >= capacity {
                return Err(Refused::Full { item, depth: queue.items.len() });
            }
            queue.items.push_back(item);
        }
        Ok(self.ring())
    }

    /// Closes the mailbox for good, unless something waits in it; whether it did.
    pub fn close_if_empty(&self) -> bool {
        let mut queue = self.queue.lock();
        queue.closed |= queue.items.is_empty();
        queue.closed
    }

    /// Closes the mailbox for good; what waited in it.
    pub fn close(&self) -> VecDeque<T> {
        let mut queue = self.queue.lock();
        queue.closed = true;
        std::mem::take(&mut queue.items)
    }

    /// Puts items back at the front, in their order. They were admitted before, so the capacity
    /// does not apply to them. It rings no bell: whoever gives back is awake and knows. A closed
    /// mailbox keeps nothing.
    pub fn give_back(&self, items: impl DoubleEndedIterator<Item = T>) {
        let mut queue = self.queue.lock();
        if queue.closed {
            return;
        }
        items.rev().for_each(|item| queue.items.push_front(item));
    }

    /// Asks for the bell to be rung though nothing was pushed.
    pub fn ring(&self) -> Bell {
        if self.rung.swap(true, Ordering::AcqRel) { Bell::Silent } else { Bell::Ring }
    }

    /// Silences the bell. The actor does so before it drains, never after.
    pub fn silence(&self) {
        self.rung.swap(false, Ordering::AcqRel);
    }

    /// Takes up to `limit` items from the front into `into`; how many are left.
    pub fn drain(&self, limit: usize, into: &mut Vec<T>) -> usize {
        let mut queue = self.queue.lock();
        let count = queue.items.len().min(limit);
        into.extend(queue.items.drain(..count));
        queue.items.len()
    }

    /// Lets go of the memory that waiting items took, where none waits.
    pub fn shrink(&self) {
        let mut queue = self.queue.lock();
        if queue.items.is_empty() {
            queue.items = VecDeque::new();
        }
    }

    /// Looks at the first item that waits.
    pub fn first<R>(&self, look: impl FnOnce(&T) -> R) -> Option<R> {
        self.queue.lock().items.front().map(look)
    }

    /// How many items wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.lock().items.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn a_closed_mailbox_takes_nothing_in_and_one_that_holds_something_is_not_closed() {
        let mailbox = Mailbox::new(2);
        drop(mailbox.push("first"));
        assert!(!mailbox.close_if_empty());
        let mut drained = Vec::new();
        mailbox.drain(1, &mut drained);
        assert!(mailbox.close_if_empty());
        assert!(matches!(mailbox.push("late"), Err(Refused::Closed("late"))));
        assert!(matches!(mailbox.push_over("late"), Err(Refused::Closed("late"))));
        assert!(mailbox.is_empty());
    }

    #[test]
    fn a_mailbox_that_is_closed_hands_out_what_waited_and_takes_nothing_back() {
        let mailbox = Mailbox::new(2);
        drop(mailbox.push("waits"));
        assert_eq!(mailbox.close(), ["waits"]);
        mailbox.give_back(["late"].into_iter());
        assert!(mailbox.is_empty());
    }

    #[test]
    fn only_the_first_push_after_a_silence_rings() {
        let mailbox = Mailbox::new(8);
        assert_eq!(mailbox.push(1).unwrap(), Bell::Ring);
        assert_eq!(mailbox.push(2).unwrap(), Bell::Silent);
        mailbox.silence();
        assert_eq!(mailbox.push(3).unwrap(), Bell::Ring);
    }

    #[test]
    fn a_full_mailbox_gives_the_item_back_with_its_depth() {
        let mailbox = Mailbox::new(1);
        assert_eq!(mailbox.push("first").unwrap(), Bell::Ring);
        let full = mailbox.push("second").unwrap_err();
        assert!(matches!(full, Refused::Full { item: "second", depth: 1 }), "{full:?}");
    }

    #[test]
    fn what_is_given_back_comes_first_and_in_order() {
        let mailbox = Mailbox::new(2);
        assert_eq!(mailbox.push(3).unwrap(), Bell::Ring);
        assert_eq!(mailbox.push(4).unwrap(), Bell::Silent);
        mailbox.give_back([1, 2].into_iter());
        let mut drained = Vec::new();
        assert_eq!(mailbox.drain(3, &mut drained), 1);
        assert_eq!(drained, [1, 2, 3]);
    }

    #[test]
    fn no_wake_up_is_lost_between_threads() {
        const PER_THREAD: usize = 20_000;
        let mailbox = Arc::new(Mailbox::new(usize::MAX));
        let rings = Arc::new(AtomicUsize::new(0));
        let producers: Vec<_> = (0..3)
            .map(|_| {
                let (mailbox, rings) = (Arc::clone(&mailbox), Arc::clone(&rings));
                std::thread::spawn(move || {
                    for item in 0..PER_THREAD {
                        if mailbox.push(item).unwrap() == Bell::Ring {
                            rings.fetch_add(1, Ordering::AcqRel);
                        }
                    }
                })
            })
            .collect();
        // Drains only when rung: a lost wake-up would leave items behind for ever.
        let mut drained = Vec::new();
        let mut answered = 0;
        let started = std::time::Instant::now();
        while drained.len() < 3 * PER_THREAD {
            assert!(started.elapsed().as_secs() < 30, "items wait and nobody rang");
            if rings.load(Ordering::Acquire) > answered {
                answered += 1;
                mailbox.silence();
                mailbox.drain(usize::MAX, &mut drained);
            }
            std::thread::yield_now();
        }
        producers.into_iter().for_each(|producer| producer.join().unwrap());
        assert!(mailbox.is_empty());
    }
}

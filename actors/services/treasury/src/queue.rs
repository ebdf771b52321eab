//! The queue in front of the limits, so that groups aren't formed only to break.
//!
//! Who wants something of an account takes a place first, as far as the account's last word and the
//! amounts under way allow. Who finds no room waits until those under way have ended, and is told
//! that there is none only by the account itself, when nothing is under way.
//!
//! **Invariants:** it decides nothing: what it believes too much of, the account refuses; what it
//! believes too little of, waits. Nobody holds a place on one account while waiting for another, so
//! no two wait for each other. An account that nobody asks for is forgotten.

use std::collections::HashMap;
use std::sync::Arc;

use coppice_core::{Sequence, TenantId};
use coppice_domain::treasury::Amount;
use parking_lot::Mutex;
use tokio::sync::watch;

/// What an account said last: its sequence then, and how much room it had.
pub(crate) type Word = (Sequence, Amount);

type Key = (TenantId, Box<str>);

#[derive(Debug)]
struct Place {
    /// Those who wait here or are under way.
    here: usize,
    under_way: Amount,
    word: Option<Word>,
    /// Changes whenever somebody who was under way has ended.
    ended: watch::Sender<()>,
}

/// Asks accounts for their word.
pub(crate) trait Look {
    /// Why one could not be asked.
    type Error;

    /// Asks the account at a place of the list.
    fn look(&self, at: usize) -> impl Future<Output = Result<Word, Self::Error>> + Send;
}

/// The queues of all accounts. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Queue(Arc<Mutex<HashMap<Key, Place>>>);

/// Why somebody isn't let through.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Closed<E> {
    /// The account at this place of the list has no room, and says so itself.
    NoRoom(usize),
    /// It could not be asked.
    Unasked(E),
}

/// Somebody in front of a list of accounts, or under way.
#[derive(Debug)]
pub(crate) struct Pass {
    queue: Queue,
    keys: Vec<Key>,
    amount: Amount,
    is_under_way: bool,
}

enum Tried {
    UnderWay,
    /// There seems to be no room here, and others are under way.
    Wait(watch::Receiver<()>),
    /// There seems to be no room here, and nobody is under way.
    Ask(usize),
}

impl Queue {
    /// Waits for room for an amount on each of these accounts.
    pub(crate) async fn enter<L: Look>(
        &self,
        tenant: &TenantId,
        accounts: impl IntoIterator<Item = Box<str>>,
        amount: Amount,
        look: &L,
    ) -> Result<Pass, Closed<L::Error>> {
        let mut pass = self.sit(tenant, accounts, amount);
        loop {
            match pass.advance() {
                Tried::UnderWay => return Ok(pass),
                // The sender is the place's own, which stays while we are here.
                Tried::Wait(mut ended) => drop(ended.changed().await),
                Tried::Ask(at) => {
                    let word = look.look(at).await.map_err(Closed::Unasked)?;
                    pass.learn(at, word);
                    if word.1 < amount && pass.is_alone_at(at) {
                        return Err(Closed::NoRoom(at));
                    }
                }
            }
        }
    }

    fn sit(
        &self,
        tenant: &TenantId,
        accounts: impl IntoIterator<Item = Box<str>>,
        amount: Amount,
    ) -> Pass {
        let keys: Vec<Key> =
            accounts.into_iter().map(|account| (tenant.clone(), account)).collect();
        let mut places = self.0.lock();
        for key in &keys {
            let place = places.entry(key.clone()).or_insert_with(|| Place {
                here: 0,
                under_way: Amount::ZERO,
                word: None,
                ended: watch::Sender::new(()),
            });
            place.here += 1;
        }
        drop(places);
        Pass { queue: self.clone(), keys, amount, is_under_way: false }
    }
}

impl Pass {
    /// Takes all places at once, or none.
    fn advance(&mut self) -> Tried {
        let mut places = self.queue.0.lock();
        for (at, key) in self.keys.iter().enumerate() {
            let Some(place) = places.get(key) else { continue };
            let alone = place.under_way == Amount::ZERO;
            let free = place.word.map(|(_, room)| room.held_minus(place.under_way));
            match free {
                Some(free) if free >= self.amount => {}
                Some(_) if !alone => return Tried::Wait(place.ended.subscribe()),
                Some(_) | None => return Tried::Ask(at),
            }
        }
        for key in &self.keys {
            if let Some(place) = places.get_mut(key) {
                place.under_way = place.under_way.held_plus(self.amount);
            }
        }
        drop(places);
        self.is_under_way = true;
        Tried::UnderWay
    }

    fn is_alone_at(&self, at: usize) -> bool {
        let places = self.queue.0.lock();
        places.get(&self.keys[at]).is_none_or(|place| place.under_way == Amount::ZERO)
    }

    /// An account's word, where it is later than the last.
    pub(crate) fn learn(&self, at: usize, word: Word) {
        let mut places = self.queue.0.lock();
        if let Some(place) = self.keys.get(at).and_then(|key| places.get_mut(key))
            && place.word.is_none_or(|(sequence, _)| sequence <= word.0)
        {
            place.word = Some(word);
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut places = self.queue.0.lock();
        for key in &self.keys {
            let Some(place) = places.get_mut(key) else { continue };
            place.here -= 1;
            if self.is_under_way {
                place.under_way = place.under_way.held_minus(self.amount);
                place.ended.send_replace(());
            }
            if place.here == 0 {
                places.remove(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    type Entered = Result<Pass, Closed<()>>;

    /// Every account says that it has so much room.
    struct Room(AtomicU64);

    impl Look for Room {
        type Error = ();

        async fn look(&self, _: usize) -> Result<Word, ()> {
            Ok((Sequence(1), Amount::of(self.0.load(Ordering::Relaxed))))
        }
    }

    fn tenant() -> TenantId {
        TenantId::new("t").unwrap()
    }

    fn fresh() -> (Queue, Room) {
        (Queue::default(), Room(AtomicU64::new(100)))
    }

    async fn enter(queue: &Queue, accounts: &[&str], amount: u64, room: &Room) -> Entered {
        let accounts = accounts.iter().map(|account| Box::from(*account));
        queue.enter(&tenant(), accounts, Amount::of(amount), room).await
    }

    #[tokio::test]
    async fn who_finds_room_is_under_way_and_who_finds_none_waits_for_them() {
        let (queue, room) = fresh();
        let first = enter(&queue, &["a"], 60, &room).await.unwrap();
        let _second = enter(&queue, &["a"], 40, &room).await.unwrap();
        let mut third = pin!(enter(&queue, &["a"], 60, &room));
        assert!(futures_util::poll!(&mut third).is_pending());
        // The first one came to nothing: its room is there again.
        drop(first);
        assert!(third.await.is_ok());
    }

    #[tokio::test]
    async fn no_room_is_the_accounts_own_word() {
        let (queue, room) = fresh();
        let first = enter(&queue, &["a"], 100, &room).await.unwrap();
        let mut second = pin!(enter(&queue, &["a"], 1, &room));
        assert!(futures_util::poll!(&mut second).is_pending());
        first.learn(0, (Sequence(2), Amount::ZERO));
        room.0.store(0, Ordering::Relaxed);
        drop(first);
        assert_eq!(second.await.unwrap_err(), Closed::NoRoom(0));
        // Money came in meanwhile, and nobody here has heard of it.
        room.0.store(5, Ordering::Relaxed);
        assert!(enter(&queue, &["a"], 5, &room).await.is_ok());
    }

    #[tokio::test]
    async fn whoever_waits_for_one_account_holds_no_place_on_another() {
        let (queue, room) = fresh();
        let first = enter(&queue, &["b"], 100, &room).await.unwrap();
        let mut waiting = pin!(enter(&queue, &["a", "b"], 100, &room));
        assert!(futures_util::poll!(&mut waiting).is_pending());
        assert!(enter(&queue, &["a"], 100, &room).await.is_ok());
        drop(first);
        assert!(waiting.await.is_ok());
    }

    #[tokio::test]
    async fn an_older_word_changes_nothing_and_nothing_is_left_behind() {
        let (queue, room) = fresh();
        let first = enter(&queue, &["a"], 10, &room).await.unwrap();
        first.learn(0, (Sequence(7), Amount::of(30)));
        first.learn(0, (Sequence(6), Amount::of(90)));
        let mut second = pin!(enter(&queue, &["a"], 30, &room));
        assert!(futures_util::poll!(&mut second).is_pending());
        drop(first);
        drop(second.await);
        assert!(queue.0.lock().is_empty());
    }
}

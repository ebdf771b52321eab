//! What an account answers.

use coppice_core::{Decision, Timestamp};

use super::Side;
use super::command::{Command, Draw, Enter, Hold, Look, Open, Post, Release};
use super::error::AccountError;
use super::event::{Counted, Drawn, Entered, Event, Held, Opened, Released};
use super::holds::{HOLDS_MAX, OpenHold};
use super::state::{Standing, State};
use super::window::APPROVALS_MAX;
use crate::treasury::day::Day;
use crate::treasury::money::Amount;
use crate::treasury::names::{AccountName, Class, Role};

type Decided = Result<Decision<Event, Standing>, AccountError>;

pub(super) fn decide(state: &State, command: &Command, id: &str, now: Timestamp) -> Decided {
    let name = AccountName::parse(id).ok_or(AccountError::Name)?;
    let account = Deciding { state, name: &name, now };
    match command {
        Command::Open(open) => account.open(open),
        Command::Hold(hold) => account.hold(hold),
        Command::Draw(draw) => account.draw(draw),
        Command::Post(post) => account.post(post),
        Command::Release(release) => account.release(release),
        Command::Enter(enter) => account.enter(enter),
        Command::Look(look) => account.look(look),
    }
}

/// An account at the moment of a decision.
struct Deciding<'a> {
    state: &'a State,
    name: &'a AccountName,
    now: Timestamp,
}

/// How much is left of a limit, and what bounds it.
struct Left {
    room: Amount,
    ceiling: Amount,
    /// Set for a velocity.
    window_s: Option<u32>,
    exceeded: fn(Amount) -> AccountError,
}

const fn standing(room: Option<Amount>) -> Standing {
    Standing { room }
}

fn checked(amount: Amount) -> Result<Amount, AccountError> {
    if amount.is_movable() { Ok(amount) } else { Err(AccountError::Amount) }
}

impl Deciding<'_> {
    fn open(&self, open: &Open) -> Decided {
        let takes_ceiling = match &self.name.role {
            Role::Funding(_) => false,
            Role::Budget(_) => true,
            Role::World | Role::Payee(_) | Role::Velocity(_) | Role::Cap(_) => {
                return Err(AccountError::Class);
            }
        };
        let allowed = |ceiling: Amount| ceiling == Amount::ZERO || ceiling.is_movable();
        if open.ceiling.is_some() != takes_ceiling || !open.ceiling.is_none_or(allowed) {
            return Err(AccountError::Ceiling);
        }
        if self.state.open.is_none() {
            let room = open.ceiling.or(Some(Amount::ZERO));
            let events = vec![self.opened(open.ceiling)];
            return Ok(Decision { events, reply: standing(room) });
        }
        if self.state.ceiling != open.ceiling {
            return Err(AccountError::Ceiling);
        }
        self.look(&Look { ceiling: None, window_s: None })
    }

    fn opened(&self, ceiling: Option<Amount>) -> Event {
        let (asset, class) = (self.name.asset.clone(), self.name.class());
        Event::Opened(Opened { asset, class, ceiling })
    }

    /// The event that opens the account with its first use, where it isn't open.
    fn opening(&self) -> Vec<Event> {
        if self.state.open.is_none() { vec![self.opened(None)] } else { Vec::new() }
    }

    /// What a funding account can promise.
    fn available(&self) -> Amount {
        self.state.posted.held_minus(self.state.holds.live_out(self.now))
    }

    /// Where nothing is dead on arrival, there twice, or one too many.
    fn may_hold(&self, transfer: &str, expires: Timestamp) -> Result<(), AccountError> {
        if expires <= self.now {
            return Err(AccountError::HoldExpired);
        }
        if self.state.holds.get(transfer).is_some() {
            return Err(AccountError::Held);
        }
        if self.state.holds.len() >= HOLDS_MAX {
            return Err(AccountError::HoldsFull);
        }
        Ok(())
    }

    fn hold(&self, hold: &Hold) -> Decided {
        let amount = checked(hold.amount)?;
        let room = match (hold.side, self.name.class()) {
            (Side::Pay, Class::Funding) => {
                let room = self.available();
                let left = room.held_minus(amount);
                if self.state.open.is_none() || left < Amount::ZERO {
                    return Err(AccountError::InsufficientFunds { room });
                }
                Some(left)
            }
            (Side::Receive, Class::Funding | Class::External) => {
                if self.state.open.is_none() && self.name.class() == Class::Funding {
                    return Err(AccountError::NotOpen);
                }
                // What is promised can be posted whatever else comes in meanwhile.
                let promised = self.state.posted.plus(self.state.holds.incoming());
                promised.and_then(|sum| sum.plus(amount)).ok_or(AccountError::OutOfRange)?;
                (self.name.class() == Class::Funding).then(|| self.available())
            }
            (Side::Pay | Side::Receive | Side::Draw, _) => return Err(AccountError::Class),
        };
        self.may_hold(&hold.transfer, hold.expires)?;
        let mut events = self.opening();
        events.push(Event::Held(Held {
            transfer: hold.transfer.clone(),
            side: hold.side,
            amount,
            expires: hold.expires,
            ceiling: None,
        }));
        Ok(Decision { events, reply: standing(room) })
    }

    fn draw(&self, draw: &Draw) -> Decided {
        let amount = checked(draw.amount)?;
        let left = self.left(draw.ceiling, draw.window_s)?;
        let room = left.room.held_minus(amount);
        if room < Amount::ZERO {
            return Err((left.exceeded)(left.room));
        }
        let (transfer, ceiling) = (draw.transfer.clone(), left.ceiling);
        let mut events = self.opening();
        if let Some(window_s) = left.window_s {
            if draw.expires <= self.now {
                return Err(AccountError::HoldExpired);
            }
            let at = self.now;
            events.push(Event::Counted(Counted { transfer, amount, at, ceiling, window_s }));
        } else {
            self.may_hold(&draw.transfer, draw.expires)?;
            let (side, expires, ceiling) = (Side::Draw, draw.expires, Some(ceiling));
            events.push(Event::Held(Held { transfer, side, amount, expires, ceiling }));
        }
        Ok(Decision { events, reply: standing(Some(room)) })
    }

    /// What is left of a limit under these terms.
    fn left(&self, ceiling: Option<Amount>, window_s: Option<u32>) -> Result<Left, AccountError> {
        let given = ceiling.filter(|ceiling| *ceiling >= Amount::ZERO);
        let held = || self.state.posted.held_plus(self.state.holds.live_out(self.now));
        let left = match &self.name.role {
            Role::Budget(_) => {
                // A workflow that nobody gave a budget has none.
                let ceiling = self.state.ceiling.unwrap_or(Amount::ZERO);
                let exceeded = |room| AccountError::BudgetExceeded { room };
                Left { room: ceiling.held_minus(held()), ceiling, window_s: None, exceeded }
            }
            Role::Cap(day) => {
                if day.as_str() != Day::of(self.now).to_string() {
                    return Err(AccountError::DayOver);
                }
                let ceiling = given.ok_or(AccountError::Ceiling)?;
                let exceeded = |room| AccountError::DailyCapExceeded { room };
                Left { room: ceiling.held_minus(held()), ceiling, window_s: None, exceeded }
            }
            Role::Velocity(_) => {
                let (ceiling, window_s) = given.zip(window_s).ok_or(AccountError::Ceiling)?;
                let (count, sum) = self.state.window.within(self.now, window_s);
                let full = count >= APPROVALS_MAX;
                let room = if full { Amount::ZERO } else { ceiling.held_minus(sum) };
                let exceeded = |room| AccountError::VelocityExceeded { room };
                Left { room, ceiling, window_s: Some(window_s), exceeded }
            }
            Role::Funding(_) | Role::World | Role::Payee(_) => return Err(AccountError::Class),
        };
        Ok(left)
    }

    fn held(&self, transfer: &str) -> Result<OpenHold, AccountError> {
        self.state.holds.get(transfer).copied().ok_or(AccountError::NotHeld)
    }

    fn post(&self, post: &Post) -> Decided {
        let amount = checked(post.amount)?;
        let hold = self.held(&post.transfer)?;
        if hold.is_dead(self.now) {
            return Err(AccountError::HoldExpired);
        }
        if amount > hold.amount {
            return Err(AccountError::PostExceeds { held: hold.amount });
        }
        let held = hold.amount;
        let transfer = post.transfer.clone();
        let moved = match hold.side {
            Side::Pay => amount.negated(),
            Side::Receive => amount,
            Side::Draw => {
                let spent = self.state.posted.plus(amount).ok_or(AccountError::OutOfRange)?;
                let events = vec![Event::Drawn(Drawn { transfer, amount, held, spent })];
                return Ok(Decision { events, reply: standing(None) });
            }
        };
        let balance = self.state.posted.plus(moved).ok_or(AccountError::OutOfRange)?;
        let other = post.other.clone().ok_or(AccountError::Class)?;
        let workflow = post.workflow.clone();
        let entered = Entered { transfer, other, amount: moved, held, balance, workflow };
        Ok(Decision { events: vec![Event::Entered(entered)], reply: standing(None) })
    }

    /// Without a condition on the time: the transfer has the word, and its commit this part.
    fn release(&self, release: &Release) -> Decided {
        let Release { transfer, cause } = release.clone();
        let amount = self.held(&transfer)?.amount;
        let events = vec![Event::Released(Released { transfer, amount, cause })];
        Ok(Decision { events, reply: standing(None) })
    }

    fn enter(&self, enter: &Enter) -> Decided {
        let amount = checked(enter.amount)?;
        let to_funding =
            |id: &str| AccountName::parse(id).is_some_and(|name| name.class() == Class::Funding);
        let moved = match (enter.side, self.name.class()) {
            (Side::Receive, Class::Funding) => {
                if self.state.open.is_none() {
                    return Err(AccountError::NotOpen);
                }
                // What is promised to it stays possible.
                let promised = self.state.posted.plus(self.state.holds.incoming());
                promised.and_then(|sum| sum.plus(amount)).ok_or(AccountError::OutOfRange)?;
                amount
            }
            (Side::Receive, Class::External) => return Err(AccountError::IntentOnly),
            (Side::Pay, Class::Funding | Class::External) if !to_funding(&enter.other) => {
                return Err(AccountError::IntentOnly);
            }
            (Side::Pay, Class::Funding) => {
                let room = self.available();
                if amount > room {
                    return Err(AccountError::InsufficientFunds { room });
                }
                amount.negated()
            }
            (Side::Pay, Class::External) => amount.negated(),
            (Side::Pay | Side::Receive, Class::Limit) | (Side::Draw, _) => {
                return Err(AccountError::Class);
            }
        };
        let balance = self.state.posted.plus(moved).ok_or(AccountError::OutOfRange)?;
        let mut events = self.opening();
        events.push(Event::Entered(Entered {
            transfer: enter.transfer.clone(),
            other: enter.other.clone(),
            amount: moved,
            held: Amount::ZERO,
            balance,
            workflow: enter.workflow.clone(),
        }));
        Ok(Decision { events, reply: standing(None) })
    }

    fn look(&self, look: &Look) -> Decided {
        let room = match self.name.class() {
            Class::Funding => Some(self.available()),
            Class::External => None,
            Class::Limit => Some(self.left(look.ceiling, look.window_s)?.room),
        };
        Ok(Decision { events: Vec::new(), reply: standing(room) })
    }
}

//! The naive model: a list of everything that happened, counted anew for each question.

use coppice_domain::treasury::Reason;
use coppice_domain::treasury::intent::Status;

use crate::world::{Bounds, Wish, day};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Open,
    Denied(Reason),
    Posted(u64),
    Voided,
}

#[derive(Debug, Clone, Copy)]
struct Intent {
    wish: Wish,
    expires: i64,
    /// When it was approved, in seconds.
    approved: Option<i64>,
    fate: Fate,
}

impl Intent {
    /// What it takes of a bound at a time: what it spent, or what it still holds.
    fn takes(&self, now: i64) -> u64 {
        match self.fate {
            _ if self.approved.is_none() => 0,
            Fate::Posted(amount) => amount,
            Fate::Open if now < self.expires => self.wish.amount,
            Fate::Open | Fate::Denied(_) | Fate::Voided => 0,
        }
    }

    fn status(&self, now: i64) -> Status {
        match self.fate {
            Fate::Posted(_) => Status::Posted,
            Fate::Voided => Status::Voided,
            Fate::Denied(_) => Status::Denied,
            Fate::Open if now >= self.expires => Status::Expired,
            Fate::Open => Status::Approved,
        }
    }
}

pub(crate) struct Model {
    bounds: Bounds,
    deposited: u64,
    intents: Vec<Intent>,
}

impl Model {
    pub(crate) const fn new(bounds: Bounds) -> Self {
        Self { bounds, deposited: 0, intents: Vec::new() }
    }

    pub(crate) const fn deposit(&mut self, amount: u64) {
        self.deposited += amount;
    }

    pub(crate) fn create(&mut self, wish: Wish, now: i64) {
        let expires = now + i64::from(wish.ttl_s);
        self.intents.push(Intent { wish, expires, approved: None, fate: Fate::Open });
    }

    /// What the authorization of an intent comes to; none where there is no intent at all.
    pub(crate) fn authorize(&mut self, intent: usize, now: i64) -> Option<Reason> {
        let at = intent.checked_rem(self.intents.len())?;
        let Intent { expires, approved, fate, .. } = self.intents[at];
        let reason = match fate {
            _ if approved.is_some() => return Some(Reason::Approved),
            Fate::Denied(reason) => return Some(reason),
            Fate::Voided | Fate::Posted(_) => return Some(Reason::Withdrawn),
            Fate::Open if now >= expires => return Some(Reason::IntentExpired),
            Fate::Open => self.bounded(self.intents[at].wish, now),
        };
        if reason == Reason::Approved {
            self.intents[at].approved = Some(now);
        } else {
            self.intents[at].fate = Fate::Denied(reason);
        }
        Some(reason)
    }

    fn sum(&self, of: impl Fn(&Intent) -> bool, amount: impl Fn(&Intent) -> u64) -> u64 {
        self.intents.iter().filter(|other| of(other)).map(amount).sum()
    }

    fn bounded(&self, wish: Wish, now: i64) -> Reason {
        let takes = |other: &Intent| other.takes(now);
        let of_workflow = |other: &Intent| other.wish.workflow == wish.workflow;
        let lately = |other: &Intent| {
            let since = now - i64::from(self.bounds.window_s);
            other.wish.same_velocity(&wish) && other.approved.is_some_and(|at| at > since)
        };
        let today = |other: &Intent| other.approved.is_some_and(|at| day(at) == day(now));
        if self.sum(|_| true, takes) + wish.amount > self.deposited {
            Reason::InsufficientFunds
        } else if wish.workflow.is_some()
            && self.sum(of_workflow, takes) + wish.amount > self.bounds.budget
        {
            Reason::BudgetExceeded
        } else if self.sum(lately, |other| other.wish.amount) + wish.amount > self.bounds.velocity {
            Reason::VelocityExceeded
        } else if self.sum(today, takes) + wish.amount > self.bounds.cap {
            Reason::DailyCapExceeded
        } else {
            Reason::Approved
        }
    }

    pub(crate) fn deny(&mut self, intent: usize, now: i64) {
        let Some(at) = intent.checked_rem(self.intents.len()) else { return };
        let found = &mut self.intents[at];
        if found.approved.is_none() && found.fate == Fate::Open && now < found.expires {
            found.fate = Fate::Denied(Reason::Timeout);
        }
    }

    /// Where an approved intent is after it was asked to be posted; none where it isn't approved, or
    /// more is asked for than was.
    pub(crate) fn post(&mut self, intent: usize, part: Option<u64>, now: i64) -> Option<Status> {
        let at = intent.checked_rem(self.intents.len())?;
        let found = &mut self.intents[at];
        found.approved?;
        let amount = part.unwrap_or(found.wish.amount);
        if amount > found.wish.amount {
            return None;
        }
        if found.fate == Fate::Open && now < found.expires {
            found.fate = Fate::Posted(amount);
        }
        Some(found.status(now))
    }

    /// Where an intent is after it was asked to be voided.
    pub(crate) fn void(&mut self, intent: usize, now: i64) -> Option<Status> {
        let at = intent.checked_rem(self.intents.len())?;
        let found = &mut self.intents[at];
        if found.fate == Fate::Open && now < found.expires {
            found.fate = Fate::Voided;
        }
        Some(found.status(now))
    }

    /// What the tenant has.
    pub(crate) fn funding(&self) -> u64 {
        self.deposited - self.paid()
    }

    /// What payees got.
    pub(crate) fn paid(&self) -> u64 {
        self.sum(
            |_| true,
            |intent| match intent.fate {
                Fate::Posted(amount) => amount,
                Fate::Open | Fate::Denied(_) | Fate::Voided => 0,
            },
        )
    }
}

//! What an account is.

use serde::{Deserialize, Serialize};

use super::Side;
use super::event::Event;
use super::holds::{Holds, OpenHold};
use super::window::Window;
use crate::treasury::money::{Amount, Asset};
use crate::treasury::names::Class;

/// An account's state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Asset and class, once it is open.
    pub(super) open: Option<(Asset, Class)>,
    /// The balance; of a limit, what is used up.
    pub(super) posted: Amount,
    /// The ceiling that a limit keeps, or that was in force when it was drawn on last.
    pub(super) ceiling: Option<Amount>,
    pub(super) holds: Holds,
    pub(super) window: Window,
}

/// What an account answers: how much could be held of it now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// How much there is room for after the command; none where nothing bounds it.
    pub room: Option<Amount>,
}

/// An account as a reader sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// What its amounts are of; none before it is open.
    pub asset: Option<Asset>,
    /// How it behaves; none before it is open.
    pub class: Option<Class>,
    /// The balance; of a limit, what is used up or was approved lately.
    pub posted: Amount,
    /// What is set aside to be paid, or drawn, until it ends.
    pub held_out: Amount,
    /// What is to be received.
    pub held_in: Amount,
    /// How many holds are open.
    pub holds: usize,
    /// What a funding account can still promise, or a limit can still take. A hold that is dead
    /// and has not ended yet counts as held here.
    pub available: Option<Amount>,
    /// The ceiling of a limit.
    pub ceiling: Option<Amount>,
}

impl State {
    pub(super) fn view(&self) -> View {
        let (asset, class) = self.open.clone().unzip();
        let posted = self.posted.held_plus(self.window.sum());
        let promised = self.holds.out();
        let available = match class {
            Some(Class::Funding) => Some(posted.held_minus(promised)),
            Some(Class::Limit) => {
                self.ceiling.map(|ceiling| ceiling.held_minus(posted).held_minus(promised))
            }
            Some(Class::External) | None => None,
        };
        View {
            asset,
            class,
            posted,
            held_out: promised,
            held_in: self.holds.incoming(),
            holds: self.holds.len(),
            available,
            ceiling: self.ceiling,
        }
    }
}

pub(super) fn evolve(mut state: State, event: &Event) -> State {
    match event {
        Event::Opened(opened) => {
            state.open = Some((opened.asset.clone(), opened.class));
            state.ceiling = opened.ceiling;
        }
        Event::Held(held) => {
            let hold = OpenHold { side: held.side, amount: held.amount, expires: held.expires };
            state.holds.add(&held.transfer, hold);
            if held.side == Side::Draw {
                state.ceiling = held.ceiling.or(state.ceiling);
            }
        }
        Event::Counted(counted) => {
            state.window.count(counted.at, counted.amount, counted.window_s);
            state.ceiling = Some(counted.ceiling);
        }
        Event::Entered(entered) => {
            state.holds.remove(&entered.transfer);
            state.posted = entered.balance;
        }
        Event::Drawn(drawn) => {
            state.holds.remove(&drawn.transfer);
            state.posted = drawn.spent;
        }
        Event::Released(released) => state.holds.remove(&released.transfer),
    }
    state
}

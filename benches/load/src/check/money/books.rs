//! All accounts together: what transfers did on both of their sides.

use std::collections::{BTreeMap, BTreeSet};

use super::super::Options;
use super::super::served::{Event, View};
use super::super::verdict::{Check, Verdict};
use super::account::{Account, Said, Side, Wrong};
use super::streams::Transfer;
use crate::record::op_of;

/// What accounts say of one transfer.
#[derive(Debug, Default)]
struct Movement {
    /// Account and amount.
    entries: Vec<(usize, i128)>,
    pays: Vec<i128>,
    receives: Vec<i128>,
    draws: Vec<i128>,
    /// This run's operations that made the entries.
    by: BTreeSet<u64>,
    /// In which reading it was seen first.
    pass: u64,
}

/// All accounts.
#[derive(Debug, Default)]
pub(super) struct Books {
    accounts: Vec<Account>,
    by_id: BTreeMap<String, usize>,
    movements: BTreeMap<String, Movement>,
    wrong: Vec<(usize, Wrong)>,
    events: u64,
}

impl Books {
    /// The number of an account.
    pub(super) fn account(&mut self, id: &str) -> usize {
        if let Some(at) = self.by_id.get(id) {
            return *at;
        }
        self.accounts.push(Account::new(id));
        self.by_id.insert(id.to_owned(), self.accounts.len() - 1);
        self.accounts.len() - 1
    }

    /// Up to where its stream has been read.
    pub(super) fn end_of(&self, account: usize) -> u64 {
        self.accounts[account].sequence
    }

    /// Notes what is served of an account.
    pub(super) fn serve(&mut self, account: usize, view: Option<View>) {
        let problem = match view.map(|view| self.accounts[account].serve(&view)) {
            Some(Ok(())) => return,
            Some(Err(problem)) => problem,
            None => "it is not served".to_owned(),
        };
        let told = "it is in the list of accounts".to_owned();
        self.wrong.push((account, (Check::Served, told, problem)));
    }

    /// Takes in the next event of an account.
    pub(super) fn note(&mut self, account: usize, event: &Event, options: &Options, pass: u64) {
        self.events += 1;
        let mut wrong = Vec::new();
        let said = self.accounts[account].note(event, &mut wrong);
        self.wrong.extend(wrong.into_iter().map(|wrong| (account, wrong)));
        let Some((transfer, said)) = said else { return };
        let new = || Movement { pass, ..Movement::default() };
        let movement = self.movements.entry(transfer).or_insert_with(new);
        match said {
            Said::Held(Side::Pay, amount) => movement.pays.push(amount),
            Said::Held(Side::Receive, amount) => movement.receives.push(amount),
            Said::Held(Side::Draw, amount) => movement.draws.push(amount),
            Said::Entered(amount) => {
                movement.entries.push((account, amount));
                movement.by.extend(op_of(options.run, event.correlation));
            }
            Said::Nothing => {}
        }
    }

    /// Whether a reservation should have ended.
    pub(super) fn is_overdue(&self, now_us: i64) -> bool {
        self.accounts
            .iter()
            .any(|account| account.holds.values().any(|hold| hold.expires <= now_us))
    }

    /// The transfers that an operation of this run made, each with what was paid.
    pub(super) fn moved_by(&self) -> BTreeMap<u64, BTreeMap<&str, i128>> {
        let mut moved: BTreeMap<u64, BTreeMap<&str, i128>> = BTreeMap::new();
        for (id, movement) in &self.movements {
            let paid = movement.entries.iter().map(|(_, amount)| *amount).filter(|paid| *paid > 0);
            let paid: i128 = paid.sum();
            for op in &movement.by {
                moved.entry(*op).or_default().insert(id, paid);
            }
        }
        moved
    }

    /// Transfers for which an account still holds something.
    pub(super) fn open(&self) -> BTreeSet<&str> {
        let holds = self.accounts.iter().flat_map(|account| account.holds.keys());
        holds.map(String::as_str).collect()
    }

    /// What accounts say that a transfer's stream, which was read before, doesn't allow.
    pub(super) fn contradicts(
        &self,
        id: &str,
        transfer: &Transfer,
        open: &BTreeSet<&str>,
    ) -> Option<String> {
        let none = Movement::default();
        let movement = self.movements.get(id).unwrap_or(&none);
        let entries = movement.entries.len();
        if transfer.moved + transfer.posted > 0 && entries != 2 {
            return Some(format!("accounts have {entries} entries of it"));
        }
        if transfer.released > 0 && entries != 0 {
            return Some(format!("accounts have {entries} entries of it"));
        }
        if transfer.posted + transfer.released > 0 && open.contains(id) {
            return Some("an account still holds something for it".to_owned());
        }
        if transfer.reserved > 0 && movement.pays.is_empty() {
            return Some("no account ever held anything for it".to_owned());
        }
        None
    }

    /// Judges what was read.
    pub(super) fn judge(&mut self, verdict: &mut Verdict, now_us: i64) {
        for (account, (check, told, is)) in self.wrong.drain(..) {
            let entity = format!("account/{}", self.accounts[account].id);
            verdict.violated(super::violation(check, entity, told, is));
        }
        for account in &self.accounts {
            if let Some((check, told, is)) = account.misserved() {
                let entity = format!("account/{}", account.id);
                verdict.violated(super::violation(check, entity, told, is));
            }
        }
        let accounts = self.accounts.len() as u64;
        verdict.examined(Check::Served, accounts);
        for check in [Check::Gap, Check::Chain, Check::Bound, Check::Unreadable] {
            verdict.examined(check, self.events);
        }
        self.judge_movements(verdict);
        self.judge_open(verdict, now_us);
    }

    fn judge_movements(&self, verdict: &mut Verdict) {
        let mut sums: BTreeMap<&str, i128> = BTreeMap::new();
        for (id, movement) in self.movements.iter().filter(|(_, movement)| movement.pass == 1) {
            for (account, amount) in &movement.entries {
                *sums.entry(self.accounts[*account].asset()).or_default() += amount;
            }
            let entity = || format!("transfer/{id}");
            let sum: i128 = movement.entries.iter().map(|(_, amount)| amount).sum();
            if !matches!(movement.entries.len(), 0 | 2) || sum != 0 {
                let told = "a transfer is two entries that sum to zero".to_owned();
                let is = format!("{} that sum to {sum}", movement.entries.len());
                verdict.violated(super::violation(Check::Balance, entity(), told, is));
            }
            let Movement { pays, receives, draws, .. } = movement;
            let agree = draws.iter().all(|drawn| pays.contains(drawn));
            if pays != receives || pays.len() > 1 || !agree {
                let told = "one amount is held on both sides and of each limit".to_owned();
                let is = format!("{pays:?} to be paid, {receives:?} received, {draws:?} drawn");
                verdict.violated(super::violation(Check::Reservation, entity(), told, is));
            }
            verdict.examined(Check::Balance, 1);
            verdict.examined(Check::Reservation, u64::from(!pays.is_empty()));
        }
        for (asset, sum) in sums {
            verdict.examined(Check::Balance, 1);
            if sum != 0 {
                let told = "all entries sum to zero".to_owned();
                let (entity, is) = (format!("asset {asset}"), format!("they sum to {sum}"));
                verdict.violated(super::violation(Check::Balance, entity, told, is));
            }
        }
    }

    /// Reservations that are open, and those that should not be any more.
    fn judge_open(&self, verdict: &mut Verdict, now_us: i64) {
        let mut open = BTreeSet::new();
        for account in &self.accounts {
            for (transfer, hold) in &account.holds {
                if hold.expires > now_us {
                    open.insert(transfer);
                    continue;
                }
                let late_ms = (now_us - hold.expires) / 1_000;
                let told = format!("the hold for {transfer} ran out");
                let is = format!("it is still there {late_ms} ms later");
                let entity = format!("account/{}", account.id);
                verdict.violated(super::violation(Check::Reservation, entity, told, is));
            }
        }
        verdict.open += open.len() as u64;
    }
}

//! Money: what the streams of intents, transfers and accounts say, held against each other and
//! against what the run was answered.
//!
//! They are read in this order, while something may still go on: whatever an intent says has happened
//! is in what is read after it, for both are one commit. Accounts are read to their end twice; a
//! transfer of which one side was seen the first time has its other side by then, and one that shows
//! up only the second time isn't judged.
//!
//! What is in transit between two accounts is held on both; an entry is made on both in one commit.

mod account;
mod books;
mod streams;

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use futures_util::{StreamExt, TryStreamExt, stream};

use self::books::Books;
use self::streams::{Intent, Transfer};
use super::Options;
use super::asked::{Asked, Fate, Wanted};
use super::links;
use super::served::{Served, ServedError, all_events, all_ids};
use super::verdict::{Check, Verdict, Violation};
use crate::record::{Operation, STEPS};

/// Between two looks at reservations whose time is over.
const LOOK_EVERY: Duration = Duration::from_millis(500);

const MONEY: [Operation; 5] = [
    Operation::Transfer,
    Operation::Intent,
    Operation::Authorize,
    Operation::Post,
    Operation::Void,
];

/// What is collected on the way.
#[derive(Debug, Default)]
struct Found {
    verdict: Verdict,
    intents: BTreeMap<String, Intent>,
    /// Which intent an operation opened.
    opened: BTreeMap<u64, Vec<String>>,
    transfers: BTreeMap<String, Transfer>,
    books: Books,
}

fn violation(check: Check, entity: String, told: String, is: String) -> Violation {
    Violation { check, entity, op: None, told, is }
}

/// Judges money, if the run touched any.
pub(super) async fn check<S: Served>(
    served: &S,
    options: &Options,
    asked: &Asked,
) -> Result<Verdict, ServedError> {
    if !asked.any(&MONEY) {
        return Ok(Verdict::default());
    }
    let mut found = Found::default();
    let intents = read(served, options, "intent", Intent::read, &mut found.verdict).await?;
    for (id, intent) in intents {
        if let Some(op) = intent.opened_by {
            found.opened.entry(op).or_default().push(id.clone());
        }
        found.intents.insert(id, intent);
    }
    let transfers = read(served, options, "transfer", Transfer::read, &mut found.verdict).await?;
    found.transfers.extend(transfers);
    read_accounts(served, options, &mut found.books).await?;

    streams::check_intents(&mut found.verdict, options, asked, &found.intents);
    streams::check_transfers(&mut found.verdict, &found.intents, &found.transfers);
    found.check_transfers_in_books();
    let Found { verdict, books, .. } = &mut found;
    books.judge(verdict, now_us());
    check_moves(verdict, options, asked, books);
    found.check_answers(asked);
    Ok(found.verdict)
}

/// Reads all entities of a kind that have few events each, and judges how these hang together.
async fn read<S: Served, T: Send>(
    served: &S,
    options: &Options,
    kind: &'static str,
    of_events: fn(&Options, &[super::Event]) -> T,
    verdict: &mut Verdict,
) -> Result<Vec<(String, T)>, ServedError> {
    let ids = all_ids(served, kind).await?;
    let read = ids.into_iter().map(|id| async move {
        let events = all_events(served, kind, &id).await?;
        let linked = links::check(&format!("{kind}/{id}"), &events);
        Ok((linked, (id, of_events(options, &events))))
    });
    let read = stream::iter(read).buffered(options.at_once.max(1));
    let read: Vec<(Verdict, (String, T))> = read.try_collect().await?;
    let (linked, made): (Vec<Verdict>, Vec<(String, T)>) = read.into_iter().unzip();
    linked.into_iter().for_each(|one| verdict.absorb(one));
    Ok(made)
}

/// Reads accounts to their end twice, and again while a reservation should have ended.
async fn read_accounts<S: Served>(
    served: &S,
    options: &Options,
    books: &mut Books,
) -> Result<(), ServedError> {
    let began = Instant::now();
    let mut pass = 1;
    loop {
        for id in all_ids(served, account::KIND).await? {
            let account = books.account(&id);
            if pass == 1 {
                let view = served.view(account::KIND, &id).await?;
                books.serve(account, view);
            }
            loop {
                let page = served.events(account::KIND, &id, books.end_of(account)).await?;
                if !page.iter().any(|event| event.sequence > books.end_of(account)) {
                    break;
                }
                page.iter().for_each(|event| books.note(account, event, options, pass));
            }
        }
        let is_over = began.elapsed() >= options.settle || !books.is_overdue(now_us());
        if pass > 1 && is_over {
            return Ok(());
        }
        if pass > 1 {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        pass += 1;
    }
}

fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// Every transfer that was acknowledged is there once, in its amount.
fn check_moves(verdict: &mut Verdict, options: &Options, asked: &Asked, books: &Books) {
    let moved = books.moved_by();
    for (op, id, _) in
        moved.iter().flat_map(|(op, all)| all.iter().map(move |(id, amount)| (*op, id, amount)))
    {
        verdict.examined(Check::Invented, 1);
        if asked.get(op).is_none() {
            let told = format!("its entries are of run {:x}", options.run);
            let is = "the run never asked for it".to_owned();
            let entity = format!("transfer/{id}");
            verdict.violated(Violation { check: Check::Invented, entity, op: Some(op), told, is });
        }
    }
    for (op, wanted) in asked.of(Operation::Transfer) {
        let none = BTreeMap::new();
        let found = moved.get(&op).unwrap_or(&none);
        count(verdict, op, wanted, "transfer", found.len());
        verdict.examined(Check::Altered, found.len() as u64);
        for (id, amount) in found.iter().filter(|(_, amount)| **amount != wanted.amount.into()) {
            let (told, is) = (format!("{} was to move", wanted.amount), format!("{amount} did"));
            let entity = format!("transfer/{id}");
            verdict.violated(Violation { check: Check::Altered, entity, op: Some(op), told, is });
        }
    }
}

/// Each that was acknowledged is there, none is there twice.
fn count(verdict: &mut Verdict, op: u64, wanted: &Wanted, kind: &str, found: usize) {
    let mut violated = |check, told: &str| {
        let (told, is) = (told.to_owned(), format!("{found} of it are there"));
        verdict.violated(Violation { check, entity: kind.to_owned(), op: Some(op), told, is });
    };
    match wanted.fate {
        Fate::Acknowledged if found == 0 => violated(Check::Lost, "it was acknowledged"),
        Fate::NotApplied if found > 0 => violated(Check::NotApplied, "it was not applied"),
        _ if found > 1 => violated(Check::Doubled, "it was asked for once"),
        _ => {}
    }
    verdict.examined(Check::Doubled, 1);
    verdict.examined(Check::Lost, u64::from(wanted.fate == Fate::Acknowledged));
    verdict.examined(Check::NotApplied, u64::from(wanted.fate == Fate::NotApplied));
    verdict.unknown_applied += u64::from(wanted.fate == Fate::Unknown && found > 0);
    verdict.unknown_absent += u64::from(wanted.fate == Fate::Unknown && found == 0);
}

impl Found {
    /// What a transfer's own stream says is what its accounts say.
    fn check_transfers_in_books(&mut self) {
        let open = self.books.open();
        for (id, transfer) in &self.transfers {
            let Some(problem) = self.books.contradicts(id, transfer, &open) else { continue };
            let told = format!("its stream says {transfer}");
            let entity = format!("transfer/{id}");
            self.verdict.violated(violation(Check::Balance, entity, told, problem));
        }
    }

    /// What was answered about intents is so.
    fn check_answers(&mut self, asked: &Asked) {
        for (op, wanted) in asked.of(Operation::Intent) {
            let found = self.opened.get(&op).map_or(0, Vec::len);
            count(&mut self.verdict, op, wanted, "intent", found);
        }
        type Holds = fn(&Intent) -> bool;
        let steps: [(Operation, &str, Holds); 3] = [
            (Operation::Authorize, "it was decided", |intent| intent.decisions > 0),
            (Operation::Post, "it was posted", |intent| intent.posted.is_some()),
            (Operation::Void, "it was voided", |intent| intent.voided),
        ];
        for (operation, told, holds) in steps {
            for (op, wanted) in asked.of(operation) {
                // The first step of the same operation of the plan.
                let opener = op - op % STEPS;
                let is_of_intent = asked.get(opener).is_some_and(|opened| {
                    opened.operation == Operation::Intent && opened.fate == Fate::Acknowledged
                });
                if wanted.fate != Fate::Acknowledged || !is_of_intent {
                    continue;
                }
                self.verdict.examined(Check::Lost, 1);
                let ids = self.opened.get(&opener).into_iter().flatten();
                let mut intents = ids.filter_map(|id| self.intents.get(id));
                if !intents.any(holds) {
                    let entity = format!("intent of operation {opener}");
                    let is = "its stream doesn't say so".to_owned();
                    let (check, told) = (Check::Lost, told.to_owned());
                    self.verdict.violated(Violation { check, entity, op: Some(op), told, is });
                }
            }
        }
    }
}

//! Entities in maps, a clock, and groups that are applied whole or not at all.

use std::collections::BTreeMap;

use coppice_core::{
    CommandId, Context, CorrelationId, DomainEvent, EffectOutcome, Entity, EntityId, EntityKind,
    Rejection, Sequence, StreamKey, TenantId, Timestamp,
};
use coppice_domain::treasury::account::Cause;
use coppice_domain::treasury::names::{AccountName, Class, Name};
use coppice_domain::treasury::plan::{self, Part};
use coppice_domain::treasury::{
    Account, Amount, Asset, Day, Intent, Reason, Transfer, account, intent, transfer,
};
use uuid::Uuid;

pub(crate) const MERCHANTS: usize = 2;
pub(crate) const WORKFLOWS: usize = 2;

/// Bounds of these worlds, near enough to be met.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) budget: u64,
    pub(crate) velocity: u64,
    pub(crate) window_s: u32,
    pub(crate) cap: u64,
}

pub(crate) const LIMITS: Bounds = Bounds { budget: 150, velocity: 120, window_s: 60, cap: 200 };

/// What an intent wants.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish {
    pub(crate) amount: u64,
    pub(crate) merchant: usize,
    pub(crate) category: usize,
    pub(crate) workflow: Option<usize>,
    pub(crate) ttl_s: u32,
}

impl Wish {
    pub(crate) fn same_velocity(&self, other: &Self) -> bool {
        let key = |wish: &Self| (wish.merchant, wish.category, wish.workflow);
        key(self) == key(other)
    }
}

/// The UTC day of a second.
pub(crate) const fn day(second: i64) -> i64 {
    second.div_euclid(86_400)
}

/// One entity.
struct Cell<K: Entity> {
    key: StreamKey,
    state: K::State,
    recorded_at: Timestamp,
    events: Vec<(String, String)>,
}

/// What a cell decided, not applied yet.
type Decided<K> = (Vec<<K as Entity>::Event>, Timestamp);

impl<K: Entity> Cell<K> {
    fn new(id: &str) -> Self {
        let tenant = TenantId::new("tenant").unwrap();
        let kind = EntityKind::new(K::KIND).unwrap();
        let key = StreamKey::new(tenant, kind, EntityId::new(id).unwrap());
        let (state, recorded_at) = (K::State::default(), Timestamp::EPOCH);
        Self { key, state, recorded_at, events: Vec::new() }
    }

    fn decide(&self, command: &K::Command, clock: Timestamp) -> Result<Decided<K>, K::Rejection> {
        let now = clock.max(self.recorded_at);
        let context = Context {
            now,
            key: &self.key,
            sequence: Sequence(self.events.len() as u64),
            command_id: CommandId(Uuid::nil()),
            correlation: CorrelationId(Uuid::nil()),
        };
        K::decide(&self.state, command, &context).map(|decision| (decision.events, now))
    }

    fn apply(&mut self, (events, now): Decided<K>) {
        for event in events {
            self.events.push((event.event_type().to_owned(), event.encode().unwrap()));
            self.state = K::evolve(std::mem::take(&mut self.state), &event);
            self.recorded_at = now;
        }
    }

    fn replayed(&self) -> K::State {
        self.events.iter().fold(K::State::default(), |state, (event_type, payload)| {
            K::evolve(state, &K::Event::decode(event_type, payload).unwrap())
        })
    }
}

type Cells<K> = BTreeMap<String, Cell<K>>;

fn cell<'a, K: Entity>(cells: &'a mut Cells<K>, id: &str) -> &'a mut Cell<K> {
    cells.entry(id.to_owned()).or_insert_with(|| Cell::new(id))
}

/// A part that was accepted.
enum Accepted {
    Account(String, Decided<Account>),
    Transfer(String, Decided<Transfer>),
    Intent(String, Decided<Intent>),
}

pub(crate) struct World {
    clock: Timestamp,
    accounts: Cells<Account>,
    transfers: Cells<Transfer>,
    intents: Cells<Intent>,
    deposits: u32,
    wishes: Vec<Wish>,
    /// Each approval: of which wish, and when by its velocity's own clock.
    approvals: Vec<(usize, i64)>,
}

fn usd() -> Asset {
    Asset::new("USD/2").unwrap()
}

fn name(what: &str, number: usize) -> Name {
    Name::new(&format!("{what}-{number}")).unwrap()
}

fn funding_id() -> Box<str> {
    AccountName::funding(usd()).id()
}

impl World {
    pub(crate) fn new() -> Self {
        let mut world = Self {
            clock: Timestamp::from_micros(1_767_225_600_000_000),
            accounts: Cells::new(),
            transfers: Cells::new(),
            intents: Cells::new(),
            deposits: 0,
            wishes: Vec::new(),
            approvals: Vec::new(),
        };
        world.open(&funding_id(), None);
        for workflow in 0..WORKFLOWS {
            let budget = AccountName::budget(name("w", workflow), usd());
            world.open(&budget.id(), Some(Amount::of(LIMITS.budget)));
        }
        world
    }

    fn open(&mut self, id: &str, ceiling: Option<Amount>) {
        let (command, body) = account::Command::Open(account::Open { ceiling }).encode().unwrap();
        let part = Part { kind: Account::KIND, id: id.into(), command, body };
        self.commit(&[part]).unwrap();
    }

    pub(crate) const fn now(&self) -> i64 {
        self.clock.as_micros() / 1_000_000
    }

    pub(crate) fn jump(&mut self, seconds: i64) {
        self.clock = self.clock.saturating_add_micros(seconds * 1_000_000);
    }

    /// Decides every part and applies all of them, or none where one is refused.
    fn commit(&mut self, parts: &[Part]) -> Result<(), &'static str> {
        let mut accepted = Vec::new();
        for part in parts {
            let (id, body) = (part.id.to_string(), part.body.as_bytes());
            accepted.push(match part.kind {
                Account::KIND => {
                    let command = Account::parse(part.command, body).unwrap();
                    let decided = cell(&mut self.accounts, &id).decide(&command, self.clock);
                    Accepted::Account(id, decided.map_err(|refusal| refusal.code())?)
                }
                Transfer::KIND => {
                    let command = Transfer::parse(part.command, body).unwrap();
                    let decided = cell(&mut self.transfers, &id).decide(&command, self.clock);
                    Accepted::Transfer(id, decided.map_err(|refusal| refusal.code())?)
                }
                _ => {
                    let command = Intent::parse(part.command, body).unwrap();
                    let decided = cell(&mut self.intents, &id).decide(&command, self.clock);
                    Accepted::Intent(id, decided.map_err(|refusal| refusal.code())?)
                }
            });
        }
        for part in accepted {
            match part {
                Accepted::Account(id, decided) => cell(&mut self.accounts, &id).apply(decided),
                Accepted::Transfer(id, decided) => cell(&mut self.transfers, &id).apply(decided),
                Accepted::Intent(id, decided) => cell(&mut self.intents, &id).apply(decided),
            }
        }
        Ok(())
    }

    /// Each is asked for twice, as by somebody who never learned.
    pub(crate) fn deposit(&mut self, amount: u64) {
        self.deposits += 1;
        let (from, to) = (AccountName::world(usd()).id(), funding_id());
        let moving = transfer::Move { from, to, amount: Amount::of(amount), workflow: None };
        let parts = plan::moving(&format!("d-{}", self.deposits), &moving).unwrap();
        assert_eq!(self.commit(&parts), Ok(()));
        assert_eq!(self.commit(&parts), Err("transfer_other"));
    }

    pub(crate) fn create(&mut self, wish: Wish) {
        let merchant = name("m", wish.merchant);
        let create = intent::Create {
            amount: Amount::of(wish.amount),
            from: funding_id(),
            to: AccountName::payee(merchant.clone(), usd()).id(),
            merchant,
            category: name("c", wish.category),
            ttl_s: wish.ttl_s,
            workflow: wish.workflow.map(|workflow| name("w", workflow)),
        };
        let id = format!("i-{}", self.wishes.len());
        self.wishes.push(wish);
        self.tell(&id, &intent::Command::Create(create)).unwrap();
    }

    fn tell(&mut self, id: &str, command: &intent::Command) -> Result<(), &'static str> {
        let (command, body) = command.encode().unwrap().unwrap();
        self.commit(&[Part { kind: Intent::KIND, id: id.into(), command, body }])
    }

    fn id(&self, intent: usize) -> Option<String> {
        Some(format!("i-{}", intent.checked_rem(self.wishes.len())?))
    }

    fn intent(&self, id: &str) -> intent::View {
        Intent::view(&self.intents[id].state)
    }

    /// As the service does it: the linked commit, else the denial with what it was refused for.
    pub(crate) fn authorize(&mut self, intent: usize) -> Option<Reason> {
        let id = self.id(intent)?;
        let wanted = self.intent(&id).wanted.unwrap();
        let limits = plan::Limits {
            daily_cap: Amount::of(LIMITS.cap),
            velocity_max: Amount::of(LIMITS.velocity),
            velocity_window_s: LIMITS.window_s,
        };
        // The cap's own stream may be a day ahead of a clock that was set back.
        for ahead in 0..3 {
            let day = Day::of(self.clock.saturating_add_micros(ahead * 86_400_000_000));
            let parts = plan::authorize(&id, &wanted, &limits, day, None).unwrap();
            match self.commit(&parts) {
                Ok(()) => {
                    let velocity = self.accounts[&*parts[parts.len() - 2].id].recorded_at;
                    let number = intent % self.wishes.len();
                    self.approvals.push((number, velocity.as_micros()));
                    break;
                }
                Err("account_day_over") => {}
                Err("intent_decided") => break,
                Err(code) => {
                    let reason = Reason::of_code(code).unwrap_or(Reason::Timeout);
                    let deny = intent::Deny { reason, policy: None };
                    self.tell(&id, &intent::Command::Deny(deny)).unwrap();
                    break;
                }
            }
        }
        self.intent(&id).decided.map(|decided| decided.reason)
    }

    pub(crate) fn deny(&mut self, intent: usize) {
        let Some(id) = self.id(intent) else { return };
        let deny = intent::Deny { reason: Reason::Timeout, policy: None };
        self.tell(&id, &intent::Command::Deny(deny)).unwrap();
    }

    pub(crate) fn post(&mut self, intent: usize, part: Option<u64>) -> Option<intent::Status> {
        let id = self.id(intent)?;
        let approved = self.intent(&id).decided.is_some_and(|decided| decided.approved);
        if !approved {
            return None;
        }
        let terms = Transfer::view(&self.transfers[&id].state).terms.unwrap();
        let amount = part.map_or(terms.amount, Amount::of);
        let refused = self.commit(&plan::post(&id, &terms, amount).unwrap());
        if amount > terms.amount {
            // The caller's mistake, whatever the time is.
            assert!(refused.is_err(), "{id} posted more than was reserved");
            return None;
        }
        self.expire_where(&id, &terms, refused);
        Some(self.intent(&id).status)
    }

    pub(crate) fn void(&mut self, intent: usize) -> Option<intent::Status> {
        let id = self.id(intent)?;
        if self.intent(&id).status == intent::Status::Approved {
            let terms = Transfer::view(&self.transfers[&id].state).terms.unwrap();
            let refused = self.commit(&plan::release(&id, &terms, Cause::Voided).unwrap());
            self.expire_where(&id, &terms, refused);
        } else {
            let _decided = self.tell(&id, &intent::Command::Withdraw(intent::Withdraw {}));
        }
        Some(self.intent(&id).status)
    }

    fn expire_where(&mut self, id: &str, terms: &transfer::Terms, refused: Result<(), &str>) {
        if refused == Err("transfer_expired") {
            self.commit(&plan::release(id, terms, Cause::Expired).unwrap()).unwrap();
        }
    }

    /// Every timer that is due by the node's clock becomes its command.
    pub(crate) fn fire_timers(&mut self) {
        fire(&mut self.transfers, self.clock);
        fire(&mut self.intents, self.clock);
    }

    /// Every effect that is owed is carried out, and its outcome told where it is still waited for.
    pub(crate) fn carry_out_effects(&mut self) {
        let owing = self.transfers.iter().filter(|(_, cell)| Transfer::pending(&cell.state).owes());
        let owing: Vec<String> = owing.map(|(id, _)| id.clone()).collect();
        for id in owing {
            let terms = Transfer::view(&self.transfers[&id].state).terms.unwrap();
            let _not_due = self.commit(&plan::release(&id, &terms, Cause::Expired).unwrap());
            let cell = cell(&mut self.transfers, &id);
            let owed = Transfer::pending(&cell.state).added_since(0).next();
            let Some(effect) = owed.map(|owed| owed.id.clone()) else { continue };
            let outcome = EffectOutcome::Done { response: "{}".into() };
            let command = Transfer::on_effect(&cell.state, &effect, &outcome).unwrap();
            let decided = cell.decide(&command, self.clock).unwrap();
            cell.apply(decided);
        }
    }

    /// Every state is made anew of its events, and is what it was.
    pub(crate) fn restart(&mut self) {
        restart(&mut self.accounts);
        restart(&mut self.transfers);
        restart(&mut self.intents);
    }

    pub(crate) fn transfers(&self) -> impl Iterator<Item = (&String, transfer::View)> {
        self.transfers.iter().map(|(id, cell)| (id, Transfer::view(&cell.state)))
    }

    pub(crate) fn accounts(&self) -> impl Iterator<Item = (&String, account::View)> {
        self.accounts.iter().map(|(id, cell)| (id, Account::view(&cell.state)))
    }

    pub(crate) fn funding(&self) -> u64 {
        let view = Account::view(&self.accounts[&*funding_id()].state);
        view.posted.units().try_into().unwrap()
    }

    pub(crate) fn paid(&self) -> u64 {
        let paid = self.accounts().filter(|(id, _)| id.starts_with("payee:"));
        let sum: i128 = paid.map(|(_, view)| view.posted.units()).sum();
        sum.try_into().unwrap()
    }

    /// Conservation, both sides of every hold, and every bound, counted anew.
    pub(crate) fn check(&self) {
        let mut posted = 0;
        let (mut out, mut incoming) = (Amount::ZERO, Amount::ZERO);
        for (id, view) in self.accounts() {
            let class = AccountName::parse(id).unwrap().class();
            if class != Class::Limit {
                posted += view.posted.units();
                out = out.plus(view.held_out).unwrap();
                incoming = incoming.plus(view.held_in).unwrap();
            }
            if class == Class::Funding {
                assert!(view.posted >= Amount::ZERO, "{id} is {}", view.posted);
            }
            let spent = view.posted.units();
            if id.starts_with("budget:") {
                assert!(spent <= i128::from(LIMITS.budget), "{id} spent {spent}");
            }
            if id.starts_with("cap:") {
                assert!(spent <= i128::from(LIMITS.cap), "{id} spent {spent}");
            }
        }
        assert_eq!(posted, 0, "money was made or lost");
        assert_eq!(out, incoming, "holds disagree");
        let pending = self.transfers().filter(|(_, view)| view.status == transfer::Status::Pending);
        let reserved: i128 = pending.map(|(_, view)| view.terms.unwrap().amount.units()).sum();
        assert_eq!(out.units(), reserved, "a hold belongs to a transfer that is pending");
        self.check_velocity();
    }

    fn check_velocity(&self) {
        for (number, at) in &self.approvals {
            let since = at - i64::from(LIMITS.window_s) * 1_000_000;
            let wish = self.wishes[*number];
            let lately = self.approvals.iter().filter(|(other, when)| {
                self.wishes[*other].same_velocity(&wish) && *when > since && when <= at
            });
            let sum: u64 = lately.map(|(other, _)| self.wishes[*other].amount).sum();
            assert!(sum <= LIMITS.velocity, "{sum} approved within a window");
        }
    }
}

fn fire<K: Entity>(cells: &mut Cells<K>, clock: Timestamp) {
    for cell in cells.values_mut() {
        let due = K::pending(&cell.state).timers().find(|(due, _)| *due <= clock);
        let Some((due, timer)) = due.map(|(due, timer)| (due, timer.clone())) else { continue };
        let command = K::on_timer(&cell.state, &timer, due).unwrap();
        let Ok(decided) = cell.decide(&command, clock) else { panic!("a timer is accepted") };
        cell.apply(decided);
    }
}

fn restart<K: Entity>(cells: &mut Cells<K>) {
    for (id, cell) in cells {
        let replayed = cell.replayed();
        assert_eq!(replayed, cell.state, "{id} is another after a replay");
        cell.state = replayed;
    }
}

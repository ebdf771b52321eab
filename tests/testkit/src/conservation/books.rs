//! What the events of money add up to, kept as plainly as can be.

use std::collections::{BTreeMap, BTreeSet};

use coppice_core::StoredEvent;
use serde::Deserialize;
use serde_json::Value;

use super::Balanced;

/// An entity of a tenant.
type Named = (String, String);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Pending,
    Posted,
    Voided,
    Expired,
}

#[derive(Debug, Default)]
struct Account {
    /// Balance, or what is used up.
    posted: i128,
    /// Side, amount and expiry, by transfer.
    holds: BTreeMap<String, (String, i128, i64)>,
    /// When and how much, of a velocity.
    counted: Vec<(i64, i128)>,
}

impl Account {
    fn held(&self, now: i64) -> i128 {
        let live =
            self.holds.values().filter(|(side, _, expires)| side != "receive" && now < *expires);
        live.map(|(_, amount, _)| amount).sum()
    }
}

/// Everything that was noted.
#[derive(Debug, Default)]
pub(super) struct Books {
    accounts: BTreeMap<Named, Account>,
    /// Sums of all entries, by tenant and asset.
    sums: BTreeMap<Named, i128>,
    transfers: BTreeMap<Named, Fate>,
    /// Whether it was approved.
    decided: BTreeMap<Named, bool>,
    /// What the commit in hand has touched.
    touched: BTreeSet<Named>,
}

fn read<T: for<'de> Deserialize<'de>>(payload: &Value, member: &str) -> Result<T, String> {
    let value = payload.get(member).cloned().unwrap_or(Value::Null);
    serde_json::from_value(value).map_err(|error| format!("{member} of {payload}: {error}"))
}

fn amount(payload: &Value, member: &str) -> Result<i128, String> {
    let text: String = read(payload, member)?;
    text.parse().map_err(|error| format!("{member} of {payload}: {error}"))
}

fn claim(holds: bool, problem: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(problem()) }
}

impl Books {
    /// Takes in an event of any kind.
    pub(super) fn note(&mut self, event: &StoredEvent) -> Result<(), String> {
        let (key, body) = (&event.key, &event.record.body);
        let tenant = key.tenant().as_str().to_owned();
        let name = (tenant, key.id().as_str().to_owned());
        let at = body.recorded_at.as_micros();
        let payload =
            || serde_json::from_str::<Value>(&body.payload).map_err(|error| error.to_string());
        match (key.kind().as_str(), &*body.event_type) {
            ("account", event_type) => self.of_account(&name, event_type, &payload()?, at),
            ("transfer", event_type) => self.of_transfer(name, event_type),
            ("intent", "intent.approved.v1") => self.decides(&name, true),
            ("intent", "intent.denied.v1") => self.decides(&name, false),
            _ => Ok(()),
        }
    }

    fn decides(&mut self, name: &Named, approved: bool) -> Result<(), String> {
        self.touched.insert(name.clone());
        let before = self.decided.insert(name.clone(), approved);
        claim(before.is_none(), || format!("intent {name:?} is decided twice"))
    }

    fn of_transfer(&mut self, name: Named, event_type: &str) -> Result<(), String> {
        let fate = match event_type {
            "transfer.reserved.v1" => Fate::Pending,
            "transfer.posted.v1" | "transfer.moved.v1" => Fate::Posted,
            "transfer.voided.v1" => Fate::Voided,
            "transfer.expired.v1" => Fate::Expired,
            _ => return Ok(()),
        };
        self.touched.insert(name.clone());
        let before = self.transfers.get(&name).copied();
        let begins = matches!(event_type, "transfer.reserved.v1" | "transfer.moved.v1");
        let expected = if begins { None } else { Some(Fate::Pending) };
        claim(before == expected, || format!("{event_type} of {name:?}, which is {before:?}"))?;
        if event_type != "transfer.moved.v1" {
            self.transfers.insert(name, fate);
        }
        Ok(())
    }

    fn of_account(
        &mut self,
        name: &Named,
        event_type: &str,
        payload: &Value,
        at: i64,
    ) -> Result<(), String> {
        if event_type == "account.opened.v1" {
            return Ok(());
        }
        let transfer: String = read(payload, "transfer")?;
        self.touched.insert((name.0.clone(), transfer.clone()));
        let account = self.accounts.entry(name.clone()).or_default();
        match event_type {
            "account.held.v1" => {
                let hold =
                    (read(payload, "side")?, amount(payload, "amount")?, read(payload, "expires")?);
                let twice = account.holds.insert(transfer.clone(), hold).is_some();
                claim(!twice, || format!("{transfer} holds twice on {name:?}"))?;
                bounded(name, account, payload, at)
            }
            "account.counted.v1" => {
                account.counted.push((read(payload, "at")?, amount(payload, "amount")?));
                let (ceiling, window_s) =
                    (amount(payload, "ceiling")?, read::<i64>(payload, "window_s")?);
                let lately =
                    account.counted.iter().filter(|(when, _)| *when > at - window_s * 1_000_000);
                let sum: i128 = lately.map(|(_, amount)| amount).sum();
                claim(sum <= ceiling, || format!("{sum} of {ceiling} approved on {name:?}"))
            }
            "account.released.v1" => ends(name, account, &transfer, amount(payload, "amount")?),
            "account.drawn.v1" => {
                ends(name, account, &transfer, amount(payload, "held")?)?;
                account.posted += amount(payload, "amount")?;
                let spent = amount(payload, "spent")?;
                claim(spent == account.posted, || format!("{name:?} says {spent}"))
            }
            "account.entered.v1" => {
                let held = amount(payload, "held")?;
                if held != 0 {
                    ends(name, account, &transfer, held)?;
                }
                let moved = amount(payload, "amount")?;
                account.posted += moved;
                let (posted, balance) = (account.posted, amount(payload, "balance")?);
                claim(balance == posted, || format!("{name:?} says {balance} and has {posted}"))?;
                let fits = posted >= 0 || !name.1.starts_with("funding:");
                claim(fits, || format!("{name:?} has {posted}"))?;
                let asset = name.1.rsplit(':').next().unwrap_or_default().to_owned();
                *self.sums.entry((name.0.clone(), asset)).or_default() += moved;
                Ok(())
            }
            other => Err(format!("{other} on {name:?} is not known here")),
        }
    }

    /// The end of a commit.
    pub(super) fn cut(&mut self) -> Result<(), String> {
        for (of, sum) in &self.sums {
            claim(*sum == 0, || format!("the entries of {of:?} sum to {sum}"))?;
        }
        for name in std::mem::take(&mut self.touched) {
            self.check_holds(&name)?;
            if let Some(approved) = self.decided.get(&name) {
                let reserved = self.transfers.contains_key(&name);
                claim(*approved == reserved, || {
                    format!("intent {name:?}: {approved}, reserved {reserved}")
                })?;
            }
        }
        Ok(())
    }

    /// One amount on both sides and on every limit while it is pending, and nothing else.
    fn check_holds(&self, transfer: &Named) -> Result<(), String> {
        let of_tenant = self.accounts.iter().filter(|((tenant, _), _)| *tenant == transfer.0);
        let held = of_tenant.filter_map(|(_, account)| account.holds.get(&transfer.1));
        let held: Vec<_> =
            held.map(|(side, amount, expires)| (side.as_str(), *amount, *expires)).collect();
        let count = |wanted: &str| held.iter().filter(|(side, _, _)| *side == wanted).count();
        let pending = self.transfers.get(transfer) == Some(&Fate::Pending);
        let sides = usize::from(pending);
        let agree =
            held.iter().all(|(_, amount, expires)| (*amount, *expires) == (held[0].1, held[0].2));
        let fits = count("pay") == sides && count("receive") == sides && agree;
        let fits = fits && (pending || held.is_empty());
        claim(fits, || format!("transfer {transfer:?}, pending {pending}, holds {held:?}"))
    }

    pub(super) fn summary(&self) -> Balanced {
        let count = |wanted: Fate| self.transfers.values().filter(|fate| **fate == wanted).count();
        let approved = self.decided.values().filter(|approved| **approved).count();
        Balanced {
            cuts: 0,
            approved,
            denied: self.decided.len() - approved,
            posted: count(Fate::Posted),
            voided: count(Fate::Voided),
            expired: count(Fate::Expired),
            pending: count(Fate::Pending),
        }
    }
}

/// What is held when something more has been is bounded by what there is.
fn bounded(name: &Named, account: &Account, payload: &Value, at: i64) -> Result<(), String> {
    let held = account.held(at);
    if name.1.starts_with("funding:") {
        let has = account.posted;
        return claim(held <= has, || format!("{name:?} promises {held} and has {has}"));
    }
    if payload.get("ceiling").is_some_and(|ceiling| !ceiling.is_null()) {
        let (ceiling, used) = (amount(payload, "ceiling")?, account.posted + held);
        return claim(used <= ceiling, || format!("{used} of {ceiling} used of {name:?}"));
    }
    Ok(())
}

fn ends(name: &Named, account: &mut Account, transfer: &str, held: i128) -> Result<(), String> {
    let hold = account.holds.remove(transfer).map(|(_, amount, _)| amount);
    claim(hold == Some(held), || format!("{transfer} held {hold:?} on {name:?}, not {held}"))
}

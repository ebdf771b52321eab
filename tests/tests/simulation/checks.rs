//! What must hold once a run is over.

use std::collections::{BTreeMap, BTreeSet};

use coppice_core::{CommandId, StreamKey};
use coppice_domain::example::alarm::Answer;
use coppice_persistence::{DeadLetter, DeadLetters, LetterKind};
use coppice_runtime::work::message::timer_key;
use coppice_testkit::{Checker, History, Told};
use coppice_tests::node::{id, route, tenant, value};
use serde_json::Value;
use tokio::time::{Duration, Instant};
use uuid::Uuid;

use crate::books::Books;
use crate::clients::{ALARMS, AskedOf, COUNTERS, PROFILES};
use crate::nodes::Nodes;
use crate::outside::{End, Outside};
use crate::sim::Sim;

/// More letters than a run writes.
const LETTERS_MAX: usize = 10_000;

pub(crate) struct Checks<'a> {
    pub(crate) sim: &'a Sim,
    pub(crate) outside: &'a Outside,
    pub(crate) history: &'a History,
    pub(crate) asked: &'a AskedOf,
}

/// What is out of delivery, by entity; nil stands for the entity itself.
type Letters = BTreeSet<(StreamKey, Uuid)>;

async fn letters(sim: &Sim) -> Vec<DeadLetter> {
    // The connection has no faults.
    sim.database.dead_letters(None, 0, LETTERS_MAX).await.unwrap_or_default()
}

fn by_message(letters: &[DeadLetter]) -> Letters {
    letters.iter().map(|letter| (letter.key.clone(), letter.message)).collect()
}

fn is_out(letters: &Letters, key: &StreamKey, message: Uuid) -> bool {
    letters.contains(&(key.clone(), message)) || letters.contains(&(key.clone(), Uuid::nil()))
}

/// What is owed still and not among the dead letters.
pub(crate) async fn owed(sim: &Sim) -> Vec<String> {
    let letters = by_message(&letters(sim).await);
    let books = sim.books();
    let mut owed = Vec::new();
    for (key, entity) in &books.entities {
        for (timer, due) in entity.timers() {
            if !is_out(&letters, key, timer_key(key.stream(), timer, due)) {
                owed.push(format!("{timer:?} of {key}, due at {due:?}"));
            }
        }
        for effect in entity.open().filter(|effect| !is_out(&letters, key, *effect)) {
            owed.push(format!("effect {effect} of {key}"));
        }
    }
    owed
}

impl Checks<'_> {
    pub(crate) async fn all(&self, nodes: &Nodes) {
        let letters = letters(self.sim).await;
        if let Err(problem) = self.check(nodes, &letters).await {
            self.sim.blame(problem);
        }
    }

    async fn check(&self, nodes: &Nodes, letters: &[DeadLetter]) -> Result<(), String> {
        self.sim.verdict()?;
        self.counters(nodes).await?;
        let out = by_message(letters);
        self.alarms(nodes).await?;
        self.profiles(nodes, &out).await?;
        let books = self.sim.books();
        self.effects(&books, &out)?;
        self.commands(&books)?;
        strangers(letters)
    }

    async fn served(&self, nodes: &Nodes, kind: &str, entity: &str) -> Result<Value, String> {
        let roster = nodes.board().read();
        let door = roster.doors[roster.owner].clone().ok_or("no node lives")?;
        let deadline = Instant::now() + Duration::from_secs(20);
        let view = door.registry.view(kind, tenant(), id(entity), deadline).await;
        let view = view.map_err(|failure| format!("{entity} is not served: {failure:?}"))?;
        self.sim.note(format_args!("{entity} is served as {view:?}"));
        serde_json::from_str(&view.state).map_err(|error| error.to_string())
    }

    async fn counters(&self, nodes: &Nodes) -> Result<(), String> {
        let mut served = BTreeMap::new();
        for counter in COUNTERS {
            let view = self.served(nodes, "counter", counter).await?;
            served.insert(counter.to_owned(), value(&view.to_string()));
        }
        let told: Vec<_> = self
            .sim
            .books()
            .effects
            .iter()
            .filter_map(|(key, owed)| {
                let is_settled = owed.settled == Some(Answer::Heard);
                let told = Told { n: 1, is_settled };
                Some((owed.counter.clone()?, CommandId(*key), told))
            })
            .collect();
        let journal = self.sim.database.look(<[_]>::to_vec);
        let checker = Checker::new(&tenant(), route, self.history.attempts(), journal);
        let checked = checker.and_then(|checker| checker.told(told).check(&served));
        checked.map(drop).map_err(|violation| violation.to_string())
    }

    async fn alarms(&self, nodes: &Nodes) -> Result<(), String> {
        for alarm in ALARMS {
            let view = self.served(nodes, "alarm", alarm).await?;
            let books = self.sim.books();
            let Some(entity) = books.entities.get(&crate::clients::stream("alarm", alarm)) else {
                continue;
            };
            let expected = [
                ("rung", entity.rung),
                ("missed", entity.missed),
                ("heard", entity.heard),
                ("unheard", entity.unheard),
                ("outstanding", entity.open().count() as u64),
            ];
            for (field, number) in expected {
                if view[field] != number {
                    return Err(format!("{alarm} is served as {view}, {field} is {number}"));
                }
            }
        }
        Ok(())
    }

    async fn profiles(&self, nodes: &Nodes, out: &Letters) -> Result<(), String> {
        for profile in PROFILES {
            let key = crate::clients::stream("profile", profile);
            let view = self.served(nodes, "profile", profile).await;
            if out.contains(&(key.clone(), Uuid::nil())) && view.is_err() {
                continue;
            }
            let view = view?;
            let named = self.sim.books().entities.get(&key).map_or(0, |entity| entity.named);
            if view["named"] != named {
                return Err(format!("{profile} is served as {view}, named is {named}"));
            }
        }
        Ok(())
    }

    /// Each effect was carried out as its entity recorded it, and nothing else was.
    fn effects(&self, books: &Books, out: &Letters) -> Result<(), String> {
        for (key, owed) in &books.effects {
            if owed.counter.is_some() {
                // The counters' checks see to it.
                continue;
            }
            let ends = self.outside.ends(*key);
            let any = |end| ends.contains(&Some(end));
            let fits = match owed.settled {
                Some(Answer::Heard) => any(End::Heard) || self.outside.is_computed(*key),
                Some(Answer::Unheard) => {
                    any(End::Refused) || any(End::NotSent) || self.outside.is_discarded(*key)
                }
                None => is_out(out, &owed.entity, *key),
            };
            if !fits {
                return Err(format!("{key} ended as {:?} after {ends:?}", owed.settled));
            }
        }
        Ok(())
    }

    /// Every event of an alarm or a profile follows from one command, once.
    fn commands(&self, books: &Books) -> Result<(), String> {
        let asked = self.asked.lock();
        for (key, causes) in books.causes().filter(|(key, _)| key.kind().as_str() != "counter") {
            let asked = asked.get(key);
            let mut seen = BTreeSet::new();
            for cause in causes {
                // A timer that was set twice for one microsecond, as a clock that jumps back
                // allows, fires twice under one id: the books hold each firing against a setting.
                let is_own = books.own_causes.contains(cause);
                if !seen.insert(*cause) && !is_own {
                    return Err(format!("{cause} took effect twice on {key}"));
                }
                let known = asked.and_then(|asked| asked.get(cause));
                let may = known.is_some_and(|asked| asked.may_have_happened);
                if !may && !is_own {
                    return Err(format!("{cause} took effect on {key}, and was not to"));
                }
            }
        }
        Ok(())
    }
}

/// Only profiles crash.
fn strangers(letters: &[DeadLetter]) -> Result<(), String> {
    let stranger = letters.iter().find(|letter| {
        let crashes = matches!(letter.kind, LetterKind::Entity | LetterKind::Command);
        crashes && letter.key.kind().as_str() != "profile"
    });
    stranger.map_or(Ok(()), |letter| Err(format!("{letter:?} is out of delivery")))
}

//! Histories drawn at random from a counter that does everything right and whose network doesn't,
//! and one thing of them spoilt.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::memory::By;
use super::*;

/// What befalls one try.
#[derive(Debug, Clone, Copy)]
enum Luck {
    /// It is answered.
    Answered,
    /// It takes effect and the answer gets lost; with a key it is tried again or not.
    AnswerLost { again: bool },
    /// It never arrives.
    RequestLost { again: bool },
    /// The node has no room.
    Overloaded,
    /// The answer comes, and it is asked again for the same.
    Repeated,
}

#[derive(Debug, Clone, Copy)]
struct Drawn {
    is_read: bool,
    key: u64,
    session: u32,
    amount: i64,
    began: u64,
    /// From the beginning to the effect, and from there to the answer.
    effect_after: u64,
    answer_after: u64,
    luck: Luck,
}

fn luck() -> impl Strategy<Value = Luck> {
    prop_oneof![
        6 => Just(Luck::Answered),
        1 => any::<bool>().prop_map(|again| Luck::AnswerLost { again }),
        1 => any::<bool>().prop_map(|again| Luck::RequestLost { again }),
        1 => Just(Luck::Overloaded),
        1 => Just(Luck::Repeated),
    ]
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let times = (0..2_000_u64, 1..60_u64, 1..60_u64);
    (any::<bool>(), 0..3_u64, 0..4_u32, -9..9_i64, times, luck()).prop_map(
        |(is_read, key, session, amount, (began, effect_after, answer_after), luck)| Drawn {
            is_read,
            key,
            session,
            amount,
            began,
            effect_after,
            answer_after,
            luck,
        },
    )
}

/// What a run came to.
#[derive(Debug, Clone)]
struct History {
    entries: Vec<Entry>,
    /// By key: who added how much, in order.
    journal: BTreeMap<u64, Vec<(u64, i64)>>,
}

impl History {
    fn of(drawn: &[Drawn]) -> Self {
        let mut by_effect: Vec<(u64, &Drawn)> = (0..).zip(drawn).collect();
        by_effect.sort_by_key(|(op, one)| (one.began + one.effect_after, *op));
        let mut history = Self { entries: Vec::new(), journal: BTreeMap::new() };
        for (op, one) in by_effect {
            history.carry_out(op, one);
        }
        history.entries.sort_by_key(|entry| (entry.key, entry.sent, entry.op));
        history
    }

    fn carry_out(&mut self, op: u64, one: &Drawn) {
        let stream = self.journal.entry(one.key).or_default();
        let operation = if one.is_read { Operation::Read } else { Operation::Add };
        let (sent, done) = (one.began, one.began + one.effect_after + one.answer_after);
        let first = Entry {
            session: one.session,
            amount: if one.is_read { 0 } else { one.amount },
            intended: sent,
            sent,
            done,
            ..entry(op, operation, one.key, 0)
        };
        let fold = |stream: &[(u64, i64)]| stream.iter().map(|(_, n)| n).sum::<i64>();
        if one.is_read {
            let (sequence, value) = (stream.len() as u64, fold(stream));
            let seen = Entry { sequence, value, ..first };
            let nothing = Entry { outcome: Outcome::Refused, status: 404, ..first };
            self.entries.push(if stream.is_empty() { nothing } else { seen });
            return;
        }
        let is_done = !matches!(one.luck, Luck::RequestLost { .. } | Luck::Overloaded);
        if is_done {
            stream.push((op, one.amount));
        }
        let answered = Entry { sequence: stream.len() as u64, value: fold(stream), ..first };
        let again = Entry { attempt: 1, sent: done + 1, done: done + 2, ..answered };
        match one.luck {
            Luck::Answered => self.entries.push(answered),
            Luck::Overloaded => {
                self.entries.push(Entry { outcome: Outcome::Overloaded, status: 429, ..first });
            }
            Luck::Repeated => {
                self.entries.extend([answered, Entry { repeated: true, ..again }]);
            }
            Luck::AnswerLost { again: tried_again } => {
                self.entries.push(Entry { outcome: Outcome::TimedOut, status: 0, ..first });
                self.entries.extend(tried_again.then_some(Entry { repeated: true, ..again }));
            }
            Luck::RequestLost { again: tried_again } => {
                self.entries.push(Entry { outcome: Outcome::Broken, status: 0, ..first });
                let refused = Entry { outcome: Outcome::Overloaded, status: 429, ..again };
                self.entries.extend(tried_again.then_some(refused));
            }
        }
    }

    fn memory(&self) -> Memory {
        let mut memory = Memory::default();
        for (key, stream) in &self.journal {
            let adds: Vec<_> = stream.iter().map(|(op, n)| (By::Op(RUN, *op), *n)).collect();
            memory.counter(&format!("c-{key}"), &adds);
        }
        memory
    }

    fn verdict(&self) -> Verdict {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(judged(&self.memory(), &self.entries))
    }

    /// The acknowledged adds, as places in the entries.
    fn acknowledged(&self) -> Vec<usize> {
        let is_answer = |entry: &Entry| {
            entry.operation == Operation::Add && entry.outcome == Outcome::Acknowledged
        };
        (0..self.entries.len()).filter(|at| is_answer(&self.entries[*at])).collect()
    }

    fn reads(&self) -> Vec<usize> {
        let is_read = |entry: &Entry| {
            entry.operation == Operation::Read && entry.outcome == Outcome::Acknowledged
        };
        (0..self.entries.len()).filter(|at| is_read(&self.entries[*at])).collect()
    }
}

fn histories() -> impl Strategy<Value = (History, prop::sample::Index)> {
    let drawn = prop::collection::vec(drawn(), 1..60);
    (drawn.prop_map(|drawn| History::of(&drawn)), any::<prop::sample::Index>())
}

/// Spoils a history where it can be, and says what must find it.
fn caught(
    history: &History,
    check: Check,
    spoil: impl FnOnce(&mut History) -> Option<()>,
) -> Result<(), TestCaseError> {
    let mut spoilt = history.clone();
    prop_assume!(spoil(&mut spoilt).is_some());
    let verdict = spoilt.verdict();
    prop_assert!(verdict.count(check) > 0, "{} by {:?}", check, found(&verdict));
    Ok(())
}

proptest! {
    #[test]
    fn a_counter_that_does_everything_right_passes((history, _) in histories()) {
        let verdict = history.verdict();
        prop_assert!(verdict.is_sound(), "{:#?}", verdict);
    }

    #[test]
    fn a_dropped_event_is_lost((history, which) in histories()) {
        caught(&history, Check::Lost, |spoilt| {
            let acknowledged = spoilt.acknowledged();
            let at = *acknowledged.get(which.index(acknowledged.len().max(1)))?;
            let Entry { key, op, .. } = spoilt.entries[at];
            spoilt.journal.get_mut(&key)?.retain(|(of, _)| *of != op);
            Some(())
        })?;
    }

    #[test]
    fn an_event_that_is_there_again_is_doubled((history, which) in histories()) {
        caught(&history, Check::Doubled, |spoilt| {
            let acknowledged = spoilt.acknowledged();
            let at = *acknowledged.get(which.index(acknowledged.len().max(1)))?;
            let Entry { key, op, amount, .. } = spoilt.entries[at];
            spoilt.journal.get_mut(&key)?.push((op, amount));
            Some(())
        })?;
    }

    #[test]
    fn an_event_of_nobody_is_invented((history, which) in histories()) {
        caught(&history, Check::Invented, |spoilt| {
            let streams = spoilt.entries.iter().map(|entry| entry.key).collect::<Vec<_>>();
            let key = streams[which.index(streams.len())];
            spoilt.journal.entry(key).or_default().push((1_000_000, 1));
            Some(())
        })?;
    }

    #[test]
    fn a_value_that_is_not_the_fold_is_wrong((history, which) in histories()) {
        caught(&history, Check::WrongValue, |spoilt| {
            let told: Vec<_> = [spoilt.acknowledged(), spoilt.reads()].concat();
            let at = *told.get(which.index(told.len().max(1)))?;
            // A repetition that differs is told by another check.
            (spoilt.entries[at].attempt == 0).then_some(())?;
            spoilt.entries[at].value += 1;
            Some(())
        })?;
    }

    #[test]
    fn an_order_that_real_time_forbids_is_stale((history, which) in histories()) {
        caught(&history, Check::Stale, |spoilt| {
            // Two acknowledged adds of one key, the one over before the other began.
            let of_first = spoilt.acknowledged().into_iter();
            let first: Vec<Entry> = of_first.map(|at| spoilt.entries[at]).collect();
            let pairs = first.iter().flat_map(|one| first.iter().map(move |other| (*one, *other)));
            let is_ordered = |(one, other): &(Entry, Entry)| {
                one.key == other.key && one.done < other.sent && one.op != other.op
                    && one.attempt == 0 && other.attempt == 0
            };
            let pairs: Vec<_> = pairs.filter(is_ordered).collect();
            let (one, other) = *pairs.get(which.index(pairs.len().max(1)))?;
            let stream = spoilt.journal.get_mut(&one.key)?;
            let place = |op| stream.iter().position(|(of, _)| *of == op);
            let (here, there) = (place(one.op)?, place(other.op)?);
            stream.swap(here, there);
            Some(())
        })?;
    }

    #[test]
    fn a_read_of_what_was_is_stale((history, which) in histories()) {
        caught(&history, Check::Stale, |spoilt| {
            let reads = spoilt.reads();
            let at = *reads.get(which.index(reads.len().max(1)))?;
            let read = spoilt.entries[at];
            // What was known before it began.
            let known = spoilt.entries.iter().filter(|entry| {
                entry.key == read.key && entry.done < read.sent
                    && entry.outcome == Outcome::Acknowledged
            });
            let sequence = known.map(|entry| entry.sequence).max().filter(|known| *known > 0)? - 1;
            let before = usize::try_from(sequence).ok()?;
            let value = spoilt.journal[&read.key][..before].iter().map(|(_, n)| n).sum();
            (spoilt.entries[at].sequence, spoilt.entries[at].value) = (sequence, value);
            Some(())
        })?;
    }
}

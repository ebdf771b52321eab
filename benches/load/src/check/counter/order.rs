//! Whether the journal's order of a counter respects real time.
//!
//! An operation that was over before another began must not stand after it, and an add must stand
//! after all that was over before it began. Together with the values this is linearizability: put
//! each add at its sequence and each read right after the sequence that it saw. The journal is a
//! total order, so no search is needed: one sweep, O(n log n).
//!
//! Where several generators worked, each has a clock of its own. Within one real time counts as it
//! is; between two, something is over only once the clocks' greatest difference has passed.

use std::collections::BTreeMap;

use super::Counter;
use super::command::Try;
use crate::check::verdict::Check;
use crate::record::{Nanos, generator_of};

/// An operation with its place in the journal's order.
#[derive(Debug, Clone, Copy)]
struct Placed {
    op: u64,
    began: Nanos,
    /// None for an add that happened and whose sender was never told.
    over: Option<Nanos>,
    sequence: u64,
    is_add: bool,
}

/// Two operations in the wrong order.
struct Wrong {
    earlier: Placed,
    later: Placed,
}

/// Real time over all sessions, then the order that each session saw.
pub(super) fn check(counter: &mut Counter<'_>) {
    let placed = placed(counter);
    counter.verdict.examined(Check::Stale, placed.len() as u64);
    let generators = counter.options.generators.max(1);
    let of = |placed: &Placed| generator_of(placed.op, generators);
    let mut wrong = Vec::new();
    if generators == 1 {
        wrong.extend(sweep(placed, 0));
    } else {
        for generator in 0..generators {
            let own = placed.iter().filter(|placed| of(placed) == generator);
            wrong.extend(sweep(own.copied().collect(), 0));
        }
        let between = sweep(placed, counter.options.skew).into_iter();
        wrong.extend(between.filter(|wrong| of(&wrong.earlier) != of(&wrong.later)));
    }
    report(counter, Check::Stale, wrong);
    let (sessions, examined) = sessions(counter);
    counter.verdict.examined(Check::Session, examined);
    report(counter, Check::Session, sessions);
}

fn report(counter: &mut Counter<'_>, check: Check, wrong: Vec<Wrong>) {
    for Wrong { earlier, later } in wrong {
        let told = format!(
            "operation {} at {} was over {} us before it began",
            earlier.op,
            earlier.sequence,
            later.began.saturating_sub(earlier.over.unwrap_or(later.began)) / 1_000
        );
        let what = if later.is_add { "it stands at" } else { "it read" };
        counter.violated(check, Some(later.op), told, format!("{what} {}", later.sequence));
    }
}

fn read(a_try: &Try) -> Option<Placed> {
    let (op, sequence, _) = a_try.seen()?;
    Some(Placed { op, began: a_try.sent, over: Some(a_try.done), sequence, is_add: false })
}

fn placed(counter: &Counter<'_>) -> Vec<Placed> {
    let effects = counter.commands.iter().filter_map(|command| {
        let (sequence, began, over) = command.effect(&counter.tries)?;
        Some(Placed { op: command.op, began, over, sequence, is_add: true })
    });
    effects.chain(counter.tries.iter().filter_map(read)).collect()
}

/// What each session of each generator was told, in its own order: a read, or an add's own answer.
fn sessions(counter: &Counter<'_>) -> (Vec<Wrong>, u64) {
    let generators = counter.options.generators.max(1);
    let mut of_session: BTreeMap<(u64, u32), Vec<Placed>> = BTreeMap::new();
    for a_try in &counter.tries {
        let added = (a_try.is_add && a_try.is_acknowledged()).then_some(Placed {
            op: a_try.op,
            began: a_try.sent,
            over: Some(a_try.done),
            sequence: a_try.sequence,
            // A repetition answers what was: it must not be newer, and it isn't a read.
            is_add: true,
        });
        if let Some(placed) = read(a_try).or(added) {
            let session = (generator_of(a_try.op, generators), a_try.session);
            of_session.entry(session).or_default().push(placed);
        }
    }
    let mut wrong = Vec::new();
    let mut examined = 0;
    for told in of_session.into_values() {
        examined += told.iter().filter(|placed| !placed.is_add).count() as u64;
        wrong.extend(sweep(told, 0).into_iter().filter(|wrong| !wrong.later.is_add));
    }
    (wrong, examined)
}

/// One sweep in order of beginnings, beside the ends in their order: `furthest` is the operation with
/// the highest sequence among those that were over.
fn sweep(mut by_begin: Vec<Placed>, skew: Nanos) -> Vec<Wrong> {
    let ended = by_begin.iter().filter_map(|placed| placed.over.map(|over| (over, *placed)));
    let mut by_end: Vec<(Nanos, Placed)> = ended.collect();
    by_end.sort_unstable_by_key(|(over, placed)| (*over, placed.op));
    by_begin.sort_unstable_by_key(|placed| (placed.began, placed.op));

    let mut wrong = Vec::new();
    let mut ends = by_end.into_iter().peekable();
    let mut furthest: Option<Placed> = None;
    for later in by_begin {
        while let Some((_, done)) =
            ends.next_if(|(over, _)| over.saturating_add(skew) < later.began)
        {
            if furthest.is_none_or(|furthest| furthest.sequence < done.sequence) {
                furthest = Some(done);
            }
        }
        let Some(earlier) = furthest else { continue };
        let in_order = match later.is_add {
            true => earlier.sequence < later.sequence,
            false => earlier.sequence <= later.sequence,
        };
        if !in_order {
            wrong.push(Wrong { earlier, later });
        }
    }
    wrong
}

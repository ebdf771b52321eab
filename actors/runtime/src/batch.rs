//! Which of the waiting tickets commit together, and in which units.
//!
//! **Invariants:** tickets of one stream are taken in their order or not yet; a link group is taken
//! whole or not yet; in a batch each stream stands in one append, so that the store's check against
//! the stream's head covers all of its tickets at once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use coppice_core::StreamId;
use coppice_persistence::{Snapshot, StreamAppend, Unit};

use crate::link::LinkGroup;
use crate::options::RuntimeOptions;
use crate::ticket::Ticket;

/// What is about to be committed.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// In the order in which they were handed in, without what they write.
    pub(crate) tickets: Vec<Ticket>,
    /// What they write.
    pub(crate) units: Vec<Unit>,
    /// For each ticket the unit that its stream is in; `None` where its stream writes nothing.
    pub(crate) unit_of: Vec<Option<usize>>,
    /// Snapshots to keep, with the unit that they stand on.
    pub(crate) snapshots: Vec<(usize, Snapshot)>,
    /// About how much they write.
    pub(crate) bytes: usize,
}

fn identity(group: &Arc<LinkGroup>) -> usize {
    Arc::as_ptr(group).addr()
}

/// Takes what can be committed now out of `waiting`; the rest stays there, in order.
pub(crate) fn take(waiting: &mut Vec<Ticket>, options: &RuntimeOptions) -> Batch {
    let taken = plan(waiting, options);
    // A link group that fits no batch, with what stands before it, would wait for ever: the first
    // ticket that could be taken is, whatever it takes along.
    let taken = match taken.first() {
        // No group stands before what is taken first.
        None | Some(true) => taken,
        Some(false) => {
            let unlimited = RuntimeOptions {
                batch_tickets_max: usize::MAX,
                batch_bytes_max: usize::MAX,
                ..options.clone()
            };
            let possible = plan(waiting, &unlimited);
            match possible.iter().position(|taken| *taken) {
                Some(first) if !taken[first] => possible,
                Some(_) | None => taken,
            }
        }
    };
    let (mut tickets, mut rest) = (Vec::with_capacity(waiting.len()), Vec::new());
    for (ticket, take) in waiting.drain(..).zip(taken) {
        if take { tickets.push(ticket) } else { rest.push(ticket) }
    }
    *waiting = rest;
    assemble(tickets)
}

/// For each waiting ticket, whether it is taken. Repeated until no link group is split.
fn plan(waiting: &[Ticket], options: &RuntimeOptions) -> Vec<bool> {
    let mut deferred: HashSet<usize> = waiting
        .iter()
        .filter_map(|ticket| ticket.link.as_ref())
        .filter(|group| !group.is_complete())
        .map(identity)
        .collect();
    loop {
        let (taken, split) = attempt(waiting, options, &deferred);
        if split.is_empty() {
            return taken;
        }
        deferred.extend(split);
    }
}

/// One try that leaves the deferred groups out; the groups that it split.
fn attempt(
    waiting: &[Ticket],
    options: &RuntimeOptions,
    deferred: &HashSet<usize>,
) -> (Vec<bool>, Vec<usize>) {
    let mut blocked: HashSet<StreamId> = HashSet::new();
    let mut parts: HashMap<usize, (usize, usize)> = HashMap::new();
    let (mut count, mut bytes) = (0_usize, 0_usize);
    // Once it is full, the rest need not be looked at, however much waits.
    let mut taken: Vec<bool> = waiting
        .iter()
        .map_while(|ticket| {
            if count >= options.batch_tickets_max {
                return None;
            }
            let size = ticket.writing.as_ref().map_or(0, crate::ticket::Writing::bytes);
            // The first ticket is taken whatever its size, or it would wait for ever.
            let fits = count == 0 || bytes + size <= options.batch_bytes_max;
            let group = ticket.link.as_ref().map(|group| (identity(group), group.size()));
            let held = group.is_some_and(|(id, _)| deferred.contains(&id));
            let stream = ticket.incarnation.key.stream();
            let take = fits && !held && (blocked.is_empty() || !blocked.contains(&stream));
            if !take {
                blocked.insert(stream);
                return Some(false);
            }
            // One is as many as its events: what was computed behind it is in it.
            count += ticket.writing.as_ref().map_or(1, |writing| writing.events.len().max(1));
            bytes += size;
            if let Some((id, size)) = group {
                parts.entry(id).or_insert((0, size)).0 += 1;
            }
            Some(true)
        })
        .collect();
    taken.resize(waiting.len(), false);
    let split =
        parts.into_iter().filter(|(_, (placed, size))| placed < size).map(|(id, _)| id).collect();
    (taken, split)
}

/// Chains each stream's tickets into one append, and linked streams into one unit.
fn assemble(mut tickets: Vec<Ticket>) -> Batch {
    let mut streams: HashMap<StreamId, usize> = HashMap::with_capacity(tickets.len());
    let mut appends: Vec<Option<StreamAppend>> = Vec::with_capacity(tickets.len());
    let mut joined = Joined::default();
    let mut group_home: HashMap<usize, usize> = HashMap::new();
    let mut stream_of = Vec::with_capacity(tickets.len());
    let mut snapshots = Vec::new();
    let mut bytes = 0;
    for ticket in &mut tickets {
        let stream = *streams.entry(ticket.incarnation.key.stream()).or_insert_with(|| {
            appends.push(None);
            joined.add()
        });
        stream_of.push(stream);
        if let Some(group) = &ticket.link {
            let home = *group_home.entry(identity(group)).or_insert(stream);
            joined.join(home, stream);
        }
        if let Some(mut writing) = ticket.writing.take() {
            bytes += writing.bytes();
            if let Some(snapshot) = writing.snapshot.take() {
                snapshots.push((stream, snapshot));
            }
            chain(&mut appends[stream], ticket, writing);
        }
    }
    let mut unit_at: HashMap<usize, usize> = HashMap::new();
    let mut units: Vec<Unit> = Vec::new();
    let mut stream_unit = vec![None; appends.len()];
    for (stream, append) in appends.into_iter().enumerate() {
        let Some(append) = append else { continue };
        let unit = *unit_at.entry(joined.root(stream)).or_insert_with(|| {
            units.push(Unit { appends: Vec::with_capacity(1) });
            units.len() - 1
        });
        units[unit].appends.push(append);
        stream_unit[stream] = Some(unit);
    }
    // A linked part that writes nothing still shares the fate of its unit.
    for (stream, unit) in stream_unit.iter_mut().enumerate() {
        if unit.is_none() {
            *unit = unit_at.get(&joined.root(stream)).copied();
        }
    }
    let unit_of = stream_of.iter().map(|stream| stream_unit[*stream]).collect();
    let snapshots = snapshots
        .into_iter()
        .filter_map(|(stream, snapshot)| stream_unit[stream].map(|unit| (unit, snapshot)))
        .collect();
    Batch { tickets, units, unit_of, snapshots, bytes }
}

fn chain(append: &mut Option<StreamAppend>, ticket: &Ticket, writing: crate::ticket::Writing) {
    match append {
        None => {
            *append = Some(StreamAppend {
                key: ticket.incarnation.key.clone(),
                shard: ticket.incarnation.shard,
                epoch: ticket.incarnation.epoch,
                expected: writing.expected,
                events: writing.events,
                commands: writing.command.into_iter().collect(),
                wake_at: writing.wake_at,
                owes: writing.owes,
                waits_as_before: writing.waits_as_before,
            });
        }
        Some(append) => {
            debug_assert_eq!(
                append.resulting_head(),
                writing.expected,
                "tickets of one incarnation continue each other"
            );
            append.events.extend(writing.events);
            append.commands.extend(writing.command);
            append.wake_at = writing.wake_at;
            append.owes = writing.owes;
            append.waits_as_before &= writing.waits_as_before;
        }
    }
}

/// Streams that a link joins, as a union of sets.
#[derive(Debug, Default)]
struct Joined {
    parent: Vec<usize>,
}

impl Joined {
    fn add(&mut self) -> usize {
        self.parent.push(self.parent.len());
        self.parent.len() - 1
    }

    fn root(&self, mut stream: usize) -> usize {
        while self.parent[stream] != stream {
            stream = self.parent[stream];
        }
        stream
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        self.parent[one.max(other)] = one.min(other);
    }
}

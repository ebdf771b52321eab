//! An append as one script of SQL, sent to the connection's thread at once.
//!
//! Each statement that is sent on its own costs two thread switches, 40 to 60 us on a small
//! machine and more than the statement itself. A script of all of them, with the transaction
//! around it, costs one. What would be an `if` between the statements is a guard that fails:
//! `json('refused')` raises an error, the script stops there, and the caller rolls back.
//!
//! Numbers of rows are part of a script's text. Texts are kept by their shape, and the
//! connection's statement cache keeps what they compile to. So that there are few shapes, a
//! statement has room for one of [`ROOMS`] rows, and what it isn't given is `NULL` and left out.
//!
//! Whatever fails, the whole script does. `OR ROLLBACK` says so to SQLite, which else keeps a copy
//! of every page that a statement of many rows changes, to undo that statement alone.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use coppice_core::{Epoch, EventRecord, Hash, Position, StreamHead};
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments, AssertSqlSafe, Error};

use crate::store::{CommandRecord, StreamAppend};

/// The most rows of one statement. Larger batches repeat the statement: past this, a longer text
/// saves nothing and only makes more shapes.
pub(super) const ROWS_MAX: usize = 64;

/// For how many rows a statement may have room. So few that a batch of the usual kind meets a script
/// that is compiled already; half of a room is empty at the most, and costs little.
const ROOMS: [usize; 7] = [1, 2, 4, 8, 16, 32, ROWS_MAX];

/// The most script texts kept; past it they are made again each time.
const TEXTS_MAX: usize = 4_096;

/// One statement of a script: what it does and for how many rows it has room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Step {
    Begin,
    /// Moves the rows of existing entities whose head and epoch are as expected, and fails unless
    /// all of them are. What they wait for stays, and with it the indexes of that: SQLite would
    /// write them anew though nothing changes.
    MoveEntities(usize),
    /// The same, with what they wait for.
    MoveWaiting(usize),
    /// Adds the rows of new entities, and fails unless the epoch of each is as expected.
    AddEntities(usize),
    /// For records without events on streams without events: fails unless the epoch of each is as
    /// expected and there is no row. None is made: the entity has not begun.
    CheckUnbegun(usize),
    AddEvents(usize),
    AddCommands(usize),
    AddBatch,
    Commit,
}

/// What a batch of appends writes besides the appends themselves.
#[derive(Debug, Clone, Copy)]
pub(super) struct BatchHeader {
    pub(super) number: u64,
    pub(super) first: Position,
    pub(super) last: Position,
    pub(super) previous_hash: Hash,
    pub(super) hash: Hash,
    pub(super) committed_at: i64,
}

/// Makes scripts, keeping their texts by shape.
#[derive(Debug, Default)]
pub(super) struct Scripts {
    texts: HashMap<Vec<Step>, Arc<str>>,
}

/// A script and what is bound to it.
pub(super) struct Script {
    pub(super) text: AssertSqlSafe<Arc<str>>,
    pub(super) arguments: SqliteArguments,
}

impl Scripts {
    /// The script that writes these appends in one transaction or fails without writing.
    ///
    /// # Errors
    /// Where an argument can't be encoded, which the types used here don't do.
    pub(super) fn append(
        &mut self,
        appends: &[&StreamAppend],
        header: Option<BatchHeader>,
    ) -> Result<Script, Error> {
        let mut steps = vec![Step::Begin];
        let mut arguments = SqliteArguments::default();
        let (fresh, existing): (Vec<&StreamAppend>, Vec<&StreamAppend>) =
            appends.iter().copied().partition(|append| append.expected.sequence.0 == 0);
        let (unbegun, new): (Vec<&StreamAppend>, Vec<&StreamAppend>) =
            fresh.into_iter().partition(|append| append.events.is_empty());
        let (moving, waiting): (Vec<&StreamAppend>, Vec<&StreamAppend>) =
            existing.into_iter().partition(|append| append.waits_as_before);
        bind_moves(&mut steps, &mut arguments, &moving).map_err(Error::Encode)?;
        bind_waiting(&mut steps, &mut arguments, &waiting).map_err(Error::Encode)?;
        bind_adds(&mut steps, &mut arguments, &new).map_err(Error::Encode)?;
        bind_unbegun(&mut steps, &mut arguments, &unbegun).map_err(Error::Encode)?;
        if let Some(header) = header {
            bind_events(&mut steps, &mut arguments, appends, header).map_err(Error::Encode)?;
        }
        bind_commands(&mut steps, &mut arguments, appends).map_err(Error::Encode)?;
        if let Some(header) = header {
            steps.push(Step::AddBatch);
            bind_batch(&mut arguments, header).map_err(Error::Encode)?;
        }
        steps.push(Step::Commit);
        Ok(Script { text: AssertSqlSafe(self.text(steps)), arguments })
    }

    fn text(&mut self, steps: Vec<Step>) -> Arc<str> {
        if let Some(text) = self.texts.get(&steps) {
            return Arc::clone(text);
        }
        let mut text = String::new();
        for step in &steps {
            write_step(&mut text, *step);
        }
        let text: Arc<str> = Arc::from(text);
        if self.texts.len() < TEXTS_MAX {
            self.texts.insert(steps, Arc::clone(&text));
        }
        text
    }
}

type Bound = Result<(), sqlx::error::BoxDynError>;

/// The least room for so many rows.
fn room(rows: usize) -> usize {
    ROOMS.into_iter().find(|room| *room >= rows).unwrap_or(ROWS_MAX)
}

/// Leaves the rest of a statement's room empty.
fn bind_nothing(to: &mut SqliteArguments, columns: usize, rows: usize) -> Bound {
    (rows..room(rows)).try_for_each(|_| (0..columns).try_for_each(|_| to.add(None::<i64>)))
}

fn rows(text: &mut String, columns: usize, count: usize) {
    let row = format!("({})", vec!["?"; columns].join(","));
    for index in 0..count {
        text.push_str(if index == 0 { "" } else { "," });
        text.push_str(&row);
    }
}

/// Fails unless the statement before it changed as many rows as are bound, and gives no row, for each
/// would wake whoever waits for the script. `changes()` keeps the planner from evaluating the guard
/// ahead of time.
const GUARD: &str =
    "SELECT 1 WHERE json(CASE WHEN changes() = ? THEN '1' ELSE 'refused' END) IS NULL;";

/// Which rows move.
const MOVED: &str = ") AS v WHERE entities.stream = v.column1 AND entities.sequence = v.column2 \
     AND entities.hash = v.column7 \
     AND (SELECT epoch FROM shards WHERE shard = v.column5) = v.column6;";

// How many values a row of each statement has.
const MOVE_VALUES: usize = 7;
const WAITING_VALUES: usize = 9;
const ADD_VALUES: usize = 10;
const UNBEGUN_VALUES: usize = 3;
const EVENT_VALUES: usize = 14;
const COMMAND_VALUES: usize = 7;

fn write_step(text: &mut String, step: Step) {
    match step {
        Step::Begin => text.push_str("BEGIN IMMEDIATE;"),
        Step::MoveEntities(count) => {
            text.push_str(
                "UPDATE OR ROLLBACK entities SET sequence = v.column3, hash = v.column4, \
                 epoch = v.column6 FROM (VALUES ",
            );
            rows(text, MOVE_VALUES, count);
            text.push_str(MOVED);
            text.push_str(GUARD);
        }
        Step::MoveWaiting(count) => {
            text.push_str(
                "UPDATE OR ROLLBACK entities SET sequence = v.column3, hash = v.column4, \
                 epoch = v.column6, wake_at = v.column8, owes = v.column9 FROM (VALUES ",
            );
            rows(text, WAITING_VALUES, count);
            text.push_str(MOVED);
            text.push_str(GUARD);
        }
        Step::AddEntities(count) => {
            text.push_str(
                "INSERT OR ROLLBACK INTO entities \
                 (stream, tenant, kind, id, sequence, hash, epoch, wake_at, owes) \
                 SELECT column1, column2, column3, column4, column5, column6, column8, column9, \
                 column10 FROM (VALUES ",
            );
            rows(text, ADD_VALUES, count);
            text.push_str(
                ") AS v WHERE (SELECT epoch FROM shards WHERE shard = v.column7) = v.column8;",
            );
            text.push_str(GUARD);
        }
        Step::CheckUnbegun(count) => {
            text.push_str("SELECT 1 WHERE json(CASE WHEN (SELECT COUNT(*) FROM (VALUES ");
            rows(text, UNBEGUN_VALUES, count);
            text.push_str(
                ") AS v WHERE (SELECT epoch FROM shards WHERE shard = v.column1) = v.column2 \
                 AND NOT EXISTS (SELECT 1 FROM entities WHERE stream = v.column3)) = ? \
                 THEN '1' ELSE 'refused' END) IS NULL;",
            );
        }
        Step::AddEvents(count) => {
            text.push_str(
                "INSERT OR ROLLBACK INTO events (position, stream, sequence, event_type, payload, \
                 recorded_at, causation, correlation, workflow, policy_bundle, subject, key_id, \
                 previous_hash, hash, entity) \
                 SELECT *, (SELECT number FROM entities WHERE stream = column2) FROM (VALUES ",
            );
            rows(text, EVENT_VALUES, count);
            text.push_str(") WHERE column1 IS NOT NULL;");
        }
        Step::AddCommands(count) => {
            text.push_str(
                "INSERT OR ROLLBACK INTO commands \
                 (stream, command_id, body_hash, sequence, reply, recorded_at, sender) \
                 SELECT * FROM (VALUES ",
            );
            rows(text, COMMAND_VALUES, count);
            text.push_str(") WHERE column1 IS NOT NULL;");
        }
        Step::AddBatch => {
            let _infallible = write!(
                text,
                "INSERT INTO batches (number, first_position, last_position, previous_hash, \
                 hash, committed_at) VALUES (?,?,?,?,?,?);"
            );
        }
        Step::Commit => text.push_str("COMMIT;"),
    }
}

fn stream_bytes(append: &StreamAppend) -> Vec<u8> {
    append.key.stream().0.as_bytes().to_vec()
}

fn resulting(append: &StreamAppend) -> StreamHead {
    append.resulting_head()
}

const fn epoch(epoch: Epoch) -> i64 {
    epoch.to_i64()
}

fn bind_moves(steps: &mut Vec<Step>, to: &mut SqliteArguments, appends: &[&StreamAppend]) -> Bound {
    for chunk in appends.chunks(ROWS_MAX) {
        steps.push(Step::MoveEntities(room(chunk.len())));
        for append in chunk {
            bind_move(to, append)?;
        }
        bind_nothing(to, MOVE_VALUES, chunk.len())?;
        to.add(i64::try_from(chunk.len())?)?;
    }
    Ok(())
}

fn bind_waiting(
    steps: &mut Vec<Step>,
    to: &mut SqliteArguments,
    appends: &[&StreamAppend],
) -> Bound {
    for chunk in appends.chunks(ROWS_MAX) {
        steps.push(Step::MoveWaiting(room(chunk.len())));
        for append in chunk {
            bind_move(to, append)?;
            to.add(append.wake_at.map(coppice_core::Timestamp::as_micros))?;
            to.add(append.owes)?;
        }
        bind_nothing(to, WAITING_VALUES, chunk.len())?;
        to.add(i64::try_from(chunk.len())?)?;
    }
    Ok(())
}

fn bind_move(to: &mut SqliteArguments, append: &StreamAppend) -> Bound {
    let head = resulting(append);
    to.add(stream_bytes(append))?;
    to.add(append.expected.sequence.to_i64())?;
    to.add(head.sequence.to_i64())?;
    to.add(head.hash.0.to_vec())?;
    to.add(i64::from(append.shard.0))?;
    to.add(epoch(append.epoch))?;
    to.add(append.expected.hash.0.to_vec())
}

fn bind_adds(steps: &mut Vec<Step>, to: &mut SqliteArguments, appends: &[&StreamAppend]) -> Bound {
    for chunk in appends.chunks(ROWS_MAX) {
        steps.push(Step::AddEntities(room(chunk.len())));
        for append in chunk {
            let head = resulting(append);
            to.add(stream_bytes(append))?;
            to.add(append.key.tenant().as_str().to_owned())?;
            to.add(append.key.kind().as_str().to_owned())?;
            to.add(append.key.id().as_str().to_owned())?;
            to.add(head.sequence.to_i64())?;
            to.add(head.hash.0.to_vec())?;
            to.add(i64::from(append.shard.0))?;
            to.add(epoch(append.epoch))?;
            to.add(append.wake_at.map(coppice_core::Timestamp::as_micros))?;
            to.add(append.owes)?;
        }
        bind_nothing(to, ADD_VALUES, chunk.len())?;
        to.add(i64::try_from(chunk.len())?)?;
    }
    Ok(())
}

fn bind_unbegun(
    steps: &mut Vec<Step>,
    to: &mut SqliteArguments,
    appends: &[&StreamAppend],
) -> Bound {
    for chunk in appends.chunks(ROWS_MAX) {
        steps.push(Step::CheckUnbegun(room(chunk.len())));
        for append in chunk {
            to.add(i64::from(append.shard.0))?;
            to.add(epoch(append.epoch))?;
            to.add(stream_bytes(append))?;
        }
        bind_nothing(to, UNBEGUN_VALUES, chunk.len())?;
        to.add(i64::try_from(chunk.len())?)?;
    }
    Ok(())
}

fn bind_events(
    steps: &mut Vec<Step>,
    to: &mut SqliteArguments,
    appends: &[&StreamAppend],
    header: BatchHeader,
) -> Bound {
    let events: Vec<(&StreamAppend, &EventRecord)> = appends
        .iter()
        .flat_map(|append| append.events.iter().map(move |event| (*append, event)))
        .collect();
    let mut position = header.first;
    for chunk in events.chunks(ROWS_MAX) {
        steps.push(Step::AddEvents(room(chunk.len())));
        for (append, event) in chunk {
            let body = &event.body;
            to.add(position.to_i64())?;
            to.add(stream_bytes(append))?;
            to.add(event.sequence.to_i64())?;
            to.add(body.event_type.as_ref().to_owned())?;
            to.add(body.payload.as_ref().to_owned())?;
            to.add(body.recorded_at.as_micros())?;
            to.add(body.causation.0.as_bytes().to_vec())?;
            to.add(body.correlation.0.as_bytes().to_vec())?;
            to.add(body.workflow.as_deref().map(str::to_owned))?;
            to.add(body.policy_bundle.as_deref().map(str::to_owned))?;
            to.add(body.subject.as_ref().map(|subject| subject.as_str().to_owned()))?;
            to.add(body.key_id.as_deref().map(str::to_owned))?;
            to.add(event.previous_hash.0.to_vec())?;
            to.add(event.hash.0.to_vec())?;
            position = position.next();
        }
        bind_nothing(to, EVENT_VALUES, chunk.len())?;
    }
    Ok(())
}

fn bind_commands(
    steps: &mut Vec<Step>,
    to: &mut SqliteArguments,
    appends: &[&StreamAppend],
) -> Bound {
    let commands: Vec<(&StreamAppend, &CommandRecord)> = appends
        .iter()
        .flat_map(|append| append.commands.iter().map(move |command| (*append, command)))
        .collect();
    for chunk in commands.chunks(ROWS_MAX) {
        steps.push(Step::AddCommands(room(chunk.len())));
        for (append, command) in chunk {
            to.add(stream_bytes(append))?;
            to.add(command.command_id.0.as_bytes().to_vec())?;
            to.add(command.body_hash.0.to_vec())?;
            to.add(command.sequence.to_i64())?;
            to.add(command.reply.as_ref().to_owned())?;
            to.add(command.recorded_at.as_micros())?;
            to.add(command.sender.map(|sender| sender.0.as_bytes().to_vec()))?;
        }
        bind_nothing(to, COMMAND_VALUES, chunk.len())?;
    }
    Ok(())
}

fn bind_batch(to: &mut SqliteArguments, header: BatchHeader) -> Bound {
    to.add(header.number.cast_signed())?;
    to.add(header.first.to_i64())?;
    to.add(header.last.to_i64())?;
    to.add(header.previous_hash.0.to_vec())?;
    to.add(header.hash.0.to_vec())?;
    to.add(header.committed_at)
}

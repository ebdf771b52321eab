//! An append as one script of SQL, sent to the connection's thread at once.
//!
//! Each statement that is sent on its own costs two thread switches, 40 to 60 us on a small
//! machine and more than the statement itself. A script of all of them, with the transaction
//! around it, costs one. What would be an `if` between the statements is a guard that fails:
//! `json('refused')` raises an error, the script stops there, and the caller rolls back.
//!
//! Numbers of rows are part of a script's text. Texts are kept by their shape, and the
//! connection's statement cache keeps what they compile to.

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

/// The most script texts kept; past it they are made again each time.
const TEXTS_MAX: usize = 4_096;

/// One statement of a script: what it does and for how many rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Step {
    Begin,
    /// Moves the rows of existing entities whose head and epoch are as expected, and fails unless
    /// all of them are.
    MoveEntities(usize),
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
        bind_moves(&mut steps, &mut arguments, &existing).map_err(Error::Encode)?;
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

fn rows(text: &mut String, columns: usize, count: usize) {
    let row = format!("({})", vec!["?"; columns].join(","));
    for index in 0..count {
        text.push_str(if index == 0 { "" } else { "," });
        text.push_str(&row);
    }
}

/// Fails unless the statement before it changed as many rows as are bound. `changes()` keeps the
/// planner from evaluating the guard ahead of time.
const GUARD: &str = "SELECT json(CASE WHEN changes() = ? THEN '1' ELSE 'refused' END);";

fn write_step(text: &mut String, step: Step) {
    match step {
        Step::Begin => text.push_str("BEGIN IMMEDIATE;"),
        Step::MoveEntities(count) => {
            text.push_str(
                "UPDATE entities SET sequence = v.column3, hash = v.column4, epoch = v.column6, \
                 wake_at = v.column7, owes = v.column8 FROM (VALUES ",
            );
            rows(text, 9, count);
            text.push_str(
                ") AS v WHERE entities.stream = v.column1 AND entities.sequence = v.column2 \
                 AND entities.hash = v.column9 \
                 AND (SELECT epoch FROM shards WHERE shard = v.column5) = v.column6;",
            );
            text.push_str(GUARD);
        }
        Step::AddEntities(count) => {
            text.push_str(
                "INSERT INTO entities \
                 (stream, tenant, kind, id, sequence, hash, epoch, wake_at, owes) \
                 SELECT column1, column2, column3, column4, column5, column6, column8, column9, \
                 column10 FROM (VALUES ",
            );
            rows(text, 10, count);
            text.push_str(
                ") AS v WHERE (SELECT epoch FROM shards WHERE shard = v.column7) = v.column8;",
            );
            text.push_str(GUARD);
        }
        Step::CheckUnbegun(count) => {
            text.push_str("SELECT json(CASE WHEN (SELECT COUNT(*) FROM (VALUES ");
            rows(text, 3, count);
            text.push_str(
                ") AS v WHERE (SELECT epoch FROM shards WHERE shard = v.column1) = v.column2 \
                 AND NOT EXISTS (SELECT 1 FROM entities WHERE stream = v.column3)) = ? \
                 THEN '1' ELSE 'refused' END);",
            );
        }
        Step::AddEvents(count) => {
            text.push_str(
                "INSERT INTO events (position, stream, sequence, event_type, payload, \
                 recorded_at, causation, correlation, workflow, policy_bundle, subject, key_id, \
                 previous_hash, hash) VALUES ",
            );
            rows(text, 14, count);
            text.push(';');
        }
        Step::AddCommands(count) => {
            text.push_str(
                "INSERT INTO commands \
                 (stream, command_id, body_hash, sequence, reply, recorded_at, sender) VALUES ",
            );
            rows(text, 7, count);
            text.push(';');
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
        steps.push(Step::MoveEntities(chunk.len()));
        for append in chunk {
            let head = resulting(append);
            to.add(stream_bytes(append))?;
            to.add(append.expected.sequence.to_i64())?;
            to.add(head.sequence.to_i64())?;
            to.add(head.hash.0.to_vec())?;
            to.add(i64::from(append.shard.0))?;
            to.add(epoch(append.epoch))?;
            to.add(append.wake_at.map(coppice_core::Timestamp::as_micros))?;
            to.add(append.owes)?;
            to.add(append.expected.hash.0.to_vec())?;
        }
        to.add(i64::try_from(chunk.len())?)?;
    }
    Ok(())
}

fn bind_adds(steps: &mut Vec<Step>, to: &mut SqliteArguments, appends: &[&StreamAppend]) -> Bound {
    for chunk in appends.chunks(ROWS_MAX) {
        steps.push(Step::AddEntities(chunk.len()));
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
        steps.push(Step::CheckUnbegun(chunk.len()));
        for append in chunk {
            to.add(i64::from(append.shard.0))?;
            to.add(epoch(append.epoch))?;
            to.add(stream_bytes(append))?;
        }
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
        steps.push(Step::AddEvents(chunk.len()));
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
        steps.push(Step::AddCommands(chunk.len()));
        for (append, command) in chunk {
            to.add(stream_bytes(append))?;
            to.add(command.command_id.0.as_bytes().to_vec())?;
            to.add(command.body_hash.0.to_vec())?;
            to.add(command.sequence.to_i64())?;
            to.add(command.reply.as_ref().to_owned())?;
            to.add(command.recorded_at.as_micros())?;
            to.add(command.sender.map(|sender| sender.0.as_bytes().to_vec()))?;
        }
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

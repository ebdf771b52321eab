//! A batch of units laid out as `coppice_append` takes it: one array per column.

use std::collections::HashSet;

use coppice_core::{EventRecord, SubjectId, Timestamp};
use sqlx::Arguments;
use sqlx::error::BoxDynError;
use sqlx::postgres::PgArguments;

use crate::error::StoreError;
use crate::store::{CommandRecord, StreamAppend, Unit};

/// The columns of a batch, in the order of the procedure's parameters.
#[derive(Debug, Default)]
pub(super) struct Columns<'a> {
    appends: Appends<'a>,
    events: Events<'a>,
    commands: Commands<'a>,
}

/// One element per append. An append's number is its place here, from 1.
#[derive(Debug, Default)]
struct Appends<'a> {
    unit: Vec<i64>,
    stream: Vec<[u8; 16]>,
    tenant: Vec<&'a str>,
    kind: Vec<&'a str>,
    id: Vec<&'a str>,
    shard: Vec<i64>,
    epoch: Vec<i64>,
    expected_sequence: Vec<i64>,
    expected_hash: Vec<[u8; 32]>,
    sequence: Vec<i64>,
    hash: Vec<[u8; 32]>,
    wake_at: Vec<Option<i64>>,
    owes: Vec<bool>,
}

/// One element per event.
#[derive(Debug, Default)]
struct Events<'a> {
    append: Vec<i64>,
    sequence: Vec<i64>,
    event_type: Vec<&'a str>,
    payload: Vec<&'a str>,
    recorded_at: Vec<i64>,
    causation: Vec<[u8; 16]>,
    correlation: Vec<[u8; 16]>,
    workflow: Vec<Option<&'a str>>,
    policy_bundle: Vec<Option<&'a str>>,
    subject: Vec<Option<&'a str>>,
    key_id: Vec<Option<&'a str>>,
    previous_hash: Vec<[u8; 32]>,
    hash: Vec<[u8; 32]>,
}

/// One element per command record.
#[derive(Debug, Default)]
struct Commands<'a> {
    append: Vec<i64>,
    id: Vec<[u8; 16]>,
    body_hash: Vec<[u8; 32]>,
    sequence: Vec<i64>,
    reply: Vec<&'a str>,
    recorded_at: Vec<i64>,
    sender: Vec<Option<[u8; 16]>>,
}

impl<'a> Columns<'a> {
    /// # Errors
    /// [`StoreError::Invalid`] where a command stands twice in an append: it would break a unique
    /// index, and the whole batch with it.
    pub(super) fn of(units: &'a [Unit]) -> Result<Self, StoreError> {
        let mut columns = Self::default();
        let mut append_number = 0;
        for (unit, unit_number) in units.iter().zip(1_i64..) {
            for append in &unit.appends {
                append_number += 1;
                check_commands(&append.commands)?;
                columns.appends.push(unit_number, append);
                for event in &append.events {
                    columns.events.push(append_number, event);
                }
                for command in &append.commands {
                    columns.commands.push(append_number, command);
                }
            }
        }
        Ok(columns)
    }

    /// # Errors
    /// [`StoreError::Invalid`] where a column is too large for the protocol: 2 GiB.
    pub(super) fn arguments(&self) -> Result<PgArguments, StoreError> {
        let mut arguments = PgArguments::default();
        self.appends
            .add_to(&mut arguments)
            .and_then(|()| self.events.add_to(&mut arguments))
            .and_then(|()| self.commands.add_to(&mut arguments))
            .map_err(|_| StoreError::Invalid("a batch too large to be sent"))?;
        Ok(arguments)
    }
}

fn check_commands(commands: &[CommandRecord]) -> Result<(), StoreError> {
    if commands.len() > 1 {
        let mut seen = HashSet::with_capacity(commands.len());
        if !commands.iter().all(|command| seen.insert(command.command_id)) {
            return Err(StoreError::Invalid("a command stands twice in an append"));
        }
    }
    Ok(())
}

impl<'a> Appends<'a> {
    fn push(&mut self, unit: i64, append: &'a StreamAppend) {
        let head = append.resulting_head();
        self.unit.push(unit);
        self.stream.push(append.key.stream().0.into_bytes());
        self.tenant.push(append.key.tenant().as_str());
        self.kind.push(append.key.kind().as_str());
        self.id.push(append.key.id().as_str());
        self.shard.push(i64::from(append.shard.0));
        self.epoch.push(append.epoch.to_i64());
        self.expected_sequence.push(append.expected.sequence.to_i64());
        self.expected_hash.push(append.expected.hash.0);
        self.sequence.push(head.sequence.to_i64());
        self.hash.push(head.hash.0);
        self.wake_at.push(append.wake_at.map(Timestamp::as_micros));
        self.owes.push(append.owes);
    }

    fn add_to(&self, arguments: &mut PgArguments) -> Result<(), BoxDynError> {
        arguments.add(self.unit.as_slice())?;
        arguments.add(self.stream.as_slice())?;
        arguments.add(self.tenant.as_slice())?;
        arguments.add(self.kind.as_slice())?;
        arguments.add(self.id.as_slice())?;
        arguments.add(self.shard.as_slice())?;
        arguments.add(self.epoch.as_slice())?;
        arguments.add(self.expected_sequence.as_slice())?;
        arguments.add(self.expected_hash.as_slice())?;
        arguments.add(self.sequence.as_slice())?;
        arguments.add(self.hash.as_slice())?;
        arguments.add(self.wake_at.as_slice())?;
        arguments.add(self.owes.as_slice())
    }
}

impl<'a> Events<'a> {
    fn push(&mut self, append: i64, event: &'a EventRecord) {
        let body = &event.body;
        self.append.push(append);
        self.sequence.push(event.sequence.to_i64());
        self.event_type.push(&body.event_type);
        self.payload.push(&body.payload);
        self.recorded_at.push(body.recorded_at.as_micros());
        self.causation.push(body.causation.0.into_bytes());
        self.correlation.push(body.correlation.0.into_bytes());
        self.workflow.push(body.workflow.as_deref());
        self.policy_bundle.push(body.policy_bundle.as_deref());
        self.subject.push(body.subject.as_ref().map(SubjectId::as_str));
        self.key_id.push(body.key_id.as_deref());
        self.previous_hash.push(event.previous_hash.0);
        self.hash.push(event.hash.0);
    }

    fn add_to(&self, arguments: &mut PgArguments) -> Result<(), BoxDynError> {
        arguments.add(self.append.as_slice())?;
        arguments.add(self.sequence.as_slice())?;
        arguments.add(self.event_type.as_slice())?;
        arguments.add(self.payload.as_slice())?;
        arguments.add(self.recorded_at.as_slice())?;
        arguments.add(self.causation.as_slice())?;
        arguments.add(self.correlation.as_slice())?;
        arguments.add(self.workflow.as_slice())?;
        arguments.add(self.policy_bundle.as_slice())?;
        arguments.add(self.subject.as_slice())?;
        arguments.add(self.key_id.as_slice())?;
        arguments.add(self.previous_hash.as_slice())?;
        arguments.add(self.hash.as_slice())
    }
}

impl<'a> Commands<'a> {
    fn push(&mut self, append: i64, command: &'a CommandRecord) {
        self.append.push(append);
        self.id.push(command.command_id.0.into_bytes());
        self.body_hash.push(command.body_hash.0);
        self.sequence.push(command.sequence.to_i64());
        self.reply.push(&command.reply);
        self.recorded_at.push(command.recorded_at.as_micros());
        self.sender.push(command.sender.map(|sender| sender.0.into_bytes()));
    }

    fn add_to(&self, arguments: &mut PgArguments) -> Result<(), BoxDynError> {
        arguments.add(self.append.as_slice())?;
        arguments.add(self.id.as_slice())?;
        arguments.add(self.body_hash.as_slice())?;
        arguments.add(self.sequence.as_slice())?;
        arguments.add(self.reply.as_slice())?;
        arguments.add(self.recorded_at.as_slice())?;
        arguments.add(self.sender.as_slice())
    }
}

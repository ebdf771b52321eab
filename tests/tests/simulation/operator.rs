//! The operator: lists the dead letters, replays some and discards some, while all goes on. Now and
//! then it mends what crashed on a message, as a new build does, or breaks it again.

use std::sync::Arc;
use std::time::Duration;

use coppice_core::CommandId;
use coppice_persistence::{DeadLetter, LetterKind};
use coppice_runtime::{Failure, OfficeError};
use coppice_testkit::Random;
use coppice_tests::node::tenant;
use coppice_tests::profile::mend;
use tokio::time::sleep;

use crate::clients::AskedOf;
use crate::nodes::{Board, Door, below};
use crate::outside::Outside;
use crate::sim::Sim;

/// More letters than are ever there at once.
const PAGE: usize = 1_000;

pub(crate) struct Operator {
    pub(crate) sim: Arc<Sim>,
    pub(crate) board: Board,
    pub(crate) outside: Outside,
    pub(crate) asked: AskedOf,
    pub(crate) random: Random,
}

/// What became of a decision; `None` where the node ended first.
type Done = Option<Result<(), OfficeError>>;

impl Operator {
    pub(crate) async fn run(mut self, decisions: u64) {
        for _ in 0..decisions {
            let up_to_ms = if self.random.chance(300) { 3_000 } else { 300 };
            sleep(Duration::from_micros(self.random.below(up_to_ms * 1_000))).await;
            if self.random.chance(250) {
                let is_mended = self.random.chance(500);
                self.sim.note(format_args!("what crashes is mended: {is_mended}"));
                mend(is_mended);
            }
            let roster = self.board.ready().await;
            let Some(door) = roster.doors[roster.owner].clone() else { continue };
            self.decide(&door).await;
            if self.sim.verdict().is_err() {
                return;
            }
        }
    }

    /// Picks a letter and decides about it.
    async fn decide(&mut self, door: &Door) {
        let Some(letters) = self.list(door).await else { return };
        // Letters of effects without a handler are many, those of commands few.
        let of_commands = letters.iter().filter(|letter| letter.kind == LetterKind::Command);
        let of_commands: Vec<_> = of_commands.collect();
        let letters = match self.random.chance(500) && !of_commands.is_empty() {
            true => of_commands,
            false => letters.iter().collect(),
        };
        if letters.is_empty() {
            return;
        }
        let letter = letters[below(&mut self.random, letters.len() as u64)];
        let (kind, name, key, node) = (letter.kind, &letter.name, &letter.key, door.node);
        let replays = self.random.chance(700);
        let what = if replays { "replays" } else { "discards" };
        self.sim.note(format_args!("node {node} {what} {kind:?} {name} of {key}"));
        let done = match replays {
            true => self.replay(door, letter).await,
            false => self.discard(door, letter).await,
        };
        self.sim.note(format_args!("the operator hears {done:?}"));
        let Some(Err(OfficeError::NotTaken(failure))) = &done else { return };
        let is_wrong = matches!(
            failure,
            Failure::Damaged { .. }
                | Failure::KeyReused
                | Failure::UnknownKind(_)
                | Failure::UnknownCommand(_)
                | Failure::InvalidBody(_)
                | Failure::Unlinked
                | Failure::Conflict
        );
        if is_wrong {
            self.sim.blame(format!("{letter:?} was not taken: {failure:?}"));
        }
    }

    async fn list(&self, door: &Door) -> Option<Vec<DeadLetter>> {
        let tenant = tenant();
        let letters = tokio::select! {
            biased;
            () = door.ended() => return None,
            letters = door.office.list(&tenant, 0, PAGE) => letters.ok()?,
        };
        if !letters.is_sorted_by(|one, next| one.number < next.number) {
            self.sim.blame(format!("letters are listed out of order: {letters:?}"));
        }
        Some(letters)
    }

    async fn replay(&self, door: &Door, letter: &DeadLetter) -> Done {
        match letter.kind {
            LetterKind::Command => self.may_happen(letter),
            LetterKind::Effect => self.outside.may_be_called_again(letter.message, true),
            LetterKind::Timer | LetterKind::Entity => {}
        }
        let tenant = tenant();
        let done = tokio::select! {
            biased;
            () = door.ended() => None,
            done = door.office.replay(&tenant, letter.id) => Some(done),
        };
        match (&done, letter.kind) {
            (Some(Ok(())), LetterKind::Command) => self.check_replayed(letter),
            (Some(Ok(())), LetterKind::Entity) | (Some(Err(OfficeError::BodyNotKept)), _) => {
                self.sim.blame(format!("{letter:?} came to {done:?}"));
            }
            // The letter stays where it was.
            (Some(Err(OfficeError::NotFound | OfficeError::Store(_))), LetterKind::Effect) => {
                self.outside.may_be_called_again(letter.message, false);
            }
            _ => {}
        }
        done
    }

    /// Whoever sent the command was told that it had not happened; now it may.
    fn may_happen(&self, letter: &DeadLetter) {
        let mut asked = self.asked.lock();
        let of_entity = asked.entry(letter.key.clone()).or_default();
        of_entity.entry(CommandId(letter.message)).or_default().may_have_happened = true;
    }

    /// A command that was replayed with success stands in the journal.
    fn check_replayed(&self, letter: &DeadLetter) {
        let is_there = self.sim.books().took_effect(&letter.key, CommandId(letter.message));
        if !is_there || letter.name.starts_with("crash") {
            self.sim.blame(format!("{letter:?} is said to be replayed"));
        }
    }

    async fn discard(&self, door: &Door, letter: &DeadLetter) -> Done {
        if letter.kind == LetterKind::Effect {
            self.outside.may_be_discarded(letter.message);
        }
        let tenant = tenant();
        let done = tokio::select! {
            biased;
            () = door.ended() => None,
            done = door.office.discard(&tenant, letter.id) => Some(done),
        };
        let is_wrong = match (&done, letter.kind) {
            (Some(Ok(())), LetterKind::Timer) => true,
            (Some(Ok(())), LetterKind::Effect) => self.sim.books().owes(letter.message),
            _ => false,
        };
        if is_wrong {
            self.sim.blame(format!("{letter:?} came to {done:?}"));
        }
        done
    }
}

//! The latest answers to keyed commands, so that a prompt repeat costs no read.
//!
//! What is not in the window may still be in the command table; see the host for who asks it when.

use std::collections::{HashMap, VecDeque};

use coppice_core::{CommandId, Hash, Sequence};

/// An answer that was given, or will be once its ticket commits.
#[derive(Debug, Clone)]
pub(crate) struct Answered {
    pub(crate) body_hash: Hash,
    pub(crate) sequence: Sequence,
    pub(crate) reply: Box<str>,
}

/// A bounded map of the latest answers, oldest out first.
#[derive(Debug)]
pub(crate) struct CommandWindow {
    capacity: usize,
    answers: HashMap<CommandId, Answered>,
    order: VecDeque<CommandId>,
}

impl CommandWindow {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, answers: HashMap::new(), order: VecDeque::new() }
    }

    pub(crate) fn get(&self, id: CommandId) -> Option<&Answered> {
        self.answers.get(&id)
    }

    /// Forgets them all, and lets go of their memory.
    pub(crate) fn clear(&mut self) {
        (self.answers, self.order) = (HashMap::new(), VecDeque::new());
    }

    pub(crate) fn insert(&mut self, id: CommandId, answered: Answered) {
        if self.capacity == 0 || self.answers.insert(id, answered).is_some() {
            return;
        }
        self.order.push_back(id);
        if self.order.len() > self.capacity
            && let Some(oldest) = self.order.pop_front()
        {
            self.answers.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn the_oldest_answer_leaves_first() {
        let mut window = CommandWindow::new(2);
        let id = |n| CommandId(Uuid::from_u128(n));
        for n in 1..=3 {
            let answered =
                Answered { body_hash: Hash::ZERO, sequence: Sequence(1), reply: "1".into() };
            window.insert(id(n), answered);
        }
        assert!(window.get(id(1)).is_none());
        assert!(window.get(id(2)).is_some());
        assert!(window.get(id(3)).is_some());
    }
}

//! Whether a plan can be carried out.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use super::{
    BACKOFF_MS_MAX, DESCRIPTION_BYTES_MAX, INPUT_BYTES_MAX, NAME_BYTES_MAX, NEEDS_MAX,
    PARALLEL_MAX, Payment, Plan, Retry, STEP_ID_BYTES_MAX, STEPS_MAX, Step, TRIES_MAX,
};
use crate::workflow::reference::{Named, Reference, references};

/// Why a plan can't be carried out.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PlanFault {
    /// There are no steps, or too many.
    #[error("a plan has 1 to {STEPS_MAX} steps, and this has {0}")]
    Count(usize),
    /// A member is out of its range.
    #[error("step {step}: {problem}")]
    Step {
        /// Which step.
        step: String,
        /// What is wrong.
        problem: String,
    },
    /// Two steps have one id.
    #[error("two steps are called {0}")]
    Twice(String),
    /// Steps wait for each other.
    #[error("steps need each other: {}", .0.join(" -> "))]
    Cycle(
        /// The way round, from a step back to itself.
        Vec<String>,
    ),
    /// The number of steps at once is out of its range.
    #[error("parallel_max is 1 to {PARALLEL_MAX}")]
    Parallel,
    /// The plan's name is empty or too long.
    #[error("a plan's name has 1 to {NAME_BYTES_MAX} bytes")]
    Name,
}

impl Plan {
    /// Checks everything that the plan itself can show.
    ///
    /// # Errors
    /// The first [`PlanFault`].
    pub fn check(&self) -> Result<(), PlanFault> {
        if self.name.is_empty() || self.name.len() > NAME_BYTES_MAX {
            return Err(PlanFault::Name);
        }
        if !(1..=PARALLEL_MAX).contains(&self.parallel_max) {
            return Err(PlanFault::Parallel);
        }
        if self.steps.is_empty() || self.steps.len() > STEPS_MAX {
            return Err(PlanFault::Count(self.steps.len()));
        }
        let mut places = BTreeMap::new();
        for (place, step) in self.steps.iter().enumerate() {
            if places.insert(step.id.as_str(), place).is_some() {
                return Err(PlanFault::Twice(step.id.clone()));
            }
        }
        for step in &self.steps {
            let fault = |problem: String| PlanFault::Step { step: step.id.clone(), problem };
            step.check(&places).map_err(fault)?;
        }
        self.check_order(&places)
    }

    /// Takes steps away that need nothing left, until none is left or a way round is.
    fn check_order(&self, places: &BTreeMap<&str, usize>) -> Result<(), PlanFault> {
        let mut waiting: Vec<usize> = self.steps.iter().map(|step| step.needs.len()).collect();
        let mut dependents = vec![Vec::new(); self.steps.len()];
        for (place, step) in self.steps.iter().enumerate() {
            for need in &step.needs {
                dependents[places[need.as_str()]].push(place);
            }
        }
        let mut free: Vec<usize> =
            (0..waiting.len()).filter(|place| waiting[*place] == 0).collect();
        while let Some(place) = free.pop() {
            for dependent in &dependents[place] {
                waiting[*dependent] -= 1;
                if waiting[*dependent] == 0 {
                    free.push(*dependent);
                }
            }
        }
        let Some(start) = waiting.iter().position(|count| *count > 0) else { return Ok(()) };
        Err(PlanFault::Cycle(self.way_round(places, &waiting, start)))
    }

    /// From a step that waits, along steps that wait, until one comes again.
    fn way_round(
        &self,
        places: &BTreeMap<&str, usize>,
        waiting: &[usize],
        start: usize,
    ) -> Vec<String> {
        let mut way: Vec<usize> = Vec::new();
        let mut place = start;
        loop {
            if let Some(from) = way.iter().position(|seen| *seen == place) {
                let round = way[from..].iter().chain([&place]);
                return round.map(|place| self.steps[*place].id.clone()).collect();
            }
            way.push(place);
            let needs = self.steps[place].needs.iter().map(|need| places[need.as_str()]);
            // A step that waits needs one that waits.
            place = needs.into_iter().find(|need| waiting[*need] > 0).unwrap_or(start);
        }
    }
}

impl Step {
    fn check(&self, places: &BTreeMap<&str, usize>) -> Result<(), String> {
        let id_fits = (1..=STEP_ID_BYTES_MAX).contains(&self.id.len());
        if !id_fits || !self.id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)) {
            return Err(format!("an id is 1 to {STEP_ID_BYTES_MAX} letters, digits, '-' and '_'"));
        }
        for (what, text) in [("plugin", &self.plugin), ("capability", &self.capability)] {
            if text.is_empty() || text.len() > NAME_BYTES_MAX {
                return Err(format!("{what} has 1 to {NAME_BYTES_MAX} bytes"));
            }
        }
        for text in [&self.version, &self.fallback].into_iter().flatten() {
            if text.is_empty() || text.len() > NAME_BYTES_MAX {
                return Err(format!("version and fallback have 1 to {NAME_BYTES_MAX} bytes"));
            }
        }
        if self.description.len() > DESCRIPTION_BYTES_MAX {
            return Err(format!("a description has at most {DESCRIPTION_BYTES_MAX} bytes"));
        }
        if !self.input.as_str().starts_with('{') || self.input.as_str().len() > INPUT_BYTES_MAX {
            return Err(format!("the input is an object of at most {INPUT_BYTES_MAX} bytes"));
        }
        self.check_needs(places)?;
        self.check_references()?;
        self.check_retry()?;
        self.payment.as_ref().map_or(Ok(()), Payment::check)
    }

    fn check_needs(&self, places: &BTreeMap<&str, usize>) -> Result<(), String> {
        if self.needs.len() > NEEDS_MAX {
            return Err(format!("a step needs at most {NEEDS_MAX} others"));
        }
        let mut seen = BTreeSet::new();
        for need in &self.needs {
            if !places.contains_key(need.as_str()) {
                return Err(format!("it needs {need}, which there is not"));
            }
            if !seen.insert(need) {
                return Err(format!("it needs {need} twice"));
            }
        }
        Ok(())
    }

    fn check_references(&self) -> Result<(), String> {
        let conditions = self.when.iter().chain(self.ends.iter().map(|ending| &ending.when));
        for condition in conditions.clone() {
            if !condition.is_whole() {
                return Err("a condition has a value where its test takes one".to_owned());
            }
        }
        let own = |id: &str| self.ends.is_some() && id == self.id;
        let inputs = references(&self.input);
        let texts = inputs.iter().chain(conditions.map(|condition| &condition.of));
        for text in texts {
            let Some(reference) = Reference::parse(text) else {
                return Err(format!("{text} refers to nothing that there is"));
            };
            let Named::Step { id, .. } = reference.named else { continue };
            if !own(id) && !self.needs.iter().any(|need| need == id) {
                return Err(format!("{text} refers to a step that it does not need"));
            }
        }
        Ok(())
    }

    fn check_retry(&self) -> Result<(), String> {
        let Retry { tries, backoff_ms, backoff_max_ms } = self.retry;
        if !(1..=TRIES_MAX).contains(&tries) {
            return Err(format!("tries are 1 to {TRIES_MAX}"));
        }
        if backoff_ms > BACKOFF_MS_MAX || backoff_max_ms > BACKOFF_MS_MAX {
            return Err(format!("a wait between tries is at most {BACKOFF_MS_MAX} ms"));
        }
        Ok(())
    }
}

impl Payment {
    fn check(&self) -> Result<(), String> {
        if self.amount <= 0 {
            return Err("a payment is more than nothing".to_owned());
        }
        if self.ttl_seconds == 0 {
            return Err("a reservation lasts a second at least".to_owned());
        }
        for text in [&self.asset, &self.merchant, &self.category] {
            if text.is_empty() || text.len() > NAME_BYTES_MAX {
                return Err(format!(
                    "asset, merchant and category have 1 to {NAME_BYTES_MAX} bytes"
                ));
            }
        }
        Ok(())
    }
}

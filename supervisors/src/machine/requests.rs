//! Children that come and go at run time.

use std::sync::Arc;

use super::child::{Child, Intent, Next};
use super::{Machine, answer};
use crate::handle::ChildHandle;
use crate::requests::{Reply, RequestError};
use crate::spec::{ChildId, ChildSpec, Restart, Strategy};

impl Machine {
    pub(super) fn start_child(
        &mut self,
        spec: Arc<ChildSpec>,
        reply: Reply<Result<ChildHandle, RequestError>>,
    ) {
        if let Err(error) = self.may_start(&spec) {
            answer(reply, Err(error));
            return;
        }
        let mut child = Child::new(spec);
        child.starter = Some(reply);
        child.is_provisional = true;
        let number = self.children.add(child);
        self.start_in_turn(number);
    }

    fn may_start(&self, spec: &ChildSpec) -> Result<(), RequestError> {
        if self.is_ending() {
            return Err(RequestError::NotRunning);
        }
        spec.validate(&self.spec).map_err(RequestError::Invalid)?;
        if self.children.number(&spec.id).is_some() {
            return Err(RequestError::Duplicate(spec.id.clone()));
        }
        if self.children.len() >= self.spec.children_max {
            return Err(RequestError::TooMany(self.spec.children_max));
        }
        Ok(())
    }

    fn start_in_turn(&mut self, number: u64) {
        if self.spec.strategy == Strategy::Dynamic {
            self.launch(number);
        } else if let Some(child) = self.children.get_mut(number) {
            child.rest(Next::Queued);
        }
    }

    pub(super) fn restart_child(
        &mut self,
        id: &ChildId,
        reply: Reply<Result<ChildHandle, RequestError>>,
    ) {
        match self.resting(id) {
            Ok(number) => {
                if let Some(child) = self.children.get_mut(number) {
                    child.starter = Some(reply);
                }
                self.start_in_turn(number);
            }
            Err(error) => answer(reply, Err(error)),
        }
    }

    pub(super) fn terminate_child(&mut self, id: &ChildId, reply: Reply<Result<(), RequestError>>) {
        let number = self.children.number(id);
        let Some((number, child)) =
            number.and_then(|number| Some((number, self.children.get_mut(number)?)))
        else {
            answer(reply, Err(RequestError::NotFound(id.clone())));
            return;
        };
        if child.life.is_some() {
            child.terminators.push(reply);
            self.stop(number, if self.is_ending() { Intent::End } else { Intent::Terminate });
            return;
        }
        let starter = child.starter.take();
        child.rest(Next::Rest);
        if child.spec.restart == Restart::Temporary {
            self.children.remove(number);
        }
        answer(reply, Ok(()));
        if let Some(starter) = starter {
            answer(starter, Err(RequestError::Terminated));
        }
    }

    pub(super) fn delete_child(&mut self, id: &ChildId) -> Result<(), RequestError> {
        let number = self.resting(id)?;
        self.children.remove(number);
        Ok(())
    }

    pub(super) fn find_child(&self, id: &ChildId) -> Option<ChildHandle> {
        let number = self.children.number(id)?;
        self.children.get(number).map(|child| child.spec.handle())
    }

    /// The number of a child that neither runs nor is about to.
    fn resting(&self, id: &ChildId) -> Result<u64, RequestError> {
        if self.is_ending() {
            return Err(RequestError::NotRunning);
        }
        let not_found = || RequestError::NotFound(id.clone());
        let number = self.children.number(id).ok_or_else(not_found)?;
        let child = self.children.get(number).ok_or_else(not_found)?;
        match (&child.life, &child.next) {
            (Some(_), _) => Err(RequestError::Running(id.clone())),
            (None, Next::Queued | Next::Delayed(_)) => Err(RequestError::Restarting(id.clone())),
            (None, Next::Rest) => Ok(number),
        }
    }
}

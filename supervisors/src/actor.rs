//! The supervisor as a ractor actor. All it does is hand events to its [`Machine`] and end when
//! that is done. **Invariant:** no handler waits for anything.

use std::sync::{Arc, OnceLock};

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};

use crate::exit::SHUTDOWN;
use crate::launch::Announce;
use crate::machine::{Ending, Machine};
use crate::report::Place;
use crate::requests::Message;
use crate::spec::SupervisorSpec;
use crate::subtree::Subtree;

/// A supervisor. Everything about it is in its arguments.
pub(crate) struct SupervisorActor;

/// What a supervisor is started with.
pub(crate) struct SupervisorArguments {
    pub(crate) spec: Arc<SupervisorSpec>,
    pub(crate) place: Place,
    /// Where it keeps its children for whoever waits for their end.
    pub(crate) subtree: Subtree,
    pub(crate) announce: Announce,
    /// Where it leaves why it ended.
    pub(crate) verdict: Arc<OnceLock<Ending>>,
}

/// A running supervisor.
pub(crate) struct Supervising {
    machine: Machine,
    verdict: Arc<OnceLock<Ending>>,
}

impl Supervising {
    fn settle(&mut self, myself: &ActorRef<Message>) -> Result<(), ActorProcessingErr> {
        let Some(ending) = self.machine.advance() else { return Ok(()) };
        // Once it has ended, nothing ends it otherwise.
        let ending = self.verdict.get_or_init(|| ending);
        match ending {
            Ending::Failed(escalation) => Err(escalation.clone().into()),
            Ending::Shutdown | Ending::AutoShutdown(_) => {
                myself.stop(Some(SHUTDOWN.to_owned()));
                Ok(())
            }
        }
    }
}

impl Actor for SupervisorActor {
    type Msg = Message;
    type State = Supervising;
    type Arguments = SupervisorArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<Message>,
        arguments: SupervisorArguments,
    ) -> Result<Supervising, ActorProcessingErr> {
        let SupervisorArguments { spec, place, subtree, announce, verdict } = arguments;
        let machine = Machine::new(myself, spec, place, subtree, announce);
        Ok(Supervising { machine, verdict })
    }

    async fn post_start(
        &self,
        myself: ActorRef<Message>,
        state: &mut Supervising,
    ) -> Result<(), ActorProcessingErr> {
        state.machine.begin();
        state.settle(&myself)
    }

    async fn post_stop(
        &self,
        _: ActorRef<Message>,
        state: &mut Supervising,
    ) -> Result<(), ActorProcessingErr> {
        state.machine.close();
        Ok(())
    }

    async fn handle(
        &self,
        myself: ActorRef<Message>,
        message: Message,
        state: &mut Supervising,
    ) -> Result<(), ActorProcessingErr> {
        state.machine.handle(message);
        state.settle(&myself)
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Message>,
        event: SupervisionEvent,
        state: &mut Supervising,
    ) -> Result<(), ActorProcessingErr> {
        state.machine.observe(&event);
        state.settle(&myself)
    }
}

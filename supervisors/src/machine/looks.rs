//! What a supervisor shows of itself.

use super::child::Child;
use super::{Machine, Phase};
use crate::requests::Sight;
use crate::spec::ChildKind;
use crate::view::{ChildCounts, ChildInfo, ChildSnapshot, SupervisorSnapshot, SupervisorState};

impl Machine {
    pub(super) fn which_children(&self) -> Vec<ChildInfo> {
        self.children.iter().map(|(number, child)| self.info(number, child)).collect()
    }

    pub(super) fn count_children(&self) -> ChildCounts {
        let kinds = self.children.iter().map(|(_, child)| child.spec.kind());
        let supervisors = kinds.filter(|kind| *kind == ChildKind::Supervisor).count();
        let specs = self.children.len();
        let workers = specs - supervisors;
        ChildCounts { specs, active: self.children.active(), supervisors, workers }
    }

    pub(super) fn look(&self) -> Sight {
        let infos = self.which_children().into_iter();
        let snapshot = SupervisorSnapshot {
            name: self.spec.name.to_string(),
            strategy: self.spec.strategy,
            state: self.state(),
            intensity: self.spec.intensity.restarts,
            period: self.spec.intensity.period,
            restarts_in_window: self.window.count(self.elapsed()),
            children: infos.map(|info| ChildSnapshot { info, supervisor: None }).collect(),
        };
        let supervisor = |child: &Child| Some(child.spec.launch.supervisor()?.handle());
        let children = self.children.iter().enumerate();
        let below = children.filter_map(|(place, (_, child))| Some((place, supervisor(child)?)));
        Sight { snapshot, below: below.collect() }
    }

    fn info(&self, number: u64, child: &Child) -> ChildInfo {
        ChildInfo {
            id: child.spec.id.clone(),
            kind: child.spec.kind(),
            restart: child.spec.restart,
            significant: child.spec.significant,
            state: child.state(),
            incarnation: child.spec.status.next_incarnation() - 1,
            restarts: child.restarts,
            restarts_in_window: self.window.count_of(self.elapsed(), &number),
            last_exit: child.last_exit.clone(),
        }
    }

    const fn state(&self) -> SupervisorState {
        match (&self.phase, &self.group) {
            (Phase::Ending(_), _) => SupervisorState::Stopping,
            (_, Some(_)) => SupervisorState::RestartingGroup,
            (Phase::Starting, None) => SupervisorState::Starting,
            (Phase::Running, None) => SupervisorState::Running,
        }
    }
}

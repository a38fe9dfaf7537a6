//! What the two hosts of a run have in common: the plans, who has begun and ended which, and the first fault.

use super::conversation::{Conversation, Ending};
use super::scenario::{Plan, Role};

/// The board.
#[derive(Debug)]
pub(super) struct Board {
    pub(super) plans: Vec<Plan>,
    /// By plan and role.
    stages: Vec<[Stage; 2]>,
    fault: Option<String>,
    /// Payload received, by both ends of all connections.
    pub(super) bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Ahead,
    Begun,
    Ended,
}

impl Board {
    pub(super) fn new(plans: Vec<Plan>) -> Board {
        let stages = vec![[Stage::Ahead; 2]; plans.len()];
        Board { plans, stages, fault: None, bytes: 0 }
    }

    /// The end of a connection that names itself so.
    pub(super) fn begin(&mut self, name: u32, role: Role, now_ns: u64) -> Option<Conversation> {
        let Some(plan) = self.plans.get(name as usize).copied() else {
            self.fail(format!("{role:?}: a connection calls itself {name}"));
            return None;
        };
        let stage = &mut self.stages[name as usize][role as usize];
        if *stage != Stage::Ahead {
            self.fail(format!("{role:?}: connection {name} came twice"));
            return None;
        }
        *stage = Stage::Begun;
        Some(Conversation::new(plan, role, now_ns))
    }

    /// The end of a connection that ended in this way.
    pub(super) fn end(&mut self, conversation: &Conversation, role: Role, ending: Ending) {
        self.stages[conversation.name() as usize][role as usize] = Stage::Ended;
        self.check(conversation, role, conversation.ends(ending));
    }

    /// Keeps the fault of a connection, if there is one.
    pub(super) fn check(&mut self, conversation: &Conversation, role: Role, result: Result<(), String>) {
        if let Err(fault) = result {
            self.fail(format!("connection {}, {role:?}: {fault}", conversation.name()));
        }
    }

    /// Keeps the first fault.
    pub(super) fn fail(&mut self, fault: String) {
        self.fault.get_or_insert(fault);
    }

    pub(super) fn take_fault(&mut self) -> Option<String> {
        self.fault.take()
    }

    /// Whether both ends of every connection have ended. An end that never heard of a connection that was reset counts.
    pub(super) fn is_done(&self) -> bool {
        self.open().next().is_none()
    }

    /// The connections that have not ended, for a report.
    pub(super) fn open(&self) -> impl Iterator<Item = String> {
        let ends =
            self.plans.iter().zip(&self.stages).flat_map(|(plan, stages)| {
                [Role::Client, Role::Server].map(|role| (plan, role, stages[role as usize]))
            });
        let unheard = |plan: &Plan, role, stage| {
            let other_ended = self.stages[plan.name as usize][Role::Client as usize] == Stage::Ended;
            plan.abort.is_some() && role == Role::Server && stage == Stage::Ahead && other_ended
        };
        ends.filter(move |(plan, role, stage)| *stage != Stage::Ended && !unheard(plan, *role, *stage))
            .map(|(plan, role, stage)| format!("connection {}, {role:?}: {stage:?}", plan.name))
    }
}

//! Flow groups that change cores while they are served, as in IX: nothing is lost and nothing overtakes.
//!
//! ```text
//! source                    every other core          target
//!   -- Expect ----------------------------------------> keeps the group's frames from now on
//!   <- Expecting ---------------------------------------
//!   -- Steer ----------------> frames go to the target
//!   <- Steered ---------------        (behind the last frame that it sent to the source)
//!   works off what has come; steers to the target itself
//!   -- Connection, Payload.., Settle (each connection) -> takes it in
//!   -- Arrived ---------------------------------------> works off what it has kept, in order
//! ```
//!
//! All of it goes through the rings, so an answer also says that everything before it has arrived. The source serves the
//! group until the last `Steered`; where the NIC steers, the first core sets its table meanwhile, and the source empties its
//! own queue after that. Frames may wait from the first `Steer` to `Arrived`: that is the pause that is counted.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use netdrv::pktbuf::PktBuf;
use netstack::app::{Flow, Statistics};
use netstack::stack::{Connection, Departure};
use netstack::steering::{FLOW_GROUPS, GroupSet};
use netstack::time::Instant;

use super::directory::Directory;
use super::mesh::CoreSet;
use super::message::Crate;

mod arrive;
mod leave;
mod pauses;

use pauses::Pauses;

/// Boxes for connections on their way from one core.
const CRATES: usize = 16;
/// Frames that are kept for groups on their way, at most.
const MOST_KEPT: usize = 1024;

/// What a crate holds.
pub(super) struct Head<S> {
    connection: Option<Connection>,
    state: Option<S>,
}

/// One core's part in migrations.
pub struct Migrations<S> {
    directory: Directory,
    /// Groups to leave, with their targets, the first of which is leaving.
    queue: heapless::Deque<(u8, u8), FLOW_GROUPS>,
    leaving: Option<Leaving>,
    /// Groups whose frames are kept, and those of them that have arrived.
    keeping: GroupSet,
    arrived: GroupSet,
    kept: VecDeque<(u8, PktBuf)>,
    /// What arrives, by the core that it comes from.
    arriving: Box<[Arriving<S>]>,
    crates: Vec<Crate>,
    counters: Counters,
    pauses: Pauses,
}

/// A group that leaves this core.
struct Leaving {
    group: u8,
    to: usize,
    phase: Phase,
    /// When frames could first have to wait.
    since: Instant,
    /// Cores that may still send its frames here.
    unsteered: CoreSet,
    nic: NicPhase,
    departure: Option<Departure>,
    input: VecDeque<PktBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The target was told.
    Announced,
    /// The other cores were told.
    Steering,
    /// Connections move.
    Moving,
}

/// What is known of the NIC's steering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NicPhase {
    /// It steers to the target, or by rules that are not ours.
    Done,
    /// It was asked to.
    Asked,
    /// It does; what it brought before may still be in our queue.
    Draining,
}

/// A connection that arrives.
struct Arriving<S> {
    flow: Option<Flow>,
    state: Option<S>,
    input: Vec<PktBuf>,
}

#[derive(Default)]
struct Counters {
    groups: u64,
    connections: u64,
    kept: u64,
    kept_full: u64,
    turned_away: u64,
    refused: u64,
}

impl<S: Send + 'static> Migrations<S> {
    /// The part of one of `cores` cores.
    pub fn new(directory: Directory, cores: usize) -> Migrations<S> {
        let empty = || Box::new(Head::<S> { connection: None, state: None }) as Crate;
        let arriving = || Arriving { flow: None, state: None, input: Vec::new() };
        let several = cores > 1;
        Migrations {
            directory,
            queue: heapless::Deque::new(),
            leaving: None,
            keeping: 0,
            arrived: 0,
            kept: VecDeque::with_capacity(if several { MOST_KEPT } else { 0 }),
            arriving: (0..cores).map(|_| arriving()).collect(),
            crates: (0..if several { CRATES } else { 0 }).map(|_| empty()).collect(),
            counters: Counters::default(),
            pauses: Pauses::default(),
        }
    }

    #[cfg(all(test, not(loom)))]
    pub(super) fn owner(&self, group: u8) -> usize {
        self.directory.owner(group)
    }

    /// A crate comes back.
    pub(super) fn crate_returns(&mut self, empty: Crate) {
        self.crates.push(empty);
    }

    /// Whether frames of some groups are kept.
    pub fn is_keeping(&self) -> bool {
        self.keeping != 0
    }

    /// Whether this core has something to do for a migration in its next turn.
    pub fn is_busy(&self) -> bool {
        self.leaving.is_some() || self.arrived != 0
    }

    /// Whether a group's frames are kept.
    pub fn keeps(&self, group: u8) -> bool {
        self.keeping >> group & 1 == 1
    }

    /// Keeps a frame until its group has arrived.
    pub fn keep(&mut self, group: u8, frame: PktBuf) {
        if self.kept.len() == MOST_KEPT {
            self.counters.kept_full += 1;
            return;
        }
        self.counters.kept += 1;
        self.kept.push_back((group, frame));
    }

    /// The next frame that was kept for a group that has arrived.
    pub fn take_kept(&mut self) -> Option<PktBuf> {
        if self.arrived == 0 {
            return None;
        }
        let at = self.kept.iter().position(|(group, _)| self.arrived >> group & 1 == 1);
        let Some(at) = at else {
            // Nothing is left for any of them: what comes from now on need not be kept.
            self.keeping &= !self.arrived;
            self.arrived = 0;
            return None;
        };
        self.kept.remove(at).map(|(_, frame)| frame)
    }
}

impl<S> Statistics for Migrations<S> {
    fn visit(&self, visit: &mut dyn FnMut(&str, u64)) {
        visit("migrate_groups", self.counters.groups);
        visit("migrate_connections", self.counters.connections);
        visit("migrate_frames_kept", self.counters.kept);
        visit("migrate_refused", self.counters.refused);
        visit("migrate_turned_away", self.counters.turned_away);
        visit("drop_migrate_kept_full", self.counters.kept_full);
        self.pauses.visit(visit);
    }
}

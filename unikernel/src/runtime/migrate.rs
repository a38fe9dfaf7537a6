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
//! group until the last `Steered`. Frames may wait from the first `Steer` to `Arrived`: that is the pause that is counted.
//!
//! Where the NIC steers, its table follows: until it does, the source passes on what the NIC still brings it.
//!
//! ```text
//! source                    first core            target
//!   -- Frame.. -----------------------------------> serves it
//!   -- SetNic --------------> changes the table    (what comes by the new table waits)
//!   <- NicSet ---------------
//!   empties its queue
//!   -- Frame.., Drained --------------------------> works off what has waited
//! ```

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use netdrv::pktbuf::{Fragment, PktBuf};
use netstack::app::{Flow, Statistics};
use netstack::stack::{Connection, Departure};
use netstack::steering::FLOW_GROUPS;
use netstack::time::Instant;

use super::directory::Directory;
use super::mesh::CoreSet;
use super::message::Crate;

mod arrive;
mod kept;
mod leave;
mod nic;
mod pauses;

use kept::Kept;
pub(super) use kept::Way;
use nic::NicChanges;
use pauses::{NIC_WAITS, PAUSES, Pauses};

/// Boxes for connections on their way from one core.
const CRATES: usize = 16;

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
    kept: Kept,
    /// Groups that have left before the NIC's table changed.
    nic: NicChanges,
    /// What arrives, by the core that it comes from.
    arriving: Box<[Arriving<S>]>,
    crates: Vec<Crate>,
    counters: Counters,
    pauses: Pauses,
    /// How long frames waited for the source of their group to empty its queue.
    nic_waits: Pauses,
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

/// A connection that arrives.
struct Arriving<S> {
    flow: Option<Flow>,
    state: Option<S>,
    input: Vec<PktBuf>,
    /// Of the payload that comes next.
    body: Option<Fragment>,
    /// Connections of the group so far.
    connections: u64,
}

#[derive(Default)]
struct Counters {
    groups: u64,
    connections: u64,
    turned_away: u64,
    refused: u64,
}

impl<S: Send + 'static> Migrations<S> {
    /// The part of one of `cores` cores.
    pub fn new(directory: Directory, cores: usize) -> Migrations<S> {
        let empty = || Box::new(Head::<S> { connection: None, state: None }) as Crate;
        let arriving = || Arriving { flow: None, state: None, input: Vec::new(), body: None, connections: 0 };
        let several = cores > 1;
        Migrations {
            directory,
            queue: heapless::Deque::new(),
            leaving: None,
            kept: Kept::new(cores),
            nic: NicChanges::new(),
            arriving: (0..cores).map(|_| arriving()).collect(),
            crates: (0..if several { CRATES } else { 0 }).map(|_| empty()).collect(),
            counters: Counters::default(),
            pauses: Pauses::new(&PAUSES),
            nic_waits: Pauses::new(&NIC_WAITS),
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

    #[cfg(all(test, not(loom)))]
    pub(super) fn directory(&self) -> Directory {
        self.directory.clone()
    }

    /// A turn begins.
    pub fn turn(&mut self, now: Instant) {
        self.kept.turn(now);
    }

    /// Whether frames of some groups are kept.
    pub fn is_keeping(&self) -> bool {
        self.kept.is_keeping()
    }

    /// Whether this core has something to do for a migration in its next turn.
    pub fn is_busy(&self) -> bool {
        self.leaving.is_some() || !self.queue.is_empty() || self.kept.is_due() || self.nic.is_busy()
    }

    /// Keeps a frame, if others have to come before it.
    pub(super) fn unless_kept(&mut self, group: u8, frame: PktBuf, way: Way) -> Option<PktBuf> {
        self.kept.unless_kept(group, frame, way)
    }

    /// The next frame that was kept and need not wait any more.
    pub fn take_kept(&mut self) -> Option<PktBuf> {
        self.kept.take()
    }

    /// The NIC steers a group to its target: what it brought before may still be in our queue.
    pub fn nic_is_set(&mut self, group: u8) {
        self.nic.is_set(group);
    }

    /// Our receive queue was emptied: what the NIC brought before was taken.
    pub fn queue_was_emptied(&mut self) {
        self.nic.queue_was_emptied();
    }

    /// The source of a group that came to this core has passed on all that the NIC brought it.
    pub fn source_is_drained(&mut self, group: u8, now: Instant) {
        if let Some(since) = self.kept.source_is_drained(group) {
            self.nic_waits.add(now.since(since));
        }
    }
}

impl<S> Statistics for Migrations<S> {
    fn visit(&self, visit: &mut dyn FnMut(&str, u64)) {
        visit("migrate_groups", self.counters.groups);
        visit("migrate_connections", self.counters.connections);
        visit("migrate_frames_kept", self.kept.frames);
        visit("migrate_refused", self.counters.refused);
        visit("migrate_turned_away", self.counters.turned_away);
        visit("drop_migrate_kept_full", self.kept.full);
        self.pauses.visit(visit);
        self.nic_waits.visit(visit);
    }
}

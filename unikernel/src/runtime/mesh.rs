//! The rings among all cores: one for messages and one for blanks from each core to each other.
//!
//! ```text
//! core A: send_buffer -> parcel in a message -> ring -> receive: core B          B's pool admits the parcel
//!         collect_blanks -> the pool is whole again   <- ring <-  return_blank    and owes its blank
//! ```
//!
//! - Everything between two cores goes through one ring, so it arrives in the order in which it was sent.
//! - A message that carries a frame is dropped when the ring is full, and counted: TCP recovers. Any other waits at its
//!   sender.
//! - A core that halts is woken once a turn at most, and one that polls never.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use netdrv::pktbuf::{Blank, PktBuf, Pool};

use super::bell::Bell;
use super::ring::{Consumer, Producer, ring};

/// The most cores of a mesh: bits of a [`CoreSet`].
pub const MAX_CORES: usize = 64;

/// Messages in a ring, and as many parcels may be unanswered.
const RING: usize = 512;
/// Places in a ring that frames leave to other messages.
const RESERVED: usize = 64;
/// Messages that wait at their sender.
const WAITING: usize = 64;

/// Some cores, a bit each.
pub type CoreSet = u64;

/// The cores of a set, the lowest first.
pub fn cores_of(mut set: CoreSet) -> impl Iterator<Item = usize> + Clone {
    core::iter::from_fn(move || {
        let lowest = set.trailing_zeros() as usize;
        set &= set.wrapping_sub(1);
        (lowest < MAX_CORES).then_some(lowest)
    })
}

/// Why a message was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotSent {
    /// The ring is full, or the other core has not answered enough parcels.
    Full,
    /// There was no buffer to copy shared bytes to.
    NoBuffer,
}

/// One core's ends of all its rings.
pub struct Port<M> {
    own: usize,
    links: Box<[Option<Link<M>>]>,
    bells: Arc<[Bell]>,
    /// Cores that something was sent to in this turn.
    addressed: CoreSet,
    /// Where the next look at the rings begins, so that no core is preferred.
    turn: usize,
}

/// One core's ends of its rings with one other.
struct Link<M> {
    to: Producer<M>,
    from: Consumer<M>,
    blanks_to: Producer<Blank>,
    blanks_from: Consumer<Blank>,
    /// Parcels sent whose blanks have not come back.
    unanswered: usize,
    waiting: heapless::Deque<M, WAITING>,
}

/// Ports for `cores` cores, at most [`MAX_CORES`].
pub fn mesh<M: Send>(cores: usize) -> Vec<Port<M>> {
    let cores = cores.min(MAX_CORES);
    let bells: Arc<[Bell]> = (0..cores).map(|_| Bell::new()).collect();
    let mut links: Vec<Vec<Option<Link<M>>>> = (0..cores).map(|_| (0..cores).map(|_| None).collect()).collect();
    for (a, b) in (0..cores).flat_map(|a| (a + 1..cores).map(move |b| (a, b))) {
        let (left, right) = Link::pair();
        links[a][b] = Some(left);
        links[b][a] = Some(right);
    }
    let port = |(own, links): (usize, Vec<_>)| Port {
        own,
        links: links.into(),
        bells: Arc::clone(&bells),
        addressed: 0,
        turn: own,
    };
    links.into_iter().enumerate().map(port).collect()
}

impl<M: Send> Link<M> {
    fn pair() -> (Link<M>, Link<M>) {
        let ((to_b, from_a), (to_a, from_b)) = (ring(RING), ring(RING));
        // As many as there can be unanswered parcels: a blank always has room.
        let ((blanks_to_b, blanks_from_a), (blanks_to_a, blanks_from_b)) = (ring(RING), ring(RING));
        let link = |to, from, blanks_to, blanks_from| {
            let waiting = heapless::Deque::new();
            Link { to, from, blanks_to, blanks_from, unanswered: 0, waiting }
        };
        (link(to_b, from_b, blanks_to_b, blanks_from_b), link(to_a, from_a, blanks_to_a, blanks_from_a))
    }

    /// Sends what waits. Whether nothing waits any more.
    fn send_waiting(&mut self) -> bool {
        while let Some(message) = self.waiting.pop_front() {
            if let Err(message) = self.to.push(message) {
                let _ = self.waiting.push_front(message); // its place is free
                return false;
            }
        }
        true
    }
}

impl<M: Send> Port<M> {
    /// The core whose port this is.
    pub fn own(&self) -> usize {
        self.own
    }

    /// Cores in the mesh.
    pub fn cores(&self) -> usize {
        self.links.len()
    }

    /// All cores but this one.
    pub fn others(&self) -> CoreSet {
        let all = CoreSet::MAX >> (MAX_CORES - self.links.len());
        all & !(1 << self.own)
    }

    /// Buffers that can be sent to `core` now.
    pub fn room(&mut self, core: usize) -> usize {
        let Some(link) = self.links.get_mut(core).and_then(Option::as_mut) else { return 0 };
        if !link.waiting.is_empty() {
            return 0;
        }
        let most = RING - link.unanswered;
        if link.to.has_room(most + RESERVED) {
            most
        } else {
            (0..most).take_while(|n| link.to.has_room(n + 1 + RESERVED)).count()
        }
    }

    /// Sends a buffer, which `wrap` makes a message of. Bytes that other handles share are copied first.
    pub fn send_buffer(
        &mut self,
        core: usize,
        buffer: PktBuf,
        pool: &'static Pool,
        wrap: impl FnOnce(netdrv::pktbuf::Parcel) -> M,
    ) -> Result<(), NotSent> {
        let Some(link) = self.links.get_mut(core).and_then(Option::as_mut) else { return Err(NotSent::Full) };
        if !link.waiting.is_empty() || link.unanswered >= RING || !link.to.has_room(1 + RESERVED) {
            return Err(NotSent::Full);
        }
        let travels = buffer.is_unique() && !buffer.has_attachment();
        let buffer = if travels { buffer } else { copy(&buffer, pool).ok_or(NotSent::NoBuffer)? };
        let parcel = buffer.into_parcel().map_err(|_| NotSent::NoBuffer)?;
        link.unanswered += 1;
        let sent = link.to.push(wrap(parcel));
        debug_assert!(sent.is_ok(), "there was room");
        self.addressed |= 1 << core;
        Ok(())
    }

    /// Sends a message that carries no buffer; it waits if the ring is full. It comes back if too many wait already.
    pub fn send(&mut self, core: usize, message: M) -> Result<(), M> {
        let Some(link) = self.links.get_mut(core).and_then(Option::as_mut) else { return Err(message) };
        self.addressed |= 1 << core;
        if link.send_waiting() {
            match link.to.push(message) {
                Ok(()) => Ok(()),
                Err(message) => link.waiting.push_back(message),
            }
        } else {
            link.waiting.push_back(message)
        }
    }

    /// Messages without buffers that can be sent to `core` now.
    pub fn message_room(&self, core: usize) -> usize {
        let link = self.links.get(core).and_then(Option::as_ref);
        link.map_or(0, |link| link.waiting.capacity() - link.waiting.len())
    }

    /// The next message, from any core, and who sent it.
    pub fn receive(&mut self) -> Option<(usize, M)> {
        let cores = self.links.len();
        for _ in 0..cores {
            let core = self.turn;
            if let Some(message) = self.links[core].as_mut().and_then(|link| link.from.pop()) {
                return Some((core, message));
            }
            self.turn = if core + 1 == cores { 0 } else { core + 1 };
        }
        None
    }

    /// Sends back what a parcel of `core` was exchanged for.
    pub fn return_blank(&mut self, core: usize, blank: Blank) {
        let Some(link) = self.links.get_mut(core).and_then(Option::as_mut) else { return };
        let returned = link.blanks_to.push(blank);
        debug_assert!(returned.is_ok(), "more blanks than parcels");
    }

    /// Gives `pool` the blanks that came back.
    pub fn collect_blanks(&mut self, pool: &'static Pool) {
        for link in self.links.iter_mut().flatten().filter(|link| link.unanswered > 0) {
            while let Some(blank) = link.blanks_from.pop() {
                link.unanswered -= 1;
                let restored = pool.restore(blank);
                debug_assert!(restored.is_ok(), "more blanks than parcels");
            }
        }
    }

    /// Shows the other cores what was sent, and returns those that halt and have to be woken.
    pub fn flush(&mut self) -> CoreSet {
        for link in self.links.iter_mut().flatten() {
            link.blanks_to.publish();
        }
        let mut halted = 0;
        for core in cores_of(self.addressed) {
            let Some(link) = self.links[core].as_mut() else { continue };
            let sent_all = link.send_waiting();
            if link.to.publish() && self.bells[core].must_ring() {
                halted |= 1 << core;
            }
            if sent_all {
                self.addressed &= !(1 << core);
            }
        }
        halted
    }

    /// Tells the other cores whether few packet buffers are left to this one.
    pub fn say_short(&self, short: bool) {
        self.bells[self.own].say_short(short);
    }

    /// Whether few packet buffers were left to a core lately.
    pub fn is_short(&self, core: usize) -> bool {
        self.bells.get(core).is_some_and(Bell::is_short)
    }

    /// Whether messages wait at this core for room in a ring.
    pub fn is_waiting(&self) -> bool {
        self.addressed != 0
    }

    /// Says that this core is about to halt, then whether there is nothing to stay awake for. [`get_up`](Port::get_up) comes next,
    /// whatever the answer.
    pub fn lie_down(&mut self) -> bool {
        self.bells[self.own].lie_down();
        !self.is_waiting() && self.links.iter_mut().flatten().all(|link| link.from.is_empty())
    }

    /// Says that this core runs again.
    pub fn get_up(&self) {
        self.bells[self.own].get_up();
    }
}

/// A copy in a buffer of its own; `None` also if it does not fit into one.
fn copy(buffer: &PktBuf, pool: &'static Pool) -> Option<PktBuf> {
    let mut copy = pool.alloc()?;
    copy.reset(buffer.headroom());
    copy.extend_from_slice(buffer.bytes())?;
    if let Some(body) = buffer.attachment().and_then(|attachment| attachment.body) {
        copy.extend_from_slice(body.bytes())?;
    }
    copy.set_checksum(buffer.checksum());
    Some(copy)
}

#[cfg(all(test, not(loom)))]
mod tests;

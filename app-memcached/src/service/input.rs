//! Received bytes that a session has not taken yet: chains of packet buffers.
//!
//! A chain's first buffer begins with the first byte that is not done with. A buffer that fits into the one before it is
//! copied there, so that segments of one byte do not hold a buffer each; a line that spans buffers is pulled up into one.

use alloc::vec::Vec;

use netdrv::pktbuf::{PktBuf, Pool};

/// End of a chain.
const NONE: u32 = u32::MAX;

/// There is no buffer, or no place, for more input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoBuffers;

/// One connection's chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chain {
    head: u32,
    tail: u32,
}

impl Default for Chain {
    fn default() -> Chain {
        Chain { head: NONE, tail: NONE }
    }
}

impl Chain {
    /// Whether nothing is kept.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.head == NONE
    }
}

/// The links of all chains.
pub(super) struct Inputs {
    links: Vec<Link>,
    first_free: u32,
    pool: &'static Pool,
}

struct Link {
    /// `None` while the link is free.
    buffer: Option<PktBuf>,
    next: u32,
}

impl Inputs {
    /// Links for the buffers of `pool`.
    pub(super) fn new(pool: &'static Pool) -> Inputs {
        Inputs { links: Vec::with_capacity(pool.capacity()), first_free: NONE, pool }
    }

    /// Adds a buffer at a chain's end, unless the pool has less than `kept` then.
    pub(super) fn push(&mut self, chain: &mut Chain, buffer: PktBuf, kept: usize) -> Result<(), NoBuffers> {
        let tail = self.buffer_mut(chain.tail);
        if let Some(tail) = tail
            && buffer.len() <= tail.tailroom()
            && tail.extend_from_slice(buffer.bytes()).is_some()
        {
            return Ok(());
        }
        if self.pool.available() < kept {
            return Err(NoBuffers);
        }
        let link = self.take_link(buffer)?;
        match self.links.get_mut(chain.tail as usize) {
            Some(tail) => tail.next = link,
            None => chain.head = link,
        }
        chain.tail = link;
        Ok(())
    }

    /// A chain's first buffer.
    pub(super) fn front(&self, chain: &Chain) -> Option<&PktBuf> {
        self.links.get(chain.head as usize)?.buffer.as_ref()
    }

    /// Drops `n` bytes from the front of a chain's first buffer, and the buffer with its last byte.
    pub(super) fn trim_front(&mut self, chain: &mut Chain, n: usize) {
        let Some(front) = self.buffer_mut(chain.head) else { return };
        front.trim_front(n);
        if front.is_empty() {
            self.pop_front(chain);
        }
    }

    /// Moves bytes from a chain's second buffer to the end of its first, as many as fit. Returns how many. A first buffer that
    /// others share is replaced by a copy.
    pub(super) fn pull_up(&mut self, chain: &mut Chain) -> Result<usize, NoBuffers> {
        let Some(second) = self.links.get(chain.head as usize).map(|link| link.next) else { return Ok(0) };
        let Some(mut rest) = self.links.get_mut(second as usize).and_then(|link| link.buffer.take()) else {
            return Ok(0);
        };
        let pool = self.pool;
        let moved = self.buffer_mut(chain.head).ok_or(NoBuffers).and_then(|front| append(front, &rest, pool));
        rest.trim_front(*moved.as_ref().unwrap_or(&0));
        if rest.is_empty() {
            self.unlink_after(chain, second);
        } else if let Some(link) = self.links.get_mut(second as usize) {
            link.buffer = Some(rest);
        }
        moved
    }

    /// Takes the first buffer out.
    pub(super) fn pop(&mut self, chain: &mut Chain) -> Option<PktBuf> {
        let front = self.front(chain)?.clone();
        self.trim_front(chain, front.len());
        Some(front)
    }

    /// Drops a chain. Returns the bytes it held.
    pub(super) fn clear(&mut self, chain: &mut Chain) -> u32 {
        let mut bytes = 0;
        while let Some(front) = self.front(chain) {
            bytes += front.len() as u32;
            self.pop_front(chain);
        }
        bytes
    }

    /// Buffers in all chains.
    #[cfg(test)]
    pub(super) fn in_use(&self) -> usize {
        self.links.iter().filter(|link| link.buffer.is_some()).count()
    }

    fn buffer_mut(&mut self, link: u32) -> Option<&mut PktBuf> {
        self.links.get_mut(link as usize)?.buffer.as_mut()
    }

    fn pop_front(&mut self, chain: &mut Chain) {
        let head = chain.head;
        let Some(link) = self.links.get(head as usize) else { return };
        chain.head = link.next;
        if chain.head == NONE {
            chain.tail = NONE;
        }
        self.free_link(head);
    }

    /// Takes the empty second link out of a chain.
    fn unlink_after(&mut self, chain: &mut Chain, second: u32) {
        let third = self.links[second as usize].next;
        self.links[chain.head as usize].next = third;
        if third == NONE {
            chain.tail = chain.head;
        }
        self.free_link(second);
    }

    fn take_link(&mut self, buffer: PktBuf) -> Result<u32, NoBuffers> {
        let link = Link { buffer: Some(buffer), next: NONE };
        let number = if let Some(free) = self.links.get_mut(self.first_free as usize) {
            let number = self.first_free;
            self.first_free = free.next;
            *free = link;
            number
        } else if self.links.len() < self.pool.capacity() {
            self.links.push(link);
            (self.links.len() - 1) as u32
        } else {
            return Err(NoBuffers);
        };
        Ok(number)
    }

    fn free_link(&mut self, number: u32) {
        let Some(link) = self.links.get_mut(number as usize) else { return };
        *link = Link { buffer: None, next: self.first_free };
        self.first_free = number;
    }
}

/// Appends what fits of `rest` to `front`, making room first. Returns the bytes appended.
fn append(front: &mut PktBuf, rest: &PktBuf, pool: &'static Pool) -> Result<usize, NoBuffers> {
    if front.is_unique() {
        if front.tailroom() < rest.len() {
            slide(front);
        }
    } else {
        let mut copy = pool.alloc().ok_or(NoBuffers)?;
        copy.reset(0);
        copy.extend_from_slice(front.bytes()).ok_or(NoBuffers)?;
        *front = copy;
    }
    let n = rest.len().min(front.tailroom());
    front.extend_from_slice(&rest.bytes()[..n]).ok_or(NoBuffers)?;
    Ok(n)
}

/// Moves a buffer's bytes to its very beginning: no header will be put before them.
fn slide(buffer: &mut PktBuf) {
    let (start, len) = (buffer.headroom(), buffer.len());
    if buffer.prepend(start).is_some() {
        if let Some(bytes) = buffer.bytes_mut() {
            bytes.copy_within(start.., 0);
        }
        buffer.truncate(len);
    }
}

#[cfg(test)]
mod tests;

//! The guest's transmit queue, from which we receive.

use std::sync::Arc;

use netdrv::nic::{Armed, BATCH, Batch, RxCounters, RxQueue};
use netdrv::pktbuf::{Checksum, PktBuf, Pool};

use super::Fault;
use super::header::{HEADER_BYTES, Header};
use super::ring::{Access, Descriptor, Ring};
use super::seat::{Held, Seat};

/// Receives what the guest sends.
pub struct FromGuest {
    held: Held,
    /// Where frames are copied to, once [`refill`](RxQueue::refill) has named it.
    pool: Option<&'static Pool>,
    counters: RxCounters,
}

impl FromGuest {
    pub(super) fn new(seat: Arc<Seat>) -> FromGuest {
        FromGuest { held: Held::new(seat), pool: None, counters: RxCounters::default() }
    }

    /// Takes at most `limit` frames. The chains that it has taken are used.
    fn take(&mut self, batch: &mut Batch, limit: usize) -> Result<usize, Fault> {
        let Some(ring) = self.held.ring() else { return Ok(0) };
        let waiting = usize::from(ring.available()?).min(limit).min(batch.capacity() - batch.len());
        if waiting == 0 {
            return Ok(0);
        }
        let Some(pool) = self.pool else { return Ok(0) };
        // The lines of all frames are asked for before the first is copied: they come from another core.
        for ahead in 0..waiting as u16 {
            prefetch(ring, ring.head(ahead)?)?;
        }
        let mut frames = 0;
        for _ in 0..waiting {
            let Some(mut frame) = pool.alloc() else {
                self.counters.pool_empty += 1;
                break; // the guest waits
            };
            let head = ring.head(0)?;
            let fits = copy(ring, head, &mut frame)?;
            ring.use_next(head, 0);
            if !fits {
                self.counters.oversized += 1;
                continue;
            }
            self.counters.bytes += frame.len() as u64;
            frames += usize::from(batch.push_back(frame).is_ok());
        }
        self.counters.frames += frames as u64;
        if ring.publish() {
            self.held.call();
        }
        Ok(frames)
    }
}

/// Asks for the lines of a chain that will be read: those of its first two buffers, header and frame, or all in one.
#[inline]
fn prefetch(ring: &Ring, head: u16) -> Result<(), Fault> {
    let first = ring.descriptor(head)?;
    ring.memory.prefetch(first.address, first.len as usize);
    if let Some(next) = first.next {
        let second = ring.descriptor(next)?;
        ring.memory.prefetch(second.address, second.len as usize);
    }
    Ok(())
}

/// Copies the frame of a chain. Returns whether it fits into the buffer.
#[inline]
fn copy(ring: &Ring, head: u16, frame: &mut PktBuf) -> Result<bool, Fault> {
    let mut chain = Chain { ring, next: Some(head), seen: 0 };
    let mut bytes = [0; HEADER_BYTES];
    // Nearly always the header has a buffer of its own; otherwise it is at the front of the first (section 5.1.6.2).
    let first = chain.next()?.ok_or(Fault::Length)?;
    let header_len = HEADER_BYTES as u32;
    if first.len < header_len {
        return Err(Fault::Length);
    }
    ring.memory.read(first.address, &mut bytes)?;
    let mut fits = true;
    let mut piece = (first.len > header_len).then(|| first.after(header_len));
    loop {
        let rest = match piece.take() {
            Some(rest) => rest,
            None => match chain.next()? {
                Some(next) => next,
                None => break,
            },
        };
        match frame.append(rest.len as usize) {
            Some(room) => ring.memory.read(rest.address, room)?,
            None => fits = false,
        }
    }
    let header = Header::parse(&bytes).ok_or(Fault::Header)?;
    // A checksum that was left to us never leaves the machine: it need not be there.
    frame.set_checksum(if header.is_partial() { Checksum::Verified } else { Checksum::None });
    Ok(fits)
}

/// The buffers of a chain to read, in order.
struct Chain<'a> {
    ring: &'a Ring,
    next: Option<u16>,
    seen: usize,
}

impl Chain<'_> {
    #[inline]
    fn next(&mut self) -> Result<Option<Descriptor>, Fault> {
        let Some(id) = self.next else { return Ok(None) };
        if self.seen == self.ring.size() {
            return Err(Fault::Loop);
        }
        self.seen += 1;
        let descriptor = self.ring.descriptor(id)?;
        if descriptor.access != Access::Read {
            return Err(Fault::Direction);
        }
        self.next = descriptor.next;
        Ok(Some(descriptor))
    }
}

impl RxQueue for FromGuest {
    fn poll(&mut self, batch: &mut Batch, limit: usize) -> usize {
        match self.take(batch, limit.min(BATCH)) {
            Ok(frames) => frames,
            Err(fault) => {
                self.counters.bad_descriptor += 1;
                self.held.give_up(fault);
                0
            }
        }
    }

    /// Buffers are taken from the pool when there is a frame to put into one.
    fn refill(&mut self, pool: &'static Pool) -> usize {
        self.pool = Some(pool);
        0
    }

    /// Who polls does not halt.
    fn arm(&mut self) -> Armed {
        Armed::Pending
    }

    fn disarm(&mut self) {}

    fn counters(&self) -> &RxCounters {
        &self.counters
    }
}

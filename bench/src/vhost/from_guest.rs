//! The guest's transmit queue, from which we receive.

use std::sync::Arc;

use netdrv::nic::{Armed, BATCH, Batch, RxCounters, RxQueue};
use netdrv::pktbuf::{Checksum, PktBuf, Pool};

use super::Fault;
use super::header::{HEADER_BYTES, Header};
use super::memory::Span;
use super::ring::{Access, Descriptor, Ring};
use super::seat::{Held, Seat};

/// Chains that are looked at before the first is copied: about as many lines as a core waits for at a time.
const AHEAD: usize = 16;

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
        let mut frames = 0;
        'groups: for done in (0..waiting).step_by(AHEAD) {
            // The lines of several frames are asked for before the first is copied: they come from another core.
            let mut found = [const { None }; AHEAD];
            let found = &mut found[..AHEAD.min(waiting - done)];
            for (place, ahead) in found.iter_mut().zip(0..) {
                *place = Some(Chain::find(ring, ring.head(ahead)?)?);
            }
            for chain in found.iter().flatten() {
                let Some(mut frame) = pool.alloc() else {
                    self.counters.pool_empty += 1;
                    break 'groups; // the guest waits
                };
                let fits = chain.copy(&mut frame)?;
                ring.use_next(chain.head, 0);
                if !fits {
                    self.counters.oversized += 1;
                    continue;
                }
                self.counters.bytes += frame.len() as u64;
                frames += usize::from(batch.push_back(frame).is_ok());
            }
        }
        self.counters.frames += frames as u64;
        if ring.publish() {
            self.held.call();
        }
        Ok(frames)
    }
}

/// A chain that waits.
struct Chain<'a> {
    ring: &'a Ring,
    head: u16,
    /// As drivers make it: the header in a buffer of its own, and the frame in another.
    usual: Option<(Span<'a>, Span<'a>)>,
}

impl<'a> Chain<'a> {
    /// The chain that begins with `head`. The lines that will be read are asked for.
    #[inline]
    fn find(ring: &'a Ring, head: u16) -> Result<Chain<'a>, Fault> {
        let unusual = Chain { ring, head, usual: None };
        let first = ring.descriptor(head)?;
        let Some(next) = first.next.filter(|_| first.len as usize == HEADER_BYTES) else { return Ok(unusual) };
        let second = ring.descriptor(next)?;
        if second.next.is_some() || first.access != Access::Read || second.access != Access::Read {
            return Ok(unusual);
        }
        let header = ring.memory.span(first.address, HEADER_BYTES)?;
        let frame = ring.memory.span(second.address, second.len as usize)?;
        header.prefetch(HEADER_BYTES);
        frame.prefetch(frame.len());
        Ok(Chain { usual: Some((header, frame)), ..unusual })
    }

    /// Copies the frame. Returns whether it fits into the buffer.
    #[inline]
    fn copy(&self, frame: &mut PktBuf) -> Result<bool, Fault> {
        let Some((header, body)) = self.usual else { return copy(self.ring, self.head, frame) };
        let mut bytes = [0; HEADER_BYTES];
        header.read(&mut bytes).ok_or(Fault::Length)?;
        set_checksum(frame, &bytes)?;
        Ok(frame.append(body.len()).is_some_and(|room| body.read(room).is_some()))
    }
}

/// Copies the frame of any chain. Returns whether it fits into the buffer.
#[cold]
fn copy(ring: &Ring, head: u16, frame: &mut PktBuf) -> Result<bool, Fault> {
    let mut chain = Walk { ring, next: Some(head), seen: 0 };
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
    set_checksum(frame, &bytes)?;
    Ok(fits)
}

/// Notes what the header says. A checksum that was left to us never leaves the machine: it need not be there.
#[inline]
fn set_checksum(frame: &mut PktBuf, header: &[u8; HEADER_BYTES]) -> Result<(), Fault> {
    let header = Header::parse(header).ok_or(Fault::Header)?;
    frame.set_checksum(if header.is_partial() { Checksum::Verified } else { Checksum::None });
    Ok(())
}

/// The buffers of a chain to read, in order.
struct Walk<'a> {
    ring: &'a Ring,
    next: Option<u16>,
    seen: usize,
}

impl Walk<'_> {
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

//! The guest's receive queue, to which we transmit.

use std::sync::Arc;

use netdrv::nic::{Batch, TxCounters, TxQueue};
use netdrv::pktbuf::PktBuf;

use super::Fault;
use super::header::{HEADER_BYTES, Header};
use super::memory::Span;
use super::ring::{Access, Ring};
use super::seat::{Held, Seat};

/// Chains that are looked at before the first is written: about as many lines as a core waits for at a time.
const AHEAD: usize = 16;

/// Sends what the guest receives.
#[derive(Debug)]
pub struct ToGuest {
    held: Held,
    /// Empty buffers of the guest at the last look.
    room: u16,
    counters: TxCounters,
}

impl ToGuest {
    pub(super) fn new(seat: Arc<Seat>) -> ToGuest {
        ToGuest { held: Held::new(seat), room: 0, counters: TxCounters::default() }
    }

    /// Counts the guest's buffers, if too few for a batch are known of.
    #[inline]
    fn look(&mut self, wanted: usize) -> Result<(), Fault> {
        if usize::from(self.room) >= wanted && self.held.current().is_some() {
            return Ok(());
        }
        self.room = match self.held.ring() {
            Some(ring) => ring.available()?,
            None => 0,
        };
        Ok(())
    }

    /// Copies frames from the front of the batch, as long as there are buffers.
    fn put(&mut self, batch: &mut Batch) -> Result<(), Fault> {
        let Some(ring) = self.held.ring() else { return Ok(()) };
        let mut left = batch.len().min(self.room.into());
        while left > 0 {
            // The lines of several buffers are asked for before the first is written: the guest has read them.
            let mut found = [None; AHEAD];
            let found = &mut found[..AHEAD.min(left)];
            for ((place, ahead), frame) in found.iter_mut().zip(0..).zip(batch.iter()) {
                *place = Some(Buffer::find(ring, ring.head(ahead)?, frame.len() + HEADER_BYTES)?);
            }
            for buffer in found.iter().flatten() {
                let Some(frame) = batch.pop_front() else { return Ok(()) };
                left -= 1;
                let Some(header) = header_of(&frame) else {
                    self.counters.bad_attachment += 1;
                    break; // the chain is still the next
                };
                let written = buffer.write(ring, &header, &frame)?;
                ring.use_next(buffer.head, written);
                self.room -= 1;
                self.counters.frames += 1;
                self.counters.bytes += frame.frame_len() as u64;
            }
        }
        Ok(())
    }

    fn unless_faulty(&mut self, result: Result<(), Fault>) {
        if let Err(fault) = result {
            self.counters.bad_descriptor += 1;
            self.room = 0;
            self.held.give_up(fault);
        }
    }
}

/// The header of a frame to the guest; `None` if it were to be cut, which we do not.
#[inline]
fn header_of(frame: &PktBuf) -> Option<[u8; HEADER_BYTES]> {
    if frame.has_attachment() && frame.attachment().is_some_and(|attachment| attachment.segmentation.is_some()) {
        return None;
    }
    Some(Header::to_guest(frame.checksum()))
}

/// A chain that waits.
#[derive(Clone, Copy)]
struct Buffer<'a> {
    head: u16,
    /// Its first buffer, which nearly always has room for a frame.
    first: Span<'a>,
}

impl<'a> Buffer<'a> {
    /// The chain that begins with `head`. The lines that `bytes` bytes will be written to are asked for.
    #[inline]
    fn find(ring: &'a Ring, head: u16, bytes: usize) -> Result<Buffer<'a>, Fault> {
        let descriptor = ring.descriptor(head)?;
        if descriptor.access != Access::Write {
            return Err(Fault::Direction);
        }
        let first = ring.memory.span(descriptor.address, descriptor.len as usize)?;
        first.prefetch(bytes);
        Ok(Buffer { head, first })
    }

    /// Writes a frame behind its header. Returns how many bytes.
    #[inline]
    fn write(&self, ring: &Ring, header: &[u8; HEADER_BYTES], frame: &PktBuf) -> Result<u32, Fault> {
        if !frame.has_attachment() && self.first.write(header, frame.bytes()).is_some() {
            return Ok((HEADER_BYTES + frame.len()) as u32);
        }
        write(ring, self.head, header, frame)
    }
}

/// Writes a frame behind its header into the buffers of a chain. Returns how many bytes.
#[cold]
fn write(ring: &Ring, head: u16, header: &[u8; HEADER_BYTES], frame: &PktBuf) -> Result<u32, Fault> {
    let body = frame.attachment().and_then(|attachment| attachment.body);
    let parts = [&header[..], frame.bytes(), body.as_ref().map_or(&[], |body| body.bytes())];
    let (mut id, mut seen, mut written) = (Some(head), 0, 0);
    let mut room = (0, 0);
    for mut part in parts {
        while !part.is_empty() {
            if room.1 == 0 {
                let descriptor = ring.descriptor(id.ok_or(Fault::Length)?)?;
                seen += 1;
                if descriptor.access != Access::Write {
                    return Err(Fault::Direction);
                }
                if seen > ring.size() {
                    return Err(Fault::Loop);
                }
                id = descriptor.next;
                room = (descriptor.address, descriptor.len as usize);
                continue;
            }
            let (now, later) = part.split_at(part.len().min(room.1));
            ring.memory.write(room.0, now)?;
            room = (room.0.wrapping_add(now.len() as u64), room.1 - now.len());
            written += now.len() as u32;
            part = later;
        }
    }
    Ok(written)
}

impl TxQueue for ToGuest {
    /// Frames are copied as they are submitted.
    fn reclaim(&mut self) -> usize {
        let looked = self.look(netdrv::nic::BATCH);
        self.unless_faulty(looked);
        0
    }

    fn room(&self) -> usize {
        self.room.into()
    }

    fn submit(&mut self, batch: &mut Batch) -> usize {
        let waiting = batch.len();
        let put = self.look(waiting).and_then(|()| self.put(batch));
        self.unless_faulty(put);
        waiting - batch.len()
    }

    fn doorbell(&mut self) {
        if self.held.ring().is_some_and(Ring::publish) {
            self.counters.doorbells += 1;
            self.held.call();
        }
    }

    fn counters(&self) -> &TxCounters {
        &self.counters
    }
}

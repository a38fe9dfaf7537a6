//! How much of a record leaves in one frame: what MSS and windows allow, if it is worth sending.

use super::cut::{NotCut, cut_record};
use super::output::Stop;
use super::segments::Record;
use super::tcb::{MAX_SENT_RECORDS, Probe, Send};
use super::{Tcp, Work};
use crate::reserves;

impl Tcp {
    /// Cuts the record at `at`, which was never sent, to what MSS and windows allow; [`Stop::Window`] if that is nothing worth
    /// sending (sender's silly window avoidance, RFC 9293, section 3.8.6.2.1).
    #[inline]
    pub(super) fn fit_new_record(&mut self, index: u32, at: u32, work: &mut Work<'_>) -> Result<(), Stop> {
        let Some(tcb) = self.tcbs[index as usize].as_ref() else { return Err(Stop::Window) };
        let Some(record) = self.segments.get(at) else { return Err(Stop::Window) };
        match tcb.send.fits(record, self.tso) {
            0 => Err(Stop::Window),
            fits if fits >= record.len() => Ok(()),
            // The rest takes a buffer. Were the last ones taken so, the acknowledgements that free them could not come in.
            _ if self.pool.available() <= reserves::buffers(self.pool, reserves::ANSWERS) => Err(Stop::NoBuffer),
            fits => self.cut(index, at, fits, work),
        }
    }

    /// Cuts the record at `at`, so that its first `len` bytes stand alone.
    pub(super) fn cut(&mut self, index: u32, at: u32, len: u32, work: &mut Work<'_>) -> Result<(), Stop> {
        let Some(tcb) = self.tcbs[index as usize].as_mut() else { return Err(Stop::Window) };
        work.counters.tcp_segments_split += 1;
        cut_record(&mut self.segments, &mut tcb.send, self.pool, at, len).map_err(|reason| match reason {
            NotCut::Nowhere => Stop::Window,
            NotCut::InRing => Stop::InRing,
            NotCut::NoBuffer => Stop::NoBuffer,
        })
    }
}

impl Send {
    /// How much of a record that was never sent MSS and windows allow to leave in one frame; nothing if that is not worth
    /// sending (sender's silly window avoidance, RFC 9293, section 3.8.6.2.1).
    #[inline(always)] // on the way of nearly every segment
    fn fits(&self, record: &Record, tso: Option<u32>) -> u32 {
        let (len, mss) = (record.len(), u32::from(self.mss));
        let (peer, room) = ((self.una + self.window).since(record.seq), self.congestion_room());
        let path = if self.probe == Some(Probe::Tail) { mss } else { room };
        let available = peer.min(path);
        let many = self.scoreboard.sent_records() >= MAX_SENT_RECORDS && self.probe.is_none();
        if many || available == 0 {
            return 0;
        }
        if len <= available.min(mss) {
            return len;
        }
        let worth = available >= len.min(mss) || peer >= self.largest_window / 2 || self.probe == Some(Probe::Window);
        // A window of the path that is not used up is waited for; one of the peer that never grows would be for ever.
        let alone = self.scoreboard.in_network() == 0;
        if !worth || (path < len.min(mss) && !alone) {
            return 0;
        }
        let fits = len.min(self.frame_limit(record, tso)).min(available);
        // The device cuts full segments only; what is left over waits for more room.
        if fits > mss && fits < len { fits / mss * mss } else { fits }
    }

    /// The most payload of a record that leaves in one frame: a segment, or many segments of a body where the device cuts, but
    /// no more than a quarter of the window, so that acknowledgements keep coming.
    fn frame_limit(&self, record: &Record, tso: Option<u32>) -> u32 {
        let mss = u32::from(self.mss);
        match tso {
            Some(most) if record.payload.has_attachment() => {
                let share = (self.congestion.window() / 4).min(most);
                (share / mss * mss).max(mss)
            }
            _ => mss,
        }
    }
}

//! Looking ahead: where there are more connections than a cache holds, the state of those that a batch belongs to is asked for
//! before the first of its frames is taken. Else each frame would wait for memory some twenty times, and the next one after it.

use netdrv::cache;
use netdrv::pktbuf::PktBuf;

use super::{FlowKey, Tcp, timers};
use crate::plain;

/// Frames that are looked at together.
pub(crate) const GROUP: usize = 8;

/// The state of so many connections stays in a cache by itself. Tests look ahead always.
const FEW: usize = if cfg!(test) { 0 } else { 1024 };

/// No connection, or no record.
const NONE: u32 = u32::MAX;

impl Tcp {
    /// Asks for what the first [`GROUP`] of these frames will need, each step for all of them: it is where the one before led.
    #[inline]
    pub(crate) fn look_ahead<'a>(&self, frames: impl Iterator<Item = &'a PktBuf>) {
        if self.tcbs.len() > FEW {
            self.look_ahead_of_many(frames);
        }
    }

    #[inline(never)]
    fn look_ahead_of_many<'a>(&self, frames: impl Iterator<Item = &'a PktBuf>) {
        let mut keys = [FlowKey::NONE; GROUP];
        for (key, frame) in keys.iter_mut().zip(frames) {
            *key = plain::probable_key(frame);
            self.flows.expect(*key);
        }
        let connections = keys.map(|key| self.flows.get(key).unwrap_or(NONE));
        for index in connections {
            self.expect_connection(index);
        }
        let records = connections.map(|index| self.first_sent(index));
        for record in records {
            self.segments.expect(record);
        }
        // What was sent before is acknowledged by what comes now, and its buffer is the next to be used.
        let sent = || records.iter().filter_map(|record| self.segments.get(*record));
        sent().for_each(|record| record.payload.expect());
        sent().for_each(|record| record.payload.expect_bytes());
    }

    /// Asks for all that is kept of a connection.
    fn expect_connection(&self, index: u32) {
        if let Some(tcb) = self.tcbs.get(index as usize) {
            cache::prefetch_value(tcb);
            self.wheel.expect(timers::main(index));
            self.dirty.expect(index);
        }
    }

    fn first_sent(&self, index: u32) -> u32 {
        let tcb = self.tcbs.get(index as usize).and_then(Option::as_ref);
        tcb.map_or(NONE, |tcb| tcb.send.queue.head())
    }
}

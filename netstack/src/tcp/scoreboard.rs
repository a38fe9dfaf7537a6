//! What became of the segments that were sent: each record of the send queue knows its fate, and this counts them (the
//! scoreboard of RFC 6675, with the marks of RFC 8985).
//!
//! ```text
//! Unsent -> InNetwork -> Sacked            (removed once it is acknowledged cumulatively, whatever its fate)
//!             ^   \-> Lost -> (sent again) -> InNetwork
//! ```

use super::segments::Record;
use crate::time::Instant;

/// What is known of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It was not sent yet.
    Unsent,
    /// It was sent, and nothing else is known.
    InNetwork,
    /// It is thought lost, and to be sent again.
    Lost,
    /// The peer has it, though not all before it.
    Sacked,
}

/// The last transmission of a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transmission {
    pub(super) fate: Fate,
    /// Whether it was the first.
    pub(super) count: Count,
    /// When it was.
    pub(super) at: Instant,
}

/// How often a record was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    /// At most once: its acknowledgement tells the round trip (Karn).
    Once,
    /// More often.
    Again,
}

impl Transmission {
    /// Of a record that was not sent.
    pub(super) const NONE: Transmission = Transmission { fate: Fate::Unsent, count: Count::Once, at: Instant::ZERO };
}

/// The counts of one connection. Bytes of payload: SYN and FIN are not in it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scoreboard {
    in_network: u32,
    sacked: u32,
    sacked_records: u32,
    lost_records: u32,
    sent_records: u32,
    /// What duplicate acknowledgements of a peer without SACK stand for.
    duplicates: u32,
    /// Records with a body: they may be longer than a segment.
    bodies: u32,
}

impl Scoreboard {
    /// The scoreboard of a connection whose records are counted anew.
    pub(super) fn without_records(&self) -> Scoreboard {
        Scoreboard { duplicates: self.duplicates, ..Scoreboard::default() }
    }

    /// Bytes that are thought to be in the network (the `pipe` of RFC 6675).
    pub(super) fn in_network(&self) -> u32 {
        self.in_network.saturating_sub(self.duplicates)
    }

    /// Bytes that the peer has out of order.
    pub(super) fn sacked(&self) -> u32 {
        self.sacked
    }

    /// Records that the peer has out of order.
    pub(super) fn sacked_records(&self) -> u32 {
        self.sacked_records
    }

    /// Records to be sent again.
    pub(super) fn lost_records(&self) -> u32 {
        self.lost_records
    }

    /// Records that were sent, whatever became of them.
    pub(super) fn sent_records(&self) -> u32 {
        self.sent_records
    }

    /// Whether a record that was sent may be longer than a segment.
    pub(super) fn has_bodies(&self) -> bool {
        self.bodies > 0
    }

    /// Whether every record is unsent or in the network.
    pub(super) fn is_without_loss(&self) -> bool {
        self.sacked_records | self.lost_records == 0
    }

    /// Notes that a record is sent now.
    pub(super) fn sent(&mut self, record: &mut Record, now: Instant) {
        if record.transmission.fate != Fate::Unsent {
            record.transmission.count = Count::Again;
        }
        record.transmission.at = now;
        self.set(record, Fate::InNetwork);
    }

    /// Notes that a record without a body is sent now, for the first time.
    #[inline]
    pub(super) fn sent_first(&mut self, record: &mut Record, now: Instant) {
        record.transmission = Transmission { fate: Fate::InNetwork, count: Count::Once, at: now };
        self.in_network += record.payload.len() as u32;
        self.sent_records += 1;
    }

    /// Gives a record another fate.
    pub(super) fn set(&mut self, record: &mut Record, fate: Fate) {
        self.remove(record);
        record.transmission.fate = fate;
        self.add(record);
    }

    /// Counts a record that joins the queue, or whose length has changed.
    pub(super) fn add(&mut self, record: &Record) {
        let bytes = record.len();
        self.bodies += u32::from(record.is_sent_with_body());
        self.sent_records += u32::from(record.transmission.fate != Fate::Unsent);
        match record.transmission.fate {
            Fate::Unsent => {}
            Fate::InNetwork => self.in_network += bytes,
            Fate::Lost => self.lost_records += 1,
            Fate::Sacked => {
                self.sacked += bytes;
                self.sacked_records += 1;
            }
        }
    }

    /// Counts a record no more: it leaves the queue, or is about to change.
    pub(super) fn remove(&mut self, record: &Record) {
        let bytes = record.len();
        self.bodies -= u32::from(record.is_sent_with_body());
        self.sent_records -= u32::from(record.transmission.fate != Fate::Unsent);
        match record.transmission.fate {
            Fate::Unsent => {}
            Fate::InNetwork => self.in_network -= bytes,
            Fate::Lost => self.lost_records -= 1,
            Fate::Sacked => {
                self.sacked -= bytes;
                self.sacked_records -= 1;
            }
        }
    }

    /// A record of `bytes` bytes without a body was in the network, is delivered and leaves the queue.
    #[inline]
    pub(super) fn delivered(&mut self, bytes: u32) {
        self.sent_records -= 1;
        self.in_network -= bytes;
    }

    /// A duplicate acknowledgement of a peer without SACK: a segment of `mss` bytes has left the network.
    pub(super) fn duplicate(&mut self, mss: u16) {
        self.duplicates = self.duplicates.saturating_add(mss.into()).min(self.in_network);
    }

    /// What duplicate acknowledgements stood for is acknowledged now.
    pub(super) fn forget_duplicates(&mut self) {
        self.duplicates = 0;
    }
}

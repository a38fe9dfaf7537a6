//! Windows: the one that we advertise, and the credit that the app has to send.
//!
//! A connection binds at most [`RECV_WINDOW`] bytes of received payload and [`SEND_QUEUE`] bytes of payload to send, both
//! less when the pool runs low. To send, it binds at most [`SEND_SEGMENTS`] buffers that have left, however short they
//! are, as beyond that many a short segment waits until it is full (see `output`), and the rest is full segments.

use netdrv::pktbuf::BUF_BYTES;

use super::context::Context;
use super::tcb::{Notices, Owner, Tcb, Wants};
use crate::app::MIN_ROOM;

/// The greatest window that we advertise, in bytes.
const RECV_WINDOW: u32 = 64 * 1024;
/// Our window shift: enough for a window four times as great.
pub(super) const RECV_SHIFT: u8 = 2;
/// The most payload in a retransmission queue that credit is given for, in bytes. An app that follows the rules can
/// exceed it by as much once: by what it sends after an event was made and before it is taken.
const SEND_QUEUE: u32 = 64 * 1024;
/// Segments in a retransmission queue beyond which there is no credit and no short segment leaves.
pub(super) const SEND_SEGMENTS: u32 = 64;
/// One connection's window and credit come to at most this part of what is free in the pool.
const SHARE: usize = 16;

/// The greatest window that a connection may advertise now, in bytes.
pub(super) fn receive_limit(cx: &Context<'_>) -> u32 {
    RECV_WINDOW.min(cx.iface.fair_share(SHARE))
}

impl Tcb {
    /// The window field of a segment that leaves now; moves the advertised edge. The edge never moves back, and forward
    /// only by a useful step (RFC 9293, section 3.8.6.2.2).
    pub(super) fn advertise(&mut self, cx: &Context<'_>) -> u16 {
        let limit = receive_limit(cx);
        let edge = self.recv.nxt + limit.saturating_sub(self.recv.held);
        if edge.since(self.recv.adv) >= (limit / 2).min(BUF_BYTES as u32 / 2).max(1) {
            self.recv.adv = edge;
        }
        let window = (self.recv.adv - self.recv.nxt) >> self.recv.shift;
        window.min(u16::MAX.into()) as u16
    }

    /// The app is done with `bytes`. The peer hears of it with the next segment, or at once if the window was all but
    /// shut, or has grown by half.
    pub(super) fn recv_done(&mut self, bytes: u32, cx: &mut Context<'_>) {
        self.recv.held = self.recv.held.saturating_sub(bytes);
        let limit = receive_limit(cx);
        let current = self.recv.adv - self.recv.nxt;
        let possible = limit.saturating_sub(self.recv.held);
        let full = self.send.mss.min(limit);
        if (current < full && possible >= full) || possible.saturating_sub(current) > limit / 2 {
            self.want(Wants::ACK, cx);
        }
    }

    /// The credit that the app gets with the next event: what congestion, the peer and memory allow beyond what is
    /// queued, and at least [`MIN_ROOM`] when nothing is. Never less than it has.
    pub(super) fn grant(&mut self, cx: &Context<'_>) -> u32 {
        let queued = self.send.end.since(self.send.una);
        let memory = SEND_QUEUE.min(cx.iface.fair_share(SHARE));
        let window = self.congestion.window().min(self.send.wnd).min(memory);
        let room = match queued {
            0 => window.max(MIN_ROOM as u32),
            _ if self.send.queue.len >= SEND_SEGMENTS => 0,
            _ => window.saturating_sub(queued),
        };
        self.send.credit = self.send.credit.max(room.into());
        self.send.credit as u32
    }

    /// Takes `bytes` of credit for a buffer of the app. `false` if it went too far: beyond what an event on its way could
    /// have excused.
    pub(super) fn spend(&mut self, bytes: usize) -> bool {
        self.send.credit -= bytes as i64;
        self.send.credit >= -i64::from(SEND_QUEUE)
    }

    /// Has the app told of something, once it knows the connection.
    pub(super) fn notify(&mut self, notices: Notices, cx: &mut Context<'_>) {
        self.notices |= notices;
        if self.owner != Owner::Nobody {
            cx.shared.notify.push(self.index);
        }
    }
}

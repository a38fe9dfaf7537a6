//! What the app asks for.

use netdrv::pktbuf::{HEADROOM, PktBuf};

use super::receive_window::Opened;
use super::segments::{NONE, Segments};
use super::tcb::{AckDue, Fin, MAX_SENT_RECORDS, Owner, Send, State, Tcb};
use super::{Tcp, Work};
use crate::app::{Call, Event, Flow, MAX_SEND, Reason};

impl Tcp {
    /// Carries out a call, but for [`send`](Tcp::send) and [`received`](Tcp::received).
    pub(crate) fn call(&mut self, call: Call, work: &mut Work<'_>) {
        let (Call::Accept { flow, .. } | Call::Reject { flow } | Call::Close { flow } | Call::Abort { flow }) = call
        else {
            return; // not of a connection
        };
        if owned(&mut self.tcbs, flow).is_none() {
            work.counters.app_stale_calls += 1;
            // It died between its knock and this call: the app is told, or the cookie would never be free.
            if let Call::Accept { cookie, .. } = call {
                let _ = work.events.push_back(Event::Dead { cookie, reason: Reason::Reset }); // room: MOST_EVENTS
            }
            return;
        }
        match call {
            Call::Accept { cookie, .. } => self.accept(flow.index, cookie, work),
            Call::Close { .. } => self.close(flow.index),
            _ => self.abort(flow.index, Reason::Closed, work),
        }
    }

    fn accept(&mut self, index: u32, cookie: u32, work: &mut Work<'_>) {
        let Some(tcb) = self.tcb(index) else { return };
        if tcb.owner != Owner::Knocked {
            work.counters.app_violations += 1;
            return;
        }
        tcb.owner = Owner::App(cookie);
        let (flow, credit) = (tcb.flow(index), tcb.send.grant());
        let _ = work.events.push_back(Event::Connected { cookie, flow, credit }); // room: MOST_EVENTS
        self.deliver_held(index, work);
        self.take_fin(index, work);
    }

    /// Queues payload. It leaves at egress, as far as the window allows. The app is done with `done` received bytes.
    #[inline]
    pub(crate) fn send(&mut self, flow: Flow, payload: PktBuf, done: u32, work: &mut Work<'_>) {
        let Some(tcb) = owned(&mut self.tcbs, flow) else { return work.counters.app_stale_calls += 1 };
        if done > 0 && self.windows.open(tcb, done) == Opened::Tell {
            tcb.receive.ack = AckDue::Now;
            self.dirty.push(flow.index);
        }
        let send = &mut tcb.send;
        let len = payload.frame_len() as u32;
        let open = matches!(tcb.state, State::Established | State::CloseWait) && send.fin == Fin::No;
        let usable = payload.is_unique() && payload.headroom() >= HEADROOM && payload.len() <= MAX_SEND && len > 0;
        if !open || !usable || len > send.room() || !matches!(tcb.owner, Owner::App(_)) {
            return self.violated(flow.index, work);
        }
        if send.una == send.max && work.now > send.sent_at.after_us(send.rto.timeout_us()) {
            send.congestion.idle();
        }
        if send.scoreboard.sent_records() >= MAX_SENT_RECORDS && joins_last(&mut self.segments, send, &payload) {
            send.end += len;
            return;
        }
        match self.segments.push(&mut send.queue, send.end, payload) {
            Ok(at) => {
                if send.cursor == NONE {
                    send.cursor = at;
                }
                send.end += len;
                self.dirty.push(flow.index);
            }
            // There are as many records as buffers, so this takes a buffer of another pool.
            Err(_) => self.violated(flow.index, work),
        }
    }

    /// The app has broken the contract: its connection is aborted.
    #[cold]
    fn violated(&mut self, index: u32, work: &mut Work<'_>) {
        work.counters.app_violations += 1;
        self.abort(index, Reason::Closed, work);
    }

    fn close(&mut self, index: u32) {
        let Some(tcb) = self.tcb(index) else { return };
        tcb.at_rest = false;
        match tcb.state {
            State::Established => tcb.state = State::FinWait1,
            State::CloseWait => tcb.state = State::LastAck,
            _ => return,
        }
        tcb.send.fin = Fin::Wanted;
        self.dirty.push(index);
    }

    /// Resets a connection. The reset leaves at egress; the app is told at once.
    pub(super) fn abort(&mut self, index: u32, reason: Reason, work: &mut Work<'_>) {
        self.disown(index, reason, work.events);
        if self.is_syn_sent(index) {
            return self.free_slot(index); // nobody is there to be told (RFC 9293, section 3.10.5)
        }
        let Some(tcb) = self.tcbs[index as usize].as_mut() else { return };
        tcb.owner = Owner::None;
        if tcb.state == State::SynReceived {
            self.half_open_count -= 1;
        }
        tcb.state = State::TimeWait; // nothing more is taken or sent but the reset
        tcb.receive.ack = AckDue::Reset;
        tcb.send.cursor = NONE;
        self.segments.clear(&mut tcb.send.queue);
        self.discard_held(index);
        // If the next hop stays unknown, the slot is freed without the reset.
        self.restart_time_wait(index, work.now);
        self.dirty.push(index);
    }
}

/// The connection, if the app has it.
#[inline]
pub(super) fn owned(tcbs: &mut [Option<Tcb>], flow: Flow) -> Option<&mut Tcb> {
    let tcb = tcbs.get_mut(flow.index as usize)?.as_mut()?;
    (tcb.generation == flow.generation && tcb.owner != Owner::None).then_some(tcb)
}

/// Copies a small payload behind the last that waits, where as much is in flight as may be: a peer that asks for little, again and
/// again, and acknowledges nothing does not get a buffer for each answer. Says whether it did.
fn joins_last(segments: &mut Segments, send: &Send, payload: &PktBuf) -> bool {
    if send.cursor == NONE {
        return false;
    }
    let Some(last) = segments.get_mut(send.queue.tail()) else { return false };
    let plain = !last.payload.has_attachment() && !payload.has_attachment();
    plain && last.payload.len() + payload.len() <= MAX_SEND && last.payload.extend_from_slice(payload.bytes()).is_some()
}

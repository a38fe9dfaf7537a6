//! The app's calls: they change connections' state and mark them for egress; nothing is sent here.

use netdrv::pktbuf::PktBuf;

use super::Tcp;
use super::context::Context;
use super::segments::NIL;
use super::tcb::{Notices, Owner, State, Tcb, Wants};
use super::wire::HEADERS_LEN;
use crate::app::{Call, Cookie, Flow, MAX_SEND, Reason};
use crate::interface::Interface;
use crate::time::Instant;

impl Tcp {
    /// Executes one call.
    pub(crate) fn call(&mut self, call: Call, iface: &mut Interface, now: Instant) {
        let (Call::Accept { flow, .. }
        | Call::Reject { flow }
        | Call::Send { flow, .. }
        | Call::RecvDone { flow, .. }
        | Call::Close { flow }
        | Call::Abort { flow }) = &call;
        let Some(tcb) = find(&mut self.tcbs, *flow) else {
            iface.counters.app_stale_calls += 1;
            return;
        };
        let cx = &mut Context { iface, shared: &mut self.shared, now };
        let index = tcb.index;
        tcb.call(call, cx);
        self.settle(index, iface, now);
    }
}

/// The connection of a flow, if the app knows it.
fn find(tcbs: &mut [Tcb], flow: Flow) -> Option<&mut Tcb> {
    let tcb = tcbs.get_mut(flow.index as usize)?;
    let known = matches!(tcb.owner, Owner::Knocking | Owner::Accepted(_));
    (known && tcb.generation == flow.generation).then_some(tcb)
}

impl Tcb {
    fn call(&mut self, call: Call, cx: &mut Context<'_>) {
        match (call, self.owner) {
            (Call::Accept { cookie, .. }, Owner::Knocking) => self.accept(cookie, cx),
            (Call::Reject { .. }, Owner::Knocking) => self.reject(cx),
            (Call::Send { payload, .. }, Owner::Accepted(_)) => self.send(payload, cx),
            (Call::RecvDone { bytes, .. }, Owner::Accepted(_)) if self.state != State::Closed => {
                self.recv_done(bytes, cx);
            }
            (Call::Close { .. }, Owner::Accepted(_)) => self.close(cx),
            (Call::Abort { .. }, Owner::Accepted(_)) => self.abort(cx),
            _ => cx.iface.counters.app_stale_calls += 1,
        }
    }

    /// The app takes the connection. If it has died in the meantime, only its death is left to tell.
    fn accept(&mut self, cookie: Cookie, cx: &mut Context<'_>) {
        self.owner = Owner::Accepted(cookie);
        let notice = if self.state == State::Closed { Notices::DEAD } else { Notices::CONNECTED };
        self.notify(notice, cx);
    }

    fn reject(&mut self, cx: &mut Context<'_>) {
        self.owner = Owner::Nobody;
        self.abort(cx);
    }

    /// Queues payload. The last segment takes it in as long as it has never left and stays a full one: many short
    /// buffers become few.
    fn send(&mut self, payload: PktBuf, cx: &mut Context<'_>) {
        if !matches!(self.state, State::Established | State::CloseWait) {
            cx.iface.counters.app_stale_calls += 1;
            return;
        }
        let len = payload.len();
        let well_formed = (1..=MAX_SEND).contains(&len) && payload.is_unique() && payload.headroom() >= HEADERS_LEN;
        if !well_formed || !self.spend(len) || !self.enqueue(payload, cx) {
            cx.iface.counters.app_violations += 1;
            return self.abort(cx);
        }
        self.mark_dirty(cx);
    }

    fn enqueue(&mut self, payload: PktBuf, cx: &mut Context<'_>) -> bool {
        let len = payload.len() as u32;
        let tail = self.send.queue.tail;
        let joined = match cx.shared.segments.span(tail) {
            Some(span) if self.send.max.le(span.seq) && span.len + len <= self.send.mss => {
                cx.shared.segments.buf(tail).and_then(|buf| buf.extend_from_slice(payload.bytes())).is_some()
            }
            _ => false,
        };
        if !joined {
            let Ok(id) = cx.shared.segments.push_back(&mut self.send.queue, self.send.end, payload) else {
                return false;
            };
            if self.send.cursor == NIL {
                self.send.cursor = id;
            }
        }
        self.send.end += len;
        true
    }
}

impl Tcp {
    /// Ends all connections at once: our address is gone, so nobody can reach us, nor we them.
    pub(crate) fn lose_address(&mut self, iface: &mut Interface, now: Instant) {
        self.clear_half_open();
        self.clear_time_wait();
        for index in 0..self.tcbs.len() as u32 {
            let tcb = &mut self.tcbs[index as usize];
            if tcb.state != State::Closed {
                tcb.kill(Reason::TimedOut, &mut Context { iface, shared: &mut self.shared, now });
            }
            tcb.wants = Wants::empty();
            self.settle(index, iface, now);
        }
    }
}

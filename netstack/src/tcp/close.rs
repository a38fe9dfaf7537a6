//! How connections end: FIN from either side in any order (RFC 9293, section 3.6), resets, and giving up.

use super::context::{Context, Timer};
use super::segments::NIL;
use super::tcb::{Notices, Owner, State, Tcb, Wants};
use crate::app::Reason;

/// Whether an ACK covers our FIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FinAcked {
    Yes,
    No,
}

impl Tcb {
    /// The app sends no more: a FIN follows what is queued.
    pub(super) fn close(&mut self, cx: &mut Context<'_>) {
        self.state = match self.state {
            State::Established => State::FinWait1,
            State::CloseWait => State::LastAck,
            _ => return,
        };
        self.send.fin = true;
        self.mark_dirty(cx);
    }

    /// The peer has all that we sent, and our FIN.
    pub(super) fn fin_acked(&mut self, cx: &mut Context<'_>) {
        match self.state {
            State::FinWait1 => {
                self.state = State::FinWait2;
                self.extend_fin_wait_2(cx);
            }
            State::Closing => self.enter_time_wait(cx),
            State::LastAck => self.finish(Reason::Closed, cx),
            _ => {}
        }
    }

    /// The peer sends no more, and we have all that it sent.
    pub(super) fn fin_arrived(&mut self, cx: &mut Context<'_>) {
        match self.state {
            State::Established => self.state = State::CloseWait,
            State::FinWait1 => self.state = State::Closing,
            State::FinWait2 => self.enter_time_wait(cx),
            _ => {}
        }
    }

    /// Both sides are done: the app gets its last events, and a small record waits out the network's memory.
    fn enter_time_wait(&mut self, cx: &mut Context<'_>) {
        self.stop(cx);
        self.state = State::TimeWait;
        self.reason = Reason::Closed;
        self.notify(Notices::DEAD, cx);
    }

    /// Ends the connection in order; what is ready still goes to the app.
    pub(super) fn finish(&mut self, reason: Reason, cx: &mut Context<'_>) {
        self.stop(cx);
        cx.shared.flows.remove(self.key);
        self.state = State::Closed;
        self.reason = reason;
        self.notify(Notices::DEAD, cx);
    }

    /// Ends the connection out of order: nothing that is queued goes anywhere.
    pub(super) fn kill(&mut self, reason: Reason, cx: &mut Context<'_>) {
        cx.shared.segments.clear(&mut self.recv.ready);
        self.notices = Notices::empty();
        self.finish(reason, cx);
    }

    /// Ends the connection by a reset.
    pub(super) fn abort(&mut self, cx: &mut Context<'_>) {
        if self.state != State::Closed {
            self.kill(Reason::Closed, cx);
            self.want(Wants::RESET, cx);
        }
    }

    /// Whether nobody needs the slot any more.
    pub(super) fn is_spent(&self) -> bool {
        self.state == State::Closed && self.owner == Owner::Nobody && !self.wants.contains(Wants::RESET)
    }

    /// Stops timers and sending.
    fn stop(&mut self, cx: &mut Context<'_>) {
        self.cancel(Timer::Retransmit, cx);
        self.cancel(Timer::DelayedAck, cx);
        cx.shared.segments.clear(&mut self.send.queue);
        self.send.cursor = NIL;
        cx.shared.out_of_order -= self.recv.out_of_order.len;
        cx.shared.segments.clear(&mut self.recv.out_of_order);
        self.wants &= Wants::ACK;
        if self.owner == Owner::Unannounced {
            self.owner = Owner::Nobody; // the app never hears of it
        }
    }
}

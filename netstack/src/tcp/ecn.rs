//! Explicit congestion notification (RFC 3168), if it is switched on: routers mark packets before they have to drop them.
//!
//! As a receiver we tell of marks until the peer says that it has slowed down; as a sender we do slow down, once for each
//! window. What is sent again, and what carries no payload, is not marked as taking part (section 6.1.5).

use super::header::{Header, flag};
use super::scoreboard::Fate;
use super::seq::SeqNum;
use super::tcb::{State, Tcb};
use super::{Tcp, Work};
use crate::ipv4::Codepoint;

/// Whether to agree on notification.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EcnUse {
    /// Packets may be dropped, but are not marked.
    #[default]
    Never,
    /// With peers that want it too.
    Offered,
}

/// The state of a connection that has agreed on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ecn {
    /// A mark came, and the peer has not slowed down yet: every segment says so (ECE).
    echoes: bool,
    /// We have slowed down: the next payload says so (CWR).
    responds: bool,
    /// Marks of what was sent before this were answered.
    answered: SeqNum,
}

/// The control bits of a SYN that asks for it.
const ASKS: u8 = flag::ECE | flag::CWR;

impl Ecn {
    fn new(iss: SeqNum) -> Ecn {
        Ecn { echoes: false, responds: false, answered: iss }
    }
}

impl Tcb {
    /// The bits of our SYN.
    pub(super) fn syn_ecn_flags(&self) -> u8 {
        match (self.ecn, self.state) {
            (None, _) => 0,
            (Some(_), State::SynSent) => ASKS,
            (Some(_), _) => flag::ECE,
        }
    }

    /// The bits of any other segment.
    pub(super) fn ecn_flags(&self) -> u8 {
        if self.ecn.is_some_and(|ecn| ecn.echoes) { flag::ECE } else { 0 }
    }

    /// How payload is sent whose fate was `fate`: further bits, and what routers are told.
    pub(super) fn ecn_of_payload(&mut self, fate: Fate) -> (u8, Codepoint) {
        match &mut self.ecn {
            Some(ecn) if fate == Fate::Unsent && self.send.probe.is_none() => {
                let responds = core::mem::take(&mut ecn.responds);
                (if responds { flag::CWR } else { 0 }, Codepoint::Capable)
            }
            _ => (0, Codepoint::NotCapable),
        }
    }

    /// A SYN came, asking for it or not.
    pub(super) fn agree_on_ecn(&mut self, header: &Header, uses: EcnUse) {
        let agreed = uses == EcnUse::Offered && header.flags & ASKS == ASKS;
        self.ecn = agreed.then(|| Ecn::new(self.send.iss));
    }

    /// We ask for it.
    pub(super) fn ask_for_ecn(&mut self, uses: EcnUse) {
        self.ecn = (uses == EcnUse::Offered).then(|| Ecn::new(self.send.iss));
    }

    /// The answer to a SYN of ours that asked: only ECE alone agrees, as some reflect what they do not know.
    pub(super) fn answered_about_ecn(&mut self, header: &Header) {
        let agrees = header.flags & (ASKS | flag::ACK) == flag::ECE | flag::ACK;
        self.ecn = self.ecn.filter(|_| agrees);
    }

    /// An acceptable segment with `len` bytes of payload came.
    pub(super) fn take_mark(&mut self, header: &Header, len: usize, work: &mut Work<'_>) {
        let Some(ecn) = &mut self.ecn else { return };
        if header.has(flag::CWR) {
            ecn.echoes = false;
        }
        if header.mark == Codepoint::Congested && len > 0 {
            ecn.echoes = true;
            work.counters.tcp_ecn_marks += 1;
        }
    }
}

impl Tcp {
    /// The peer has seen marks of what we sent: slows down as for a loss, unless that was done within the window.
    pub(super) fn congestion_is_echoed(&mut self, index: u32, header: &Header, work: &mut Work<'_>) {
        let Some(tcb) = self.tcb(index) else { return };
        let Some(ecn) = &mut tcb.ecn else { return };
        let send = &mut tcb.send;
        if !header.has(flag::ECE) || header.ack.le(ecn.answered) || header.ack == send.iss + 1 {
            return;
        }
        ecn.answered = send.max;
        ecn.responds = true;
        if !send.recovery.is_under_way() {
            send.congestion.loss();
            send.congestion.set_window(send.congestion.threshold());
            work.counters.tcp_ecn_reductions += 1;
        }
    }
}

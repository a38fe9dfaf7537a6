//! What ICMP errors change (RFC 9293, section 3.9.2.2, RFC 5927, RFC 1191).
//!
//! An error counts only if it quotes a segment that is in flight, which takes a guess of its sequence number. A soft
//! error changes nothing but the reason that the app is told should the connection end; so does a hard one once the handshake is
//! complete (RFC 5927, section 5.2): resets come from the peer alone.

use super::flow_table::FlowKey;
use super::path_mtu::Reduced;
use super::scoreboard::Fate;
use super::seq::SeqNum;
use super::tcb::{State, Tcb};
use super::{Tcp, Work, path_mtu};
use crate::app::Reason;
use crate::icmp::{Error, Kind};

impl Tcp {
    /// Takes an error about a segment of ours.
    pub(crate) fn icmp_error(&mut self, error: &Error, work: &mut Work<'_>) {
        let Error { kind, remote: remote_ip, local_port, remote_port, seq } = *error;
        let index = self.flows.get(FlowKey::new(remote_ip, remote_port, local_port));
        let Some((index, tcb)) = index.and_then(|index| Some((index, self.tcb(index)?))) else {
            work.counters.drop_icmp_no_connection += 1;
            return;
        };
        let seq = SeqNum(seq);
        if seq.lt(tcb.send.una) || !seq.lt(tcb.send.max) {
            work.counters.drop_icmp_not_in_flight += 1;
            return;
        }
        match kind {
            Kind::TooBig { mtu } => self.path_shrinks(index, mtu, work),
            Kind::Hard if matches!(tcb.state, State::SynSent | State::SynReceived) => {
                work.counters.tcp_icmp_refused += 1;
                self.end(index, Reason::Unreachable, work.events);
            }
            Kind::Hard | Kind::Soft => {
                work.counters.tcp_icmp_soft += 1;
                tcb.unreachable_at = Some(tcb.send.una);
            }
        }
    }

    /// The path takes packets of `mtu` bytes only: what is in flight is cut and sent again, which is no sign of congestion
    /// (RFC 1191, section 6.4).
    fn path_shrinks(&mut self, index: u32, mtu: u16, work: &mut Work<'_>) {
        let Some(tcb) = self.tcbs[index as usize].as_mut() else { return };
        let mss = path_mtu::mss_of(mtu, tcb.timestamps.is_some());
        if mss >= tcb.send.mss {
            work.counters.drop_icmp_not_smaller += 1;
            return;
        }
        work.counters.tcp_path_mtu_reduced += 1;
        let until = work.now + path_mtu::LIFETIME;
        let full_mss = tcb.send.reduced.map_or(tcb.send.mss, |reduced| reduced.full_mss);
        tcb.send.reduced = Some(Reduced { full_mss, until });
        tcb.send.mss = mss;
        self.paths.insert(tcb.key.remote_ip(), mtu, until);
        self.resend_larger_than(index, mss);
        self.dirty.push(index);
    }

    /// Marks the segments in flight that carry more than `mss` bytes as lost.
    fn resend_larger_than(&mut self, index: u32, mss: u16) {
        let Some(tcb) = self.tcbs[index as usize].as_mut() else { return };
        tcb.at_rest = false;
        let send = &mut tcb.send;
        let mut at = send.queue.head();
        while at != send.cursor
            && let Some(record) = self.segments.get_mut(at)
        {
            if record.transmission.fate == Fate::InNetwork && record.len() > mss.into() {
                send.scoreboard.set(record, Fate::Lost);
            }
            at = self.segments.next(at);
        }
    }
}

impl Tcb {
    /// Why the app is told that the peer was given up: nothing was acknowledged since a router said that it cannot be reached.
    pub(super) fn reason_to_give_up(&self) -> Reason {
        if self.unreachable_at == Some(self.send.una) { Reason::Unreachable } else { Reason::TimedOut }
    }
}

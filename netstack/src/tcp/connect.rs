//! Active open: from the app's call to a connection (RFC 9293, sections 3.5 and 3.10.7.3).

use core::net::{Ipv4Addr, SocketAddrV4};

use super::flow_table::FlowKey;
use super::header::{Header, flag};
use super::input::Answer;
use super::ports::IsOurs;
use super::seq::SeqNum;
use super::tcb::{Owner, State, Tcb};
use super::timestamps::Clock;
use super::{Addresses, Tcp, Work};
use crate::address::Address;
use crate::app::{Cookie, Event, Reason};
use crate::ipv4::{self, Codepoint};

impl Tcp {
    /// From now on connections that we open are only such as this core receives.
    pub(crate) fn choose_ports_by(&mut self, is_ours: IsOurs) {
        self.ports.restrict(is_ours);
    }

    /// Opens a connection to `remote`; the SYN leaves at egress. `own` is our address.
    pub(crate) fn connect(&mut self, cookie: Cookie, remote: SocketAddrV4, own: Option<Address>, work: &mut Work<'_>) {
        if self.try_connect(cookie, remote, own, work).is_none() {
            work.counters.tcp_connects_unavailable += 1;
            let _ = work.events.push_back(Event::Dead { cookie, reason: Reason::Unavailable }); // room: MOST_EVENTS
        }
    }

    fn try_connect(
        &mut self,
        cookie: Cookie,
        remote: SocketAddrV4,
        own: Option<Address>,
        work: &mut Work<'_>,
    ) -> Option<()> {
        let own = own.filter(|own| can_be_peer(own, *remote.ip()) && remote.port() != 0)?;
        let addresses = Addresses { remote: *remote.ip(), local: own.ip, mark: Codepoint::NotCapable };
        let key = |local_port| FlowKey::new(*remote.ip(), remote.port(), local_port);
        let (flows, listen) = (&self.flows, &self.listen);
        let is_free = |port| !listen.contains(&port) && flows.get(key(port)).is_none();
        let key = key(self.ports.choose(SocketAddrV4::new(own.ip, 0), remote, is_free)?);
        let index = self.take_slot(work)?;
        let (iss, clock_offset) = self.initial_numbers(addresses.flow_bytes(key), work.now);
        let generation = self.generations[index as usize];
        let mut tcb = Tcb::new(key, generation, iss, SeqNum(0), self.mss, self.congestion_control);
        tcb.state = State::SynSent;
        tcb.owner = Owner::App(cookie);
        tcb.heard_at = work.now;
        tcb.receive.shift = Some(self.windows.shift());
        tcb.sack_permitted = true;
        tcb.ask_for_ecn(self.settings.ecn);
        tcb.timestamps = Some(Clock::new(clock_offset, 0, work.now));
        self.tcbs[index as usize] = Some(tcb);
        self.flows.insert(key, index);
        self.dirty.push(index);
        work.counters.tcp_connects += 1;
        Some(())
    }

    pub(super) fn is_syn_sent(&self, index: u32) -> bool {
        self.tcbs[index as usize].as_ref().is_some_and(|tcb| tcb.state == State::SynSent)
    }

    /// A segment that may answer our SYN.
    pub(super) fn answer_arrives(
        &mut self,
        index: u32,
        header: &Header,
        len: usize,
        work: &mut Work<'_>,
    ) -> Option<Answer> {
        let tcb = self.tcb(index)?;
        let acknowledges = header.has(flag::ACK) && header.ack == tcb.send.iss + 1 && tcb.is_waiting_for_ack();
        if header.has(flag::ACK) && !acknowledges {
            work.counters.drop_tcp_bad_ack += 1;
            return if header.has(flag::RST) { None } else { self.refuse(header, len, work) };
        }
        if header.has(flag::RST) {
            // RFC 5961, section 3: only one that acknowledges the SYN counts.
            if acknowledges {
                work.counters.tcp_resets_in += 1;
                self.end(index, Reason::Reset, work.events);
            } else {
                work.counters.drop_tcp_inexact_reset += 1;
            }
            return None;
        }
        if !header.has(flag::SYN) {
            work.counters.drop_tcp_no_connection += 1;
            return None;
        }
        self.take_syn(index, header, work);
        if acknowledges {
            self.connection_opens(index, header, work);
        } else {
            self.opened_by_both(index, header);
        }
        None
    }

    /// Takes what the peer's SYN says.
    fn take_syn(&mut self, index: u32, header: &Header, work: &mut Work<'_>) {
        let (mss, control) = (self.mss_for(&header.options), self.congestion_control);
        let Some(tcb) = self.tcb(index) else { return };
        let offer = tcb.timestamps;
        tcb.received_syn(header.seq);
        tcb.agree(&header.options, mss, control);
        tcb.answered_about_ecn(header);
        // What the peer does not want is not used.
        tcb.receive.shift = tcb.receive.shift.filter(|_| header.options.window_shift.is_some());
        tcb.timestamps = offer.zip(header.options.timestamps).map(|(mut clock, timestamps)| {
            clock.begin(timestamps.value, work.now);
            clock
        });
        self.limit_to_path(index, work.now);
    }

    /// The peer has acknowledged our SYN: the app may send. What payload came with it comes again.
    fn connection_opens(&mut self, index: u32, header: &Header, work: &mut Work<'_>) {
        let Some(tcb) = self.tcb(index) else { return };
        tcb.state = State::Established;
        tcb.handshake_measured(work.now);
        tcb.send.una = header.ack;
        tcb.send.window = header.window.into();
        tcb.send.largest_window = tcb.send.window;
        (tcb.send.window_seq, tcb.send.window_ack) = (header.seq, header.ack);
        tcb.send.rto.progress();
        self.announce(index, work);
        self.arm_retransmit(index, work.now);
        self.ack_now(index);
    }

    /// Both sides have sent a SYN, and neither has seen the other's: ours goes out again, with its ACK (RFC 9293, figure 8).
    fn opened_by_both(&mut self, index: u32, header: &Header) {
        self.half_open_count += 1;
        if let Some(tcb) = self.tcb(index) {
            tcb.state = State::SynReceived;
            tcb.send.window = header.window.into();
            tcb.send.nxt = tcb.send.iss;
            self.dirty.push(index);
        }
    }

    /// Tells the app that the connection it asked for is there.
    pub(super) fn announce(&mut self, index: u32, work: &mut Work<'_>) {
        let Some(tcb) = self.tcb(index) else { return };
        let flow = tcb.flow(index);
        if let Owner::App(cookie) = tcb.owner {
            let credit = tcb.send.grant();
            let _ = work.events.push_back(Event::Connected { cookie, flow, credit }); // room: MOST_EVENTS
            work.counters.tcp_connected += 1;
        }
    }

    /// Our SYN was not answered in time: again, or no more.
    pub(super) fn syn_times_out(&mut self, index: u32, work: &mut Work<'_>) {
        let give_up = self.settings.connect_timeout;
        let Some(tcb) = self.tcb(index) else { return };
        work.counters.tcp_timeouts += 1;
        if work.now.since(tcb.heard_at) >= give_up {
            work.counters.tcp_timed_out += 1;
            let reason = tcb.reason_to_give_up();
            return self.end(index, reason, work.events);
        }
        // One that still waits for its next hop's address was not lost: it leaves as soon as that is known.
        if tcb.send.max != tcb.send.iss {
            tcb.ecn = None; // perhaps something on the way drops those that ask (RFC 3168, section 6.1.1.1)
            tcb.send.rto.back_off();
            tcb.send.nxt = tcb.send.iss;
        }
        self.arm_retransmit(index, work.now);
        self.dirty.push(index);
    }
}

/// Whether there can be a peer at `ip`.
fn can_be_peer(own: &Address, ip: Ipv4Addr) -> bool {
    let is_host = ipv4::is_host(ip) && !own.is_broadcast(ip) && !own.is_network(ip);
    is_host && ip != own.ip && own.next_hop(ip).is_some()
}

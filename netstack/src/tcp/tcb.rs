//! The transmission control block: all state of one connection.
//!
//! ```text
//! send:     una ............ max ........ end ........ granted
//!           | in flight        | to send   | credit of the app |
//!
//! receive:  nxt ........ nxt + window (edge)
//!           | what may come, held out of order or not yet here |
//! ```

use netdrv::pktbuf::BUF_BYTES;

use super::challenge::Challenges;
use super::congestion::{Congestion, CongestionControl};
use super::ecn::Ecn;
use super::flow_table::FlowKey;
use super::options::{Options, TIMESTAMPS_LEN};
use super::path_mtu::Reduced;
use super::rack::Rack;
use super::reassembly::Report;
use super::receive::LEAST_FULL_SEGMENT;
use super::receive_window::INITIAL_WINDOW;
use super::recovery::Recovery;
use super::rto::Rto;
use super::scoreboard::Scoreboard;
use super::segments::{List, NONE};
use super::seq::SeqNum;
use super::tail_probe::TailProbe;
use super::timestamps::Clock;
use crate::app::{Cookie, Flow, MIN_ROOM};
use crate::link::Hop;
use crate::time::Instant;

/// The states of RFC 9293, section 3.3.2, less LISTEN and CLOSED, in which there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    SynSent,
    SynReceived,
    Established,
    FinWait1,
    FinWait2,
    CloseWait,
    Closing,
    LastAck,
    TimeWait,
}

/// What the app knows of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// Nothing yet, or no longer.
    None,
    /// It knocked, and was neither accepted nor rejected.
    Knocked,
    /// The app accepted it.
    App(Cookie),
}

/// When an acknowledgement is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AckDue {
    No,
    /// With the next segment, or when the delayed-ACK timer fires.
    Delayed,
    /// In this turn.
    Now,
    /// Not an acknowledgement but a reset is due, and then the end.
    Reset,
}

/// The send half. Sequence numbers count the SYN before the data and the FIN behind it.
pub(super) struct Send {
    pub(super) iss: SeqNum,
    /// First byte not acknowledged.
    pub(super) una: SeqNum,
    /// At `iss` while the SYN is to be sent, first or again; elsewhere like `max`.
    pub(super) nxt: SeqNum,
    /// First byte never sent (SND.NXT).
    pub(super) max: SeqNum,
    /// Behind the last byte that the app gave.
    pub(super) end: SeqNum,
    /// What the app was told it may fill.
    pub(super) granted: SeqNum,
    /// Up to where it was told of acknowledgements.
    pub(super) told: SeqNum,
    /// The peer's window, its largest so far, and where it was last updated.
    pub(super) window: u32,
    pub(super) largest_window: u32,
    pub(super) window_seq: SeqNum,
    pub(super) window_ack: SeqNum,
    pub(super) shift: u8,
    pub(super) mss: u16,
    /// While the path takes less than the peer does.
    pub(super) reduced: Option<Reduced>,
    /// Payload from `una` to `end`, and the first record that was never sent.
    pub(super) queue: List,
    pub(super) cursor: u32,
    pub(super) fin: Fin,
    /// A probe is due.
    pub(super) probe: Option<Probe>,
    pub(super) tail_probe: Option<TailProbe>,
    pub(super) scoreboard: Scoreboard,
    pub(super) rack: Rack,
    pub(super) recovery: Recovery,
    pub(super) congestion: Congestion,
    pub(super) rto: Rto,
    /// What the main timer is armed for, while something is in flight.
    pub(super) timer: Timer,
    /// When payload was sent last.
    pub(super) sent_at: Instant,
}

/// A segment beyond what the windows allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Probe {
    /// Of the peer's window, which is shut.
    Window,
    /// Of the end of a flight.
    Tail,
}

/// What the main timer is armed for, while something is in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// RFC 6298.
    Retransmission,
    /// The probe of RFC 8985, section 7.
    TailProbe,
    /// What may be merely reordered is lost then (RFC 8985, section 6).
    Reordering,
    /// Nothing is in flight, or it is too late for that.
    Idle,
}

/// Our FIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fin {
    /// The app may still send.
    No,
    /// It follows the data; its sequence number is `end`. To be sent, first or again.
    Wanted,
    /// It was sent.
    Sent,
}

/// The receive half.
pub(super) struct Receive {
    /// Next byte expected.
    pub(super) nxt: SeqNum,
    /// Behind the last byte that the peer may send: never moves back.
    pub(super) edge: SeqNum,
    /// What the last segment that we sent acknowledged.
    pub(super) last_ack_sent: SeqNum,
    /// Bytes delivered that the app is not done with.
    pub(super) held_by_app: u32,
    /// The window when the app holds nothing.
    pub(super) limit: u32,
    /// The peer has used all of the window since it last grew.
    pub(super) window_filled: bool,
    /// Of the windows that we offer, if both sides scale theirs.
    pub(super) shift: Option<u8>,
    /// What arrived out of order, and what the peer is told of it.
    pub(super) out_of_order: List,
    pub(super) report: Report,
    /// Where the peer's FIN is, once it was seen.
    pub(super) fin: Option<SeqNum>,
    pub(super) ack: AckDue,
    /// The size of full segments: the largest so far. So many have come since the last acknowledgement.
    pub(super) full_segment: u16,
    pub(super) unacked_segments: u8,
}

/// A connection.
pub(super) struct Tcb {
    pub(super) key: FlowKey,
    /// The next hop, as it was when a segment went the general way.
    pub(super) hop: Hop,
    pub(super) generation: u32,
    pub(super) state: State,
    pub(super) owner: Owner,
    /// When the peer was last heard of; before that, when we called it.
    pub(super) heard_at: Instant,
    /// Keepalives since then.
    pub(super) keepalives: u8,
    pub(super) challenges: Challenges,
    /// The connection [is at rest](Tcb::is_at_rest), so that the next segment may be what is expected. Set only where a segment
    /// has gone the general way, and taken back wherever anything else may end the rest.
    pub(super) at_rest: bool,
    /// Our address is gone: it ends when its timer is handled.
    pub(super) address_lost: bool,
    /// First byte not acknowledged when an ICMP error came.
    pub(super) unreachable_at: Option<SeqNum>,
    /// Both sides take SACK blocks.
    pub(super) sack_permitted: bool,
    /// Both sides take part in congestion notification.
    pub(super) ecn: Option<Ecn>,
    /// Both sides use timestamps.
    pub(super) timestamps: Option<Clock>,
    pub(super) send: Send,
    pub(super) receive: Receive,
}

/// Beside the tables, the timers and what the app keeps, it leaves a connection well below 1 KiB.
const _: () = assert!(size_of::<Option<Tcb>>() <= 512);

/// The most that may be sent and not acknowledged: what a connection can make the pool hold.
pub(super) const MAX_CREDIT: u32 = 128 * BUF_BYTES as u32;
/// The most records that may be sent and not acknowledged: as many full segments as the credit covers. Small ones stop here, each
/// of which takes a whole buffer and a step of every walk along the queue.
pub(super) const MAX_SENT_RECORDS: u32 = 192;

/// Credit is told in such parts of the window: of every small reply's acknowledgement the app need not hear.
const CREDIT_SHARE: u32 = 8;

impl Tcb {
    /// A connection whose SYN has arrived, with sequence number `irs`.
    pub(super) fn new(
        key: FlowKey,
        generation: u32,
        iss: SeqNum,
        irs: SeqNum,
        mss: u16,
        control: CongestionControl,
    ) -> Tcb {
        let first = iss + 1;
        Tcb {
            key,
            hop: Hop::UNKNOWN,
            generation,
            state: State::SynReceived,
            owner: Owner::None,
            heard_at: Instant::ZERO,
            keepalives: 0,
            challenges: Challenges::default(),
            at_rest: false,
            address_lost: false,
            unreachable_at: None,
            sack_permitted: false,
            ecn: None,
            timestamps: None,
            send: Send {
                iss,
                una: iss,
                nxt: iss,
                max: iss,
                end: first,
                granted: first,
                told: first,
                window: 0,
                largest_window: 0,
                window_seq: irs,
                window_ack: iss,
                shift: 0,
                mss,
                reduced: None,
                queue: List::EMPTY,
                cursor: NONE,
                fin: Fin::No,
                probe: None,
                tail_probe: None,
                scoreboard: Scoreboard::default(),
                rack: Rack::new(iss),
                recovery: Recovery::new(iss),
                congestion: Congestion::new(control, mss),
                rto: Rto::new(),
                timer: Timer::Retransmission,
                sent_at: Instant::ZERO,
            },
            receive: Receive {
                nxt: irs + 1,
                last_ack_sent: irs + 1,
                edge: irs + 1 + INITIAL_WINDOW,
                held_by_app: 0,
                limit: INITIAL_WINDOW,
                window_filled: false,
                shift: None,
                out_of_order: List::EMPTY,
                report: Report::default(),
                fin: None,
                ack: AckDue::No,
                full_segment: LEAST_FULL_SEGMENT,
                unacked_segments: 0,
            },
        }
    }

    /// Takes the sequence number of a SYN that came after ours had left.
    pub(super) fn received_syn(&mut self, irs: SeqNum) {
        self.receive.nxt = irs + 1;
        self.receive.last_ack_sent = irs + 1;
        self.receive.edge = irs + 1 + INITIAL_WINDOW;
        self.send.window_seq = irs;
    }

    /// Takes what the options of the peer's SYN ask for; timestamps and our own shift are the caller's. It takes segments of
    /// `mss` bytes.
    pub(super) fn agree(&mut self, options: &Options, mss: u16, control: CongestionControl) {
        let option_bytes = if options.timestamps.is_some() { TIMESTAMPS_LEN as u16 } else { 0 };
        self.send.mss = mss - option_bytes;
        self.send.congestion = Congestion::new(control, self.send.mss);
        self.send.shift = options.window_shift.unwrap_or(0);
        self.sack_permitted = options.sack_permitted;
    }

    /// Our SYN was acknowledged: if it was sent once, that is a round trip (Karn).
    pub(super) fn handshake_measured(&mut self, now: Instant) {
        if self.send.sent_at != Instant::ZERO {
            self.send.rto.measure(now.us_since(self.send.sent_at));
        }
    }

    pub(super) fn flow(&self, index: u32) -> Flow {
        Flow { index, generation: self.generation }
    }

    /// Whether payload and FIN of the peer are still expected.
    pub(super) fn may_receive(&self) -> bool {
        matches!(self.state, State::Established | State::FinWait1 | State::FinWait2)
    }

    /// Whether our FIN was sent.
    pub(super) fn fin_sent(&self) -> bool {
        self.send.fin != Fin::No && self.send.end.lt(self.send.max)
    }

    /// Whether our FIN was acknowledged.
    pub(super) fn fin_acknowledged(&self) -> bool {
        self.send.fin != Fin::No && self.send.end.lt(self.send.una)
    }

    /// Whether anything was sent that is not acknowledged.
    pub(super) fn is_waiting_for_ack(&self) -> bool {
        self.send.una.lt(self.send.max)
    }
}

impl Send {
    /// Sequence numbers sent and not acknowledged.
    pub(super) fn flight(&self) -> u32 {
        self.max - self.una
    }

    /// Bytes that the congestion window has room for.
    pub(super) fn congestion_room(&self) -> u32 {
        self.congestion.window().saturating_sub(self.scoreboard.in_network())
    }

    /// Widens the app's credit to what the windows allow now and returns by how much.
    pub(super) fn grant(&mut self) -> u32 {
        let granted = self.grantable();
        let before = core::mem::replace(&mut self.granted, granted);
        granted - before
    }

    /// What the app is to be told now: bytes acknowledged since the last time, and further credit, which it has then. Nothing
    /// while the credit would grow by less than a share of the window, unless it is short of any.
    #[inline]
    pub(super) fn news(&mut self) -> Option<(u32, u32)> {
        let granted = self.grantable();
        let is_short = self.room() < MIN_ROOM as u32;
        let is_due = is_short || granted - self.granted >= (granted - self.una) / CREDIT_SHARE;
        (is_due && granted != self.granted).then(|| self.all_news())
    }

    /// The same, however little it is.
    #[inline]
    pub(super) fn all_news(&mut self) -> (u32, u32) {
        let acked = self.una.min(self.end).since(self.told);
        self.told += acked;
        (acked, self.grant())
    }

    /// Up to where the windows allow the app to fill.
    #[inline]
    fn grantable(&self) -> SeqNum {
        let idle = self.una == self.end;
        let sent = (self.max - self.una).min(self.end - self.una); // less the FIN
        let path = sent + self.congestion_room();
        let window = self.window.min(path).min(MAX_CREDIT).max(if idle { MIN_ROOM as u32 } else { 0 });
        self.granted.max(self.una + window).max(self.end)
    }

    /// Whether there is something to send, should the windows allow it.
    pub(super) fn has_output(&self) -> bool {
        self.cursor != NONE || self.scoreboard.lost_records() > 0 || self.fin == Fin::Wanted
    }

    /// Credit not used.
    pub(super) fn room(&self) -> u32 {
        self.granted.since(self.end)
    }
}

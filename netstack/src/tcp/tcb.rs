//! The transmission control block: the state of one connection (RFC 9293, section 3.3).
//!
//! ```text
//! send:   1         2          3          4           5
//!   ------|---------|----------|----------|-----------|------
//!        una       nxt        max        end     una + wnd
//!
//!   1 acknowledged   2 in flight   3 sent before a timeout, to be sent again   4 given by the app, never sent
//!   (una + wnd, the edge of the peer's window, may lie anywhere from una on)
//!
//! recv:   1               2                3
//!   ------|---------------|----------------|------
//!      nxt - held        nxt              adv
//!
//!   1 done with by the app   2 with the app or ready for it   3 may arrive; what has, out of order, waits
//! ```
//!
//! The methods of [`Tcb`] are in one file per phase: `input` (acceptance), `ack` (the established sender), `deliver` (the
//! receiver), `window` (windows both ways, the app's credit), `output`, `timeout`, `close`.

use bitflags::bitflags;

use super::congestion::NewReno;
use super::flow_table::FlowKey;
use super::rto::RttEstimator;
use super::segments::{Chain, NIL};
use super::seq::SeqNum;
use crate::app::{Cookie, Reason};
use crate::neighbor::Hint;
use crate::time::Instant;

/// States (RFC 9293, section 3.3.2) of a connection that has a TCB. LISTEN has none; SYN-RECEIVED and TIME-WAIT have
/// records of their own. FIN-WAIT-1 and LAST-ACK begin with the app's close, though data may leave before the FIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Established,
    FinWait1,
    FinWait2,
    Closing,
    /// On its way into a TIME-WAIT record.
    TimeWait,
    CloseWait,
    LastAck,
    /// Only events, or a reset, are left to deliver.
    Closed,
}

/// Who the connection belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// Nobody: free, or the app has been told all.
    Nobody,
    /// The app, which does not know yet.
    Unannounced,
    /// The app, which has not answered the knock.
    Knocking,
    /// The app.
    Accepted(Cookie),
}

bitflags! {
    /// What egress has to send besides data.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) struct Wants: u8 {
        /// An ACK, now.
        const ACK = 1;
        /// An ACK, with a reply or after a while.
        const DELAYED_ACK = 2;
        /// The first unacknowledged segment again.
        const RETRANSMIT = 4;
        /// A window probe.
        const PROBE = 8;
        /// A reset.
        const RESET = 16;
    }

    /// What the app has to be told, besides what is ready to be received.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) struct Notices: u8 {
        const CONNECTED = 1;
        const SENT = 2;
        const PEER_CLOSED = 4;
        const DEAD = 8;
    }
}

/// The sending half.
#[derive(Clone, Copy, Debug)]
pub(super) struct SendState {
    /// SND.UNA: the first byte not acknowledged.
    pub(super) una: SeqNum,
    /// SND.NXT: the next to send; goes back to `una` at a timeout.
    pub(super) nxt: SeqNum,
    /// The first never sent.
    pub(super) max: SeqNum,
    /// After the last byte that the app gave; a FIN has this number.
    pub(super) end: SeqNum,
    /// Whether a FIN follows the data.
    pub(super) fin: bool,
    /// SND.WND, in bytes.
    pub(super) wnd: u32,
    /// The greatest window that the peer ever gave.
    pub(super) max_wnd: u32,
    /// SND.WL1 and SND.WL2: the segment that gave the window.
    pub(super) wl1: SeqNum,
    pub(super) wl2: SeqNum,
    /// Shift of the peer's windows.
    pub(super) shift: u8,
    /// Greatest payload of a segment.
    pub(super) mss: u32,
    /// The retransmission queue: all from `una` to `end`.
    pub(super) queue: Chain,
    /// The segment of it that begins at `nxt`, if any.
    pub(super) cursor: u32,
    /// Bytes that the app may still send. Negative by what it sent on credit that an event on its way replaces.
    pub(super) credit: i64,
    /// Bytes acknowledged that the app has not been told of.
    pub(super) acked: u32,
    /// When something was last sent.
    pub(super) last: Instant,
}

/// The receiving half.
#[derive(Clone, Copy, Debug)]
pub(super) struct RecvState {
    /// RCV.NXT: the next expected.
    pub(super) nxt: SeqNum,
    /// The edge of the window as advertised: never taken back.
    pub(super) adv: SeqNum,
    /// RCV.NXT in the last segment sent.
    pub(super) acked: SeqNum,
    /// Where the peer's FIN is, once it has come.
    pub(super) fin: Option<SeqNum>,
    /// Bytes before `nxt` that the app is not done with.
    pub(super) held: u32,
    /// The longest segment seen: the peer's idea of a full one.
    pub(super) longest: u32,
    /// Shift of our windows.
    pub(super) shift: u8,
    /// In order, for the app.
    pub(super) ready: Chain,
    /// Out of order, sorted, without overlaps.
    pub(super) out_of_order: Chain,
}

/// A connection.
pub(super) struct Tcb {
    pub(super) index: u32,
    /// Counts the connections that have used the slot.
    pub(super) generation: u32,
    pub(super) key: FlowKey,
    pub(super) owner: Owner,
    pub(super) state: State,
    pub(super) wants: Wants,
    pub(super) notices: Notices,
    /// Why it is closed.
    pub(super) reason: Reason,
    /// Timeouts since the peer last answered.
    pub(super) retries: u8,
    pub(super) hop: Hint,
    pub(super) send: SendState,
    pub(super) recv: RecvState,
    pub(super) rtt: RttEstimator,
    pub(super) congestion: NewReno,
}

/// The bound on a connection's memory that the stack's documentation promises.
const _: () = assert!(size_of::<Tcb>() <= 288);

/// What the handshake has agreed on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Agreement {
    pub(super) key: FlowKey,
    /// Our initial sequence number.
    pub(super) iss: SeqNum,
    /// The peer's.
    pub(super) irs: SeqNum,
    /// Greatest payload that we may send in a segment.
    pub(super) mss: u16,
    /// The peer's window shift and ours.
    pub(super) shifts: (u8, u8),
    /// The window that we have advertised.
    pub(super) window: u16,
    pub(super) hop: Hint,
}

impl Tcb {
    /// A slot without a connection.
    pub(super) fn free(index: u32) -> Tcb {
        let nothing = Agreement {
            key: FlowKey::NONE,
            iss: SeqNum(0),
            irs: SeqNum(0),
            mss: 0,
            shifts: (0, 0),
            window: 0,
            hop: Hint::default(),
        };
        Tcb { owner: Owner::Nobody, state: State::Closed, ..Tcb::established(index, 0, nothing) }
    }

    /// A connection whose handshake is complete, but for the window in the segment that completes it.
    pub(super) fn established(index: u32, generation: u32, agreed: Agreement) -> Tcb {
        let (first, expected) = (agreed.iss + 1, agreed.irs + 1);
        let mss = u32::from(agreed.mss);
        Tcb {
            index,
            generation,
            key: agreed.key,
            owner: Owner::Unannounced,
            state: State::Established,
            wants: Wants::empty(),
            notices: Notices::empty(),
            reason: Reason::Closed,
            retries: 0,
            hop: agreed.hop,
            send: SendState {
                una: first,
                nxt: first,
                max: first,
                end: first,
                fin: false,
                wnd: 0,
                max_wnd: 0,
                wl1: agreed.irs,
                wl2: first,
                shift: agreed.shifts.0,
                mss,
                queue: Chain::EMPTY,
                cursor: NIL,
                credit: 0,
                acked: 0,
                last: Instant::ZERO,
            },
            recv: RecvState {
                nxt: expected,
                adv: expected + u32::from(agreed.window),
                acked: expected,
                fin: None,
                held: 0,
                longest: 0,
                shift: agreed.shifts.1,
                ready: Chain::EMPTY,
                out_of_order: Chain::EMPTY,
            },
            rtt: RttEstimator::new(),
            congestion: NewReno::new(mss, first),
        }
    }

    /// Bytes and FIN sent and not acknowledged.
    pub(super) fn flight(&self) -> u32 {
        self.send.nxt - self.send.una
    }

    /// Whether everything ever sent has been acknowledged.
    pub(super) fn is_all_acked(&self) -> bool {
        self.send.una == self.send.max
    }

    /// Whether there is something that was never sent, or has to be sent again.
    pub(super) fn has_unsent(&self) -> bool {
        let end = self.send.end + u32::from(self.send.fin);
        self.send.nxt.lt(end)
    }
}

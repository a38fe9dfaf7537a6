//! SYN cookies (RFC 4987, section 3.6): once the backlog of half-open connections is full, a SYN-ACK goes out and nothing is
//! kept. All that its ACK needs to become a connection lies in what comes back:
//!
//! ```text
//! sequence number:       29 bits of a keyed hash of all else | MSS class, 3 bits
//! timestamp, if any:     26 bits of our clock | SACK permitted | window shift, 4 bits
//! ```
//!
//! A peer without timestamps gets neither SACK nor window scaling. The secret is one key and a count of epochs, about a
//! minute each: a cookie is good for the epoch that it was made in and for the next. Only while cookies may be out is an ACK
//! without a connection looked at.

use siphasher::sip::SipHasher24;

use super::flow_table::FlowKey;
use super::header::{Fields, Header, flag};
use super::input::Answer;
use super::options::{Options, Timestamps};
use super::receive_window::INITIAL_WINDOW;
use super::seq::SeqNum;
use super::timestamps::Clock;
use super::{Addresses, Tcp, Work};
use crate::ipv4::Codepoint;
use crate::keys::Keys;
use crate::time::Instant;

/// Nanoseconds of an epoch, as a power of two.
const EPOCH_SHIFT: u32 = 36;
/// The MSS of each class: those of common links and tunnels. A peer gets the one below its own.
const MSS_CLASSES: [u16; 8] = [88, 536, 1220, 1360, 1400, 1440, 1452, 1460];
const CLASS_BITS: u32 = 3;
const _: () = assert!(MSS_CLASSES.len() == 1 << CLASS_BITS);

/// The options of a SYN that a timestamp has room for, in its low bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extras(u8);

impl Extras {
    const BITS: u32 = 6;
    const SACK_PERMITTED: u8 = 1 << 4;
    const NO_SHIFT: u8 = 15;
    /// Of a peer without timestamps.
    const NONE: Extras = Extras(Extras::NO_SHIFT);

    fn of(options: &Options) -> Extras {
        if options.timestamps.is_none() {
            return Extras::NONE;
        }
        let sack_permitted = if options.sack_permitted { Extras::SACK_PERMITTED } else { 0 };
        Extras(options.window_shift.unwrap_or(Extras::NO_SHIFT) | sack_permitted)
    }

    fn of_echo(timestamps: Option<Timestamps>) -> Extras {
        timestamps.map_or(Extras::NONE, |timestamps| Extras((timestamps.echo % (1 << Extras::BITS)) as u8))
    }

    fn window_shift(self) -> Option<u8> {
        Some(self.0 & 15).filter(|shift| *shift != Extras::NO_SHIFT)
    }

    fn sack_permitted(self) -> bool {
        self.0 & Extras::SACK_PERMITTED != 0
    }

    /// Our clock's `value` with this in its low bits, and never ahead of the clock: what follows must not look older.
    fn put_into(self, value: u32) -> u32 {
        let mixed = (value >> Extras::BITS << Extras::BITS) | u32::from(self.0);
        if value.wrapping_sub(mixed) as i32 >= 0 { mixed } else { mixed.wrapping_sub(1 << Extras::BITS) }
    }
}

/// The secret, and whether cookies are out.
pub(super) struct Cookies {
    hasher: SipHasher24,
    /// The epoch in which the last cookie was made.
    last_made: Option<u32>,
}

impl Cookies {
    pub(super) fn new(keys: &mut Keys) -> Cookies {
        Cookies { hasher: keys.strong_hasher(), last_made: None }
    }

    fn make(&mut self, flow: FlowBytes, irs: SeqNum, mss: u16, extras: Extras, now: Instant) -> SeqNum {
        let class = MSS_CLASSES.iter().rposition(|least| *least <= mss).unwrap_or(0) as u32;
        let epoch = epoch(now);
        self.last_made = Some(epoch);
        self.cookie(flow, irs, class, extras, epoch)
    }

    /// The MSS of the connection that `iss` is the cookie of, if it is one.
    fn check(&self, flow: FlowBytes, irs: SeqNum, iss: SeqNum, extras: Extras, now: Instant) -> Option<u16> {
        let class = iss.0 % (1 << CLASS_BITS);
        let epoch = epoch(now);
        let good = [epoch, epoch.wrapping_sub(1)].iter().any(|e| self.cookie(flow, irs, class, extras, *e) == iss);
        good.then(|| MSS_CLASSES[class as usize])
    }

    /// Whether a cookie may still come back.
    fn are_out(&self, now: Instant) -> bool {
        self.last_made.is_some_and(|made| epoch(now).wrapping_sub(made) <= 1)
    }

    fn cookie(&self, flow: FlowBytes, irs: SeqNum, class: u32, extras: Extras, epoch: u32) -> SeqNum {
        let mut bytes = [0; 22];
        bytes[..12].copy_from_slice(&flow);
        bytes[12..16].copy_from_slice(&irs.0.to_be_bytes());
        bytes[16..20].copy_from_slice(&epoch.to_be_bytes());
        (bytes[20], bytes[21]) = (class as u8, extras.0);
        SeqNum((self.hasher.hash(&bytes) as u32) << CLASS_BITS | class)
    }
}

/// A flow's addresses and ports.
type FlowBytes = [u8; 12];

fn epoch(now: Instant) -> u32 {
    (now.as_nanos() >> EPOCH_SHIFT) as u32
}

/// What an ACK without a connection turned out to be.
pub(super) enum Returned {
    /// A cookie: this connection is half open now, and its ACK is here.
    Opened(u32),
    /// A cookie, but all connections are in use.
    NoRoom,
    /// No cookie, but one may still come.
    MayFollow,
    /// No cookie, and none is out.
    NoCookie,
}

impl Tcp {
    /// The SYN-ACK for a SYN of which nothing is kept.
    pub(super) fn cookie_for(
        &mut self,
        addresses: Addresses,
        key: FlowKey,
        header: &Header,
        work: &mut Work<'_>,
    ) -> Answer {
        work.counters.tcp_cookies_sent += 1;
        let extras = Extras::of(&header.options);
        let flow = addresses.flow_bytes(key);
        let mss = self.mss_for(&header.options);
        let seq = self.cookies.make(flow, header.seq, mss, extras, work.now);
        let (_, clock_offset) = self.initial_numbers(flow, work.now);
        let timestamps = header.options.timestamps.map(|timestamps| {
            let stamp = Clock::new(clock_offset, timestamps.value, work.now).stamp(work.now);
            Timestamps { value: extras.put_into(stamp.value), ..stamp }
        });
        let options = Options {
            mss: Some(self.mss),
            window_shift: extras.window_shift().map(|_| self.windows.shift()),
            sack_permitted: extras.sack_permitted(),
            timestamps,
            ..Options::default()
        };
        let fields = Fields {
            src_port: key.local_port(),
            dst_port: key.remote_port(),
            seq,
            ack: header.seq + 1,
            flags: flag::SYN | flag::ACK,
            window: INITIAL_WINDOW as u16,
            options,
            mark: Codepoint::NotCapable,
        };
        Answer { fields }
    }

    /// Looks at an ACK that belongs to no connection.
    pub(super) fn cookie_returns(
        &mut self,
        addresses: Addresses,
        key: FlowKey,
        header: &Header,
        work: &mut Work<'_>,
    ) -> Returned {
        if !self.cookies.are_out(work.now) {
            return Returned::NoCookie;
        }
        let (flow, extras) = (addresses.flow_bytes(key), Extras::of_echo(header.options.timestamps));
        let (iss, irs) = (header.ack - 1, header.seq - 1);
        let Some(mss) = self.cookies.check(flow, irs, iss, extras, work.now) else {
            return Returned::MayFollow;
        };
        let syn = Options {
            mss: Some(mss),
            window_shift: extras.window_shift(),
            sack_permitted: extras.sack_permitted(),
            timestamps: header.options.timestamps,
            ..Options::default()
        };
        let (_, clock_offset) = self.initial_numbers(flow, work.now);
        let Some(index) = self.half_open(key, irs, &syn, (iss, clock_offset), work) else {
            return Returned::NoRoom;
        };
        work.counters.tcp_cookies_returned += 1;
        if let Some(tcb) = self.tcb(index) {
            (tcb.send.nxt, tcb.send.max) = (iss + 1, iss + 1);
        }
        Returned::Opened(index)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(epoch: u64) -> Instant {
        Instant::from_nanos(epoch << EPOCH_SHIFT)
    }

    proptest! {
        #[test]
        fn only_what_was_made_is_good(flow in any::<FlowBytes>(), irs in any::<u32>(), mss in 88u16.., extras in 0u8..32, change in 0usize..200) {
            let mut cookies = Cookies::new(&mut Keys::new(&[7; 16]));
            let (irs, extras) = (SeqNum(irs), Extras(extras));
            let iss = cookies.make(flow, irs, mss, extras, at(5));
            let found = cookies.check(flow, irs, iss, extras, at(6)).unwrap();
            prop_assert!(found <= mss && MSS_CLASSES.contains(&found));
            prop_assert_eq!(cookies.check(flow, irs, iss, extras, at(7)), None);
            prop_assert!(cookies.are_out(at(6)) && !cookies.are_out(at(7)));
            // One bit of anything else.
            let (mut flow, mut irs, mut iss, mut extras) = (flow, irs, iss, extras);
            match change {
                0..96 => flow[change / 8] ^= 1 << (change % 8),
                96..128 => irs.0 ^= 1 << (change - 96),
                128..160 => iss.0 ^= 1 << (change - 128),
                _ => extras.0 ^= 1 << (change % 6),
            }
            prop_assert_eq!(cookies.check(flow, irs, iss, extras, at(5)), None);
        }

        #[test]
        fn a_clock_that_carries_extras_is_never_ahead(value in any::<u32>(), extras in 0u8..64) {
            let mixed = Extras(extras).put_into(value);
            prop_assert!(value.wrapping_sub(mixed) < 64);
            let echo = Some(Timestamps { value: 0, echo: mixed });
            prop_assert_eq!(Extras::of_echo(echo), Extras(extras));
        }
    }
}

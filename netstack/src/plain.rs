//! Plain segments: what nearly every frame of a cache holds, read and written at fixed offsets.
//!
//! ```text
//! 0                      14                     34                54                     66
//! | Ethernet, untagged   | IPv4, no options     | TCP             | timestamps, or none  | payload
//! | from one to us       | no fragment, to us   | ACK, perhaps PSH                         |
//! ```
//!
//! What is not plain goes the general way, through `ethernet`, `ipv4` and `tcp`, which alone know why something is dropped. So
//! what is recognised here is a part of what they let pass, told with fewer questions.

use core::net::Ipv4Addr;
use core::ops::Range;

use netdrv::pktbuf::{Checksum, PktBuf};

use crate::checksum::Sum;
use crate::ethernet::{Mac, Station};
use crate::ipv4::protocol;
use crate::link::Route;
use crate::tcp::{FlowKey, SeqNum, Timestamps};

/// Bytes of the headers that are [written](emit).
pub(crate) const HEADERS_LEN: usize = 66;

/// Where headers begin, and payload without options and with timestamps.
const IP_AT: usize = 14;
const TCP_AT: usize = 34;
const OPTIONS_AT: usize = 54;
const STAMPED_AT: usize = HEADERS_LEN;

/// EtherType; version and header length without options.
const IPV4: u16 = 0x0800;
const VERSION: u64 = 0x45;
/// Of the first eight bytes of an IPv4 header, the first lowest: version and header length, more fragments and the offset; of the
/// type of service, which else says nothing, a router's mark of congestion.
const VERSION_AND_FRAGMENT: u64 = 0xff3f_0000_0000_00ff;
const CONGESTED: u64 = 0x0300;
/// Of the next eight, the protocol.
const PROTOCOL: u64 = 0xff00;
const TCP: u64 = (protocol::TCP as u64) << 8;
/// No fragment and no identification; time to live and protocol.
const DONT_FRAGMENT: u16 = 0x4000;
const TTL_AND_TCP: u16 = 64 << 8 | protocol::TCP as u16;
/// Header length and control bits: an ACK without options, one with timestamps. PSH says nothing to us.
const BARE_ACK: u16 = 0x5010;
const STAMPED_ACK: u16 = 0x8010;
const PUSH: u16 = 0x0008;
/// Two NOPs, kind and length of the timestamps option.
const TIMESTAMPS: u32 = 0x0101_080a;

/// Whom plain segments are for: our end of a link without VLAN, and our address on it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recipient {
    /// The Ethernet address, behind two bytes of nothing, in memory order.
    mac: u64,
    ip: Ipv4Addr,
}

impl Recipient {
    /// `None` in a VLAN, where no frame is plain.
    pub(crate) fn new(station: &Station, ip: Ipv4Addr) -> Option<Recipient> {
        let Mac([a, b, c, d, e, f]) = station.mac;
        let mac = u64::from_le_bytes([0, 0, a, b, c, d, e, f]);
        station.vlan.is_none().then_some(Recipient { mac, ip })
    }
}

/// A plain segment: an ACK from a host, perhaps with payload, its checksums right.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlainSegment<'a> {
    header: &'a [u8; OPTIONS_AT],
    /// The peer's clock, if `start` says that it is told.
    timestamp: u32,
    /// Where its payload begins and ends in the frame.
    start: u16,
    end: u16,
}

impl PlainSegment<'_> {
    /// Whose it is.
    #[inline]
    pub(crate) fn key(&self) -> FlowKey {
        FlowKey::from_wire(bytes_at(self.header, 26), bytes_at(self.header, TCP_AT))
    }

    #[inline]
    pub(crate) fn seq(&self) -> SeqNum {
        SeqNum(u32::from_be_bytes(bytes_at(self.header, 38)))
    }

    #[inline]
    pub(crate) fn ack(&self) -> SeqNum {
        SeqNum(u32::from_be_bytes(bytes_at(self.header, 42)))
    }

    /// As on the wire, not scaled.
    #[inline]
    pub(crate) fn window(&self) -> u16 {
        u16::from_be_bytes(bytes_at(self.header, 48))
    }

    /// The peer's clock, if it tells it.
    #[inline]
    pub(crate) fn timestamp(&self) -> Option<u32> {
        (self.start == STAMPED_AT as u16).then_some(self.timestamp)
    }

    /// Where its payload lies in the frame.
    #[inline]
    pub(crate) fn payload(&self) -> Range<u16> {
        self.start..self.end
    }

    /// Bytes of payload.
    #[inline]
    pub(crate) fn len(&self) -> u32 {
        (self.end - self.start).into()
    }
}

/// The flow of a frame, if it holds a plain segment; else anything. A guess that costs little, to ask for the flow's state.
#[inline]
pub(crate) fn probable_key(frame: &PktBuf) -> FlowKey {
    let header = frame.bytes().first_chunk::<OPTIONS_AT>();
    header.map_or(FlowKey::NONE, |header| FlowKey::from_wire(bytes_at(header, 26), bytes_at(header, TCP_AT)))
}

/// Looks whether `frame` is a plain segment from a remote host to `own`.
#[inline]
pub(crate) fn recognise<'a>(frame: &'a PktBuf, own: &Recipient) -> Option<PlainSegment<'a>> {
    let bytes = frame.bytes();
    let header = bytes.first_chunk::<OPTIONS_AT>()?;
    let [to, from, ip, behind_ip] = [0, 6, 14, 22].map(|at| u64::from_le_bytes(bytes_at(header, at)));
    let is_from_station = from & 1 == 0 && from << 16 != 0;
    if to << 16 != own.mac || !is_from_station || bytes_at(header, 12) != IPV4.to_be_bytes() || !is_tcp(ip, behind_ip) {
        return None;
    }
    let (src, dst) = (bytes_at(header, 26), bytes_at(header, 30));
    let checked = Sum::new().add_long(ip).add_long(behind_ip).add_words(&dst);
    if dst != own.ip.octets() || !checked.is_valid() {
        return None;
    }
    let control = u16::from_be_bytes(bytes_at(header, 46)) & !PUSH;
    let (start, timestamp) = if control == STAMPED_ACK {
        let option: &[u8; STAMPED_AT - OPTIONS_AT] = bytes.get(OPTIONS_AT..STAMPED_AT)?.first_chunk()?;
        if u32::from_be_bytes(bytes_at(option, 0)) != TIMESTAMPS {
            return None;
        }
        (STAMPED_AT, u32::from_be_bytes(bytes_at(option, 4)))
    } else if control == BARE_ACK {
        (OPTIONS_AT, 0)
    } else {
        return None;
    };
    let end = IP_AT + usize::from(u16::from_be_bytes(bytes_at(header, 16)));
    if end < start || bytes.len() < end {
        return None;
    }
    if frame.checksum() != Checksum::Verified {
        let segment = &bytes[TCP_AT..end];
        let pseudo = Sum::pseudo_header(src.into(), own.ip, protocol::TCP, segment.len() as u16);
        if !pseudo.add(segment).is_valid() {
            return None;
        }
    }
    Some(PlainSegment { header, timestamp, start: start as u16, end: end as u16 })
}

/// Whether an IPv4 header whose first sixteen bytes these are has no options, is of no fragment, was not marked by a router for
/// congestion (RFC 3168), and TCP lies behind it.
#[inline]
fn is_tcp(begin: u64, behind: u64) -> bool {
    let unlike = (begin ^ VERSION) & VERSION_AND_FRAGMENT | (behind ^ TCP) & PROTOCOL;
    unlike == 0 && begin & CONGESTED != CONGESTED
}

/// `N` bytes from `at` on.
#[inline]
fn bytes_at<const N: usize, const ALL: usize>(bytes: &[u8; ALL], at: usize) -> [u8; N] {
    core::array::from_fn(|i| bytes[at + i])
}

/// What a plain segment says that we send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plain {
    pub(crate) src_port: u16,
    pub(crate) dst_port: u16,
    pub(crate) seq: SeqNum,
    pub(crate) ack: SeqNum,
    pub(crate) flags: u8,
    pub(crate) window: u16,
    pub(crate) timestamps: Timestamps,
}

/// The state of their checksum: the device completes it.
pub(crate) const CHECKSUM: Checksum = Checksum::Partial { start: TCP_AT as u8, field: 16 };

/// Writes the headers of a plain segment with `len` bytes of payload.
#[inline(always)] // on the way of nearly every segment
pub(crate) fn emit(header: &mut [u8; HEADERS_LEN], len: usize, fields: &Plain, route: &Route) {
    let segment_len = len + (STAMPED_AT - TCP_AT);
    let addresses = Sum::addresses(route.local, route.remote);
    let total_len = (segment_len + (TCP_AT - IP_AT)) as u16;
    let fixed = Sum::new().add_word(0x4500).add_word(DONT_FRAGMENT).add_word(TTL_AND_TCP);
    let ip_checksum = fixed.add_sum(addresses).add_word(total_len).checksum();
    let partial = addresses.add_word(protocol::TCP.into()).add_word(segment_len as u16).partial();

    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &route.to.0);
    put(6, &route.from.mac.0);
    put(12, &[0x08, 0x00, 0x45, 0x00]);
    put(16, &total_len.to_be_bytes());
    put(18, &u32::from(DONT_FRAGMENT).to_be_bytes());
    put(22, &TTL_AND_TCP.to_be_bytes());
    put(24, &ip_checksum);
    put(26, &route.local.octets());
    put(30, &route.remote.octets());
    put(34, &fields.src_port.to_be_bytes());
    put(36, &fields.dst_port.to_be_bytes());
    put(38, &fields.seq.0.to_be_bytes());
    put(42, &fields.ack.0.to_be_bytes());
    put(46, &[(STAMPED_ACK >> 8) as u8, fields.flags]);
    put(48, &fields.window.to_be_bytes());
    put(50, &partial);
    put(52, &[0; 2]);
    put(OPTIONS_AT, &TIMESTAMPS.to_be_bytes());
    put(58, &fields.timestamps.value.to_be_bytes());
    put(62, &fields.timestamps.echo.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use netdrv::pktbuf::{Pool, PoolMemory};

    use super::*;
    use crate::testkit::*;

    const STATION: Station = Station { mac: Mac(MAC), vlan: None };

    fn frame(timestamps: bool) -> Vec<u8> {
        let stamps = if timestamps { &[1, 1, 8, 10, 0, 0, 0, 5, 0, 0, 0, 6][..] } else { &[] };
        build(&data(1, 2, b"get key\r\n").flags(ACK | PSH).raw_options(stamps), 40_000, 7)
    }

    /// The timestamp and the place of the payload, if it is plain.
    fn recognised(bytes: &[u8], station: &Station) -> Option<(Option<u32>, Range<usize>)> {
        let mut frame = Pool::leak(PoolMemory::leak(1)).alloc().unwrap();
        frame.extend_from_slice(bytes).unwrap();
        let segment = recognise(&frame, &Recipient::new(station, IP)?)?;
        let payload = segment.payload();
        Some((segment.timestamp(), payload.start.into()..payload.end.into()))
    }

    #[test]
    fn requests_are_plain() {
        for timestamps in [false, true] {
            let mut bytes = frame(timestamps);
            let (timestamp, payload) = recognised(&bytes, &STATION).unwrap();
            assert_eq!(timestamp, timestamps.then_some(5));
            assert_eq!(&bytes[payload.clone()], b"get key\r\n");
            bytes.extend([0; 9]); // padding of short frames
            assert_eq!(recognised(&bytes, &STATION).unwrap().1, payload);
            assert!(recognised(&bytes, &Station { vlan: Some(1), ..STATION }).is_none());
            assert!(recognised(&bytes[..payload.end - 1], &STATION).is_none());
        }
    }
}

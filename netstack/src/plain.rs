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

use netdrv::pktbuf::{Checksum, PktBuf};

use crate::checksum::Sum;
use crate::ethernet::{Mac, Station};
use crate::ipv4::protocol;
use crate::link::Route;
use crate::tcp::{ExpectedSegment, Fields, FlowKey, SeqNum, Timestamps};

/// Where headers begin, and payload without options and with timestamps.
const IP_AT: usize = 14;
const TCP_AT: usize = 34;
const OPTIONS_AT: usize = 54;
const STAMPED_AT: usize = 66;

/// EtherType; version and header length without options.
const IPV4: u16 = 0x0800;
const VERSION: u64 = 0x45;
/// Of the first eight bytes of an IPv4 header, the first lowest: version and header length, more fragments and the offset; of the
/// type of service, which else says nothing, a router's mark of congestion.
const VERSION_AND_FRAGMENT: u64 = 0xff3f_0000_0000_00ff;
const CONGESTED: u64 = 0x0300;
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

/// Looks whether `frame` is a plain segment from a remote host to `own`.
#[inline]
pub(crate) fn recognise(frame: &PktBuf, own: &Recipient) -> Option<ExpectedSegment> {
    let bytes = frame.bytes();
    let header = bytes.first_chunk::<OPTIONS_AT>()?;
    let half = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let word = |at: usize| [header[at], header[at + 1], header[at + 2], header[at + 3]];
    let [to, from, ip, behind_ip] = [long(header, 0), long(header, 6), long(header, 14), long(header, 22)];
    if to << 16 != own.mac || !is_ipv4_from_station(from) || !is_whole_ipv4(ip) || header[23] != protocol::TCP {
        return None;
    }
    let checked = Sum::new().add_long(ip).add_long(behind_ip).add_words(&word(30));
    if word(30) != own.ip.octets() || !checked.is_valid() {
        return None;
    }
    let control = half(46) & !PUSH;
    let (start, timestamps) = if control == STAMPED_ACK {
        (STAMPED_AT, Some(timestamps(bytes)?))
    } else if control == BARE_ACK {
        (OPTIONS_AT, None)
    } else {
        return None;
    };
    let end = IP_AT + usize::from(half(16));
    if end < start || bytes.len() < end {
        return None;
    }
    if frame.checksum() != Checksum::Verified {
        let segment = &bytes[TCP_AT..end];
        let pseudo = Sum::pseudo_header(word(26).into(), own.ip, protocol::TCP, segment.len() as u16);
        if !pseudo.add(segment).is_valid() {
            return None;
        }
    }
    Some(ExpectedSegment {
        key: FlowKey::from_wire(word(26), word(34)),
        seq: SeqNum(u32::from_be_bytes(word(38))),
        ack: SeqNum(u32::from_be_bytes(word(42))),
        window: half(48),
        timestamps,
        start: start as u16,
        end: end as u16,
    })
}

/// The eight bytes from `at` on, the first of them lowest.
#[inline]
fn long(header: &[u8; OPTIONS_AT], at: usize) -> u64 {
    u64::from_le_bytes(core::array::from_fn(|i| header[at + i]))
}

/// Whether the bytes are a station's own address, not that of a group, and the EtherType of IPv4.
#[inline]
fn is_ipv4_from_station(from_and_type: u64) -> bool {
    from_and_type >> 48 == u64::from(IPV4.to_be()) && from_and_type & 1 == 0 && from_and_type << 16 != 0
}

/// Whether the first eight bytes of an IPv4 header are those of one without options, of no fragment, and without a router's mark of
/// congestion (RFC 3168).
#[inline]
fn is_whole_ipv4(begin: u64) -> bool {
    begin & VERSION_AND_FRAGMENT == VERSION && begin & CONGESTED != CONGESTED
}

/// The timestamps of a segment that has this option and no other.
#[inline]
fn timestamps(frame: &[u8]) -> Option<Timestamps> {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = *frame.get(OPTIONS_AT..STAMPED_AT)?.first_chunk()?;
    if u32::from_be_bytes([a, b, c, d]) != TIMESTAMPS {
        return None;
    }
    Some(Timestamps { value: u32::from_be_bytes([e, f, g, h]), echo: u32::from_be_bytes([i, j, k, l]) })
}

/// Writes the headers of a plain segment with timestamps in front of its payload. The device completes its checksum. `None` if
/// the headroom is too small or the buffer is shared, or for a segment without timestamps.
#[inline]
pub(crate) fn emit(payload: &mut PktBuf, fields: &Fields, route: &Route) -> Option<Checksum> {
    let timestamps = fields.options.timestamps?;
    let segment_len = payload.frame_len() + (STAMPED_AT - TCP_AT);
    let addresses = Sum::addresses(route.local, route.remote);
    let total_len = (segment_len + (TCP_AT - IP_AT)) as u16;
    let fixed = Sum::new().add_word(0x4500).add_word(DONT_FRAGMENT).add_word(TTL_AND_TCP);
    let ip_checksum = fixed.add_sum(addresses).add_word(total_len).checksum();
    let partial = addresses.add_word(protocol::TCP.into()).add_word(segment_len as u16).partial();

    let header: &mut [u8; STAMPED_AT] = payload.prepend(STAMPED_AT)?.first_chunk_mut()?;
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
    put(58, &timestamps.value.to_be_bytes());
    put(62, &timestamps.echo.to_be_bytes());
    Some(Checksum::Partial { start: TCP_AT as u8, field: 16 })
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

    fn recognised(bytes: &[u8], station: &Station) -> Option<ExpectedSegment> {
        let mut frame = Pool::leak(PoolMemory::leak(1)).alloc().unwrap();
        frame.extend_from_slice(bytes).unwrap();
        recognise(&frame, &Recipient::new(station, IP)?)
    }

    #[test]
    fn requests_are_plain() {
        for timestamps in [false, true] {
            let mut bytes = frame(timestamps);
            let segment = recognised(&bytes, &STATION).unwrap();
            let stamps = segment.timestamps.map(|timestamps| (timestamps.value, timestamps.echo));
            assert_eq!(stamps, timestamps.then_some((5, 6)));
            let (start, end) = (usize::from(segment.start), usize::from(segment.end));
            assert_eq!(&bytes[start..end], b"get key\r\n");
            bytes.extend([0; 9]); // padding of short frames
            assert_eq!(recognised(&bytes, &STATION).unwrap().end, segment.end);
            assert!(recognised(&bytes, &Station { vlan: Some(1), ..STATION }).is_none());
            assert!(recognised(&bytes[..end - 1], &STATION).is_none());
        }
    }
}

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
use crate::ethernet::Station;
use crate::ipv4::protocol;
use crate::link::Route;
use crate::tcp::{ExpectedSegment, Fields, FlowKey, SeqNum, Timestamps};

/// Where headers begin, and payload without options and with timestamps.
const IP_AT: usize = 14;
const TCP_AT: usize = 34;
const OPTIONS_AT: usize = 54;
const STAMPED_AT: usize = 66;

/// EtherType, version, header length and type of service, the last of which says nothing.
const IPV4_WITHOUT_OPTIONS: u32 = 0x0800_4500;
const ANY_SERVICE: u32 = 0x0000_00ff;
/// But a router's mark of congestion does (RFC 3168).
const CONGESTED: u32 = 0x0000_0003;
/// More fragments, and the offset.
const FRAGMENT: u16 = 0x3fff;
/// No fragment and no identification; time to live and protocol.
const DONT_FRAGMENT: u16 = 0x4000;
const TTL_AND_TCP: u16 = 64 << 8 | protocol::TCP as u16;
/// Header length and control bits: an ACK without options, one with timestamps. PSH says nothing to us.
const BARE_ACK: u16 = 0x5010;
const STAMPED_ACK: u16 = 0x8010;
const PUSH: u16 = 0x0008;
/// Two NOPs, kind and length of the timestamps option.
const TIMESTAMPS: u32 = 0x0101_080a;

/// Looks whether `frame` is a plain segment from a remote host to `station`, whose address is `own`.
#[inline]
pub(crate) fn recognise(frame: &PktBuf, station: &Station, own: Ipv4Addr) -> Option<ExpectedSegment> {
    let bytes = frame.bytes();
    let header = bytes.first_chunk::<OPTIONS_AT>()?;
    let half = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let word = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let (control, end) = (half(46) & !PUSH, IP_AT + usize::from(half(16)));
    let is_ipv4 = word(12) & !ANY_SERVICE == IPV4_WITHOUT_OPTIONS
        && word(12) & CONGESTED != CONGESTED
        && half(20) & FRAGMENT == 0;
    if !is_ipv4 || header[23] != protocol::TCP || word(30) != own.to_bits() || !is_between(header, station) {
        return None;
    }
    let (start, timestamps) = match (control, bytes.get(OPTIONS_AT..STAMPED_AT)) {
        (BARE_ACK, _) => (OPTIONS_AT, None),
        (STAMPED_ACK, Some(&[a, b, c, d, e, f, g, h, i, j, k, l]))
            if u32::from_be_bytes([a, b, c, d]) == TIMESTAMPS =>
        {
            let (value, echo) = (u32::from_be_bytes([e, f, g, h]), u32::from_be_bytes([i, j, k, l]));
            (STAMPED_AT, Some(Timestamps { value, echo }))
        }
        _ => return None,
    };
    let ip = header[IP_AT..].first_chunk::<{ TCP_AT - IP_AT }>()?;
    if end < start || bytes.len() < end || !Sum::new().add_words(ip).is_valid() {
        return None;
    }
    let remote_ip = Ipv4Addr::from_bits(word(26));
    if frame.checksum() != Checksum::Verified {
        let segment = &bytes[TCP_AT..end];
        if !Sum::pseudo_header(remote_ip, own, protocol::TCP, segment.len() as u16).add(segment).is_valid() {
            return None;
        }
    }
    Some(ExpectedSegment {
        key: FlowKey { remote_ip, remote_port: half(34), local_port: half(36) },
        seq: SeqNum(word(38)),
        ack: SeqNum(word(42)),
        window: half(48),
        timestamps,
        start,
        end,
    })
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
    put(12, &IPV4_WITHOUT_OPTIONS.to_be_bytes());
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

/// Whether a frame goes from a station to this one, and to this one alone.
#[inline]
fn is_between(header: &[u8; OPTIONS_AT], station: &Station) -> bool {
    let [a, b, c, d, e, f, g, h, i, j, k, l, ..] = *header;
    let own = address(station.mac.0);
    let (to, from) = (address([a, b, c, d, e, f]), address([g, h, i, j, k, l]));
    to == own && from != 0 && g & 1 == 0 && station.vlan.is_none()
}

/// An Ethernet address as a number: cheap to compare.
#[inline]
fn address([a, b, c, d, e, f]: [u8; 6]) -> u64 {
    u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
}

#[cfg(test)]
mod tests {
    use netdrv::pktbuf::{Pool, PoolMemory};

    use super::*;
    use crate::ethernet::Mac;
    use crate::testkit::*;

    const STATION: Station = Station { mac: Mac(MAC), vlan: None };

    fn frame(timestamps: bool) -> Vec<u8> {
        let stamps = if timestamps { &[1, 1, 8, 10, 0, 0, 0, 5, 0, 0, 0, 6][..] } else { &[] };
        build(&data(1, 2, b"get key\r\n").flags(ACK | PSH).raw_options(stamps), 40_000, 7)
    }

    fn recognised(bytes: &[u8], station: &Station) -> Option<ExpectedSegment> {
        let mut frame = Pool::leak(PoolMemory::leak(1)).alloc().unwrap();
        frame.extend_from_slice(bytes).unwrap();
        recognise(&frame, station, IP)
    }

    #[test]
    fn requests_are_plain() {
        for timestamps in [false, true] {
            let mut bytes = frame(timestamps);
            let segment = recognised(&bytes, &STATION).unwrap();
            let stamps = segment.timestamps.map(|timestamps| (timestamps.value, timestamps.echo));
            assert_eq!(stamps, timestamps.then_some((5, 6)));
            assert_eq!(&bytes[segment.start..segment.end], b"get key\r\n");
            bytes.extend([0; 9]); // padding of short frames
            assert_eq!(recognised(&bytes, &STATION).unwrap().end, segment.end);
            assert!(recognised(&bytes, &Station { vlan: Some(1), ..STATION }).is_none());
            assert!(recognised(&bytes[..segment.end - 1], &STATION).is_none());
        }
    }
}

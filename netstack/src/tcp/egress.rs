//! The last step of a segment: headers in front of its payload, and into the batch.

use core::num::NonZeroU16;

use netdrv::nic::TxChecksum;
use netdrv::pktbuf::{Attachment, Checksum, PktBuf, Segmentation};

use super::header::{self, CHECKSUM, Fields};
use crate::checksum::Sum;
use crate::ethernet::Payload;
use crate::ipv4::{self, Codepoint, protocol};
use crate::link::{Route, Sink};
use crate::plain::{self, Plain};

/// Where the segments of one connection go.
pub(super) struct Egress<'a, 'b> {
    pub(super) route: Route,
    pub(super) tx_checksum: TxChecksum,
    pub(super) sink: &'a mut Sink<'b>,
}

impl Egress<'_, '_> {
    /// Sends a payload, for which there must be room: headers go in front of it, in place, and a second handle goes to the
    /// ring. The device cuts what is longer than `mss`. `None` if the headroom is too small or the buffer is shared.
    #[inline(always)]
    pub(super) fn send(&mut self, payload: &mut PktBuf, fields: &Fields, mss: u16) -> Option<()> {
        let len = payload.len();
        let cut = payload.frame_len() > mss.into();
        let checksum = wrap(payload, fields, &self.route, self.tx_checksum)?;
        if payload.has_attachment() {
            let header_bytes = (payload.len() - len) as u16;
            let payload_bytes = NonZeroU16::new(mss).filter(|_| cut);
            let segmentation = payload_bytes.map(|payload_bytes| Segmentation { header_bytes, payload_bytes });
            payload.attach(Attachment { segmentation, ..payload.attachment()? })?;
        }
        let mut frame = payload.clone();
        frame.set_checksum(checksum);
        payload.trim_front(frame.len() - len);
        self.sink.push(frame);
        Some(())
    }
}

/// Writes TCP, IPv4 and Ethernet headers in front of a payload. Says who completes the checksum; `None` if the headroom is
/// too small or the buffer is shared.
pub(super) fn wrap(payload: &mut PktBuf, fields: &Fields, route: &Route, tx_checksum: TxChecksum) -> Option<Checksum> {
    let is_unmarked = fields.mark == Codepoint::NotCapable && route.from.vlan.is_none();
    if tx_checksum == TxChecksum::Device
        && is_unmarked
        && fields.options.are_timestamps()
        && let Some(timestamps) = fields.options.timestamps
    {
        let Fields { src_port, dst_port, seq, ack, flags, window, .. } = *fields;
        let len = payload.frame_len();
        let header = payload.prepend(plain::HEADERS_LEN)?.first_chunk_mut()?;
        plain::emit(header, len, &Plain { src_port, dst_port, seq, ack, flags, window, timestamps }, route);
        return Some(plain::CHECKSUM);
    }
    wrap_any(payload, fields, route, tx_checksum)
}

#[inline(never)]
fn wrap_any(payload: &mut PktBuf, fields: &Fields, route: &Route, tx_checksum: TxChecksum) -> Option<Checksum> {
    let Route { local, remote, from, to } = *route;
    let header_len = fields.len();
    let segment_len = header_len + payload.frame_len();
    fields.emit(payload.prepend(header_len)?);
    let pseudo = header::pseudo_header(local, remote, segment_len);
    let (field, checksum) = match tx_checksum {
        TxChecksum::Device => (
            pseudo.partial(),
            Checksum::Partial { start: (from.header_len() + ipv4::HEADER_LEN) as u8, field: CHECKSUM as u8 },
        ),
        TxChecksum::Software => (whole(pseudo, payload).checksum(), Checksum::None),
    };
    payload.bytes_mut()?[CHECKSUM..CHECKSUM + 2].copy_from_slice(&field);
    let header = payload.prepend(ipv4::HEADER_LEN)?.first_chunk_mut()?;
    ipv4::emit(header, local, remote, protocol::TCP, segment_len);
    if fields.mark != Codepoint::NotCapable {
        ipv4::set_codepoint(header, fields.mark);
    }
    from.prepend(payload, to, Payload::Ipv4)?;
    Some(checksum)
}

/// The sum of a segment, its body included.
fn whole(pseudo: Sum, segment: &PktBuf) -> Sum {
    let sum = pseudo.add(segment.bytes());
    match segment.attachment().and_then(|attachment| attachment.body) {
        Some(body) => sum.add_behind(segment.len(), body.bytes()),
        None => sum,
    }
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use netdrv::pktbuf::{Pool, PoolMemory};
    use proptest::prelude::*;

    use super::*;
    use crate::ethernet::{Mac, Station};
    use crate::tcp::options::{Options, Timestamps};
    use crate::tcp::seq::SeqNum;

    proptest! {
        /// Headers of plain segments are the same, written at once or layer by layer.
        #[test]
        fn plain_headers_are_headers(
            words in any::<[u32; 6]>(),
            halves in any::<[u16; 3]>(),
            flags in any::<u8>(),
            macs in any::<[[u8; 6]; 2]>(),
            len in 0usize..1460,
        ) {
            let timestamps = Some(Timestamps { value: words[2], echo: words[3] });
            let fields = Fields {
                src_port: halves[0],
                dst_port: halves[1],
                seq: SeqNum(words[0]),
                ack: SeqNum(words[1]),
                flags,
                window: halves[2],
                options: Options { timestamps, ..Options::default() },
                mark: Codepoint::NotCapable,
            };
            let route = Route {
                local: Ipv4Addr::from_bits(words[4]),
                remote: Ipv4Addr::from_bits(words[5]),
                from: Station { mac: Mac(macs[0]), vlan: None },
                to: Mac(macs[1]),
            };
            let pool = Pool::leak(PoolMemory::leak(2));
            let [mut at_once, mut layered] = [(); 2].map(|()| pool.alloc().unwrap());
            for payload in [&mut at_once, &mut layered] {
                payload.append(len).unwrap().fill(7);
            }
            let checksum = wrap(&mut at_once, &fields, &route, TxChecksum::Device);
            prop_assert_eq!(checksum, wrap_any(&mut layered, &fields, &route, TxChecksum::Device));
            prop_assert!(checksum.is_some());
            prop_assert_eq!(at_once.bytes(), layered.bytes());
        }
    }
}

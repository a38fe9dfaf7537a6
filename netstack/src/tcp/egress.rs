//! The last step of a segment: headers in front of its payload, and into the batch.

use netdrv::nic::TxChecksum;
use netdrv::pktbuf::{Checksum, PktBuf};

use super::header::{self, CHECKSUM, Fields};
use crate::ethernet::Payload;
use crate::ipv4::{self, protocol};
use crate::link::{Route, Sink};

/// Where the segments of one connection go.
pub(super) struct Egress<'a, 'b> {
    pub(super) route: Route,
    pub(super) tx_checksum: TxChecksum,
    pub(super) sink: &'a mut Sink<'b>,
}

impl Egress<'_, '_> {
    /// Sends a payload, for which there must be room: headers go in front of it, in place, and a second handle goes to the
    /// ring. `None` if the headroom is too small or the buffer is shared.
    pub(super) fn send(&mut self, payload: &mut PktBuf, fields: Fields) -> Option<()> {
        let len = payload.len();
        let checksum = wrap(payload, fields, self.route, self.tx_checksum)?;
        let mut frame = payload.clone();
        frame.set_checksum(checksum);
        payload.trim_front(frame.len() - len);
        self.sink.push(frame);
        Some(())
    }
}

/// Writes TCP, IPv4 and Ethernet headers in front of a payload. Says who completes the checksum; `None` if the headroom is
/// too small or the buffer is shared.
pub(super) fn wrap(payload: &mut PktBuf, fields: Fields, route: Route, tx_checksum: TxChecksum) -> Option<Checksum> {
    let Route { local, remote, from, to } = route;
    let header_len = fields.len();
    let segment_len = header_len + payload.len();
    fields.emit(payload.prepend(header_len)?);
    let pseudo = header::pseudo_header(local, remote, segment_len);
    let (field, checksum) = match tx_checksum {
        TxChecksum::Device => (
            pseudo.partial(),
            Checksum::Partial { start: (from.header_len() + ipv4::HEADER_LEN) as u8, field: CHECKSUM as u8 },
        ),
        TxChecksum::Software => (pseudo.add(payload.bytes()).checksum(), Checksum::None),
    };
    payload.bytes_mut()?[CHECKSUM..CHECKSUM + 2].copy_from_slice(&field);
    ipv4::emit(payload.prepend(ipv4::HEADER_LEN)?.first_chunk_mut()?, local, remote, protocol::TCP, segment_len);
    from.prepend(payload, to, Payload::Ipv4)?;
    Some(checksum)
}

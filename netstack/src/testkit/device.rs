//! What a device does to a frame on its way out: checksums, and cutting.

use netdrv::pktbuf::{Checksum, PktBuf, Segmentation};
use smoltcp::wire::{EthernetFrame, IpAddress, IpProtocol, Ipv4Packet, TcpPacket, TcpSeqNumber};

/// What goes on the wire for a frame.
pub(crate) fn wire(frame: &PktBuf) -> Vec<Vec<u8>> {
    let attachment = frame.attachment().unwrap_or_default();
    let body = attachment.body.map_or(Vec::new(), |body| body.bytes().to_vec());
    let whole = [frame.bytes(), &body].concat();
    match (attachment.segmentation, frame.checksum()) {
        (Some(segmentation), Checksum::Partial { .. }) => cut(&whole, segmentation),
        (None, Checksum::Partial { .. }) => vec![complete(whole, 0)],
        (None, _) => vec![whole],
        (Some(_), _) => panic!("a frame to cut has its checksum completed"),
    }
}

/// A TCP segment, as many as it takes.
fn cut(whole: &[u8], segmentation: Segmentation) -> Vec<Vec<u8>> {
    let (header, payload) = whole.split_at(segmentation.header_bytes.into());
    let step = usize::from(segmentation.payload_bytes.get());
    let pieces = payload.chunks(step).enumerate();
    pieces.map(|(n, piece)| complete([header, piece].concat(), (n * step) as i32)).collect()
}

/// Completes a TCP segment that begins `offset` bytes into the payload. What the stack has put into the checksum's field must be
/// the sum of the pseudo-header, with the length of the whole.
fn complete(mut frame: Vec<u8>, offset: i32) -> Vec<u8> {
    let len = frame.len();
    let mut ethernet = EthernetFrame::new_unchecked(&mut frame[..]);
    let mut ip = Ipv4Packet::new_unchecked(ethernet.payload_mut());
    assert_eq!(ip.next_header(), IpProtocol::Tcp);
    let told = ip.total_len() - u16::from(ip.header_len());
    let (src, dst) = (ip.src_addr(), ip.dst_addr());
    let words = [src.octets(), dst.octets(), [0, 6, (told >> 8) as u8, told as u8]].concat();
    let sum: u32 = words.chunks(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]]))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    ip.set_total_len((len - 14) as u16);
    ip.fill_checksum();
    let mut tcp = TcpPacket::new_unchecked(ip.payload_mut());
    assert_eq!(u32::from(tcp.checksum()), (folded & 0xffff) + (folded >> 16), "partial checksum");
    tcp.set_seq_number(TcpSeqNumber(tcp.seq_number().0.wrapping_add(offset)));
    tcp.fill_checksum(&IpAddress::Ipv4(src), &IpAddress::Ipv4(dst));
    frame
}

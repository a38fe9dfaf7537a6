//! What a device does to a frame on its way to the wire: it completes checksums and cuts large TCP segments (TSO).

use crate::pktbuf::{Attachment, Checksum, PktBuf};

/// Ethernet header, EtherTypes, and where they lie.
const ETHERNET: usize = 14;
const ETHER_TYPE: usize = 12;
const VLAN: [u8; 2] = [0x81, 0x00];
const VLAN_TAG: usize = 4;
const IPV4: [u8; 2] = [0x08, 0x00];

/// Fields of IPv4 (RFC 791), in bytes from its start.
const TOTAL_LENGTH: usize = 2;
const IDENTIFICATION: usize = 4;
const IP_CHECKSUM: usize = 10;
const ADDRESSES: usize = 12;
/// Fields of TCP (RFC 9293), in bytes from its start, its flags, and its protocol number.
const SEQUENCE: usize = 4;
const FLAGS: usize = 13;
const FIN: u8 = 0x01;
const PSH: u8 = 0x08;
const CWR: u8 = 0x80;
const TCP_CHECKSUM: usize = 16;
const TCP: u16 = 6;

/// What is to be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offload {
    /// Sum the bytes from the first number on, and store the result so many bytes further.
    pub checksum: Option<(usize, usize)>,
    /// Cut the frame, whose checksum is TCP's.
    pub cut: Option<Cut>,
}

/// How a frame is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Bytes of all headers.
    pub header_bytes: usize,
    /// Bytes of payload in each piece but the last.
    pub payload_bytes: usize,
    /// What becomes of the flag CWR.
    pub cwr: Cwr,
}

/// What becomes of the flag CWR of a frame that is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cwr {
    /// Each piece has it.
    Repeated,
    /// The first piece has it.
    First,
}

/// The frames that a frame is on the wire. `None` if what is to be done makes no sense.
pub fn on_the_wire(mut frame: Vec<u8>, offload: Offload) -> Option<Vec<Vec<u8>>> {
    match (offload.checksum, offload.cut) {
        (None, None) => Some(vec![frame]),
        (None, Some(_)) => None,
        (Some((start, field)), None) => {
            complete(&mut frame, start, field)?;
            Some(vec![frame])
        }
        (Some((start, TCP_CHECKSUM)), Some(cut)) => pieces(&frame, start, cut),
        (Some(_), Some(_)) => None,
    }
}

/// The frames that a frame to transmit is on the wire, with the body attached to it. `None` if it makes no sense.
pub fn sent_frames(sent: &PktBuf) -> Option<Vec<Vec<u8>>> {
    let Attachment { body, segmentation } = sent.attachment().unwrap_or_default();
    let mut frame = sent.bytes().to_vec();
    if let Some(body) = body {
        frame.extend_from_slice(body.bytes());
    }
    let checksum = match sent.checksum() {
        Checksum::Partial { start, field } => Some((start.into(), field.into())),
        Checksum::None | Checksum::Verified => None,
    };
    let cut = segmentation.map(|cut| Cut {
        header_bytes: cut.header_bytes.into(),
        payload_bytes: cut.payload_bytes.get().into(),
        cwr: Cwr::First,
    });
    on_the_wire(frame, Offload { checksum, cut })
}

/// The pieces of a TCP segment over IPv4, whose TCP header begins at `tcp`.
fn pieces(frame: &[u8], tcp: usize, cut: Cut) -> Option<Vec<Vec<u8>>> {
    let ether_type: [u8; 2] = *frame.get(ETHER_TYPE..)?.first_chunk()?;
    let ip = if ether_type == VLAN { ETHERNET + VLAN_TAG } else { ETHERNET };
    let is_ipv4 = frame.get(ip - 2..ip)? == IPV4;
    let headers = frame.get(..cut.header_bytes).filter(|headers| headers.len() >= tcp + 20 && tcp >= ip + 20)?;
    let whole_sum = fold(pseudo_header(headers, ip, frame.len() - tcp));
    if !is_ipv4 || cut.payload_bytes == 0 || get_u16(headers, tcp + TCP_CHECKSUM) != whole_sum {
        return None;
    }
    let payload = &frame[cut.header_bytes..];
    let count = payload.len().div_ceil(cut.payload_bytes).max(1);
    let piece = |i: usize| {
        let from = i * cut.payload_bytes;
        let part = &payload[from..payload.len().min(from + cut.payload_bytes)];
        let mut piece = [headers, part].concat();
        let mut ungranted = 0;
        if i + 1 < count {
            ungranted |= FIN | PSH;
        }
        if i > 0 && cut.cwr == Cwr::First {
            ungranted |= CWR;
        }
        piece[tcp + FLAGS] &= !ungranted;
        let sequence = u32::from_be_bytes(headers[tcp + SEQUENCE..][..4].try_into().expect("4 bytes"));
        piece[tcp + SEQUENCE..][..4].copy_from_slice(&sequence.wrapping_add(from as u32).to_be_bytes());
        let identification = get_u16(headers, ip + IDENTIFICATION).wrapping_add(i as u16);
        let tcp_len = piece.len() - tcp;
        put_u16(&mut piece, ip + TOTAL_LENGTH, (tcp - ip + tcp_len) as u16);
        put_u16(&mut piece, ip + IDENTIFICATION, identification);
        put_u16(&mut piece, ip + IP_CHECKSUM, 0);
        let sum = !fold(sum(&piece[ip..tcp]));
        put_u16(&mut piece, ip + IP_CHECKSUM, sum);
        let pseudo = fold(pseudo_header(&piece, ip, tcp_len));
        put_u16(&mut piece, tcp + TCP_CHECKSUM, pseudo);
        complete(&mut piece, tcp, TCP_CHECKSUM)?;
        Some(piece)
    };
    (0..count).map(piece).collect()
}

/// Stores the checksum (RFC 1071) of everything from `start` at `start + field`, where a part of the sum lies already.
fn complete(frame: &mut [u8], start: usize, field: usize) -> Option<()> {
    let checksum = !fold(sum(frame.get(start..)?));
    frame.get_mut(start + field..start + field + 2)?.copy_from_slice(&checksum.to_be_bytes());
    Some(())
}

/// The sum of the pseudo-header of a segment of `len` bytes.
fn pseudo_header(frame: &[u8], ip: usize, len: usize) -> u64 {
    sum(&frame[ip + ADDRESSES..][..8]) + u64::from(TCP) + len as u64
}

fn sum(bytes: &[u8]) -> u64 {
    bytes.chunks(2).map(|word| u64::from(word[0]) << 8 | u64::from(*word.get(1).unwrap_or(&0))).sum()
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

fn get_u16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn put_u16(bytes: &mut [u8], at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

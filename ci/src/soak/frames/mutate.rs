//! Bends frames.

use std::net::Ipv4Addr;

use fastrand::Rng;

use crate::checksum::internet_checksum;
use crate::soak::wire::{ETHERNET_HEADER, ETHERTYPE_IPV4, ICMP, TCP, UDP, transport_checksum};

/// The shortest frame that a packet socket takes, and the longest that fits the tap's MTU.
const SHORTEST: usize = ETHERNET_HEADER;
const LONGEST: usize = ETHERNET_HEADER + 1500;
/// Ethernet, IPv4 and TCP headers without options.
const HEADERS: usize = 54;

/// What was done to a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mutation {
    FlippedBits,
    FlippedHeaderBits,
    Truncated,
    Extended,
    FieldAtLimit,
    HeaderLength,
    TotalLength,
    Copied,
    ChecksumsFixed,
}

impl Mutation {
    pub(super) const ALL: [Mutation; 9] = [
        Mutation::FlippedBits,
        Mutation::FlippedHeaderBits,
        Mutation::Truncated,
        Mutation::Extended,
        Mutation::FieldAtLimit,
        Mutation::HeaderLength,
        Mutation::TotalLength,
        Mutation::Copied,
        Mutation::ChecksumsFixed,
    ];

    /// Those that bend a frame.
    const BENDS: usize = Mutation::ALL.len() - 1;
}

/// Bends a frame once to three times, and then fixes up the checksums of half of them. Calls `done` with each mutation.
pub(super) fn mutate(frame: &mut Vec<u8>, rng: &mut Rng, mut done: impl FnMut(Mutation)) {
    frame.truncate(LONGEST);
    for _ in 0..rng.u8(1..=3) {
        let mutation = Mutation::ALL[rng.usize(..Mutation::BENDS)];
        bend(frame, mutation, rng);
        done(mutation);
    }
    if rng.bool() {
        fix_checksums(frame);
        done(Mutation::ChecksumsFixed);
    }
}

fn bend(frame: &mut Vec<u8>, mutation: Mutation, rng: &mut Rng) {
    let headers = frame.len().min(HEADERS);
    match mutation {
        Mutation::FlippedBits => flip_bits(frame, rng),
        Mutation::FlippedHeaderBits => flip_bits(&mut frame[..headers], rng),
        Mutation::Truncated => frame.truncate(rng.usize(SHORTEST..=frame.len())),
        Mutation::Extended => {
            for _ in 0..rng.usize(..=LONGEST - frame.len()) {
                frame.push(rng.u8(..));
            }
        }
        Mutation::FieldAtLimit => {
            const LIMITS: [u16; 6] = [0, 1, 0x7fff, 0x8000, 0xfffe, 0xffff];
            let at = rng.usize(..headers / 2) * 2;
            frame[at..at + 2].copy_from_slice(&LIMITS[rng.usize(..LIMITS.len())].to_be_bytes());
        }
        Mutation::HeaderLength => {
            // The IPv4 header's length, or the TCP header's behind one without options.
            let (at, shift) = if rng.bool() { (ETHERNET_HEADER, 0) } else { (ETHERNET_HEADER + 20 + 12, 4) };
            if let Some(byte) = frame.get_mut(at) {
                *byte = *byte & !(0x0f << shift) | rng.u8(..16) << shift;
            }
        }
        Mutation::TotalLength => {
            // Off by little, where the checks are subtle.
            if let Some(field) = frame.get_mut(ETHERNET_HEADER + 2..ETHERNET_HEADER + 4) {
                let length = u16::from_be_bytes([field[0], field[1]]);
                field.copy_from_slice(&length.wrapping_add(rng.u16(..80)).wrapping_sub(40).to_be_bytes());
            }
        }
        Mutation::Copied => {
            let length = rng.usize(..=frame.len().min(32));
            let (from, to) = (rng.usize(..=frame.len() - length), rng.usize(..=frame.len() - length));
            frame.copy_within(from..from + length, to);
        }
        Mutation::ChecksumsFixed => fix_checksums(frame),
    }
}

fn flip_bits(bytes: &mut [u8], rng: &mut Rng) {
    for _ in 0..rng.u8(1..=8) {
        let at = rng.usize(..bytes.len());
        bytes[at] ^= 1 << rng.u8(..8);
    }
}

/// Writes the checksums that the frame's own fields call for, as far as those make sense.
fn fix_checksums(frame: &mut [u8]) {
    if frame.get(12..14) != Some(&ETHERTYPE_IPV4.to_be_bytes()) || frame.len() < ETHERNET_HEADER + 20 {
        return;
    }
    let packet = &mut frame[ETHERNET_HEADER..];
    let header = usize::from(packet[0] & 0x0f) * 4;
    let total = usize::from(u16::from_be_bytes([packet[2], packet[3]])).min(packet.len());
    if header < 20 || header > total {
        return;
    }
    let (ip, payload) = packet[..total].split_at_mut(header);
    write_checksum(ip, 10, |ip| internet_checksum(&[ip]));
    let address = |at: usize| Ipv4Addr::new(ip[at], ip[at + 1], ip[at + 2], ip[at + 3]);
    let (source, destination, protocol) = (address(12), address(16), ip[9]);
    match protocol {
        ICMP => write_checksum(payload, 2, |message| internet_checksum(&[message])),
        TCP => write_checksum(payload, 16, |tcp| transport_checksum(source, destination, TCP, tcp)),
        UDP => write_checksum(payload, 6, |udp| transport_checksum(source, destination, UDP, udp)),
        _ => {}
    }
}

fn write_checksum(bytes: &mut [u8], at: usize, checksum: impl Fn(&[u8]) -> u16) {
    if bytes.len() >= at + 2 {
        bytes[at..at + 2].fill(0);
        let sum = checksum(bytes);
        bytes[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::super::flow::Flow;
    use super::super::template::{Target, frame};
    use super::*;

    const TARGET: Target = Target { host_mac: [2, 0, 0, 0, 0, 1], guest_mac: [2, 0, 0, 0, 0, 2], port: 11211 };

    #[test]
    fn the_same_seed_makes_the_same_frames() {
        let make = || {
            let mut rng = Rng::with_seed(7);
            let flow = Flow { port: 4000, sequence: 1, acknowledgement: 2 };
            let mut frames = Vec::new();
            for _ in 0..10_000 {
                let mut made = frame(&TARGET, &flow, &mut rng);
                mutate(&mut made, &mut rng, |_| {});
                assert!((SHORTEST..=LONGEST).contains(&made.len()));
                frames.push(made);
            }
            frames
        };
        assert!(make() == make());
    }

    #[test]
    fn checksums_of_valid_frames_need_no_fixing() {
        let mut rng = Rng::with_seed(3);
        let flow = Flow { port: 4000, sequence: 1, acknowledgement: 2 };
        for _ in 0..10_000 {
            let made = frame(&TARGET, &flow, &mut rng);
            let mut fixed = made.clone();
            fix_checksums(&mut fixed);
            // Random payloads of foreign frames have no right checksums to begin with.
            let is_ours = made[..6] == TARGET.guest_mac || made[..6] == [0xff; 6];
            assert!(made == fixed || !is_ours, "{made:02x?}");
        }
    }
}

//! Segments that are plain and were expected mean the same and have the same effect as on the general way, and so do records
//! that are ready. IPv4 options, which mean nothing, make a frame take that way, and the lack of checksum offload a record.

use core::time::Duration;

use netdrv::nic::TxChecksum;
use netdrv::pktbuf::{Checksum, Pool, PoolMemory};
use proptest::prelude::*;

use crate::app::Call;
use crate::checksum::Sum;
use crate::ethernet::{Mac, Station};
use crate::tcp::FlowKey;
use crate::tcp::header;
use crate::tcp::options::Options;
use crate::testkit::*;
use crate::{ipv4, plain};

/// What happens next to both stacks.
#[derive(Clone, Debug)]
enum Step {
    /// A segment, so far from what is next; it acknowledges all but `unacked` bytes that came.
    Segment { ahead: i8, len: u16, unacked: u16, window: u16, flags: u8, later: u8 },
    /// The app sends.
    Send(u16),
    /// The app is done with bytes.
    Done(u16),
    /// Frames leave, and time passes.
    Turn(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let ahead = prop_oneof![20 => Just(0), 1 => -3i8..3];
    let len = prop_oneof![3 => Just(0), 5 => 1u16..300, 2 => Just(1448)];
    let unacked = prop_oneof![6 => Just(0), 2 => 0u16..100, 1 => 0u16..3000];
    let window = prop_oneof![8 => Just(500), 2 => 0u16..600];
    let flags = prop_oneof![20 => Just(ACK), 20 => Just(ACK | PSH), 1 => Just(ACK | FIN), 1 => Just(ACK | SYN)];
    let segment =
        (ahead, len, unacked, window, flags, 0u8..4).prop_map(|(ahead, len, unacked, window, flags, later)| {
            Step::Segment { ahead, len, unacked, window, flags, later }
        });
    prop_oneof![
        6 => segment,
        3 => (1u16..1460).prop_map(Step::Send),
        2 => (0u16..2000).prop_map(Step::Done),
        4 => any::<u8>().prop_map(Step::Turn),
    ]
}

/// One stack, and what its peer knows.
struct Side {
    kit: Kit,
    detour: bool,
    stamps: bool,
    next: u32,
    sent: u32,
    clock: u32,
}

impl Side {
    fn new(detour: bool, stamps: bool, sack: bool) -> Side {
        let clock = 1000;
        let syn = Seg { shift: Some(7), sack_permitted: sack, mss: Some(1460), ..seg(SYN, 0, 0) };
        let tx_checksum = if detour { TxChecksum::Software } else { TxChecksum::Device };
        let kit = Kit::opened_with(if stamps { syn.stamps(clock, 0) } else { syn }, tx_checksum);
        Side { kit, detour, stamps, next: 1, sent: 1, clock }
    }

    fn step(&mut self, step: &Step) -> (Vec<Seg>, Vec<Saw>) {
        let mut out = Vec::new();
        match *step {
            Step::Segment { ahead, len, unacked, window, flags, later } => {
                self.clock += u32::from(later);
                let seq = self.next.wrapping_add_signed(ahead.into());
                let ack = self.sent.saturating_sub(unacked.into()).max(1);
                let mut segment = data(seq, ack, vec![seq as u8; len.into()]).flags(flags).window(window);
                if self.stamps {
                    segment.raw_options = [&[1, 1, 8, 10][..], &self.clock.to_be_bytes(), &[0; 4]].concat();
                }
                if ahead == 0 {
                    self.next += u32::from(len);
                }
                let frame = self.kit.build(&segment);
                self.kit.frame(&if self.detour { with_ip_options(&frame) } else { frame });
            }
            Step::Send(len) => self.kit.send(vec![len as u8; len.into()]),
            Step::Done(bytes) => self.kit.call(Call::RecvDone { flow: self.kit.flow, bytes: bytes.into() }),
            Step::Turn(ms) => {
                out = self.kit.out();
                out.extend(self.kit.wait(Duration::from_millis(ms.into())).into_iter().map(|(_, seg)| seg));
                let end = |seg: &Seg| seg.seq.wrapping_add(seg.data.len() as u32);
                self.sent = out.iter().filter(|seg| !seg.has(RST)).map(end).fold(self.sent, u32::max);
            }
        }
        (out, merged(self.kit.saw()))
    }
}

/// Acknowledgements and credit in one event, last: in how many parts they come says nothing.
fn merged(saw: Vec<Saw>) -> Vec<Saw> {
    let (mut all, mut acks, mut credits) = (Vec::new(), 0, 0);
    for saw in saw {
        match saw {
            Saw::Sent { acked, credit } => (acks, credits) = (acks + acked, credits + credit),
            other => all.push(other),
        }
    }
    all.push(Saw::Sent { acked: acks, credit: credits });
    all
}

/// The frame with four NOPs in its IPv4 header.
fn with_ip_options(frame: &[u8]) -> Vec<u8> {
    let (ethernet, packet) = frame.split_at(14);
    let total_len = u16::from_be_bytes([packet[2], packet[3]]) + 4;
    let mut header = [&packet[..20], &[1; 4]].concat();
    header[0] = 0x46;
    header[2..4].copy_from_slice(&total_len.to_be_bytes());
    header[10..12].fill(0);
    let checksum = Sum::new().add(&header).checksum();
    header[10..12].copy_from_slice(&checksum);
    [ethernet, &header, &packet[20..]].concat()
}

proptest! {
    #[test]
    fn have_the_effect_of_the_general_way(
        steps in proptest::collection::vec(step(), 1..80),
        stamps in any::<bool>(),
        sack in any::<bool>(),
    ) {
        let [mut straight, mut detour] = [false, true].map(|detour| Side::new(detour, stamps, sack));
        for (n, step) in steps.iter().enumerate() {
            let [a, b] = [&mut straight, &mut detour].map(|side| side.step(step));
            prop_assert_eq!(a, b, "step {}", n);
            let [a, b] = [&straight, &detour].map(|side| side.kit.counters());
            prop_assert_eq!(a, b, "step {}", n);
            if let Step::Turn(_) = step {
                let [a, b] = [&straight, &detour].map(|side| side.kit.next_deadline());
                prop_assert_eq!(a, b, "step {}", n);
            }
        }
    }

    /// What is recognised as plain has the same fields on the general way, which lets it pass; but for an address or a port
    /// that no flow has.
    #[test]
    fn are_read_as_on_the_general_way(
        timestamps in any::<bool>(),
        changes in proptest::collection::vec((0usize..75, any::<u8>()), 0..4),
        cut in prop_oneof![4 => Just(0), 1 => 0usize..80],
        pad in 0usize..10,
    ) {
        let stamps = if timestamps { &[1, 1, 8, 10, 0, 0, 0, 5, 0, 0, 0, 6][..] } else { &[] };
        let mut bytes = build(&data(1, 2, b"get key\r\n").flags(ACK | PSH).raw_options(stamps), 40_000, 7);
        for (at, value) in changes {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        bytes.truncate(bytes.len().saturating_sub(cut).max(34));
        bytes[24..26].fill(0);
        let checksum = Sum::new().add(&bytes[14..34]).checksum();
        bytes[24..26].copy_from_slice(&checksum);
        bytes.extend(vec![0; pad]);
        let mut frame = Pool::leak(PoolMemory::leak(1)).alloc().unwrap();
        frame.extend_from_slice(&bytes).unwrap();
        frame.set_checksum(Checksum::Verified);

        let station = Station { mac: Mac(MAC), vlan: None };
        let own = plain::Recipient::new(&station, IP).unwrap();
        let Some(plain) = plain::recognise(&frame, &own) else { return Ok(()) };
        let ethernet = station.parse(&bytes).ok().unwrap();
        let Ok(ip) = ipv4::parse(&bytes[ethernet.len..]) else {
            prop_assert!(!ipv4::is_host(plain.key().remote_ip()));
            return Ok(());
        };
        let end = ethernet.len + ip.total_len;
        let segment = &bytes[ethernet.len + ip.header_len..end];
        let Ok(header) = header::parse(segment, None) else {
            prop_assert!(plain.key().remote_port() == 0 || plain.key().local_port() == 0);
            return Ok(());
        };
        let key = FlowKey::new(ip.src, header.src_port, header.dst_port);
        prop_assert_eq!((plain.key(), ip.dst, ip.protocol), (key, IP, 6));
        prop_assert_eq!((plain.seq(), plain.ack(), plain.window()), (header.seq, header.ack, header.window));
        let timestamps = header.options.timestamps;
        prop_assert_eq!(plain.timestamp(), timestamps.map(|timestamps| timestamps.value));
        prop_assert_eq!(Options { timestamps, ..Options::default() }, header.options);
        prop_assert_eq!(header.flags & (FIN | SYN | RST | ACK), ACK);
        let payload = end - segment.len() + header.header_len..end;
        prop_assert_eq!(usize::from(plain.payload().start)..usize::from(plain.payload().end), payload);
    }
}

//! Damaged frames against live connections: nothing panics, nothing is lost, and the next client is served.

use proptest::prelude::*;

use crate::app::Call;
use crate::checksum::Sum;
use crate::testkit::*;

/// Makes the checksums of a frame right again, as far as its lengths allow, so that the damage is looked at.
fn repair(frame: &mut [u8]) {
    let Some(packet) = frame.get_mut(14..).filter(|packet| packet.len() >= 20) else { return };
    let header = usize::from(packet[0] & 15) * 4;
    let total = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
    if header < 20 || header > packet.len() {
        return;
    }
    packet[10..12].fill(0);
    let checksum = Sum::new().add(&packet[..header]).checksum();
    packet[10..12].copy_from_slice(&checksum);
    if total < header + 20 || total > packet.len() || packet[9] != 6 {
        return;
    }
    let address = |at: usize| [packet[at], packet[at + 1], packet[at + 2], packet[at + 3]].into();
    let pseudo = Sum::pseudo_header(address(12), address(16), 6, (total - header) as u16);
    packet[header + 16..header + 18].fill(0);
    let checksum = pseudo.add(&packet[header..total]).checksum();
    packet[header + 16..header + 18].copy_from_slice(&checksum);
}

#[derive(Clone, Debug)]
enum Damage {
    Flip(usize, u8),
    Set(usize, u8),
    Truncate(usize),
    Extend(usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        4 => (12usize..80, 0u8..8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        4 => (12usize..80, prop_oneof![Just(0), Just(255), Just(127), Just(128), any::<u8>()])
            .prop_map(|(at, value)| Damage::Set(at, value)),
        1 => (0usize..80).prop_map(Damage::Truncate),
        1 => (0usize..1400).prop_map(Damage::Extend),
    ]
}

/// A valid segment: its flags and where in the window it lies.
fn segment() -> impl Strategy<Value = Seg> {
    let flags = prop_oneof![Just(ACK), Just(ACK), Just(ACK | FIN), Just(SYN), Just(RST), Just(ACK | PSH), any::<u8>()];
    let at = prop_oneof![0u32..4, 0u32..70_000, any::<u32>()];
    (flags, at, 0u32..3000, any::<u16>(), 0usize..1400)
        .prop_map(|(flags, seq, ack, window, len)| Seg { data: vec![7; len], ..seg(flags, seq, ack).window(window) })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn nothing_breaks(
        steps in proptest::collection::vec(
            (segment(), proptest::collection::vec(damage(), 0..3), any::<bool>(), 0u64..3000),
            1..60,
        ),
    ) {
        let mut kit = Kit::connected(65_535, 1460);
        for n in 0..2 {
            kit.send([n; 1400]);
        }
        let iss = kit.iss;
        for (segment, damages, repaired, pause) in steps {
            let mut frame = build(&segment, 40_000, iss);
            for damage in damages {
                match damage {
                    Damage::Flip(at, bit) => frame.get_mut(at).into_iter().for_each(|byte| *byte ^= 1 << bit),
                    Damage::Set(at, value) => frame.get_mut(at).into_iter().for_each(|byte| *byte = value),
                    Damage::Truncate(len) => frame.truncate(len),
                    Damage::Extend(by) => frame.resize((frame.len() + by).min(1900), 0xa5),
                }
            }
            if repaired {
                repair(&mut frame);
            }
            kit.frame(&frame);
            while let Some(event) = kit.events.pop_front() {
                if let crate::app::Event::Knock { flow, .. } = event {
                    kit.call(Call::Reject { flow });
                }
            }
            kit.now = kit.now + core::time::Duration::from_millis(pause);
            kit.expire();
            kit.frames();
        }
        kit.call(Call::Abort { flow: kit.flow });
        kit.events.clear();
        while !kit.frames().is_empty() {}
        // A client that nobody has heard of is served.
        kit.frame(&arp(1, PEER_MAC, PEER_IP, IP));
        kit.frames();
        kit.port = 50_000;
        kit.connect(65_535, 1460);
        kit.recv(data(1, 1, "request"));
        prop_assert_eq!(kit.received(), b"request");
    }
}

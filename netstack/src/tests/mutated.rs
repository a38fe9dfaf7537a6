//! Damaged frames against live connections: nothing panics, nothing is lost, and the next client is served.

use core::net::SocketAddrV4;

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
    (flags, at, 0u32..3000, any::<u16>(), 0usize..1400, options()).prop_map(
        |(flags, seq, ack, window, len, options)| {
            let Options { stamps, sack, raw } = options;
            Seg { data: vec![7; len], stamps, sack, raw_options: raw, ..seg(flags, seq, ack).window(window) }
        },
    )
}

#[derive(Clone, Debug)]
struct Options {
    stamps: Option<(u32, u32)>,
    sack: Vec<(u32, u32)>,
    raw: Vec<u8>,
}

/// Options that may have been sent, and a few bytes of nonsense. Most segments have a timestamp, mostly a plausible one.
fn options() -> impl Strategy<Value = Options> {
    let stamps = prop_oneof![
        6 => (490u32..600, any::<u32>()).prop_map(Some),
        1 => any::<(u32, u32)>().prop_map(Some),
        1 => Just(None),
    ];
    let near = || prop_oneof![4 => 0u32..3500, 1 => any::<u32>()];
    let sack = proptest::collection::vec((near(), near()), 0..=3);
    let raw = prop_oneof![3 => Just(vec![]), 1 => proptest::collection::vec(prop_oneof![any::<u8>(), 0u8..12], 0..=4)];
    (stamps, sack, raw).prop_map(|(stamps, sack, raw)| Options { stamps, sack, raw })
}

/// What the damaged frames meet.
#[derive(Clone, Copy, Debug)]
enum Meets {
    /// A connection without options.
    Plain,
    /// One with all of them.
    AllOptions,
    /// One that a cookie opened, and SYNs that get more.
    Cookies,
    /// A connection that we open.
    Calling,
}

impl Meets {
    fn kit(self) -> Kit {
        let syn = Seg { mss: Some(1460), shift: Some(7), sack_permitted: true, ..seg(SYN, 0, 0) };
        match self {
            Meets::Plain => Kit::connected(65_535, 1460),
            Meets::AllOptions => Kit::opened(syn.stamps(500, 0)),
            Meets::Cookies => {
                let mut kit = Kit::of(|config| config.tcp.syn_backlog = 0);
                kit.frame(&arp(1, PEER_MAC, PEER_IP, IP));
                kit.frames();
                kit.connect(65_535, 1460);
                kit
            }
            Meets::Calling => {
                let mut kit = Kit::new();
                kit.call(Call::Connect { cookie: 7, remote: SocketAddrV4::new(PEER_IP, 40_000) });
                kit.out();
                kit
            }
        }
    }
}

fn meets() -> impl Strategy<Value = Meets> {
    prop_oneof![Just(Meets::Plain), Just(Meets::AllOptions), Just(Meets::Cookies), Just(Meets::Calling)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn nothing_breaks(
        meets in meets(),
        steps in proptest::collection::vec(
            (segment(), proptest::collection::vec(damage(), 0..3), any::<bool>(), 0u64..3000),
            1..60,
        ),
    ) {
        let mut kit = meets.kit();
        if !matches!(meets, Meets::Calling) {
            for n in 0..2 {
                kit.send([n; 1400]);
            }
        }
        let (iss, local_port) = (kit.iss, kit.local_port);
        for (segment, damages, repaired, pause) in steps {
            let mut frame = build_between(PEER_IP, &segment, (40_000, local_port), iss);
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
        (kit.port, kit.local_port) = (50_000, PORT);
        kit.connect(65_535, 1460);
        kit.recv(data(1, 1, "request"));
        prop_assert_eq!(kit.received(), b"request");
    }
}

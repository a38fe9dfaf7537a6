//! What a seed stands for: the link, and what is said over it.

use netdrv::nic::TxChecksum;
use netdrv::testkit::link::Conditions;
use netdrv::testkit::random::Random;
use netstack::stack::CongestionControl;

const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000_000;

/// Frames lost, in parts per million.
const LOSS_PPM: [u32; 4] = [0, 1_000, 10_000, 50_000];
/// Round-trip times, in nanoseconds.
const RTT_NS: [u64; 4] = [50 * MICROSECOND, MILLISECOND, 20 * MILLISECOND, 100 * MILLISECOND];
/// Combinations of those with reordering, duplication and corruption, each on or off: neighbouring seeds go through all.
const COMBINATIONS: u64 = 4 * 4 * 8;
/// How often what is on happens.
const REORDER_PPM: u32 = 20_000;
const DUPLICATE_PPM: u32 = 20_000;
const CORRUPT_PPM: u32 = 10_000;

/// Payload of a frame that a NIC cuts, at most: what fits into an IP packet.
const MOST_CUT: u32 = 60_000;

/// An end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It connects.
    Client,
    /// It is connected to.
    Server,
}

/// What the server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Every byte, once it has come.
    Echo,
    /// Bytes of its own, at any time.
    Bulk,
}

/// Who closes a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closing {
    /// This end, once it has sent everything; the other follows.
    First(Role),
    /// Both, once each has sent everything.
    Both,
}

/// Whether our stack is given bytes in packet buffers only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lending {
    /// It is.
    Nothing,
    /// What one write has beyond its own size, up to so many bytes, is sent from where it lies.
    Bodies(u64),
}

/// A reset in the middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Abort {
    /// Who resets.
    pub(super) by: Role,
    /// Once it has received so many bytes.
    pub(super) after: u64,
}

/// A reader that takes its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slow {
    /// Who reads slowly.
    pub(super) who: Role,
    /// Bytes at a time.
    pub(super) bytes: u64,
    /// Nanoseconds between two times.
    pub(super) pause_ns: u64,
}

/// What happens on one connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) name: u32,
    pub(super) seed: u64,
    pub(super) begin_ns: u64,
    pub(super) shape: Shape,
    /// Bytes from the client to the server, and back.
    pub(super) up: u64,
    pub(super) down: u64,
    /// Bytes that are written at once: client, server.
    pub(super) writes: [u64; 2],
    /// Where our stack sends what it is given.
    pub(super) lending: Lending,
    pub(super) closing: Closing,
    pub(super) abort: Option<Abort>,
    pub(super) slow: Option<Slow>,
}

/// What a seed stands for.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Both directions of the link.
    pub conditions: Conditions,
    /// Round-trip time, in nanoseconds.
    pub rtt_ns: u64,
    pub(super) tx_checksum: TxChecksum,
    /// The largest payload that the NIC cuts.
    pub(super) tso: Option<u32>,
    pub(super) congestion_control: CongestionControl,
    pub(super) receive_window: u32,
    pub(super) batch_limit: usize,
    pub(super) plans: Vec<Plan>,
    /// For the link, and for the two hosts.
    pub(super) link_random: Random,
    pub(super) host_seeds: [u64; 2],
}

impl Scenario {
    /// The scenario of a seed.
    pub fn of(seed: u64) -> Scenario {
        let mut random = Random::new(seed);
        let combination = seed % COMBINATIONS;
        let on = |bit: u32, ppm: u32| if combination >> bit & 1 == 1 { ppm } else { 0 };
        let rtt_ns = RTT_NS[(combination >> 3 & 3) as usize];
        let loss_ppm = LOSS_PPM[(combination >> 5 & 3) as usize];
        let conditions = Conditions {
            delay_ns: rtt_ns / 2,
            bits_per_s: [1_000_000_000, 10_000_000_000][random.below(2) as usize],
            queue_ns: 10 * MILLISECOND,
            loss_ppm,
            reorder_ppm: on(0, REORDER_PPM),
            reorder_ns: rtt_ns / 2,
            duplicate_ppm: on(1, DUPLICATE_PPM),
            corrupt_ppm: on(2, CORRUPT_PPM),
        };
        let connections = 1 + random.below(6) as u32;
        let plans = (0..connections).map(|name| Plan::draw(name, &mut random)).collect();
        let tx_checksum = [TxChecksum::Software, TxChecksum::Device][random.below(2) as usize];
        let cuts = tx_checksum == TxChecksum::Device && random.below(2) == 0;
        Scenario {
            conditions,
            rtt_ns,
            tx_checksum,
            tso: cuts.then_some(MOST_CUT),
            congestion_control: [CongestionControl::NewReno, CongestionControl::Cubic][random.below(2) as usize],
            receive_window: [65_535, 1 << 20][random.below(2) as usize],
            batch_limit: [1, 2, 8, 64][random.below(4) as usize],
            plans,
            link_random: random.fork(),
            host_seeds: [random.next_u64(), random.next_u64()],
        }
    }
}

impl Plan {
    fn draw(name: u32, random: &mut Random) -> Plan {
        // Of ten connections six are small, three are middling and one is large.
        let most = match random.below(10) {
            0 => 400_000,
            1..=3 => 40_000,
            _ => 2_000,
        };
        let shape = if random.below(2) == 0 { Shape::Echo } else { Shape::Bulk };
        let up = 4 + random.below(most);
        let down = if shape == Shape::Echo { up } else { random.below(most) };
        let role = |random: &mut Random| if random.below(2) == 0 { Role::Client } else { Role::Server };
        let closing = match random.below(3) {
            0 => Closing::First(Role::Client),
            1 => Closing::First(Role::Server),
            _ => Closing::Both,
        };
        let abort = (random.below(8) == 0).then(|| {
            let by = role(random);
            Abort { by, after: random.below(if by == Role::Client { down } else { up }) }
        });
        let slow = (random.below(4) == 0).then(|| {
            let who = role(random);
            let bytes = 1 + if who == Role::Client { down } else { up } / (1 + random.below(10));
            Slow { who, bytes, pause_ns: MILLISECOND * (1 + random.below(700)) }
        });
        Plan {
            name,
            seed: random.next_u64(),
            begin_ns: random.below(50 * MILLISECOND),
            shape,
            up,
            down,
            writes: [write_size(up, random), write_size(down, random)],
            lending: if random.below(2) == 0 { Lending::Bodies(1 + random.below(30_000)) } else { Lending::Nothing },
            closing,
            abort,
            slow,
        }
    }
}

/// Small writes for little, full segments for much.
fn write_size(total: u64, random: &mut Random) -> u64 {
    1 + total / 500 + random.below(1460)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_hundred_seeds_see_every_combination_and_every_kind_of_connection() {
        let scenarios: Vec<Scenario> = (0..200).map(Scenario::of).collect();
        let mut seen: Vec<String> = scenarios
            .iter()
            .map(|s| Conditions { bits_per_s: 0, ..s.conditions })
            .map(|conditions| format!("{conditions:?}"))
            .collect();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len() as u64, COMBINATIONS);
        let plans: Vec<Plan> = scenarios.iter().flat_map(|s| s.plans.clone()).collect();
        let count = |like: &dyn Fn(&Plan) -> bool| plans.iter().filter(|plan| like(plan)).count();
        assert!(count(&|plan| plan.up > 200_000) > 20);
        assert!(count(&|plan| plan.abort.is_some()) > 40);
        assert!(count(&|plan| plan.slow.is_some()) > 80);
        assert!(count(&|plan| plan.closing == Closing::First(Role::Server)) > 100);
    }
}

//! The flood: SYNs from random addresses and ports, at a fixed rate.

use std::net::{Ipv4Addr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use fastrand::Rng;

use crate::client::Client;
use crate::namespace::{GUEST, TAP};
use crate::packet::{PacketSocket, Receive, Sent};
use crate::soak::check_interrupted;
use crate::soak::wire::{ETHERNET_HEADER, ETHERTYPE_IPV4, Ipv4, Mac, SYN, TCP, Tcp, ethernet};

/// Between two bursts.
const TICK: Duration = Duration::from_millis(1);
/// The most that is made up for after a delay, in ticks: beyond it the rate is not reached, and the report says so.
const MOST_BEHIND: u64 = 100;
/// What Linux sends: MSS 1460, SACK permitted, timestamps, a NOP, window scale 7.
const OPTIONS: &[u8] = &[2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7];

/// Sends `rate` SYNs a second to `server` for `time`. Returns how many the tap took.
pub(super) fn send(server: SocketAddr, rate: u64, time: Duration, seed: u64) -> Result<u64> {
    let socket = PacketSocket::open(TAP, Receive::Nothing)?;
    let (host_mac, guest_mac) = (socket.mac(), mac_of(server)?);
    let mut rng = Rng::with_seed(seed);
    let (began, mut sent, mut taken) = (Instant::now(), 0, 0);
    while began.elapsed() < time {
        check_interrupted()?;
        let due = (began.elapsed().as_secs_f64() * rate as f64) as u64;
        sent = sent.max(due.saturating_sub(MOST_BEHIND * rate / 1000));
        while sent < due {
            let frame = ethernet(guest_mac, host_mac, ETHERTYPE_IPV4, &packet(server.port(), &mut rng));
            taken += u64::from(socket.send(&frame)? == Sent::Queued);
            sent += 1;
        }
        thread::sleep(TICK);
    }
    Ok(taken)
}

fn packet(port: u16, rng: &mut Rng) -> Vec<u8> {
    let syn = Tcp {
        source: rng.u16(1024..),
        destination: port,
        sequence: rng.u32(..),
        acknowledgement: 0,
        flags: SYN,
        window: 64240,
        options: OPTIONS,
    };
    let ip = Ipv4 {
        source: stranger(rng),
        destination: GUEST,
        protocol: TCP,
        identification: rng.u16(..),
        fragment: 0,
        options: &[],
    };
    ip.packet_with_checksum(syn.segment(&[]), Tcp::CHECKSUM)
}

/// An address that a host far away can have.
fn stranger(rng: &mut Rng) -> Ipv4Addr {
    loop {
        let ip = Ipv4Addr::from_bits(rng.u32(..));
        if (1..224).contains(&ip.octets()[0]) && !ip.is_loopback() && !ip.is_private() {
            return ip;
        }
    }
}

/// The appliance's Ethernet address: where a segment of ours goes.
fn mac_of(server: SocketAddr) -> Result<Mac> {
    let wire = PacketSocket::open(TAP, Receive::Everything)?;
    let mut client = Client::connect(server)?;
    client.send(b"version\r\n")?;
    client.line()?;
    let mut buffer = [0; 2048];
    while let Some(frame) = wire.receive(&mut buffer)? {
        let is_to_guest = frame.get(ETHERNET_HEADER + 16..ETHERNET_HEADER + 20) == Some(&GUEST.octets());
        if is_to_guest && frame[12..14] == ETHERTYPE_IPV4.to_be_bytes() {
            return frame[..6].try_into().context("a frame without an address");
        }
    }
    anyhow::bail!("none of our own segments was seen on {TAP}")
}

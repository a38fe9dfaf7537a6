//! Mutated Ethernet frames: valid ones, bent in ways that reach deep into a stack.
//!
//! ```text
//! flow        live connections and the sequence numbers that they have reached
//! template    valid frames of every kind that the appliance knows, and some that it does not
//! mutate      bends them; checksums are fixed up in half of them, else the first check would end most
//! pace        never sends faster than the appliance takes, so that every frame arrives
//! report      what the appliance says became of them
//! ```

mod flow;
mod mutate;
mod pace;
mod report;
mod template;

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Context, Result};
use fastrand::Rng;

use self::flow::Flows;
use self::pace::Pacer;
pub use self::report::Report;
use self::template::Target;
use super::check_interrupted;
use crate::client::Client;
use crate::namespace::{Namespace, TAP};
use crate::packet::{PacketSocket, Receive};

/// The topic of `stats` with the counters of frames.
const TOPIC: &str = "dataplane";
/// Frames between two looks at the appliance, each with new live connections.
const ROUND: u64 = 5_000;

/// Sends frames until `count` have been delivered to the VMM.
pub fn run(namespace: &Namespace, server: SocketAddr, count: u64, seed: u64) -> Result<Report> {
    let socket = PacketSocket::open(TAP, Receive::Nothing)?;
    let mut rng = Rng::with_seed(seed);
    let mut report = Report::new(Client::connect(server)?.stats(TOPIC)?);
    let began = Instant::now();
    let mut pacer = Pacer::new()?;
    while pacer.delivered() < count {
        let round = ROUND.min(count - pacer.delivered());
        let mut flows = open_flows(namespace, server, &mut report)
            .with_context(|| format!("after {} frames", pacer.delivered()))?;
        let target = Target { host_mac: socket.mac(), guest_mac: flows.guest_mac(), port: server.port() };
        pacer.send(&socket, round, || {
            let flow = flows.pick(&mut rng);
            let mut frame = template::frame(&target, flow, &mut rng);
            mutate::mutate(&mut frame, &mut rng, |mutation| report.mutated(mutation));
            flow.follow(&frame, target.guest_mac);
            frame
        })?;
    }
    report.delivered = pacer.delivered();
    report.dropped_by_tap = pacer.dropped();
    report.elapsed = began.elapsed();
    correct_neighbors(namespace)?;
    report.finish(Client::connect(server).context("after the frames")?.stats(TOPIC)?);
    Ok(report)
}

/// New live connections, which shows that the appliance still serves.
fn open_flows(namespace: &Namespace, server: SocketAddr, report: &mut Report) -> Result<Flows> {
    check_interrupted()?;
    correct_neighbors(namespace)?;
    let began = Instant::now();
    let flows = Flows::open(server)?;
    report.looked(began.elapsed());
    Ok(flows)
}

/// Forgets the appliance's Ethernet address. Asking for it again tells the appliance ours, which a mutated ARP frame
/// may have replaced there.
fn correct_neighbors(namespace: &Namespace) -> Result<()> {
    namespace.ip(&["neigh", "flush", "dev", TAP])
}

//! The basic soak: one appliance on a tap under a load that checks every reply, then under hostile frames.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::{frames, load};
use crate::appliance::{Appliance, Machine, Memstorm, Net};
use crate::client::Client;
use crate::host;
use crate::namespace::{GUEST, Namespace, TAP, TapCounters};
use crate::ping;

/// How long and how much.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How long the load runs.
    pub load: Duration,
    /// Connections of the load.
    pub connections: usize,
    /// Mutated frames to be delivered.
    pub frames: u64,
    /// Seed of all that is random.
    pub seed: u64,
}

/// Runs the basic soak and prints what it found. Needs root. An error names the promise that was broken.
pub fn basic(options: &Options) -> Result<()> {
    let accel = if host::missing_kvm().is_none() { "kvm" } else { "tcg" };
    let namespace = Namespace::create()?;
    let memstorm = Memstorm::new()?;
    let machine = Machine { accel, memory: "256M".to_owned(), net: Net::Tap, ..Machine::default() };
    namespace.run(|| {
        let appliance = memstorm.start(&machine)?;
        println!("appliance: {} with {}, {}", appliance.started().vmm, appliance.started().accel, appliance.address());
        let outcome = both_parts(&namespace, &appliance, options);
        if let Err(error) = outcome {
            bail!("{error:#}\nconsole:\n{}", appliance.console().unwrap_or_default());
        }
        let console = appliance.console()?;
        ensure!(!console.contains(abi::console::CRASH), "a crash on the console:\n{console}");
        appliance.stop()
    })?;
    memstorm.finish()
}

fn both_parts(namespace: &Namespace, appliance: &Appliance<'_>, options: &Options) -> Result<()> {
    let server = appliance.address();
    let before = TapCounters::read()?;
    let report = load::run(server, options.load, options.connections, options.seed)?;
    let wire = TapCounters::read()? - before;
    println!("{report}  frames to the appliance {:>12}, lost by the tap {}", wire.delivered, wire.dropped);
    report.check()?;
    let report = frames::run(namespace, server, options.frames, options.seed)?;
    println!("{report}");
    report.check()?;
    // The frames may have given the appliance false neighbors. A host that asks for its address again corrects that.
    namespace.ip(&["neigh", "flush", "dev", TAP])?;
    let round_trip = ping::ping(GUEST).context("after the frames")?;
    let mut client = Client::connect(server).context("after the frames")?;
    client.exchange(b"set after 0 0 6\r\nframes\r\n", b"STORED\r\n")?;
    client.exchange(b"get after\r\n", b"VALUE after 0 6\r\nframes\r\nEND\r\n")?;
    println!("after the frames: a fresh connection sets and gets; ping {} us", round_trip.as_micros());
    Ok(())
}

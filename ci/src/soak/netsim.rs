//! The network simulation: two stacks over a bad link, seed by seed.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, bail};
use bench::sim::{self, Failure, Peer, Pools};

/// Which runs.
#[derive(Clone, Debug)]
pub struct NetsimOptions {
    /// The peers.
    pub peers: Vec<Peer>,
    /// The first seed.
    pub seed: u64,
    /// How many seeds from there.
    pub seeds: u64,
    /// Where to write the frames at the server's end, if there is but one run.
    pub pcap: Option<PathBuf>,
}

/// Failures are shown in full so often.
const SHOWN: usize = 10;

/// Runs every seed with every peer and prints what went wrong. A failing seed is run again, which must go the same way.
pub fn netsim(options: &NetsimOptions) -> Result<()> {
    let pools = Pools::leak();
    let mut failing = HashSet::new();
    for &peer in &options.peers {
        let begin = Instant::now();
        let (mut bytes, mut frames, mut virtual_ns, mut known) = (0, 0, 0, 0);
        for seed in options.seed..options.seed + options.seeds {
            super::check_interrupted()?;
            match sim::run(seed, peer, &pools, options.pcap.as_deref()) {
                Ok(report) => {
                    bytes += report.bytes;
                    frames += report.link.sent;
                    virtual_ns += report.ended_ns;
                }
                Err(failure) => match sim::peers_own(peer, seed) {
                    Some(why) => {
                        known += 1;
                        println!("{peer}: seed {seed} fails by the peer's fault: {why}");
                    }
                    None => {
                        let again = sim::run(seed, peer, &pools, None).err();
                        print_failure(peer, seed, &failure, again.as_ref() == Some(&failure), failing.len());
                        failing.insert((peer, seed));
                    }
                },
            }
        }
        println!(
            "{peer}: {} seeds, {} MB of payload, {frames} frames, {:.0} s of virtual time, {known} failures of the peer, {:.1} s",
            options.seeds,
            bytes / 1_000_000,
            virtual_ns as f64 / 1e9,
            begin.elapsed().as_secs_f64()
        );
    }
    match failing.len() {
        0 => Ok(()),
        n => bail!("{n} runs failed"),
    }
}

fn print_failure(peer: Peer, seed: u64, failure: &Failure, replays: bool, earlier: usize) {
    println!("{peer}: seed {seed} FAILED {failure}");
    println!("  replay: ci/soak netsim --peer {peer} --seed {seed} --seeds 1 --pcap netsim-{seed}.pcap");
    println!("  {}", if replays { "replayed identically" } else { "the replay went ANOTHER way" });
    if earlier < SHOWN {
        failure.hosts.lines().for_each(|line| println!("  {line}"));
    }
}

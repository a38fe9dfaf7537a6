//! The long runs: each makes promises, and fails if one is broken.
//!
//! ```text
//! basic     an appliance on a tap: `load`, then `frames`
//! load      many connections that check every reply
//! netsim    two stacks over a simulated network, seed by seed
//! frames    mutated Ethernet frames
//! flood     SYNs from random addresses while connections work
//! linux     our stack against Linux's, through a tap and a lossy forwarder
//! migrations  flow groups that change cores while a booted appliance serves
//! instructions  what a request takes on 1, 2 and 4 cores
//! fuzz      the crate `fuzz`'s targets, driven by AFL++
//! wire      headers of frames, from their fields to bytes, checksums included
//! ```

mod basic;
mod flood;
pub mod frames;
pub mod fuzz;
mod instructions;
mod linux;
pub mod load;
mod migrations;
mod netsim;
mod wire;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result, ensure};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollEvent, EpollTimeout};
use signal_hook::consts::{SIGINT, SIGTERM};

pub use basic::{Options, basic};
pub use flood::{Options as FloodOptions, flood};
pub use instructions::{Options as InstructionsOptions, instructions};
pub use linux::{Options as LinuxOptions, linux};
pub use migrations::{Options as MigrationOptions, migrations};
pub use netsim::{NetsimOptions, netsim};

/// Makes Ctrl-C and SIGTERM end a run by way of an error, so that it cleans up after itself.
pub fn end_on_signals() -> Result<()> {
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(interrupted()))?;
    }
    Ok(())
}

/// Waits for events, for `timeout` at most, and fills `events` from the front. Returns how many came; none if a signal, or a machine
/// that stood still, cut the wait short.
fn wait_for(epoll: &Epoll, events: &mut [EpollEvent], timeout: impl Into<EpollTimeout>) -> Result<usize> {
    match epoll.wait(events, timeout) {
        Err(Errno::EINTR) => Ok(0),
        ready => ready.context("epoll"),
    }
}

/// An error once a signal has come.
fn check_interrupted() -> Result<()> {
    ensure!(!interrupted().load(Ordering::Relaxed), "interrupted");
    Ok(())
}

fn interrupted() -> &'static Arc<AtomicBool> {
    static INTERRUPTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    INTERRUPTED.get_or_init(Arc::default)
}

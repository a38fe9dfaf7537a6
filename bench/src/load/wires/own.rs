//! Our own stack as the client, on a tap device or at the other end of a guest's queues.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::load::plan::Plan;
use crate::load::stack::{GuestWire, StackWireConfig, StackWireError, TapWire};
use crate::load::wire::WireError;
use crate::tap::{Tap, disable_offloads};
use crate::vhost::{BackEnd, Pairs};

const MTU: u16 = 1500;

/// Where the client and the server are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The server.
    pub server: SocketAddrV4,
    /// The client's first address, and the length of the network's prefix.
    pub ip: Ipv4Addr,
    /// In bits.
    pub prefix: u8,
}

impl Link {
    fn config(&self, plan: &Plan) -> StackWireConfig {
        StackWireConfig {
            server: self.server,
            transport: plan.transport,
            ip: self.ip,
            prefix: self.prefix,
            mac: [2, 0, 0, 0, 1, 1],
            mtu: MTU,
            // One more for the server's statistics.
            connections: plan.connections + 1,
            seed: plan.mix.seed,
        }
    }
}

/// The wire over a tap device, for a plan of one thread.
pub fn over_tap(name: &str, link: &Link, plan: &Plan) -> Result<TapWire, WireError> {
    let failed = |error| WireError::System { call: format!("tap device '{name}'"), error };
    let device = Tap::open(name).map_err(failed)?;
    disable_offloads(name).map_err(failed)?;
    Ok(TapWire::over_tap(device, &link.config(plan))?)
}

/// A guest's other end.
#[derive(Debug)]
pub struct Guest {
    back_end: BackEnd,
    queues: usize,
    pairs: Mutex<Option<Pairs>>,
}

impl Guest {
    /// Makes the socket that a VMM is to connect to, for a guest of so many queue pairs.
    pub fn listen(path: &Path, queues: usize) -> Result<Guest, WireError> {
        let failed = |error| WireError::System { call: format!("socket '{}'", path.display()), error };
        let (back_end, pairs) = BackEnd::listen(path, queues).map_err(failed)?;
        Ok(Guest { back_end, queues, pairs: Mutex::new(Some(pairs)) })
    }

    /// The wire to it, for a plan of one thread.
    pub fn wire(&self, link: &Link, plan: &Plan) -> Result<GuestWire, WireError> {
        let pairs = self.pairs.lock().unwrap_or_else(PoisonError::into_inner).take();
        let pairs = pairs.ok_or_else(|| WireError::Broken("the guest's queues are polled by one thread".into()))?;
        Ok(GuestWire::over_guest(pairs, &link.config(plan))?)
    }

    /// Waits until the guest drives its queues, while the wire is polled.
    pub fn wait(&self, limit: Duration) -> Result<(), WireError> {
        if self.back_end.wait_for_pairs(self.queues, limit) {
            return Ok(());
        }
        let running = self.back_end.running_pairs();
        let reason = match self.back_end.refused() {
            Some(refused) => format!("the VMM was let go: {refused}"),
            None if !self.back_end.is_connected() => "no VMM has connected".into(),
            None => format!("{running} of {} queue pairs run (--queues)", self.queues),
        };
        Err(WireError::Broken(format!("no guest at the socket after {} s: {reason}", limit.as_secs())))
    }
}

impl From<StackWireError> for WireError {
    fn from(error: StackWireError) -> WireError {
        WireError::Broken(error.to_string())
    }
}

//! The client's side of each wire: one engine behind all of them.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use tempfile::TempDir;

use super::trial::TrialError;
use crate::load::stack::{GuestWire, StackWireConfig, TapWire};
use crate::load::wire::WireError;
use crate::load::wires::sockets::{Sockets, allow_sockets};
use crate::load::{Generator, LoadError, Plan, with_generator};
use crate::peers::{CLIENT, Cores, Network, PREFIX, Peer, PeerError, Reach, Route, Server};
use crate::vhost::{BackEnd, Pairs};

/// The Ethernet address of the client's stack: a local one.
const MAC: [u8; 6] = [2, 0, 0, 0, 0, 9];
const MTU: u16 = 1500;
const SEED: u64 = 1;

/// A wire, before there is a server on it.
#[derive(Debug)]
pub(super) struct Way {
    /// How the server gets to it.
    pub(super) reach: Reach,
    shared: Option<Shared>,
}

/// The back end of a guest's virtio-net.
#[derive(Debug)]
struct Shared {
    back_end: BackEnd,
    /// Taken by the thread that polls them.
    pairs: Mutex<Option<Pairs>>,
    _folder: TempDir,
}

impl Way {
    /// Lays the wire that a peer is reached over.
    pub(super) fn lay(peer: &Peer, cores: Cores) -> Result<Way, TrialError> {
        let is_guest = peer.accel.is_some();
        let reach = match peer.route {
            Route::Loopback => Reach::Loopback,
            Route::Veth => Reach::Network(Network::veth(cores)?),
            Route::Tap if is_guest => Reach::Network(Network::tap_to_guest()?),
            Route::Tap => Reach::Network(Network::tap_to_host(cores)?),
            Route::VhostUser => return Way::share(pairs_of(peer, cores)),
        };
        Ok(Way { reach, shared: None })
    }

    fn share(pairs: usize) -> Result<Way, TrialError> {
        let failed = |error| TrialError::Wire(WireError::System { call: "a vhost-user socket".to_owned(), error });
        let folder = tempfile::tempdir().map_err(failed)?;
        let path: PathBuf = folder.path().join("vhost.sock");
        let (back_end, pairs) = BackEnd::listen(&path, pairs).map_err(failed)?;
        let shared = Shared { back_end, pairs: Mutex::new(Some(pairs)), _folder: folder };
        Ok(Way { reach: Reach::Socket(path), shared: Some(shared) })
    }

    /// What the guest or its VMM did that it must not, if it did.
    pub(super) fn fault(&self) -> Option<String> {
        let back_end = &self.shared.as_ref()?.back_end;
        back_end.fault().map(|fault| fault.to_string()).or_else(|| back_end.refused())
    }

    /// The queues of a guest, for the thread that will poll them. They are there once.
    pub(super) fn take_pairs(&self) -> Option<Pairs> {
        let shared = self.shared.as_ref()?;
        shared.pairs.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Starts the generator on this wire, does `work`, and ends it.
    pub(super) fn with_generator<R>(
        &self,
        server: &Server,
        plan: &Plan,
        work: impl FnOnce(&mut Generator<'_>) -> Result<R, LoadError>,
    ) -> Result<R, LoadError> {
        let broken = |what: String| WireError::Broken(what);
        match &self.reach {
            Reach::Socket(_) => with_generator(
                plan,
                |_| {
                    let pairs = self.take_pairs().ok_or_else(|| broken("the guest's queues are in use".to_owned()))?;
                    Ok(GuestWire::over_guest(pairs, &stack(server, plan)?)?)
                },
                work,
            ),
            Reach::Network(network) if network.has_client_tap() => with_generator(
                plan,
                |_| {
                    let tap = network.open_client_tap().map_err(|error| broken(error.to_string()))?;
                    Ok(TapWire::over_tap(tap, &stack(server, plan)?)?)
                },
                work,
            ),
            Reach::Network(network) => sockets(server, plan, || network.client().stay(), work),
            Reach::Loopback => sockets(server, plan, || Ok(()), work),
        }
    }
}

/// A queue pair for each core of a guest of ours. Linux is given one.
fn pairs_of(peer: &Peer, cores: Cores) -> usize {
    if peer.kind.is_ours() { cores.servers } else { 1 }
}

/// Kernel sockets, of a thread that `prepare` brings where they belong.
fn sockets<R>(
    server: &Server,
    plan: &Plan,
    prepare: impl Fn() -> std::io::Result<()> + Sync,
    work: impl FnOnce(&mut Generator<'_>) -> Result<R, LoadError>,
) -> Result<R, LoadError> {
    allow_sockets(plan.connections + 2)?;
    let make = |thread| {
        let entered = prepare();
        entered.map_err(|error| WireError::System { call: "the client's network namespace".to_owned(), error })?;
        Sockets::new(server.address, plan.transport, thread, plan.connections)
    };
    with_generator(plan, make, work)
}

/// Our stack as the client.
fn stack(server: &Server, plan: &Plan) -> Result<StackWireConfig, WireError> {
    let std::net::SocketAddr::V4(address) = server.address else {
        return Err(WireError::Broken(format!("{}: our stack speaks IPv4", server.address)));
    };
    Ok(StackWireConfig {
        server: address,
        transport: plan.transport,
        ip: CLIENT,
        prefix: PREFIX,
        mac: MAC,
        mtu: MTU,
        // One more is for statistics.
        connections: plan.connections + 1,
        seed: SEED,
    })
}

impl From<PeerError> for TrialError {
    fn from(error: PeerError) -> TrialError {
        TrialError::Peer(error)
    }
}

//! The wire of a peer: in network namespaces of its own, with each side's receive work on that side's core.
//!
//! ```text
//! host server, veth   server's namespace: veth | veth : client's namespace, kernel sockets
//! host server, tap    server's namespace: tap  | its descriptor: our stack as the client
//! guest, tap          one namespace: the VMM's tap - bridge - the client's tap | its descriptor: our stack as the client
//! ```
//!
//! A guest over vhost-user needs none of this.

use std::fmt;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::str::FromStr;

use super::{Cores, PeerError};
use crate::namespace::Namespace;
use crate::tap::Tap;

/// Addresses for benchmarks of network devices (RFC 2544, appendix C.2.2), inside namespaces of ours.
pub const SERVER: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
/// The client's.
pub const CLIENT: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 2);
/// That of the bridge, from which a guest on a tap is asked whether it serves.
const PROBE: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 254);
/// Length of the network prefix of all of them.
pub const PREFIX: u8 = 24;

/// The VMM's tap.
pub(super) const GUEST_TAP: &str = "guest0";
const CLIENT_TAP: &str = "client0";
const SERVER_END: &str = "server0";
const BRIDGE: &str = "bridge0";
const NAMES: &str = "memstorm-bench";
/// Frames that a tap queues for whoever reads it: several of each of a thousand connections. The default, 1,000, overflows
/// whenever the reader is off its core for a moment.
const QUEUE_FRAMES: &str = "10000";

/// What lies between client and server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Route {
    /// Memory shared with the guest: a virtual wire, not a NIC.
    VhostUser,
    /// A tap device, and our stack as the client.
    Tap,
    /// A pair of virtual Ethernet devices, and kernel sockets as the client.
    Veth,
    /// The loopback device: for tests.
    Loopback,
}

impl Route {
    /// All of them.
    pub const ALL: [Route; 4] = [Route::VhostUser, Route::Tap, Route::Veth, Route::Loopback];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Route::VhostUser => "vhost-user",
            Route::Tap => "tap",
            Route::Veth => "veth",
            Route::Loopback => "loopback",
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Route {
    type Err = String;

    fn from_str(text: &str) -> Result<Route, String> {
        let names: Vec<&str> = Route::ALL.iter().map(|route| route.name()).collect();
        let found = Route::ALL.into_iter().find(|route| route.name() == text);
        found.ok_or_else(|| format!("'{text}' is no wire: expected {}", names.join(", ")))
    }
}

/// Namespaces with a wire between them, removed with this value.
#[derive(Debug)]
pub struct Network {
    server: Namespace,
    client: Option<Namespace>,
}

impl Network {
    /// A tap to the host's kernel, whose receive work is the server cores'.
    pub fn tap_to_host(cores: Cores) -> Result<Network, PeerError> {
        Network::make("a tap", |server| {
            tap(server, CLIENT_TAP)?;
            server.ip(&["addr", "add", &with_prefix(SERVER), "dev", CLIENT_TAP])?;
            server.steer_receive(CLIENT_TAP, &cores.serving())?;
            Ok(None)
        })
    }

    /// A pair of virtual Ethernet devices. Each end's receive work is that of its side's core.
    pub fn veth(cores: Cores) -> Result<Network, PeerError> {
        Network::make("veth devices", |server| {
            let client = Namespace::create(NAMES)?;
            let peer = ["peer", "name", CLIENT_TAP, "netns", client.name()];
            server.ip(&[&["link", "add", SERVER_END, "type", "veth"], &peer[..]].concat())?;
            for (namespace, device, address, cores) in
                [(server, SERVER_END, SERVER, cores.serving()), (&client, CLIENT_TAP, CLIENT, vec![cores.client])]
            {
                namespace.ip(&["addr", "add", &with_prefix(address), "dev", device])?;
                namespace.ip(&["link", "set", device, "txqueuelen", QUEUE_FRAMES, "up"])?;
                namespace.steer_receive(device, &cores)?;
            }
            Ok(Some(client))
        })
    }

    /// A tap for a VMM and one for the client, on a bridge. The bridge's work is the client core's where the client sends, and the
    /// server core's where the VMM does.
    pub fn tap_to_guest() -> Result<Network, PeerError> {
        Network::make("taps on a bridge", |server| {
            server.ip(&["link", "add", BRIDGE, "type", "bridge", "forward_delay", "0", "mcast_snooping", "0"])?;
            for name in [GUEST_TAP, CLIENT_TAP] {
                tap(server, name)?;
                server.ip(&["link", "set", name, "master", BRIDGE])?;
            }
            server.ip(&["addr", "add", &with_prefix(PROBE), "dev", BRIDGE])?;
            server.ip(&["link", "set", BRIDGE, "up"])?;
            Ok(None)
        })
    }

    fn make(what: &str, build: impl FnOnce(&Namespace) -> io::Result<Option<Namespace>>) -> Result<Network, PeerError> {
        let made = Namespace::create(NAMES).and_then(|server| build(&server).map(|client| Network { server, client }));
        made.map_err(|error| {
            PeerError::Missing(format!("cannot make {what} in a network namespace, which needs root: {error}"))
        })
    }

    /// Where the server, or its VMM, runs.
    pub fn server(&self) -> &Namespace {
        &self.server
    }

    /// Where kernel sockets of the client reach the server.
    pub fn client(&self) -> &Namespace {
        self.client.as_ref().unwrap_or(&self.server)
    }

    /// Whether the client's end is a tap.
    pub fn has_client_tap(&self) -> bool {
        self.client.is_none()
    }

    /// The client's end of a tap.
    pub fn open_client_tap(&self) -> Result<OwnedFd, PeerError> {
        let opened = self.server.enter(|| Tap::open(CLIENT_TAP)).and_then(|opened| opened);
        opened.map_err(|error| PeerError::system("cannot open the client's tap", error))
    }
}

/// A persistent tap, up.
fn tap(namespace: &Namespace, name: &str) -> io::Result<()> {
    namespace.ip(&["tuntap", "add", "dev", name, "mode", "tap"])?;
    namespace.ip(&["link", "set", name, "txqueuelen", QUEUE_FRAMES, "up"])
}

fn with_prefix(address: Ipv4Addr) -> String {
    format!("{address}/{PREFIX}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};

    /// A namespace needs root: without it the test is of no use, and says so.
    fn is_root() -> bool {
        let root = nix::unistd::geteuid().is_root();
        if !root {
            eprintln!("skipped: network namespaces need root");
        }
        root
    }

    #[test]
    fn names_survive_a_round_trip() {
        for route in Route::ALL {
            assert_eq!(route.to_string().parse(), Ok(route));
        }
        assert!("wifi".parse::<Route>().unwrap_err().contains("vhost-user, tap"));
    }

    #[test]
    fn veth_joins_two_namespaces_and_leaves_nothing_behind() {
        if !is_root() {
            return;
        }
        let network = Network::veth(Cores { server: 0, servers: 1, client: 0 }).unwrap();
        let listener = network.server().enter(|| TcpListener::bind((SERVER, 4000))).unwrap().unwrap();
        let mut client = network.client().enter(|| TcpStream::connect((SERVER, 4000))).unwrap().unwrap();
        client.write_all(b"x").unwrap();
        let mut byte = [0];
        listener.accept().unwrap().0.read_exact(&mut byte).unwrap();
        assert_eq!(client.local_addr().unwrap().ip(), CLIENT);
        let names = [network.server().name().to_owned(), network.client().name().to_owned()];
        drop(network);
        assert!(names.iter().all(|name| fs::metadata(format!("/run/netns/{name}")).is_err()));
    }

    #[test]
    fn taps_are_opened_from_outside() {
        if !is_root() {
            return;
        }
        for network in [Network::tap_to_host(Cores { server: 0, servers: 1, client: 0 }), Network::tap_to_guest()] {
            let network = network.unwrap();
            let _tap = network.open_client_tap().unwrap();
        }
    }
}

//! Which peers there are.

use std::fmt;
use std::str::FromStr;

use orchestrator::Accel;

use super::network::Route;

/// What serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The appliance.
    Memstorm,
    /// memcached on the host.
    Memcached,
    /// memcached in a Linux guest.
    MemcachedGuest,
    /// redis-server on the host.
    Redis,
    /// What the driver and the rings allow: frames sent back as they came.
    Reflector,
    /// What the stack allows: datagrams sent back.
    UdpEcho,
    /// What TCP allows: streams sent back.
    TcpEcho,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 7] = [
        Kind::Memstorm,
        Kind::Memcached,
        Kind::MemcachedGuest,
        Kind::Redis,
        Kind::Reflector,
        Kind::UdpEcho,
        Kind::TcpEcho,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Memstorm => "memstorm",
            Kind::Memcached => "memcached",
            Kind::MemcachedGuest => "memcached-guest",
            Kind::Redis => "redis",
            Kind::Reflector => "limit-reflector",
            Kind::UdpEcho => "limit-udp-echo",
            Kind::TcpEcho => "limit-tcp-echo",
        }
    }

    /// What it is, in a few words.
    pub fn describe(self) -> &'static str {
        match self {
            Kind::Memstorm => "the appliance",
            Kind::Memcached => "memcached on the host, a thread for each core",
            Kind::MemcachedGuest => "memcached in a Linux guest, a thread for each core",
            Kind::Redis => "redis-server on the host",
            Kind::Reflector => "our driver alone: each frame goes back as it came",
            Kind::UdpEcho => "our stack and a UDP echo",
            Kind::TcpEcho => "our stack and a TCP echo",
        }
    }

    /// Whether it is the appliance's image, with this or that application.
    pub fn is_ours(self) -> bool {
        matches!(self, Kind::Memstorm | Kind::Reflector | Kind::UdpEcho | Kind::TcpEcho)
    }

    /// The wires that it can be reached over; the first is the one it is compared on.
    pub fn routes(self) -> &'static [Route] {
        match self {
            Kind::Memstorm | Kind::UdpEcho | Kind::TcpEcho => &[Route::VhostUser, Route::Tap],
            Kind::Reflector => &[Route::VhostUser],
            Kind::Memcached | Kind::Redis => &[Route::Tap, Route::Veth, Route::Loopback],
            Kind::MemcachedGuest => &[Route::Tap, Route::VhostUser],
        }
    }
}

/// A server, over a wire, on something that executes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Peer {
    /// What serves.
    pub kind: Kind,
    /// What lies between.
    pub route: Route,
    /// What executes a guest; `None` for a server on the host.
    pub accel: Option<Accel>,
}

impl Peer {
    /// What executes it.
    pub fn accel_name(&self) -> &'static str {
        match self.accel {
            None => "native",
            Some(Accel::Kvm) => "kvm",
            Some(Accel::Tcg) => "tcg",
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.kind.name(), self.route, self.accel_name())
    }
}

/// A peer as it is asked for: `NAME[/WIRE[/ACCEL]]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    kind: Kind,
    route: Option<Route>,
    accel: Option<Accel>,
}

impl Wanted {
    /// The peer that is meant, where guests are executed by `accel` unless they ask for another.
    pub fn resolve(self, accel: Accel) -> Peer {
        let is_guest = self.kind.is_ours() || self.kind == Kind::MemcachedGuest;
        // Linux in a guest needs a kernel's ring 0 at full speed, which nested KVM may not give: TCG always does.
        let default = if self.kind == Kind::MemcachedGuest { Accel::Tcg } else { accel };
        Peer {
            kind: self.kind,
            route: self.route.unwrap_or(self.kind.routes()[0]),
            accel: is_guest.then(|| self.accel.unwrap_or(default)),
        }
    }
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Wanted, String> {
        let mut words = text.split('/');
        let name = words.next().unwrap_or_default();
        let names: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name);
        let kind = kind.ok_or_else(|| format!("'{name}' is no peer: expected {}", names.join(", ")))?;
        let route: Option<Route> = words.next().map(str::parse).transpose()?;
        let accel = match words.next() {
            None => None,
            Some("kvm") if kind.is_ours() || kind == Kind::MemcachedGuest => Some(Accel::Kvm),
            Some("tcg") if kind.is_ours() || kind == Kind::MemcachedGuest => Some(Accel::Tcg),
            Some("native") if !kind.is_ours() && kind != Kind::MemcachedGuest => None,
            Some(other) => return Err(format!("{name} does not run on '{other}'")),
        };
        if let Some(more) = words.next() {
            return Err(format!("'{more}': expected NAME, NAME/WIRE or NAME/WIRE/ACCEL"));
        }
        if let Some(route) = route
            && !kind.routes().contains(&route)
        {
            let known: Vec<&str> = kind.routes().iter().map(|route| route.name()).collect();
            return Err(format!("{name} is not reached over {route}: expected {}", known.join(", ")));
        }
        Ok(Wanted { kind, route, accel })
    }
}

/// The peers of a comparison where none is named: everything that can be told apart, on the wires that matter.
pub fn default_peers(accel: Accel) -> Vec<Peer> {
    let peer = |kind: Kind, route, accel| Peer { kind, route, accel };
    let mut peers = vec![
        peer(Kind::Memstorm, Route::VhostUser, Some(accel)),
        peer(Kind::Memstorm, Route::Tap, Some(accel)),
        peer(Kind::Memcached, Route::Tap, None),
        peer(Kind::Memcached, Route::Veth, None),
        peer(Kind::Redis, Route::Tap, None),
        peer(Kind::Memstorm, Route::Tap, Some(Accel::Tcg)),
        peer(Kind::MemcachedGuest, Route::Tap, Some(Accel::Tcg)),
        peer(Kind::Reflector, Route::VhostUser, Some(accel)),
        peer(Kind::UdpEcho, Route::VhostUser, Some(accel)),
        peer(Kind::TcpEcho, Route::VhostUser, Some(accel)),
    ];
    let mut seen = Vec::new();
    peers.retain(|peer| {
        !seen.contains(peer) && {
            seen.push(*peer);
            true
        }
    });
    peers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(text: &str) -> String {
        text.parse::<Wanted>().unwrap().resolve(Accel::Kvm).to_string()
    }

    #[test]
    fn a_name_alone_means_what_it_is_compared_on() {
        assert_eq!(resolved("memstorm"), "memstorm/vhost-user/kvm");
        assert_eq!(resolved("memstorm/tap"), "memstorm/tap/kvm");
        assert_eq!(resolved("memstorm/tap/tcg"), "memstorm/tap/tcg");
        assert_eq!(resolved("memcached"), "memcached/tap/native");
        assert_eq!(resolved("memcached/veth/native"), "memcached/veth/native");
        assert_eq!(resolved("memcached-guest"), "memcached-guest/tap/tcg");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let refusal = |text: &str| text.parse::<Wanted>().unwrap_err();
        assert!(refusal("memcache").contains("'memcache' is no peer: expected memstorm, memcached,"));
        assert!(refusal("memcached/vhost-user").contains("expected tap, veth, loopback"));
        assert!(refusal("memcached/tap/kvm").contains("does not run on 'kvm'"));
        assert!(refusal("memstorm/tap/native").contains("does not run on 'native'"));
        assert!(refusal("memstorm/tap/kvm/x").contains("expected NAME"));
        assert!(refusal("limit-reflector/tap").contains("expected vhost-user"));
    }

    #[test]
    fn every_name_begins_with_what_it_is() {
        let prefixes = ["memstorm", "memcached", "redis", "limit"];
        assert!(Kind::ALL.iter().all(|kind| prefixes.iter().any(|prefix| kind.name().starts_with(prefix))));
    }

    #[test]
    fn no_peer_is_compared_twice() {
        let peers = default_peers(Accel::Tcg);
        let distinct: std::collections::HashSet<_> = peers.iter().collect();
        assert_eq!(distinct.len(), peers.len());
        assert_eq!(default_peers(Accel::Kvm).len(), 10);
    }
}

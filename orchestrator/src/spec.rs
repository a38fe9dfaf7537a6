//! What the user asks for.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A virtual machine monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Vmm {
    /// QEMU.
    Qemu,
    /// uhyve, the Hermit project's.
    Uhyve,
}

/// What executes the guest's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accel {
    /// The CPU, through Linux's KVM.
    Kvm,
    /// QEMU's translator.
    Tcg,
}

/// A machine of QEMU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Machine {
    /// virtio-mmio devices and no legacy: boots fastest.
    #[default]
    Microvm,
    /// i440FX, PCI.
    Pc,
    /// Q35, PCI Express.
    Q35,
}

/// The appliance's network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Net {
    /// The VMM's own network, with one port forwarded from loopback.
    User,
    /// An existing tap interface.
    Tap(String),
    /// The socket of a vhost-user back end.
    VhostUser(PathBuf),
}

/// Guest memory, in MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// MiB.
    pub mib: u32,
}

/// Pages that guest memory consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pages {
    /// Such as Linux gives of its own accord.
    Small,
    /// Those of 2 MiB that were set aside (`hugetlb`).
    Huge,
}

/// Where the host listens for an appliance in the VMM's own network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// What is forwarded to the service's TCP port. There is at least one.
    pub tcp: Vec<SocketAddrV4>,
    /// What is forwarded to the service's UDP port, if it has one.
    pub udp: Vec<SocketAddrV4>,
}

impl Listen {
    /// On loopback, at a port of that number for TCP and for UDP.
    pub fn on_loopback(port: u16) -> Listen {
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
        Listen { tcp: vec![address], udp: vec![address] }
    }

    /// Where a client on the host reaches the service by TCP.
    pub(crate) fn own_address(&self) -> Option<SocketAddr> {
        self.tcp.first().map(|address| match address.ip() {
            ip if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, address.port()).into(),
            _ => SocketAddr::V4(*address),
        })
    }
}

/// Whether the words for the guest's command line are checked before the boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validation {
    /// A word that the guest would refuse is an error here.
    Host,
    /// Pass them on as they are: for tests of the guest's own check.
    Guest,
}

/// An appliance to be run.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Which VMM; `None` chooses.
    pub vmm: Option<Vmm>,
    /// Which accelerator; `None` chooses.
    pub accel: Option<Accel>,
    /// Which machine, under QEMU; `None` takes the default.
    pub machine: Option<Machine>,
    /// Its network.
    pub net: Net,
    /// Its cores.
    pub cores: u32,
    /// Its memory.
    pub memory: Memory,
    /// What that consists of; `None` chooses.
    pub pages: Option<Pages>,
    /// With [`Net::User`]: what is forwarded.
    pub listen: Listen,
    /// Words for its command line.
    pub append: String,
    /// Who checks the words.
    pub validation: Validation,
}

impl fmt::Display for Vmm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Vmm::Qemu => "qemu",
            Vmm::Uhyve => "uhyve",
        })
    }
}

impl fmt::Display for Accel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Accel::Kvm => "kvm",
            Accel::Tcg => "tcg",
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Machine::Microvm => "microvm",
            Machine::Pc => "pc",
            Machine::Q35 => "q35",
        })
    }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Net::User => f.write_str("user"),
            Net::Tap(name) => write!(f, "tap:{name}"),
            Net::VhostUser(path) => write!(f, "vhost-user:{}", path.display()),
        }
    }
}

impl FromStr for Net {
    type Err = String;

    fn from_str(text: &str) -> Result<Net, String> {
        match text.split_once(':') {
            None if text == "user" => Ok(Net::User),
            // IFNAMSIZ is 16, with the terminating zero.
            Some(("tap", name)) if name.is_empty() || name.len() > 15 || name.contains(['/', ' ']) => {
                Err(format!("'{name}' is no interface name"))
            }
            Some(("tap", name)) => Ok(Net::Tap(name.to_owned())),
            Some(("vhost-user", "")) => Err("vhost-user needs the path of a socket".to_owned()),
            Some(("vhost-user", path)) => Ok(Net::VhostUser(PathBuf::from(path))),
            _ => Err("expected user, tap:NAME or vhost-user:PATH".to_owned()),
        }
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mib {
            mib if mib % 1024 == 0 => write!(f, "{}G", mib / 1024),
            mib => write!(f, "{mib}M"),
        }
    }
}

impl FromStr for Memory {
    type Err = String;

    fn from_str(text: &str) -> Result<Memory, String> {
        const MOST_MIB: u32 = 1 << 20;
        let (digits, unit_mib) = match text.as_bytes().last() {
            Some(b'm' | b'M') => (&text[..text.len() - 1], 1),
            Some(b'g' | b'G') => (&text[..text.len() - 1], 1024),
            _ => (text, 1),
        };
        let number = digits.parse::<u32>().ok().filter(|_| !digits.starts_with('+'));
        match number.and_then(|number| number.checked_mul(unit_mib)) {
            Some(mib) if (1..=MOST_MIB).contains(&mib) => Ok(Memory { mib }),
            _ => Err("expected MiB, or a number with M or G, up to 1024G".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_has_units() {
        let mib = |text: &str| text.parse::<Memory>().map(|memory| memory.mib).ok();
        assert_eq!(mib("64M"), Some(64));
        assert_eq!(mib("2g"), Some(2048));
        assert_eq!(mib("16"), Some(16));
        assert_eq!(mib("1024G"), Some(1 << 20));
        for bad in ["", "0", "M", "-1", "+1", "1.5G", "64k", "64MB", "1025G", "4294967295G", "99999999999"] {
            assert_eq!(mib(bad), None, "{bad}");
        }
        assert_eq!(Memory { mib: 256 }.to_string(), "256M");
        assert_eq!(Memory { mib: 3072 }.to_string(), "3G");
    }

    #[test]
    fn networks_survive_a_round_trip() {
        for text in ["user", "tap:tap0", "vhost-user:/tmp/a:b.sock"] {
            assert_eq!(text.parse::<Net>().unwrap().to_string(), text);
        }
        for bad in ["", "bridge", "user:1", "tap:", "tap:abcdefghijklmnop", "tap:a/b", "vhost-user:", "tap"] {
            assert!(bad.parse::<Net>().is_err(), "{bad}");
        }
    }
}

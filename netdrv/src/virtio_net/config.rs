//! The device's configuration space (virtio 1.2, section 5.1.4), only the fields that the features promise.

use super::header::HEADER_BYTES;
use crate::Error;
use crate::pktbuf::BUF_BYTES;
use crate::virtio::Features;
use crate::virtio::transport::Transport;

const MAC: usize = 0;
const STATUS: usize = 6;
const MTU: usize = 10;

/// [`STATUS`]: the link is up.
const LINK_UP: u16 = 1;

/// MTU of Ethernet, where the device does not tell its own.
const DEFAULT_MTU: u16 = 1500;
/// The least MTU that IPv4 works with (RFC 791).
const MIN_MTU: u16 = 68;
/// The largest frame without an IP packet: an Ethernet header with a VLAN tag.
const LINK_HEADER_BYTES: usize = 18;
/// The largest IP packet that one packet buffer takes.
const MAX_MTU: u16 = (BUF_BYTES - HEADER_BYTES - LINK_HEADER_BYTES) as u16;

/// Attempts at a reading during which the configuration does not change.
const MAX_READINGS: usize = 16;

/// State of the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// Frames pass, or the device does not tell.
    Up,
    /// Nothing is connected.
    Down,
}

/// The configuration, as far as the driver uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Config {
    pub(super) mac: [u8; 6],
    pub(super) mtu: u16,
    pub(super) link: Link,
}

impl Config {
    /// Reads the configuration and judges it.
    pub(super) fn read<T: Transport>(transport: &T, features: Features) -> Result<Config, Error> {
        if !features.contains(Features::NET_MAC) {
            return Err(Error::MissingFeature { feature: "VIRTIO_NET_F_MAC" });
        }
        // A reading counts if the device did not change anything meanwhile (section 2.5.1).
        for _ in 0..MAX_READINGS {
            let before = transport.read_config_generation();
            let config = Config::read_once(transport, features);
            if transport.read_config_generation() == before {
                return config.checked();
            }
        }
        Err(Error::Timeout { register: "config_generation" })
    }

    fn read_once<T: Transport>(transport: &T, features: Features) -> Config {
        let mut mac = [0; 6];
        for (i, byte) in mac.iter_mut().enumerate() {
            *byte = transport.read_config8(MAC + i);
        }
        let told = |feature| features.contains(feature);
        let mtu = if told(Features::NET_MTU) { transport.read_config16(MTU) } else { DEFAULT_MTU };
        let up = !told(Features::NET_STATUS) || transport.read_config16(STATUS) & LINK_UP != 0;
        Config { mac, mtu, link: if up { Link::Up } else { Link::Down } }
    }

    fn checked(self) -> Result<Config, Error> {
        let [first, ..] = self.mac;
        if first & 1 != 0 || self.mac == [0; 6] {
            let value = self.mac.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
            return Err(Error::BadConfig { field: "mac", value });
        }
        if self.mtu < MIN_MTU {
            return Err(Error::BadConfig { field: "mtu", value: self.mtu.into() });
        }
        Ok(Config { mtu: self.mtu.min(MAX_MTU), ..self })
    }
}

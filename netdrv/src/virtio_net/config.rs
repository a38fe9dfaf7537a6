//! The device's configuration space (virtio 1.2, section 5.1.4), only the fields that the features promise.

use super::header::HEADER_BYTES;
use crate::Error;
use crate::nic::steering::{FLOW_GROUPS, KEY_BYTES, Steering};
use crate::pktbuf::BUF_BYTES;
use crate::virtio::Features;
use crate::virtio::transport::Transport;

const MAC: usize = 0;
const STATUS: usize = 6;
const MAX_VIRTQUEUE_PAIRS: usize = 8;
const MTU: usize = 10;
const RSS_MAX_KEY_SIZE: usize = 17;
const RSS_MAX_INDIRECTION_TABLE_LENGTH: usize = 18;
const SUPPORTED_HASH_TYPES: usize = 20;

/// [`STATUS`]: the link is up.
const LINK_UP: u16 = 1;

/// Hash types (section 5.1.6.4.3.1): IPv4 by its addresses, TCP and UDP over it by their ports too. Software hashes alike.
pub(super) const HASH_TYPES: u16 = 1 << 0 | 1 << 1 | 1 << 2;

/// MTU of Ethernet, where the device does not tell its own.
const DEFAULT_MTU: u16 = 1500;
/// The least MTU that IPv4 works with (RFC 791).
const MIN_MTU: u16 = 68;
/// The largest frame without an IP packet: an Ethernet header with a VLAN tag.
const LINK_HEADER_BYTES: usize = 18;
/// The largest IP packet that one packet buffer takes.
const MAX_MTU: u16 = (BUF_BYTES - HEADER_BYTES - LINK_HEADER_BYTES) as u16;

/// The most queue pairs whose queues, and the control queue behind them, have indices of 16 bits.
const MOST_PAIRS: u16 = 0x7fff;

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
    /// Queue pairs that the device has.
    pub(super) queue_pairs: u16,
    /// Whether the device can steer as [`Steering::Rss`] says.
    pub(super) steering: Steering,
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
        let several = features.intersects(Features::NET_MQ | Features::NET_RSS);
        Config {
            mac,
            mtu,
            link: if up { Link::Up } else { Link::Down },
            queue_pairs: if several { transport.read_config16(MAX_VIRTQUEUE_PAIRS) } else { 1 },
            steering: if told(Features::NET_RSS) { read_steering(transport) } else { Steering::None },
        }
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
        if !(1..=MOST_PAIRS).contains(&self.queue_pairs) {
            return Err(Error::BadConfig { field: "max_virtqueue_pairs", value: self.queue_pairs.into() });
        }
        Ok(Config { mtu: self.mtu.min(MAX_MTU), ..self })
    }
}

/// Whether the limits of the device's RSS leave room for ours.
fn read_steering<T: Transport>(transport: &T) -> Steering {
    let key = usize::from(transport.read_config8(RSS_MAX_KEY_SIZE)) >= KEY_BYTES;
    let table = usize::from(transport.read_config16(RSS_MAX_INDIRECTION_TABLE_LENGTH)) >= FLOW_GROUPS;
    let types = transport.read_config16(SUPPORTED_HASH_TYPES) & HASH_TYPES == HASH_TYPES;
    if key && table && types { Steering::Rss } else { Steering::None }
}

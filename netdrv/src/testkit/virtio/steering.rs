//! The device's receive-side scaling (virtio 1.2, section 5.1.6.4.3), written from the definition of the hash.

use super::Offer;

/// Hash types: IPv4; TCP and UDP over it.
const IPV4: u32 = 1 << 0;
const TCP_V4: u32 = 1 << 1;
const UDP_V4: u32 = 1 << 2;

/// Protocols.
const TCP: u8 = 6;
const UDP: u8 = 17;

/// How the device steers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rss {
    hash_types: u32,
    unclassified: u16,
    table: Vec<u16>,
    key: Vec<u8>,
}

impl Rss {
    /// What VIRTIO_NET_CTRL_MQ_RSS_CONFIG says, and the number of queue pairs.
    pub(super) fn parse(config: &[u8], offer: &Offer) -> (Rss, u16) {
        let u16_at = |at: usize| u16::from_le_bytes([config[at], config[at + 1]]);
        let hash_types = u32::from(u16_at(0)) | u32::from(u16_at(2)) << 16;
        assert_eq!(hash_types & !offer.hash_types, 0, "hash types that the device lacks");
        let entries = usize::from(u16_at(4)) + 1;
        assert!(entries.is_power_of_two() && entries <= offer.rss_table.into(), "a table of {entries}");
        let table: Vec<u16> = (0..entries).map(|i| u16_at(8 + 2 * i)).collect();
        let rest = 8 + 2 * entries;
        let (pairs, key) = (u16_at(rest), &config[rest + 3..]);
        assert_eq!(usize::from(config[rest + 2]), key.len(), "the key's length");
        assert!(key.len() <= offer.rss_key.into(), "a key of {} bytes", key.len());
        let unclassified = u16_at(6);
        assert!(table.iter().chain([&unclassified]).all(|pair| *pair < pairs), "{table:?} names missing pairs");
        (Rss { hash_types, unclassified, table, key: key.to_vec() }, pairs)
    }

    /// The queue pair of an Ethernet frame.
    pub(super) fn steer(&self, frame: &[u8]) -> u16 {
        match self.hash(frame) {
            Some(hash) => self.table[hash as usize % self.table.len()],
            None => self.unclassified,
        }
    }

    fn hash(&self, frame: &[u8]) -> Option<u32> {
        let packet = frame.get(14..).filter(|_| frame[12..14] == [8, 0])?;
        let addresses = packet.get(12..20)?;
        let is_fragment = u16::from_be_bytes([packet[6], packet[7]]) & 0x3fff != 0;
        let has_ports = match packet[9] {
            TCP => self.hash_types & TCP_V4 != 0,
            UDP => self.hash_types & UDP_V4 != 0,
            _ => false,
        };
        if has_ports && !is_fragment {
            let header = usize::from(packet[0] & 15) * 4;
            return Some(self.toeplitz(&[addresses, packet.get(header..header + 4)?].concat()));
        }
        (self.hash_types & IPV4 != 0).then(|| self.toeplitz(addresses))
    }

    /// For each bit of the input, from the left, the leftmost 32 bits of the key, which then moves left by one.
    fn toeplitz(&self, input: &[u8]) -> u32 {
        let bit = |bytes: &[u8], i: usize| u32::from(bytes[i / 8] >> (7 - i % 8) & 1);
        let window = |at: usize| (at..at + 32).fold(0, |window, i| window << 1 | bit(&self.key, i));
        (0..8 * input.len()).filter(|i| bit(input, *i) == 1).fold(0, |hash, i| hash ^ window(i))
    }
}

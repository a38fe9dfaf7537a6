//! Ethernet II, with one IEEE 802.1Q tag or none.
//!
//! A station without a VLAN takes untagged frames and priority-tagged ones (VLAN 0, clause 6.9: they belong to no VLAN), and sends
//! untagged ones. A station of a VLAN takes frames of its VLAN only, and tags what it sends. Priorities are ignored.

use netdrv::pktbuf::PktBuf;
pub(crate) use smoltcp::wire::EthernetAddress as Mac;

use crate::counters::DropCounter;

/// Bytes of the header without a tag, and of a tag.
const UNTAGGED_LEN: usize = 14;
const TAG_LEN: usize = 4;

/// EtherTypes.
const IPV4: u16 = 0x0800;
const ARP: u16 = 0x0806;
const VLAN: u16 = 0x8100;
/// The outer tag of 802.1ad.
const PROVIDER_VLAN: u16 = 0x88a8;

/// The bits of a tag that are its VLAN.
const VLAN_MASK: u16 = 0x0fff;

/// Our end of the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Station {
    pub(crate) mac: Mac,
    /// The VLAN it belongs to, 1 to 4094.
    pub(crate) vlan: Option<u16>,
}

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    /// ARP.
    Arp,
    /// IPv4.
    Ipv4,
}

/// Whom a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cast {
    /// Us alone.
    Unicast,
    /// All stations.
    Broadcast,
}

/// The header of a frame for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// The sender.
    pub(crate) from: Mac,
    /// Whom it was sent to.
    pub(crate) cast: Cast,
    /// Bytes before the payload.
    pub(crate) len: usize,
    /// What the payload is.
    pub(crate) payload: Payload,
}

impl Station {
    /// Bytes of the headers that it sends.
    pub(crate) fn header_len(&self) -> usize {
        UNTAGGED_LEN + self.vlan.map_or(0, |_| TAG_LEN)
    }

    /// Looks at a frame's header, or names the counter to drop the frame under.
    pub(crate) fn parse(&self, frame: &[u8]) -> Result<Header, DropCounter> {
        let truncated: DropCounter = |c| &mut c.drop_eth_truncated;
        let header = frame.first_chunk::<UNTAGGED_LEN>().ok_or(truncated)?;
        let address = |at: usize| Mac(core::array::from_fn(|i| header[at + i]));
        let (to, from) = (address(0), address(6));
        if to != self.mac && !to.is_broadcast() {
            return Err(|c| &mut c.drop_eth_not_for_us);
        }
        // Our own address is no bad source: uhyve tells it of the tap's end, which is the sender here.
        if !from.is_unicast() || from == Mac([0; 6]) {
            return Err(|c| &mut c.drop_eth_bad_source);
        }
        let (mut ethertype, mut len, mut vlan) = (u16::from_be_bytes([header[12], header[13]]), UNTAGGED_LEN, 0);
        if ethertype == VLAN {
            let tag = frame.get(len..).and_then(|rest| rest.first_chunk::<TAG_LEN>()).ok_or(truncated)?;
            vlan = u16::from_be_bytes([tag[0], tag[1]]) & VLAN_MASK;
            ethertype = u16::from_be_bytes([tag[2], tag[3]]);
            len += TAG_LEN;
        }
        if vlan != self.vlan.unwrap_or(0) {
            return Err(|c| &mut c.drop_eth_vlan);
        }
        let payload = match ethertype {
            IPV4 => Payload::Ipv4,
            ARP => Payload::Arp,
            VLAN | PROVIDER_VLAN => return Err(|c| &mut c.drop_eth_vlan),
            _ => return Err(|c| &mut c.drop_eth_unknown_type),
        };
        let cast = if to == self.mac { Cast::Unicast } else { Cast::Broadcast };
        Ok(Header { from, cast, len, payload })
    }

    /// Writes a header in front of `frame`; `None` if there is no room for it or the buffer is shared.
    pub(crate) fn prepend(&self, frame: &mut PktBuf, to: Mac, payload: Payload) -> Option<()> {
        let header = frame.prepend(self.header_len())?;
        header[0..6].copy_from_slice(&to.0);
        header[6..12].copy_from_slice(&self.mac.0);
        if let Some(vlan) = self.vlan {
            header[12..14].copy_from_slice(&VLAN.to_be_bytes());
            header[14..16].copy_from_slice(&vlan.to_be_bytes());
        }
        let ethertype = match payload {
            Payload::Arp => ARP,
            Payload::Ipv4 => IPV4,
        };
        let at = header.len() - 2;
        header[at..].copy_from_slice(&ethertype.to_be_bytes());
        Some(())
    }
}

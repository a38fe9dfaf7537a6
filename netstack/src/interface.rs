//! The interface: what all layers above the wire share. Its addresses, the neighbors on its link, the buffers to build
//! frames in, the queue of replies, and the counters.

use core::net::Ipv4Addr;

use netdrv::nic::TxChecksum;
use netdrv::pktbuf::{BUF_BYTES, HEADROOM, PktBuf, Pool};

use crate::address::Address;
use crate::arp;
use crate::counters::Counters;
use crate::ethernet::{self, Mac, Payload};
use crate::ipv4;
use crate::neighbor::{Hint, NeighborCache};
use crate::time::Instant;

/// Frames that wait for egress without belonging to a connection: ARP, ICMP, DHCP and stateless TCP replies.
const REPLIES: usize = 64;

/// The interface of one core.
pub(crate) struct Interface {
    pub(crate) mac: Mac,
    /// Largest IP packet, in bytes.
    pub(crate) mtu: u16,
    pub(crate) tx_checksum: TxChecksum,
    pub(crate) address: Option<Address>,
    pub(crate) neighbors: NeighborCache,
    pub(crate) replies: heapless::Deque<PktBuf, REPLIES>,
    pub(crate) pool: &'static Pool,
    pub(crate) counters: Counters,
}

impl Interface {
    /// An empty buffer.
    pub(crate) fn alloc(&mut self) -> Option<PktBuf> {
        let buf = self.pool.alloc();
        self.counters.tx_no_buffer += u64::from(buf.is_none());
        buf
    }

    /// Queues a complete frame for egress; drops and counts it if the queue is full.
    pub(crate) fn reply(&mut self, frame: PktBuf) {
        if self.replies.push_back(frame).is_err() {
            self.counters.drop_reply_queue_full += 1;
        }
    }

    /// The link address of the first hop to `ip`, if it is known. Asks for it when it is not, or not for sure.
    pub(crate) fn resolve(&mut self, ip: Ipv4Addr, hint: &mut Hint, now: Instant) -> Option<Mac> {
        let next_hop = self.address?.next_hop(ip)?;
        let lookup = self.neighbors.look_up(next_hop, hint, now);
        if lookup.ask {
            arp::request(self, next_hop);
        }
        lookup.mac
    }

    /// Puts IPv4 and Ethernet headers before a payload. `None` if the buffer has no headroom or is shared.
    pub(crate) fn encapsulate(&self, buf: &mut PktBuf, mac: Mac, dst: Ipv4Addr, protocol: u8) -> Option<()> {
        let src = self.address.map_or(Ipv4Addr::UNSPECIFIED, |address| address.ip);
        let payload_len = buf.len();
        ipv4::emit(buf.prepend(ipv4::HEADER_LEN)?.try_into().ok()?, src, dst, protocol, payload_len);
        self.encapsulate_ethernet(buf, mac, Payload::Ipv4)
    }

    /// Puts an Ethernet header before a payload.
    pub(crate) fn encapsulate_ethernet(&self, buf: &mut PktBuf, dst: Mac, payload: Payload) -> Option<()> {
        ethernet::emit(buf.prepend(ethernet::HEADER_LEN)?.try_into().ok()?, self.mac, dst, payload);
        Some(())
    }

    /// A received buffer, emptied to build its answer in.
    pub(crate) fn recycle(mut buf: PktBuf) -> PktBuf {
        buf.reset(HEADROOM);
        buf
    }

    /// Bytes that one of many connections may bind in buffers: `1 / share` of what is free. It bounds windows and
    /// credit before the pool runs dry.
    pub(crate) fn fair_share(&self, share: usize) -> u32 {
        (self.pool.available() * BUF_BYTES / share).try_into().unwrap_or(u32::MAX)
    }
}

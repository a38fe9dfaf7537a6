//! The client's messages (RFC 2131, section 4.4.1).

use core::net::{Ipv4Addr, SocketAddrV4};

use netdrv::nic::TxChecksum;
use netdrv::pktbuf::{PktBuf, Pool};
use smoltcp::wire::{DhcpMessageType, DhcpPacket, DhcpRepr};

use super::lease::option;
use super::{CLIENT_PORT, SERVER_PORT};
use crate::ethernet::{Mac, Payload, Station};
use crate::ipv4::{self, protocol};
use crate::udp;

/// The longest message that we take, as the least that every client has to.
const MESSAGE_BYTES: u16 = 576;
/// What we ask for. The order is what RFC 3442 demands: classless routes before routers.
const PARAMETERS: &[u8] = &[option::SUBNET_MASK, option::CLASSLESS_ROUTES, option::ROUTERS, option::INTERFACE_MTU];

/// A message of the client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message {
    pub(super) kind: DhcpMessageType,
    pub(super) transaction: u32,
    /// Seconds since the client began.
    pub(super) seconds: u16,
    /// The address that the client has, or unspecified.
    pub(super) client_ip: Ipv4Addr,
    /// The address that it wants, where it has none.
    pub(super) requested_ip: Option<Ipv4Addr>,
    /// Whose offer it takes.
    pub(super) server: Option<Ipv4Addr>,
}

impl Message {
    /// The IPv4 packet of the message to `dst`.
    pub(super) fn packet(&self, mac: Mac, dst: Ipv4Addr, pool: &'static Pool) -> Option<PktBuf> {
        let repr = self.repr(mac);
        let mut packet = pool.alloc()?;
        let datagram = packet.append(udp::HEADER_LEN + repr.buffer_len())?;
        datagram.fill(0);
        repr.emit(&mut DhcpPacket::new_unchecked(&mut datagram[udp::HEADER_LEN..])).ok()?;
        let (src, to) = (SocketAddrV4::new(self.client_ip, CLIENT_PORT), SocketAddrV4::new(dst, SERVER_PORT));
        udp::emit(datagram, src, to, TxChecksum::Software);
        let len = packet.len();
        let header = packet.prepend(ipv4::HEADER_LEN)?.first_chunk_mut()?;
        ipv4::emit(header, self.client_ip, dst, protocol::UDP, len);
        Some(packet)
    }

    /// The frame of the message to all stations.
    pub(super) fn broadcast(&self, station: Station, pool: &'static Pool) -> Option<PktBuf> {
        let mut frame = self.packet(station.mac, Ipv4Addr::BROADCAST, pool)?;
        station.prepend(&mut frame, Mac::BROADCAST, Payload::Ipv4)?;
        Some(frame)
    }

    fn repr(&self, mac: Mac) -> DhcpRepr<'_> {
        DhcpRepr {
            message_type: self.kind,
            transaction_id: self.transaction,
            secs: self.seconds,
            client_hardware_address: mac,
            client_ip: self.client_ip,
            your_ip: Ipv4Addr::UNSPECIFIED,
            server_ip: Ipv4Addr::UNSPECIFIED,
            router: None,
            subnet_mask: None,
            relay_agent_ip: Ipv4Addr::UNSPECIFIED,
            broadcast: self.client_ip.is_unspecified(),
            requested_ip: self.requested_ip,
            client_identifier: Some(mac),
            server_identifier: self.server,
            parameter_request_list: Some(PARAMETERS),
            dns_servers: None,
            max_size: Some(MESSAGE_BYTES),
            lease_duration: None,
            renew_duration: None,
            rebind_duration: None,
            additional_options: &[],
        }
    }
}

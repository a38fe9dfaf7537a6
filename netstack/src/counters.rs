//! What the stack counts. Every frame or segment that is dropped is counted under a reason.

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// What the stack has done. Names beginning with `drop_` count input that went no further, by reason.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counters {
            $($(#[doc = $doc])+ pub $name: u64,)+
        }

        impl crate::app::Statistics for Counters {
            fn visit(&self, visit: &mut dyn FnMut(&str, u64)) {
                $(visit(stringify!($name), self.$name);)+
            }
        }
    };
}

counters! {
    /// Frames taken from receive batches.
    rx_frames,
    /// Frames put into transmit batches.
    tx_frames,

    /// Ethernet: shorter than a header.
    drop_eth_truncated,
    /// Ethernet: addressed to another station or a multicast group.
    drop_eth_not_for_us,
    /// Ethernet: a sender that cannot be one: a group, nobody, or ourselves.
    drop_eth_bad_source,
    /// Ethernet: of another VLAN, or with more than one tag.
    drop_eth_vlan,
    /// Ethernet: neither IPv4 nor ARP.
    drop_eth_unknown_type,

    /// ARP: truncated, or not for Ethernet and IPv4.
    drop_arp_malformed,
    /// ARP: about an address that is not ours.
    drop_arp_not_for_us,
    /// ARP: the sender's addresses cannot be a neighbor's.
    drop_arp_bad_sender,
    /// ARP: a reply nobody asked for.
    drop_arp_unsolicited,
    /// ARP: another station claims our address.
    arp_conflicts,
    /// ARP: requests sent.
    arp_requests,
    /// ARP: replies sent.
    arp_replies,
    /// ARP: requests not sent for their rate limit.
    arp_requests_suppressed,
    /// ARP: our address defended.
    arp_defences,
    /// ARP: neighbors that announced another Ethernet address.
    arp_announcements,
    /// Neighbor cache: entries thrown out to make room.
    neighbor_evicted,
    /// Neighbors that did not answer.
    neighbor_unreachable,
    /// Packets dropped because their next hop did not answer, or too many waited for it.
    drop_unresolved,
    /// Packets dropped because there is no way to their destination.
    drop_no_route,
    /// Datagrams dropped because too many wait for egress.
    drop_datagram_queue_full,

    /// IPv4: truncated, bad version, or lengths that contradict each other, those of options included.
    drop_ip_malformed,
    /// IPv4: header checksum.
    drop_ip_checksum,
    /// IPv4: a fragment; reassembly is not supported.
    drop_ip_fragment,
    /// IPv4: an option that says which way to take.
    drop_ip_source_route,
    /// IPv4: for us, but sent to all stations.
    drop_ip_link_broadcast,
    /// IPv4: a source address no host can have.
    drop_ip_bad_source,
    /// IPv4: another host's destination address.
    drop_ip_not_for_us,
    /// IPv4: we have no address yet.
    drop_ip_no_address,
    /// IPv4: neither TCP, UDP nor ICMP.
    drop_ip_unknown_protocol,

    /// ICMP: truncated, or an error that contradicts what it quotes.
    drop_icmp_malformed,
    /// ICMP: checksum.
    drop_icmp_checksum,
    /// ICMP: a message, or an error about one, that means nothing here.
    drop_icmp_ignored,
    /// ICMP: an error about a segment of no connection.
    drop_icmp_no_connection,
    /// ICMP: an error about a segment that is not in flight (RFC 5927).
    drop_icmp_not_in_flight,
    /// ICMP: a path MTU that allows larger segments than are sent.
    drop_icmp_not_smaller,
    /// ICMP: echo replies sent.
    icmp_echo_replies,
    /// ICMP: errors sent, about ports and protocols nobody has.
    icmp_unreachables,
    /// ICMP: answers not sent for their rate limit.
    icmp_suppressed,

    /// UDP: truncated, lengths that contradict each other, or a port of zero.
    drop_udp_malformed,
    /// UDP: checksum.
    drop_udp_checksum,
    /// UDP: no such port.
    drop_udp_no_port,

    /// UDP: datagrams given to the app.
    udp_in,
    /// UDP: datagrams of the app sent, or on their way.
    udp_out,

    /// DHCP: malformed, or not an answer to our request.
    drop_dhcp_unexpected,
    /// DHCP: messages sent.
    dhcp_sent,
    /// DHCP: leases obtained or extended.
    dhcp_leases,
    /// DHCP: refusals (DHCPNAK).
    dhcp_naks,
    /// DHCP: leases that ran out.
    dhcp_expired,

    /// ARP, ICMP, DHCP and stateless TCP replies dropped because their queue was full.
    drop_reply_queue_full,
    /// Frames not built because the pool was empty; those of TCP are tried again.
    tx_no_buffer,

    /// TCP: truncated, or a bad header length, port or combination of flags.
    drop_tcp_malformed,
    /// TCP: checksum.
    drop_tcp_checksum,
    /// TCP: a SYN to a port nobody listens on.
    drop_tcp_port_closed,
    /// TCP: a segment of no connection.
    drop_tcp_no_connection,
    /// TCP: payload of no connection while a cookie may still come back.
    drop_tcp_bad_cookie,
    /// TCP: outside the receive window.
    drop_tcp_out_of_window,
    /// TCP: a timestamp older than the last (RFC 7323, section 5.3).
    drop_tcp_old_timestamp,
    /// TCP: no timestamp on a connection that has agreed on them (RFC 7323, section 3.2).
    drop_tcp_no_timestamp,
    /// TCP: no ACK where one is needed.
    drop_tcp_no_ack,
    /// TCP: acknowledges what was never sent, or long ago (RFC 5961, section 5).
    drop_tcp_bad_ack,
    /// TCP: a SYN within a connection (RFC 5961, section 4).
    drop_tcp_syn_in_window,
    /// TCP: a reset that is in the window but not exact (RFC 5961, section 3).
    drop_tcp_inexact_reset,
    /// TCP: resets ignored in TIME-WAIT (RFC 1337).
    drop_tcp_time_wait,
    /// TCP: payload received before.
    drop_tcp_duplicate,
    /// TCP: out-of-order payload beyond what may be held.
    drop_tcp_out_of_order_full,
    /// TCP: payload after the peer's FIN, or on a connection both sides have closed.
    drop_tcp_after_fin,
    /// TCP: payload refused for want of packet buffers ([`reserves`](crate::reserves)). The peer sends it again.
    drop_tcp_no_buffers,
    /// TCP: refused because all connections are in use.
    drop_tcp_conn_limit,

    /// TCP segments that came here though another core has their flow group, and were passed on to it.
    tcp_strays,
    /// TCP segments received that belong to a connection.
    tcp_segments_in,
    /// TCP segments sent, retransmissions included.
    tcp_segments_out,
    /// Handshakes begun by a SYN.
    tcp_syns,
    /// Connections established that peers opened.
    tcp_established,
    /// Connections that the app asked for.
    tcp_connects,
    /// Those of them that could not even be tried: no address, slot or port, or nobody can be there.
    tcp_connects_unavailable,
    /// Those of them that were established.
    tcp_connected,
    /// SYNs answered by a cookie.
    tcp_cookies_sent,
    /// Cookies that came back.
    tcp_cookies_returned,
    /// Half-open connections given up after the last SYN-ACK.
    tcp_half_open_timeouts,
    /// SYNs and SYN-ACKs sent again.
    tcp_syn_retransmits,
    /// Data or FIN segments sent again.
    tcp_retransmits,
    /// Retransmissions put off because the transmit ring still holds the segment.
    tcp_retransmits_deferred,
    /// Retransmission timeouts.
    tcp_timeouts,
    /// Fast retransmits begun.
    tcp_fast_retransmits,
    /// TCP: tail loss probes (RFC 8985, section 7).
    tcp_tail_probes,
    /// Payload that a router has marked for congestion.
    tcp_ecn_marks,
    /// Congestion windows reduced because the peer saw marks.
    tcp_ecn_reductions,
    /// Keepalives sent.
    tcp_keepalives,
    /// Zero-window probes sent.
    tcp_window_probes,
    /// Out-of-order segments held.
    tcp_out_of_order,
    /// Buffers cut because MSS or window were smaller.
    tcp_segments_split,
    /// Challenge ACKs sent (RFC 5961).
    tcp_challenge_acks,
    /// Challenge ACKs not sent for their rate limits.
    tcp_challenges_suppressed,
    /// Resets sent.
    tcp_resets_out,
    /// Resets not sent for their rate limit.
    tcp_resets_suppressed,
    /// Connections reset by their peer.
    tcp_resets_in,
    /// Connections given up because the peer stopped answering.
    tcp_timed_out,
    /// Handshakes, of either side, that ended by an ICMP error.
    tcp_icmp_refused,
    /// ICMP errors about live connections, which go on.
    tcp_icmp_soft,
    /// Path MTUs that turned out smaller (RFC 1191).
    tcp_path_mtu_reduced,
    /// TIME-WAIT records reused by a new SYN.
    tcp_time_wait_reused,
    /// TIME-WAIT records thrown out, oldest first, to make room.
    tcp_time_wait_recycled,
    /// Calls of the app that break the contract: the connection is aborted, the datagram dropped.
    app_violations,
    /// Calls on connections that were no more.
    app_stale_calls,
}

/// Names the counter to drop something under.
pub(crate) type DropCounter = fn(&mut Counters) -> &mut u64;

impl Counters {
    /// Adds one to a counter.
    pub(crate) fn count(&mut self, counter: fn(&mut Counters) -> &mut u64) {
        *counter(self) += 1;
    }
}

//! Initial sequence numbers (RFC 6528): a clock of 4 us plus a keyed hash of the connection's addresses and ports.

use core::net::Ipv4Addr;

use siphasher::sip::SipHasher24;

use super::flow_table::FlowKey;
use super::seq::SeqNum;
use crate::time::Instant;

/// Chooses initial sequence numbers.
pub(super) struct IsnGenerator {
    secret: SipHasher24,
}

impl IsnGenerator {
    /// A generator with a secret of its own.
    pub(super) fn new(secret: SipHasher24) -> IsnGenerator {
        IsnGenerator { secret }
    }

    /// The initial sequence number of a connection that begins now.
    pub(super) fn generate(&self, local_ip: Ipv4Addr, key: FlowKey, now: Instant) -> SeqNum {
        let mut bytes = [0; 12];
        bytes[..4].copy_from_slice(&local_ip.octets());
        bytes[4..].copy_from_slice(&key.to_bytes());
        SeqNum((now.as_micros() / 4) as u32) + self.secret.hash(&bytes) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    #[test]
    fn grows_for_one_flow_and_differs_among_flows() {
        let isn = IsnGenerator::new(SipHasher24::new_with_keys(1, 2));
        let key = FlowKey { remote_ip: Ipv4Addr::new(10, 0, 0, 2), remote_port: 1, local_port: 11211 };
        let other = FlowKey { remote_port: 2, ..key };
        let ip = Ipv4Addr::new(10, 0, 0, 1);
        let first = isn.generate(ip, key, Instant::ZERO);
        assert_eq!(isn.generate(ip, key, Instant::ZERO + Duration::from_secs(1)) - first, 250_000);
        assert_ne!(isn.generate(ip, other, Instant::ZERO), first);
    }
}

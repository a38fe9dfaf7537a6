//! Which queue pair a flow is on: that by which the guest sent its last frame, as the core that sends is the one that has the
//! flow.

use std::cell::Cell;

/// Where fields lie in a frame without a VLAN tag, and in an IPv4 packet without options.
const ETHERTYPE: usize = 12;
const IHL: usize = 14;
const PROTOCOL: usize = 23;
const SOURCE: usize = 26;
const DESTINATION: usize = 30;
const SOURCE_PORT: usize = 34;
const DESTINATION_PORT: usize = 36;

/// Addresses of ours that are told apart, by their last bits.
const ADDRESSES: usize = 8;

/// The pairs by our address and port.
#[derive(Debug)]
pub(super) struct Flows(Box<[Cell<u8>]>);

/// Which end of a frame is ours.
#[derive(Clone, Copy)]
enum End {
    Source,
    Destination,
}

impl Flows {
    pub(super) fn new() -> Flows {
        Flows((0..ADDRESSES << 16).map(|_| Cell::new(0)).collect())
    }

    /// The guest has sent `frame` by `pair`.
    pub(super) fn came_by(&self, frame: &[u8], pair: u8) {
        // Most often it did before, and then the line stays as it is.
        if let Some(last) = self.of(frame, End::Destination).filter(|last| last.get() != pair) {
            last.set(pair);
        }
    }

    /// The pair by which to send `frame` to the guest: the first, if it is of no flow that the guest has sent by.
    pub(super) fn pair_for(&self, frame: &[u8]) -> u8 {
        self.of(frame, End::Source).map_or(0, Cell::get)
    }

    fn of(&self, frame: &[u8], end: End) -> Option<&Cell<u8>> {
        let (address, port) = match end {
            End::Source => (SOURCE, SOURCE_PORT),
            End::Destination => (DESTINATION, DESTINATION_PORT),
        };
        let headers: &[u8; DESTINATION_PORT + 2] = frame.first_chunk()?;
        let has_ports = matches!(headers[PROTOCOL], 6 | 17);
        if headers[ETHERTYPE..ETHERTYPE + 2] != [8, 0] || headers[IHL] != 0x45 || !has_ports {
            return None;
        }
        let port = usize::from(u16::from_be_bytes([headers[port], headers[port + 1]]));
        self.0.get((usize::from(headers[address + 3]) % ADDRESSES) << 16 | port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A segment from `source` to `destination`, by the last byte of the address and the port.
    fn segment(source: (u8, u16), destination: (u8, u16)) -> Vec<u8> {
        let mut frame = vec![0; 54];
        frame[ETHERTYPE] = 8;
        (frame[IHL], frame[PROTOCOL]) = (0x45, 6);
        for (address, at, port_at) in [(source, SOURCE, SOURCE_PORT), (destination, DESTINATION, DESTINATION_PORT)] {
            frame[at + 3] = address.0;
            frame[port_at..port_at + 2].copy_from_slice(&address.1.to_be_bytes());
        }
        frame
    }

    #[test]
    fn a_flow_returns_on_the_pair_that_it_last_left_by() {
        let flows = Flows::new();
        let (server, client) = ((2, 11211), (9, 40_000));
        assert_eq!(flows.pair_for(&segment(client, server)), 0);
        for pair in [3, 1] {
            flows.came_by(&segment(server, client), pair);
            assert_eq!(flows.pair_for(&segment(client, server)), pair);
        }
        assert_eq!(flows.pair_for(&segment((10, 40_000), server)), 0, "another client");
        assert_eq!(flows.pair_for(&segment((9, 40_001), server)), 0, "another port");
    }

    #[test]
    fn what_is_no_flow_goes_to_the_first_pair() {
        let flows = Flows::new();
        let mut arp = segment((2, 1), (9, 1));
        arp[ETHERTYPE + 1] = 6;
        flows.came_by(&arp, 2);
        let mut options = segment((2, 1), (9, 1));
        options[IHL] = 0x46;
        flows.came_by(&options, 2);
        flows.came_by(&segment((2, 1), (9, 1))[..37], 2);
        assert_eq!(flows.pair_for(&segment((9, 1), (2, 1))), 0);
    }
}

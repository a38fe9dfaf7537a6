//! The flow table: from a segment's addresses and ports to the index of its connection.
//!
//! Open addressing with linear probing, and deletion by shifting back, so that there are no tombstones. The hash is
//! keyed: a peer cannot choose ports that collide. The table is sized at start-up for every index there is and never
//! fuller than three quarters, so a probe always ends.

use alloc::boxed::Box;
use alloc::vec;
use core::net::Ipv4Addr;

use netdrv::cache;

use super::groups::Groups;

/// What names a flow: the peer's address, its port and ours. The fourth member of the 4-tuple, the local address, is the stack's
/// only one: when it changes, all flows end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FlowKey {
    /// The bytes as they are on the wire, as a number: cheap to read, to compare and to hash.
    bits: u64,
}

impl FlowKey {
    /// The key of no flow.
    pub(crate) const NONE: FlowKey = FlowKey { bits: 0 };

    pub(crate) fn new(remote_ip: Ipv4Addr, remote_port: u16, local_port: u16) -> FlowKey {
        let ([a, b], [c, d]) = (remote_port.to_be_bytes(), local_port.to_be_bytes());
        FlowKey::from_wire(remote_ip.octets(), [a, b, c, d])
    }

    /// The flow of a segment that has come from `remote_ip` and begins with `ports`.
    #[inline]
    pub(crate) fn from_wire(remote_ip: [u8; 4], ports: [u8; 4]) -> FlowKey {
        let ([a, b, c, d], [e, f, g, h]) = (remote_ip, ports);
        FlowKey { bits: u64::from_ne_bytes([a, b, c, d, e, f, g, h]) }
    }

    /// The peer's address.
    pub(crate) fn remote_ip(self) -> Ipv4Addr {
        let [a, b, c, d, ..] = self.to_bytes();
        Ipv4Addr::new(a, b, c, d)
    }

    /// The peer's port.
    pub(crate) fn remote_port(self) -> u16 {
        let [_, _, _, _, a, b, ..] = self.to_bytes();
        u16::from_be_bytes([a, b])
    }

    /// Our port.
    pub(crate) fn local_port(self) -> u16 {
        let [.., a, b] = self.to_bytes();
        u16::from_be_bytes([a, b])
    }

    /// The key as bytes, for hashing.
    pub(crate) fn to_bytes(self) -> [u8; 8] {
        self.bits.to_ne_bytes()
    }
}

#[derive(Clone, Copy)]
struct Entry {
    key: FlowKey,
    hash: u32,
    index: u32,
}

/// The index of an empty entry.
const EMPTY: u32 = u32::MAX;

/// The table.
pub(crate) struct FlowTable {
    entries: Box<[Entry]>,
    secret: [u64; 2],
    /// Where several cores share the flows.
    pub(super) groups: Option<Groups>,
}

impl FlowTable {
    /// A table for at most `flows` flows. The hash is keyed by `secret`.
    pub(super) fn new(flows: usize, [mask, factor]: [u64; 2], groups: Option<Groups>) -> FlowTable {
        let size = (flows + flows / 3 + 1).next_power_of_two();
        let empty = Entry { key: FlowKey::NONE, hash: 0, index: EMPTY };
        FlowTable { entries: vec![empty; size].into_boxed_slice(), secret: [mask, factor | 1], groups }
    }

    /// The index of a flow.
    #[inline]
    pub(crate) fn get(&self, key: FlowKey) -> Option<u32> {
        let mut at = self.home(self.hash(key));
        loop {
            let entry = self.entries.get(at)?;
            if entry.index == EMPTY {
                return None;
            }
            if entry.key == key {
                return Some(entry.index);
            }
            at = self.after(at);
        }
    }

    /// Asks for where a flow will be looked for.
    #[inline]
    pub(super) fn expect(&self, key: FlowKey) {
        if let Some(entry) = self.entries.get(self.home(self.hash(key))) {
            cache::prefetch_value(entry);
        }
    }

    /// Adds a flow, or gives it another index.
    pub(crate) fn insert(&mut self, key: FlowKey, index: u32) {
        let hash = self.hash(key);
        let at = self.find(key, hash);
        if let Some(groups) = &mut self.groups {
            if self.entries[at].index != EMPTY {
                groups.unlink(self.entries[at].index);
            }
            groups.link(key, index);
        }
        self.entries[at] = Entry { key, hash, index };
    }

    /// Whether another core has the flow, should there be one.
    pub(super) fn is_foreign(&self, key: FlowKey) -> bool {
        self.groups.as_ref().is_some_and(|groups| groups.is_foreign(key))
    }

    /// Removes a flow, if it is there.
    pub(crate) fn remove(&mut self, key: FlowKey) {
        let mut hole = self.find(key, self.hash(key));
        if self.entries[hole].index == EMPTY {
            return;
        }
        if let Some(groups) = &mut self.groups {
            groups.unlink(self.entries[hole].index);
        }
        let mut probe = hole;
        loop {
            probe = self.after(probe);
            let entry = self.entries[probe];
            if entry.index == EMPTY {
                break;
            }
            // An entry may fill the hole unless its home lies behind the hole, on its way round.
            let mask = self.entries.len() - 1;
            let home = entry.hash as usize & mask;
            if probe.wrapping_sub(home) & mask >= probe.wrapping_sub(hole) & mask {
                self.entries[hole] = entry;
                hole = probe;
            }
        }
        self.entries[hole].index = EMPTY;
    }

    /// Where the flow is, or the empty entry where it would go.
    fn find(&self, key: FlowKey, hash: u32) -> usize {
        let mut at = self.home(hash);
        while self.entries[at].index != EMPTY && self.entries[at].key != key {
            at = self.after(at);
        }
        at
    }

    /// Where a flow with this hash is looked for first.
    #[inline]
    fn home(&self, hash: u32) -> usize {
        hash as usize & (self.entries.len() - 1)
    }

    #[inline]
    fn after(&self, at: usize) -> usize {
        (at + 1) & (self.entries.len() - 1)
    }

    /// A folded multiplication: what it makes of a key cannot be told without the secret, and nobody sees it.
    #[inline]
    fn hash(&self, key: FlowKey) -> u32 {
        let [mask, factor] = self.secret;
        let product = u128::from(key.bits ^ mask) * u128::from(factor);
        (product ^ (product >> 64)) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netdrv::nic::toeplitz::Toeplitz;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn key(n: u16) -> FlowKey {
        FlowKey::new(Ipv4Addr::new(10, 0, 0, 1), n, 11211)
    }

    fn groups(key: u8, owned: u128) -> Option<Groups> {
        let mut groups = Groups::new(Box::leak(Box::new(Toeplitz::new(&[key; 40]))), owned, 24);
        (0..24).for_each(|_| groups.extend());
        Some(groups)
    }

    /// The flows of all groups, each of which must be in the right one.
    fn listed(table: &mut FlowTable) -> Vec<u32> {
        let groups = table.groups.as_mut().unwrap();
        let mut listed = Vec::new();
        for group in 0..128 {
            let begin = listed.len();
            while let Some(index) = groups.first(group) {
                assert_eq!(groups.group_of(key(index as u16)), group);
                groups.unlink(index);
                listed.push(index);
            }
            listed[begin..].iter().rev().for_each(|index| groups.link(key(*index as u16), *index));
        }
        listed.sort_unstable();
        listed
    }

    #[test]
    fn a_key_has_parts() {
        let ip = Ipv4Addr::new(10, 1, 2, 3);
        let key = FlowKey::new(ip, 0x1234, 11211);
        assert_eq!((key.remote_ip(), key.remote_port(), key.local_port()), (ip, 0x1234, 11211));
        assert_eq!(key.to_bytes(), [10, 1, 2, 3, 0x12, 0x34, 0x2b, 0xcb]);
        assert_eq!(key, FlowKey::from_wire([10, 1, 2, 3], [0x12, 0x34, 0x2b, 0xcb]));
    }

    #[test]
    fn only_flows_of_owned_groups_are_ours() {
        let mut table = FlowTable::new(24, [1, 2], groups(7, 0));
        assert!((0..1000).all(|n| table.is_foreign(key(n))));
        table.groups.as_mut().unwrap().owned = u128::MAX;
        assert!(!(0..1000).any(|n| table.is_foreign(key(n))));
        table.groups = None;
        assert!(!table.is_foreign(key(1)));
    }

    proptest! {
        /// Against a hash map, in a table that is as full as it may be.
        #[test]
        fn agrees_with_a_model(steps in proptest::collection::vec((0u16..24, any::<bool>()), 0..300), seed in any::<u64>()) {
            let mut table = FlowTable::new(24, [seed, seed.rotate_left(32)], groups(seed as u8, 1));
            let mut model = HashMap::new();
            for (n, insert) in steps {
                if insert {
                    table.insert(key(n), n.into());
                    model.insert(n, u32::from(n));
                } else {
                    table.remove(key(n));
                    model.remove(&n);
                }
                for n in 0..24 {
                    prop_assert_eq!(table.get(key(n)), model.get(&n).copied());
                }
                let mut expected: Vec<u32> = model.values().copied().collect();
                expected.sort_unstable();
                prop_assert_eq!(listed(&mut table), expected);
            }
        }
    }
}

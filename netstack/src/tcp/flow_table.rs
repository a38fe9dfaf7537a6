//! The flow table: from a segment's addresses and ports to the index of its connection.
//!
//! Open addressing with linear probing, and deletion by shifting back, so that there are no tombstones. The hash is
//! keyed: a peer cannot choose ports that collide. The table is sized at start-up for every index there is and never
//! fuller than three quarters, so a probe always ends.

use alloc::boxed::Box;
use alloc::vec;
use core::net::Ipv4Addr;

use super::groups::Groups;

/// What names a flow. The fourth member of the 4-tuple, the local address, is the stack's only one: when it changes, all
/// flows end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FlowKey {
    /// The peer's address.
    pub(crate) remote_ip: Ipv4Addr,
    /// The peer's port.
    pub(crate) remote_port: u16,
    /// Our port.
    pub(crate) local_port: u16,
}

impl FlowKey {
    /// The key of no flow.
    pub(crate) const NONE: FlowKey = FlowKey { remote_ip: Ipv4Addr::UNSPECIFIED, remote_port: 0, local_port: 0 };

    /// The key as a number.
    fn to_bits(self) -> u64 {
        u64::from(self.remote_ip.to_bits()) << 32 | u64::from(self.remote_port) << 16 | u64::from(self.local_port)
    }

    /// The key as bytes, for hashing.
    pub(crate) fn to_bytes(self) -> [u8; 8] {
        let ([a, b, c, d], [e, f], [g, h]) =
            (self.remote_ip.octets(), self.remote_port.to_be_bytes(), self.local_port.to_be_bytes());
        [a, b, c, d, e, f, g, h]
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
    pub(super) fn new(flows: usize, secret: [u64; 2], groups: Option<Groups>) -> FlowTable {
        let size = (flows + flows / 3 + 1).next_power_of_two();
        let empty = Entry { key: FlowKey::NONE, hash: 0, index: EMPTY };
        FlowTable { entries: vec![empty; size].into_boxed_slice(), secret, groups }
    }

    /// The index of a flow.
    #[inline]
    pub(crate) fn get(&self, key: FlowKey) -> Option<u32> {
        let index = self.entries[self.find(key, self.hash(key))].index;
        (index != EMPTY).then_some(index)
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
        let mut at = hash as usize & (self.entries.len() - 1);
        while self.entries[at].index != EMPTY && self.entries[at].key != key {
            at = self.after(at);
        }
        at
    }

    fn after(&self, at: usize) -> usize {
        (at + 1) & (self.entries.len() - 1)
    }

    /// A folded multiplication: what it makes of a key cannot be told without the secret, and nobody sees it.
    #[inline]
    fn hash(&self, key: FlowKey) -> u32 {
        let [mask, factor] = self.secret;
        let product = u128::from(key.to_bits() ^ mask) * u128::from(factor | 1);
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
        FlowKey { remote_ip: Ipv4Addr::new(10, 0, 0, 1), remote_port: n, local_port: 11211 }
    }

    fn groups(key: u8, owned: u128) -> Option<Groups> {
        Some(Groups::new(Box::leak(Box::new(Toeplitz::new(&[key; 40]))), owned, 24))
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

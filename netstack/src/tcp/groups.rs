//! The flows of each flow group, in lists through one array: moving a group to another core takes all of them, and nothing
//! else is looked at.

use alloc::vec::Vec;
use core::net::Ipv4Addr;

use netdrv::nic::toeplitz::Toeplitz;

use super::flow_table::FlowKey;
use crate::steering::{FLOW_GROUPS, GroupSet, group_of};

/// The end of a list.
const NONE: u32 = u32::MAX;

/// The flow groups of one core.
pub(super) struct Groups {
    hash: &'static Toeplitz,
    /// Our address, which is hashed too.
    pub(super) local: Ipv4Addr,
    /// Those that this core has.
    pub(super) owned: GroupSet,
    first: [u32; FLOW_GROUPS],
    links: Vec<Link>,
}

/// The place of a flow in the list of its group.
#[derive(Clone, Copy)]
struct Link {
    prev: u32,
    next: u32,
    group: u8,
}

impl Groups {
    /// For flows with indices below `flows`, none of which is in use.
    pub(super) fn new(hash: &'static Toeplitz, owned: GroupSet, flows: usize) -> Groups {
        let links = Vec::with_capacity(flows);
        Groups { hash, local: Ipv4Addr::UNSPECIFIED, owned, first: [NONE; FLOW_GROUPS], links }
    }

    /// The next index comes into use.
    pub(super) fn extend(&mut self) {
        self.links.push(Link { prev: NONE, next: NONE, group: 0 });
    }

    /// The group of a flow.
    pub(super) fn group_of(&self, key: FlowKey) -> u8 {
        group_of(self.hash, (key.remote_ip(), key.remote_port()), (self.local, key.local_port()))
    }

    /// Whether another core has the group of this flow.
    pub(super) fn is_foreign(&self, key: FlowKey) -> bool {
        self.owned != GroupSet::MAX && self.owned >> self.group_of(key) & 1 == 0
    }

    /// A flow of a group.
    pub(super) fn first(&self, group: u8) -> Option<u32> {
        let first = self.first[usize::from(group)];
        (first != NONE).then_some(first)
    }

    /// Adds a flow, which is in no list.
    pub(super) fn link(&mut self, key: FlowKey, index: u32) {
        let group = self.group_of(key);
        let next = core::mem::replace(&mut self.first[usize::from(group)], index);
        if next != NONE {
            self.links[next as usize].prev = index;
        }
        self.links[index as usize] = Link { prev: NONE, next, group };
    }

    /// Removes a flow, which is in a list.
    pub(super) fn unlink(&mut self, index: u32) {
        let Link { prev, next, group } = self.links[index as usize];
        match prev {
            NONE => self.first[usize::from(group)] = next,
            prev => self.links[prev as usize].next = next,
        }
        if next != NONE {
            self.links[next as usize].prev = prev;
        }
    }
}

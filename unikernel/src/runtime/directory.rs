//! Which core has which flow group, for every core to read: written by the core that a group arrives at.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU8, Ordering};

use netdrv::nic::steering::{FLOW_GROUPS, Table};

/// The owners of all groups.
#[derive(Clone, Debug)]
pub struct Directory(Arc<[AtomicU8; FLOW_GROUPS]>);

impl Directory {
    /// Begins with this table.
    pub fn new(table: &Table) -> Directory {
        Directory(Arc::new(core::array::from_fn(|group| AtomicU8::new(table[group]))))
    }

    /// The core that has a group, or had it last while it is on its way.
    pub fn owner(&self, group: u8) -> usize {
        self.0[usize::from(group)].load(Ordering::Acquire).into()
    }

    /// A group has arrived at this core.
    pub fn set_owner(&self, group: u8, core: usize) {
        self.0[usize::from(group)].store(core as u8, Ordering::Release);
    }
}

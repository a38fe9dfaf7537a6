//! An index with buckets of two slots, and items that are nothing but addresses: a key and a version.

use alloc::sync::Arc;

use loom::thread;

use super::super::arena::{Arena, LINE};
use super::super::epoch::Epochs;
use super::super::index::{Index, Insert, Lines, Scope};
use super::super::layout::{ALIGN, Addr};
use super::super::memory::StoreMemory;
use super::model;

/// Lines of a segment, and bytes.
const SEGMENT_LINES: usize = 8;
const SEGMENT: usize = SEGMENT_LINES * LINE;

/// The item of a key and version.
pub(super) fn item(key: u64, version: usize) -> Addr {
    Addr((key as usize * 16 + version) * ALIGN)
}

pub(super) fn key_of(addr: Addr) -> u64 {
    (addr.0 / ALIGN / 16) as u64
}

pub(super) fn version_of(addr: Addr) -> usize {
    addr.0 / ALIGN % 16
}

/// All keys have the same tag; the bucket is the key.
pub(super) fn hash(key: u64) -> u64 {
    key | 7 << 48
}

pub(super) struct Table {
    pub(super) arena: Arena,
    pub(super) index: Index,
    pub(super) epochs: Epochs,
}

/// One core's way to a table.
pub(super) struct Core {
    pub(super) table: Arc<Table>,
    pub(super) core: usize,
    pub(super) lines: Lines,
}

pub(super) fn table() -> Arc<Table> {
    let arena = Arena::new(StoreMemory::leak(3 * SEGMENT));
    let index = Index::new(&arena, 0, SEGMENT, 1);
    assert!(index.overflow().lend(SEGMENT));
    Arc::new(Table { arena, index, epochs: Epochs::new(2) })
}

impl Core {
    pub(super) fn new(table: &Arc<Table>, core: usize) -> Core {
        let mut lines = Lines::default();
        lines.refill(&table.arena, &table.epochs, table.index.overflow());
        table.epochs.enter(core);
        Core { table: table.clone(), core, lines }
    }

    pub(super) fn change<T>(&mut self, change: impl FnOnce(&Index, &mut Scope<'_, fn(Addr) -> u64>) -> T) -> T {
        let hash_of: fn(Addr) -> u64 = |addr| hash(key_of(addr));
        let Table { arena, index, epochs } = &*self.table;
        change(index, &mut Scope { arena, epochs, core: self.core, lines: &mut self.lines, hash_of })
    }

    /// The version of a key.
    pub(super) fn get(&self, key: u64) -> Option<usize> {
        let Table { arena, index, .. } = &*self.table;
        index.find(arena, hash(key), |addr| key_of(addr) == key).map(|entry| version_of(entry.addr()))
    }

    /// Sets a key, whether it is there or not. What it was.
    pub(super) fn set(&mut self, key: u64, version: usize) -> Option<usize> {
        loop {
            let table = self.table.clone();
            let old = table.index.find(&table.arena, hash(key), |addr| key_of(addr) == key);
            let new = item(key, version);
            match old {
                Some(old) if self.change(|index, scope| index.replace(scope, old, new)) => {
                    return Some(version_of(old.addr()));
                }
                Some(_) => {}
                None => match self.add(key, version) {
                    Insert::Done => return None,
                    Insert::Raced => {}
                    Insert::Full => panic!("there are lines"),
                },
            }
            thread::yield_now();
        }
    }

    pub(super) fn add(&mut self, key: u64, version: usize) -> Insert {
        let new = item(key, version);
        self.change(|index, scope| index.insert(scope, hash(key), new, |addr| addr != new && key_of(addr) == key))
    }

    /// Adds a key that nobody else adds.
    pub(super) fn add_alone(&mut self, key: u64) {
        while self.add(key, 0) != Insert::Done {
            thread::yield_now();
        }
    }

    /// Removes a key. What it was.
    pub(super) fn remove(&mut self, key: u64) -> Option<usize> {
        loop {
            let table = self.table.clone();
            let old = table.index.find(&table.arena, hash(key), |addr| key_of(addr) == key)?;
            if self.change(|index, scope| index.remove(scope, old)) {
                return Some(version_of(old.addr()));
            }
            thread::yield_now();
        }
    }

    /// Splits the next bucket.
    pub(super) fn grow(&mut self) {
        self.change(|index, scope| index.grow(scope, usize::MAX / 2));
    }

    /// Ends a turn.
    pub(super) fn pass(&mut self) {
        let Table { arena, index, epochs } = &*self.table;
        epochs.pass(self.core);
        self.lines.refill(arena, epochs, index.overflow());
    }

    /// Buckets in the chain of a key.
    pub(super) fn chain_of(&self, key: u64) -> usize {
        self.table.index.chain_len(&self.table.arena, hash(key))
    }

    pub(super) fn buckets(&self) -> usize {
        self.table.index.bytes() / LINE
    }
}

/// Runs both on threads of their own, over a table that `prepare` has filled, and `check` at the end.
pub(super) fn race<A: Send + 'static, B: Send + 'static>(
    preemptions: usize,
    prepare: fn(&mut Core),
    one: fn(&mut Core) -> A,
    two: fn(&mut Core) -> B,
    check: fn(&mut Core, A, B),
) {
    model(preemptions, move || {
        let table = table();
        let mut core = Core::new(&table, 0);
        prepare(&mut core);
        let other = thread::spawn(move || two(&mut Core::new(&table, 1)));
        let first = one(&mut core);
        let second = other.join().unwrap();
        check(&mut core, first, second);
    });
}

//! A bounded slab that knows the age of its entries: when it is full, the oldest makes room.

use alloc::boxed::Box;
use alloc::vec::Vec;

const NIL: u32 = u32::MAX;

struct Entry<T> {
    value: Option<T>,
    /// Towards older entries.
    prev: u32,
    /// Towards younger entries; of a free entry, the next free one.
    next: u32,
}

/// A slab of at most so many entries.
pub(super) struct AgeSlab<T> {
    entries: Box<[Entry<T>]>,
    oldest: u32,
    youngest: u32,
    free: u32,
}

impl<T> AgeSlab<T> {
    /// An empty slab.
    pub(super) fn new(capacity: usize) -> AgeSlab<T> {
        let entries: Vec<Entry<T>> = (0..capacity as u32)
            .map(|index| Entry {
                value: None,
                prev: NIL,
                next: if index + 1 < capacity as u32 { index + 1 } else { NIL },
            })
            .collect();
        let free = if capacity > 0 { 0 } else { NIL };
        AgeSlab { entries: entries.into_boxed_slice(), oldest: NIL, youngest: NIL, free }
    }

    /// Whether the next insertion needs room made for it.
    pub(super) fn is_full(&self) -> bool {
        self.free == NIL
    }

    /// Adds an entry, as the youngest. `None` if the slab is full.
    pub(super) fn insert(&mut self, value: T) -> Option<u32> {
        let index = self.free;
        let entry = self.entries.get_mut(index as usize)?;
        self.free = entry.next;
        entry.value = Some(value);
        self.link(index);
        Some(index)
    }

    /// Removes an entry.
    pub(super) fn remove(&mut self, index: u32) -> Option<T> {
        let value = self.entries.get_mut(index as usize)?.value.take()?;
        self.unlink(index);
        self.entries[index as usize].next = self.free;
        self.free = index;
        Some(value)
    }

    /// Makes an entry the youngest.
    pub(super) fn renew(&mut self, index: u32) {
        if self.get(index).is_some() {
            self.unlink(index);
            self.link(index);
        }
    }

    /// The oldest entry.
    pub(super) fn oldest(&self) -> Option<u32> {
        (self.oldest != NIL).then_some(self.oldest)
    }

    pub(super) fn get(&self, index: u32) -> Option<&T> {
        self.entries.get(index as usize)?.value.as_ref()
    }

    pub(super) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        self.entries.get_mut(index as usize)?.value.as_mut()
    }

    fn link(&mut self, index: u32) {
        let older = core::mem::replace(&mut self.youngest, index);
        match self.entries.get_mut(older as usize) {
            Some(older) => older.next = index,
            None => self.oldest = index,
        }
        let entry = &mut self.entries[index as usize];
        (entry.prev, entry.next) = (older, NIL);
    }

    fn unlink(&mut self, index: u32) {
        let Entry { prev, next, .. } = self.entries[index as usize];
        match self.entries.get_mut(prev as usize) {
            Some(older) => older.next = next,
            None => self.oldest = next,
        }
        match self.entries.get_mut(next as usize) {
            Some(younger) => younger.prev = prev,
            None => self.youngest = prev,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_known_through_every_change() {
        let mut slab = AgeSlab::new(3);
        let [a, b, c] = ["a", "b", "c"].map(|value| slab.insert(value).unwrap());
        assert!(slab.is_full() && slab.insert("d").is_none());
        slab.renew(a);
        assert_eq!(slab.oldest(), Some(b));
        assert_eq!(slab.remove(c), Some("c"));
        assert_eq!(slab.remove(c), None);
        assert_eq!(slab.remove(b), Some("b"));
        assert_eq!(slab.oldest(), Some(a));
        assert_eq!((slab.get(a), slab.get(b), slab.get(99)), (Some(&"a"), None, None));
        assert_eq!(slab.remove(a), Some("a"));
        assert_eq!(slab.oldest(), None);
        assert!(slab.insert("e").is_some());
    }
}

//! A copy that takes an item's place, with what may still change in the item: the expiry time, which `touch` writes.
//!
//! The mover first marks the slot with its core's number, then reads the expiry time, then swaps the slot. Who touches writes the
//! expiry time first and takes the mark away after: then the swap fails, and the mover begins anew. Only the slot is shared,
//! so a mover that is stopped keeps nobody.

use super::super::layout::Addr;
use super::super::sync::{Ordering, fence, order_after_rmw};
use super::{ADDR, Entry, FROZEN, Index, MOVER, MOVER_SHIFT, Scope, field_of, swap};

impl Index {
    /// Lets `entry` hold the item at `to`, a copy in some way of the one that it holds; `carry` copies what may change, if it can. Whether
    /// the entry still was as it was read and nothing changed meanwhile.
    pub(in super::super) fn replace_by_copy<H: Fn(Addr) -> u64>(
        &self,
        scope: &mut Scope<'_, H>,
        entry: Entry,
        to: Addr,
        carry: impl FnOnce() -> bool,
    ) -> bool {
        let mover = (scope.core as u64 + 1) << MOVER_SHIFT;
        let marked = Entry { word: entry.word & !MOVER | mover, ..entry };
        if !self.change(scope, entry, marked.word) {
            return false;
        }
        order_after_rmw();
        carry() && self.change(scope, marked, entry.word & !(MOVER | ADDR) | field_of(to))
    }

    /// Has `write` change what may change in the item that `entry` holds. Whether the entry still holds it after that, or its
    /// copies have the change.
    pub(in super::super) fn update_in_place<H: Fn(Addr) -> u64>(
        &self,
        scope: &mut Scope<'_, H>,
        entry: Entry,
        write: impl FnOnce(),
    ) -> bool {
        if entry.word & FROZEN != 0 {
            self.help(scope, entry.line);
            return false;
        }
        write();
        // Pairs with the mover's mark: either it reads what was written, or its mark is seen here.
        fence(Ordering::SeqCst);
        let slot = &scope.arena.line(entry.line)[entry.slot];
        loop {
            let word = slot.load(Ordering::SeqCst);
            if word & FROZEN != 0 {
                // The entry may be elsewhere already, and a mover there: once more.
                self.help(scope, entry.line);
                return false;
            }
            if word & ADDR != entry.word & ADDR {
                return false;
            }
            if word & MOVER == 0 || swap(slot, word, word & !MOVER) {
                return true;
            }
        }
    }
}

//! Notes: a few bytes that a protocol has to remember over turns, kept where items are, so that connections that need none
//! have no room for them.

use core::num::NonZeroUsize;

use super::access::Access;
use super::layout::{Addr, ExptimeRoom, Marks, NewItem, Plan};
use super::{Handle, OutOfMemory};

/// A note. Has to be given back with [`Handle::drop_note`].
#[derive(Debug)]
#[must_use]
pub struct Note {
    /// Where it is, plus one.
    at: NonZeroUsize,
}

impl Note {
    fn addr(&self) -> Addr {
        Addr(self.at.get() - 1)
    }
}

impl Handle {
    /// Keeps `text`. Not if too much is held already.
    pub fn note(&mut self, text: &[u8]) -> Result<Note, OutOfMemory> {
        let item = NewItem { key: b"", flags: 0, exptime: 0, marks: Marks::NONE };
        let plan = Plan::new(&item, text.len(), ExptimeRoom::WhenUsed);
        let addr = self.allocate(plan.footprint()).ok_or(OutOfMemory)?;
        self.shared.arena.begin_item(addr, plan, &item, Access::written(self.now));
        self.shared.arena.write(self.shared.arena.value_at(addr), text);
        let number = self.shared.segments.containing(addr.0);
        let note = NonZeroUsize::new(addr.0 + 1).map(|at| Note { at }).ok_or(OutOfMemory)?;
        // The note itself pins its segment: what counts is whether something else did so before.
        if self.may_pin(self.shared.pins.of(self.core, number) as i64 > 1) {
            return Ok(note);
        }
        self.drop_note(note);
        Err(OutOfMemory)
    }

    /// What a note says.
    pub fn noted(&self, note: &Note) -> &[u8] {
        let arena = &self.shared.arena;
        arena.bytes(arena.value_at(note.addr()), arena.value_len(note.addr()))
    }

    /// Gives a note back.
    pub fn drop_note(&mut self, note: Note) {
        self.waste(note.addr());
        self.remove_pin(note.addr());
    }
}

//! The board that all cores write on and all watchers read: a ring for each core, and a place for each watcher.

use alloc::boxed::Box;
use alloc::sync::Arc;

use super::event::{Event, KINDS, Kind};
use super::record::{Frame, Record, WORDS, encode};
use super::ring::{Found, Ring};
use super::sync::{AtomicU32, AtomicU64, Ordering};

/// Watchers at a time, as in memcached.
pub const MAX_WATCHERS: usize = 20;

/// Events that a core remembers.
const REMEMBERED: usize = 128;

/// Kinds of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds(u8);

impl Kinds {
    /// With one more.
    #[must_use]
    pub fn and(self, kind: Kind) -> Kinds {
        Kinds(self.0 | 1 << kind as u8)
    }

    fn has(self, kind: usize) -> bool {
        self.0 >> kind & 1 != 0
    }
}

/// Who watches: a byte for each kind with the number of those who do, and one, the highest, with that of all watchers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Audience(u64);

const ALL_SHIFT: u32 = 56;

impl Audience {
    /// Whether somebody wants to be told of events of this kind.
    #[inline]
    pub fn wants(self, kind: Kind) -> bool {
        self.0 & 0xff << (8 * kind as u32) != 0
    }

    /// Whether somebody wants to be told of events of one of two kinds.
    #[inline]
    pub fn wants_of(self, one: Kind, other: Kind) -> bool {
        self.0 & (0xff << (8 * one as u32) | 0xff << (8 * other as u32)) != 0
    }

    /// Whether there is anybody.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many watchers there are.
    pub fn watchers(self) -> u64 {
        self.0 >> ALL_SHIFT
    }

    /// What one watcher adds.
    fn of(kinds: Kinds) -> u64 {
        let wanted = (0..KINDS).filter(|&kind| kinds.has(kind));
        wanted.fold(1 << ALL_SHIFT, |sum, kind| sum | 1 << (8 * kind))
    }
}

/// What all cores and watchers share.
pub struct Board {
    audience: AtomicU64,
    /// Events that were ever told.
    told: AtomicU64,
    cores: Box<[Core]>,
    places: [Place; MAX_WATCHERS],
}

/// What one core writes.
#[repr(align(128))]
struct Core {
    ring: Ring<WORDS>,
    /// The time of its turn.
    unix_us: AtomicU64,
    /// Events of each kind.
    before: [AtomicU32; KINDS],
}

/// A watcher, on whatever core: who has its ticket reads and writes.
struct Place {
    /// What it watches, and [`TAKEN`]; 0: there is none.
    taken: AtomicU32,
    /// Events that it has not been told of, since it was told last of such.
    skipped: AtomicU64,
    /// The core that it looks at next.
    core: AtomicU32,
    cursors: Box<[Cursor]>,
}

const TAKEN: u32 = 1 << 8;

/// How far a watcher has come in a ring.
#[derive(Default)]
struct Cursor {
    position: AtomicU64,
    before: [AtomicU32; KINDS],
}

/// The right to one of the places: whoever has it gives it back.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Ticket(u8);

/// What a watcher finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// An event, before which so many were skipped since the last that it was told of.
    Event {
        /// Events that were overwritten.
        skipped: u64,
    },
    /// Nothing new.
    Nothing,
}

impl Board {
    /// For `cores` cores. Allocates about 40 KiB for each.
    pub fn new(cores: usize) -> Arc<Board> {
        Arc::new(Board::with_rings_of(REMEMBERED, cores))
    }

    /// For `cores` cores that remember so many events each.
    pub(super) fn with_rings_of(remembered: usize, cores: usize) -> Board {
        let core = || Core { ring: Ring::new(remembered), unix_us: AtomicU64::new(0), before: Default::default() };
        let place = || Place {
            taken: AtomicU32::new(0),
            skipped: AtomicU64::new(0),
            core: AtomicU32::new(0),
            cursors: (0..cores).map(|_| Cursor::default()).collect(),
        };
        Board {
            audience: AtomicU64::new(0),
            told: AtomicU64::new(0),
            cores: (0..cores).map(|_| core()).collect(),
            places: core::array::from_fn(|_| place()),
        }
    }

    /// Who watches.
    #[inline]
    pub fn audience(&self) -> Audience {
        Audience(self.audience.load(Ordering::Relaxed))
    }

    /// A place for a watcher of `kinds`, which is told of what happens from now on. `None` if all are taken.
    pub fn admit(&self, kinds: Kinds) -> Option<Ticket> {
        let taken = TAKEN | u32::from(kinds.0);
        let take = |place: &Place| place.taken.compare_exchange(0, taken, Ordering::Acquire, Ordering::Relaxed).is_ok();
        let number = self.places.iter().position(take)?;
        let place = &self.places[number];
        place.skipped.store(0, Ordering::Relaxed);
        for (core, cursor) in self.cores.iter().zip(&place.cursors) {
            cursor.go_to_end(core);
        }
        self.audience.fetch_add(Audience::of(kinds), Ordering::Relaxed);
        Some(Ticket(number as u8))
    }

    /// Gives a place back.
    pub fn leave(&self, ticket: Ticket) {
        let Some(place) = self.places.get(usize::from(ticket.0)) else { return };
        self.audience.fetch_sub(Audience::of(place.kinds()), Ordering::Relaxed);
        // Release: what was noted there comes before the next watcher's own.
        place.taken.store(0, Ordering::Release);
    }

    /// The next event for a watcher, which is copied into `record`; the cores come in turn.
    pub fn next(&self, ticket: &Ticket, record: &mut Record) -> Sight {
        let Some(place) = self.places.get(usize::from(ticket.0)) else { return Sight::Nothing };
        let kinds = place.kinds();
        let mut number = place.core.load(Ordering::Relaxed) as usize;
        for _ in 0..self.cores.len() {
            let (core, cursor) = match (self.cores.get(number), place.cursors.get(number)) {
                (Some(core), Some(cursor)) => (core, cursor),
                _ => (&self.cores[0], &place.cursors[0]),
            };
            let (found, skipped) = cursor.next(core, kinds, record);
            let skipped = place.skipped.load(Ordering::Relaxed) + skipped;
            if found {
                place.skipped.store(0, Ordering::Relaxed);
                return Sight::Event { skipped };
            }
            place.skipped.store(skipped, Ordering::Relaxed);
            number = (number + 1) % self.cores.len();
            place.core.store(number as u32, Ordering::Relaxed);
        }
        Sight::Nothing
    }

    /// Events that were ever told.
    pub fn told(&self) -> u64 {
        self.told.load(Ordering::Relaxed)
    }
}

impl Place {
    fn kinds(&self) -> Kinds {
        Kinds(self.taken.load(Ordering::Relaxed) as u8)
    }
}

impl Cursor {
    /// Passes all that has happened.
    fn go_to_end(&self, core: &Core) {
        let mut record = Record::new();
        loop {
            let end = core.ring.written();
            let Some(last) = end.checked_sub(1) else {
                self.pass_to(end, [0; KINDS]);
                return;
            };
            // The counts are those of the last record, and one: the core counts on meanwhile.
            if core.ring.read(last, &mut record.words) == Found::Record {
                self.pass_to(end, after(&mut record));
                return;
            }
        }
    }

    /// Copies the next record of one of `kinds`. Whether there was one, and how many of them were overwritten before it.
    fn next(&self, core: &Core, kinds: Kinds, record: &mut Record) -> (bool, u64) {
        let mut skipped = 0;
        let mut position = self.position.load(Ordering::Relaxed);
        loop {
            match core.ring.read(position, &mut record.words) {
                Found::Nothing => return (false, skipped),
                // Those that come next are about to be overwritten, too.
                Found::Overwritten => {
                    position = core.ring.written().saturating_sub(core.ring.len() / 2).max(position + 1);
                }
                Found::Record => {
                    skipped += self.count_missed(kinds, record.before());
                    position += 1;
                    self.pass_to(position, after(record));
                    if record.event().is_some_and(|event| kinds.has(event.kind() as usize)) {
                        return (true, skipped);
                    }
                }
            }
        }
    }

    /// Events of `kinds` before a record that has so many before it.
    fn count_missed(&self, kinds: Kinds, before: [u32; KINDS]) -> u64 {
        let missed = |kind: usize| before[kind].wrapping_sub(self.before[kind].load(Ordering::Relaxed));
        (0..KINDS).filter(|&kind| kinds.has(kind)).map(|kind| u64::from(missed(kind))).sum()
    }

    fn pass_to(&self, position: u64, before: [u32; KINDS]) {
        self.position.store(position, Ordering::Relaxed);
        for (noted, count) in self.before.iter().zip(before) {
            noted.store(count, Ordering::Relaxed);
        }
    }
}

/// Events of each kind up to and with that of `record`.
fn after(record: &mut Record) -> [u32; KINDS] {
    let mut counts = record.before();
    if let Some(event) = record.event() {
        let count = &mut counts[event.kind() as usize];
        *count = count.wrapping_add(1);
    }
    counts
}

/// One core's part of the board.
#[derive(Clone)]
pub struct Reporter {
    board: Arc<Board>,
    core: usize,
}

impl Reporter {
    /// That of core `core`.
    pub fn new(board: Arc<Board>, core: usize) -> Reporter {
        Reporter { board, core }
    }

    /// The board.
    #[inline]
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// Sets the clock, in microseconds since 1970.
    pub fn set_time(&self, unix_us: u64) {
        if let Some(core) = self.board.cores.get(self.core) {
            core.unix_us.store(unix_us, Ordering::Relaxed);
        }
    }

    /// Tells of what `client` has done, if somebody wants to know.
    #[cold]
    #[inline(never)]
    pub fn tell(&self, client: u32, event: &Event<'_>) {
        let (board, kind) = (&*self.board, event.kind());
        let Some(core) = board.cores.get(self.core).filter(|_| board.audience().wants(kind)) else { return };
        let before = core.before.each_ref().map(|count| count.load(Ordering::Relaxed));
        let number = board.told.fetch_add(1, Ordering::Relaxed) + 1;
        let frame = Frame { number, unix_us: core.unix_us.load(Ordering::Relaxed), client, before };
        let (words, len) = encode(&frame, event);
        core.ring.write(&words[..len]);
        let count = kind as usize;
        core.before[count].store(before[count].wrapping_add(1), Ordering::Relaxed);
    }
}

#[cfg(all(test, not(loom)))]
mod tests;

//! The store alone, and how many instructions its longest operation takes while it grows to 10 million items. For QEMU's `-icount shift=0`,
//! where the time-stamp counter counts instructions.
//!
//! Each new item is one turn; look-ups, updates and deletions of items at random come between. The console gets a line whenever the items
//! have doubled, and the last one when there are 10 million of them, or when 2 million were set after the first eviction.

#![no_std]
#![no_main]
#![allow(unsafe_code)] // entered by the monitor

extern crate alloc;

use core::fmt;
use core::ptr::NonNull;

use abi::exit::Exit;
use app_memcached::store::{Condition, Handle, Marks, NewItem, Shared, StoreConfig, StoreMemory, WhenFull};
use unikernel::platform::machine::Machine;
use unikernel::platform::{console, cpu, power};

unikernel::appliance!(serve);

/// Items at the end.
const ITEMS: u64 = 10_000_000;
/// New items after the first eviction.
const EVICTING: u64 = 2_000_000;
/// One in so many turns has another operation, too.
const GET_EVERY: u64 = 4;
const UPDATE_EVERY: u64 = 8;
const DELETE_EVERY: u64 = 32;
/// Bytes of a key; of a value at least, and how far they differ.
const KEY: usize = 20;
const VALUE: usize = 8;
const VALUES: u64 = 32;

fn serve(mut machine: Machine) -> ! {
    let left = machine.ram.left().saturating_sub(1 << 21);
    let bytes = machine.config.memory_limit_mib.map_or(left, |mib| left.min(u64::from(mib) << 20));
    let Some(range) = machine.ram.take(bytes, 1 << 21) else {
        power::exit(Exit::TooLittleMemory, format_args!("no memory is left for items"))
    };
    let Some(base) = NonNull::new(range.start as *mut u8) else {
        power::exit(Exit::BadPlatform, format_args!("memory begins at address 0"))
    };
    // SAFETY: the range was just taken: mapped RAM without another owner, for ever.
    let memory = unsafe { StoreMemory::from_raw(base, (range.end - range.start) as usize) };
    let config = StoreConfig { cores: 1, when_full: WhenFull::Evict, seed: 42 };
    let store = Shared::new(memory, config).ok().and_then(|shared| shared.handle());
    let Some(store) = store else { power::exit(Exit::TooLittleMemory, format_args!("too little memory for a store")) };
    let longest = grow(store);
    console::print_line(format_args!("{longest}, done"));
    power::exit(Exit::PowerOff, format_args!("measured"))
}

/// The longest operations of each kind, in instructions.
#[derive(Clone, Copy, Default)]
struct Longest {
    items: u64,
    evictions: u64,
    refused: u64,
    pass: u64,
    set: u64,
    update: u64,
    get: u64,
    delete: u64,
    /// Operations of fewer than 2^10, 2^12, ... instructions.
    below: [u64; 6],
}

impl Longest {
    fn note(&mut self, instructions: u64) -> u64 {
        let class = (instructions.max(1).ilog2() as usize).saturating_sub(8) / 2;
        self.below[class.min(self.below.len() - 1)] += 1;
        instructions
    }
}

impl fmt::Display for Longest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Longest { items, evictions, refused, pass, set, update, get, delete, below } = self;
        write!(f, "longest: items={items} evictions={evictions} refused={refused}")?;
        write!(f, " pass={pass} set={set} update={update} get={get} delete={delete} below={below:?}")
    }
}

fn grow(mut store: Handle) -> Longest {
    let (mut longest, mut told, mut turn, mut first_eviction) = (Longest::default(), 1, 0_u64, None);
    store.online();
    loop {
        let spent = longest.note(count(|| store.pass()));
        longest.pass = longest.pass.max(spent);
        let mut stored = true;
        let spent = longest.note(count(|| stored = put(&mut store, turn)));
        longest.set = longest.set.max(spent);
        longest.refused += u64::from(!stored);
        turn += 1;
        let some = |turn: u64| mix(turn) % turn;
        if turn.is_multiple_of(GET_EVERY) {
            let key = key(some(turn));
            let spent = longest.note(count(|| _ = store.get(&key).is_ok()));
            longest.get = longest.get.max(spent);
        }
        if turn.is_multiple_of(UPDATE_EVERY) {
            let spent = longest.note(count(|| _ = put(&mut store, some(turn + 1))));
            longest.update = longest.update.max(spent);
        }
        if turn.is_multiple_of(DELETE_EVERY) {
            let key = key(some(turn + 2));
            let spent = longest.note(count(|| _ = store.delete(&key)));
            longest.delete = longest.delete.max(spent);
        }
        if turn.is_power_of_two() || turn.is_multiple_of(GET_EVERY << 16) {
            longest.items = store.len() as u64;
            longest.evictions = store.counters().evictions;
        }
        if first_eviction.is_none() && longest.evictions > 0 {
            first_eviction = Some(turn);
        }
        if longest.items >= 2 * told {
            told = longest.items;
            console::print_line(format_args!("{longest}"));
        }
        if longest.items >= ITEMS || first_eviction.is_some_and(|first| turn >= first + EVICTING) {
            return longest;
        }
    }
}

/// The instructions that something takes, and those of looking at the counter.
#[inline(always)]
fn count(operation: impl FnOnce()) -> u64 {
    let begin = cpu::tsc();
    operation();
    cpu::tsc().wrapping_sub(begin)
}

fn put(store: &mut Handle, number: u64) -> bool {
    let value = [b'v'; VALUE + VALUES as usize];
    let value = &value[..VALUE + (mix(number) >> 32) as usize % VALUES as usize];
    let item = NewItem { key: &key(number), flags: 0, exptime: 0, marks: Marks::NONE };
    let Ok(mut reservation) = store.reserve(&item, value.len()) else { return false };
    store.fill(&mut reservation, value);
    store.fill(&mut reservation, b"\r\n");
    store.publish(reservation, Condition::Set).is_ok()
}

/// Scatters numbers, so that neighbors share nothing.
fn mix(number: u64) -> u64 {
    let mixed = (number ^ (number >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 29)
}

fn key(number: u64) -> [u8; KEY] {
    let mut key = [b'0'; KEY];
    let mut rest = number;
    for digit in key.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    key
}

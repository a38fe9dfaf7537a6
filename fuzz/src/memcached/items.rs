//! The model's items.

use std::collections::BTreeMap;
use std::rc::Rc;

/// The longest key.
pub(super) const MAX_KEY: usize = 250;

/// The clock's second when the server starts: answers that tell a time before the start count from here.
const START: u32 = 2;

/// A second that has passed.
const PASSED: u32 = 1;

/// From here on an expiry time is a date: 30 days.
const DATES: i64 = 2_592_000;

/// An item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) value: Rc<[u8]>,
    pub(super) flags: u32,
    /// The second at which it is gone; 0: never.
    pub(super) gone_at: u32,
    pub(super) cas: u64,
    pub(super) is_stale: bool,
    /// Whether a client was told to make a new one.
    pub(super) is_won: bool,
    /// Whether its key came in base64.
    pub(super) is_encoded: bool,
    pub(super) is_fetched: bool,
    /// The second of its last use.
    pub(super) used_at: u32,
}

/// An item before it is stored.
#[derive(Clone, Debug)]
pub(super) struct New {
    pub(super) key: Vec<u8>,
    pub(super) flags: u32,
    pub(super) gone_at: u32,
    pub(super) is_encoded: bool,
    /// The second at which it was begun.
    pub(super) begun_at: u32,
}

/// When an item is stored, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    Set,
    Add,
    Replace,
    Join(Join),
    /// The item there has this CAS value.
    Cas(u64),
    /// That, or a higher one, and then the new one is stale.
    CasOrStale(u64),
}

/// Two values in one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Join {
    pub(super) place: Place,
    /// 0: any.
    pub(super) cas: u64,
    pub(super) absent: Absent,
}

/// Where the new value goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Behind,
    Before,
}

/// What becomes of it if there is none to join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absent {
    Refuse,
    Store,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Stored,
    NotStored,
    Exists,
    NotFound,
    NoMemory,
}

/// What came of adding to a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sum {
    Done(u64),
    Absent,
    Exists,
    NotNumeric,
    NoMemory,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Up,
    Down,
}

/// There is no memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoMemory;

/// What chance decides about the next request, if memory is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Luck {
    /// There is room.
    Usual,
    /// Room for it is made of the item that the request is about.
    Evicted,
    /// There is no room, the first time that it takes some.
    NoMemory,
    /// The second time.
    NoMemoryLater,
    /// A value cannot be held until it is sent.
    NotHeld,
}

/// The items, the clock and the CAS value.
#[derive(Clone, Debug)]
pub(super) struct Items {
    map: BTreeMap<Vec<u8>, Item>,
    pub(super) now: u32,
    pub(super) unix_seconds: u64,
    pub(super) last_cas: u64,
    pub(super) luck: Luck,
    flush_at: Option<u32>,
    /// Bytes of the largest item.
    largest: usize,
}

impl Items {
    pub(super) fn new(unix_seconds: u64, largest: usize) -> Items {
        let (map, flush_at, luck) = (BTreeMap::new(), None, Luck::Usual);
        Items { map, now: START, unix_seconds, last_cas: 0, luck, flush_at, largest }
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, seconds: u32) {
        self.now += seconds;
        self.unix_seconds += u64::from(seconds);
        self.flush_if_due();
    }

    /// The second that a client's expiry time means.
    pub(super) fn second(&self, exptime: i64) -> u32 {
        let ahead = match exptime {
            0 => return 0,
            ..0 => return PASSED,
            1..=DATES => exptime,
            _ => exptime - self.unix_seconds as i64,
        };
        if ahead <= 0 { PASSED } else { self.now.saturating_add(ahead.min(u32::MAX.into()) as u32) }
    }

    /// Forgets everything, now or at a client's expiry time. The last wins.
    pub(super) fn flush(&mut self, delay: i64) {
        self.flush_at = Some(if delay > 0 { self.second(delay) } else { self.now });
        self.flush_if_due();
    }

    fn flush_if_due(&mut self) {
        if self.flush_at.is_some_and(|at| at <= self.now) {
            self.map.clear();
            self.flush_at = None;
            self.next_cas();
        }
    }

    fn next_cas(&mut self) -> u64 {
        self.last_cas += 1;
        self.last_cas
    }

    /// The item of a key.
    pub(super) fn get(&mut self, key: &[u8]) -> Option<&mut Item> {
        let now = self.now;
        self.map.get_mut(key).filter(|item| item.is_there(now))
    }

    /// The same, for who changes nothing.
    pub(super) fn peek(&self, key: &[u8]) -> Option<&Item> {
        self.map.get(key).filter(|item| item.is_there(self.now))
    }

    /// The items, in whose place there are none.
    pub(super) fn take(&mut self) -> Items {
        let empty = Items::new(0, 0);
        std::mem::replace(self, empty)
    }

    /// The item of a key, which is used.
    pub(super) fn fetch(&mut self, key: &[u8]) -> Option<&mut Item> {
        let now = self.now;
        let item = self.get(key)?;
        item.is_used(now);
        Some(item)
    }

    pub(super) fn remove(&mut self, key: &[u8]) -> Option<Item> {
        let now = self.now;
        self.map.remove(key).filter(|item| item.is_there(now))
    }

    /// All items that are there.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Vec<u8>, &Item)> {
        self.map.iter().filter(|(_, item)| item.is_there(self.now))
    }

    /// Bytes of all items and those whose time has come.
    pub(super) fn bytes(&self) -> usize {
        self.map.iter().map(|(key, item)| size(key.len(), item.flags, item.value.len())).sum()
    }

    /// Whether an item is within the limit.
    pub(super) fn fits(&self, key_len: usize, flags: u32, value_len: usize) -> bool {
        size(key_len, flags, value_len) <= self.largest
    }

    /// Takes memory for a request about `key`.
    pub(super) fn allocate(&mut self, key: &[u8]) -> Result<(), NoMemory> {
        let luck = self.luck;
        if luck != Luck::NotHeld {
            self.luck = if luck == Luck::NoMemoryLater { Luck::NoMemory } else { Luck::Usual };
        }
        match luck {
            Luck::NoMemory => return Err(NoMemory),
            Luck::Evicted => drop(self.map.remove(key)),
            Luck::Usual | Luck::NoMemoryLater | Luck::NotHeld => {}
        }
        Ok(())
    }

    /// Holds a value that is to be sent.
    pub(super) fn hold(&mut self) -> Result<(), NoMemory> {
        if self.luck != Luck::NotHeld {
            return Ok(());
        }
        self.luck = Luck::Usual;
        Err(NoMemory)
    }

    /// Stores an item, if `rule` lets it.
    pub(super) fn store(&mut self, new: &New, value: &[u8], rule: Rule) -> Outcome {
        let old = self.get(&new.key).cloned();
        match (rule, &old) {
            (Rule::Set, _) | (Rule::Add, None) | (Rule::Replace, Some(_)) => self.link(new, value, old.as_ref()),
            (Rule::Join(Join { absent: Absent::Store, .. }), None) => self.link(new, value, None),
            (Rule::Join(join), Some(old)) => self.join(new, value, join, old),
            (Rule::Replace | Rule::Join(_), None) => Outcome::NotStored,
            (Rule::Add, Some(_)) => {
                let now = self.now;
                self.get(&new.key).into_iter().for_each(|old| old.used_at = now);
                Outcome::NotStored
            }
            (Rule::Cas(_) | Rule::CasOrStale(_), None) => Outcome::NotFound,
            (Rule::Cas(cas) | Rule::CasOrStale(cas), Some(there)) if cas == there.cas => {
                self.link(new, value, old.as_ref())
            }
            (Rule::CasOrStale(1..), Some(there)) if matches!(rule, Rule::CasOrStale(cas) if cas < there.cas) => {
                let outcome = self.link(new, value, old.as_ref());
                if let Some(item) = self.map.get_mut(&new.key).filter(|_| outcome == Outcome::Stored) {
                    (item.is_stale, item.is_won, item.gone_at) = (true, there.is_won, there.gone_at);
                }
                outcome
            }
            (Rule::Cas(_) | Rule::CasOrStale(_), Some(_)) => Outcome::Exists,
        }
    }

    /// Puts an item in the place of `old`.
    fn link(&mut self, new: &New, value: &[u8], old: Option<&Item>) -> Outcome {
        // A new key may need room of its own.
        if old.is_none() && self.luck == Luck::NoMemory && self.allocate(&new.key).is_err() {
            return Outcome::NoMemory;
        }
        let item = Item {
            value: value.into(),
            flags: new.flags,
            gone_at: new.gone_at,
            cas: self.next_cas(),
            is_stale: false,
            is_won: false,
            is_encoded: new.is_encoded,
            is_fetched: false,
            used_at: new.begun_at,
        };
        self.map.insert(new.key.clone(), item);
        Outcome::Stored
    }

    fn join(&mut self, new: &New, value: &[u8], join: Join, old: &Item) -> Outcome {
        if join.cas != 0 && join.cas != old.cas {
            return Outcome::Exists;
        }
        if !self.fits(new.key.len(), old.flags, old.value.len() + value.len()) || self.allocate(&new.key).is_err() {
            return Outcome::NotStored;
        }
        let both = match join.place {
            Place::Behind => [&old.value[..], value],
            Place::Before => [value, &old.value[..]],
        };
        let (flags, gone_at, begun_at) = (old.flags, old.gone_at, self.now);
        let joined = New { key: new.key.clone(), flags, gone_at, is_encoded: false, begun_at };
        match self.get(&new.key).is_some() {
            true => self.link(&joined, &both.concat(), Some(old)),
            false => Outcome::NotStored,
        }
    }

    /// Adds to a number.
    pub(super) fn add(&mut self, key: &[u8], direction: Direction, delta: u64, cas: u64) -> Sum {
        let now = self.now;
        let Some(item) = self.get(key) else { return Sum::Absent };
        if item.value.is_empty() {
            return Sum::NotNumeric;
        }
        if cas != 0 && cas != item.cas {
            return Sum::Exists;
        }
        let Some(old) = super::number::unsigned(&[&item.value[..], b"\r\n"].concat()) else { return Sum::NotNumeric };
        let sum = match direction {
            Direction::Up => old.wrapping_add(delta),
            Direction::Down => old.saturating_sub(delta),
        };
        let mut value = sum.to_string().into_bytes();
        let before = item.clone();
        let keeps_len = value.len() <= before.value.len();
        value.resize(value.len().max(before.value.len()), b' ');
        if self.allocate(key).is_err() {
            return Sum::NoMemory;
        }
        if self.get(key).is_none() {
            return Sum::Absent;
        }
        let cas = self.next_cas();
        let fresh = Item { is_stale: false, is_won: false, is_encoded: false, is_fetched: false, ..before.clone() };
        let after = Item { value: value.into(), cas, used_at: now, ..if keeps_len { before } else { fresh } };
        self.map.insert(key.to_vec(), after);
        Sum::Done(sum)
    }

    /// Makes an item where there is none.
    pub(super) fn make(&mut self, key: &[u8], value: &[u8], gone_at: u32) -> Result<&mut Item, NoMemory> {
        self.allocate(key)?;
        let new = New { key: key.to_vec(), flags: 0, gone_at, is_encoded: false, begun_at: self.now };
        match self.link(&new, value, None) {
            Outcome::Stored => self.map.get_mut(key).ok_or(NoMemory),
            _ => Err(NoMemory),
        }
    }

    /// Lets the item of a key be stale, with a CAS value of its own.
    pub(super) fn invalidate(&mut self, key: &[u8]) -> Result<Option<&mut Item>, NoMemory> {
        self.allocate(key)?;
        if self.get(key).is_none() {
            return Ok(None);
        }
        let cas = self.next_cas();
        let Some(item) = self.get(key) else { return Ok(None) };
        (item.cas, item.is_stale, item.is_won) = (cas, true, false);
        Ok(Some(item))
    }
}

impl Item {
    fn is_there(&self, now: u32) -> bool {
        self.gone_at == 0 || self.gone_at > now
    }

    /// It is read now.
    pub(super) fn is_used(&mut self, now: u32) {
        (self.is_fetched, self.used_at) = (true, now);
    }
}

/// Bytes of an item as memcached counts them: header, CAS value, flags if there are any, key with its NUL, value with its line end.
pub(super) fn size(key_len: usize, flags: u32, value_len: usize) -> usize {
    48 + 8 + if flags == 0 { 0 } else { 4 } + key_len + 1 + value_len + 2
}

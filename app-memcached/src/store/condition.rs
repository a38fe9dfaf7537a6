//! When an item may be published: what a client asks of the item that its key has.

use super::Handle;
use super::index::Entry;
use super::layout::Addr;

/// When an item may be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Always.
    Set,
    /// If the key has no item.
    Add,
    /// If the key has one.
    Replace,
    /// If the key has one: the value goes behind its value.
    Append,
    /// If the key has one: the value goes before its value.
    Prepend,
    /// As the two before, in more detail.
    Join(Join),
    /// If the key's item has this CAS value.
    Cas(u64),
    /// If the key's item has this CAS value, or a higher one: then the new item is stale, as old as the one that is there.
    CasOrStale(u64),
    /// If the key's item has this CAS value, of which the new one is made: it keeps the expiry time, and with the length of the
    /// value its history.
    Derived(u64),
}

/// How two values become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Join {
    /// Where the new value goes.
    pub end: End,
    /// The CAS value that the key's item must have; 0: any.
    pub cas: u64,
    /// What becomes of the new value if there is nothing to join it with.
    pub absent: Absent,
}

/// An end of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Behind its last byte.
    Back,
    /// Before its first.
    Front,
}

/// What becomes of a value that has nothing to be joined with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// It is not stored.
    Refuse,
    /// It is stored alone.
    Add,
}

impl Condition {
    /// How the values are joined, if they are.
    fn join(self) -> Option<Join> {
        match self {
            Condition::Append => Some(Join { end: End::Back, cas: 0, absent: Absent::Refuse }),
            Condition::Prepend => Some(Join { end: End::Front, cas: 0, absent: Absent::Refuse }),
            Condition::Join(join) => Some(join),
            _ => None,
        }
    }
}

/// What came of a publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The item is there.
    Stored,
    /// The condition did not hold, or there was no memory to join two values.
    NotStored,
    /// The item has another CAS value.
    Exists,
    /// The key has no item to compare with.
    NotFound,
}

/// What a condition says about the item that is there.
pub(super) enum Verdict {
    /// The new item takes its place, or that of none.
    Link,
    /// The new item takes its place, and is stale.
    LinkStale(Entry),
    /// The values of both are joined.
    Join([Addr; 2]),
    /// Nothing happens.
    Refuse(Outcome),
}

impl Handle {
    /// What `condition` says about the item that there is, if the one at `addr` is to be published.
    #[inline]
    pub(super) fn judge(&self, condition: Condition, old: Option<Entry>, addr: Addr) -> Verdict {
        match condition {
            Condition::Set => Verdict::Link,
            _ => self.judge_old(condition, old, addr),
        }
    }

    fn judge_old(&self, condition: Condition, entry: Option<Entry>, addr: Addr) -> Verdict {
        let arena = &self.shared.arena;
        let old = entry.map(Entry::addr);
        if let Some(join) = condition.join() {
            return self.judge_join(join, old, addr);
        }
        match (condition, old) {
            // It was touched meanwhile, and begins to expire.
            (Condition::Derived(_), Some(old)) if !arena.may_copy_exptime(old, addr) => {
                Verdict::Refuse(Outcome::Exists)
            }
            (Condition::Set, _) | (Condition::Add, None) | (Condition::Replace, Some(_)) => Verdict::Link,
            (Condition::Cas(_) | Condition::CasOrStale(_) | Condition::Derived(_), None) => {
                Verdict::Refuse(Outcome::NotFound)
            }
            (Condition::Cas(cas) | Condition::CasOrStale(cas) | Condition::Derived(cas), Some(old))
                if self.shared.stamp(old) == cas =>
            {
                Verdict::Link
            }
            (Condition::CasOrStale(cas), Some(old)) if (1..self.shared.stamp(old)).contains(&cas) => {
                entry.map_or(Verdict::Link, Verdict::LinkStale)
            }
            (Condition::Cas(_) | Condition::CasOrStale(_) | Condition::Derived(_), Some(_)) => {
                Verdict::Refuse(Outcome::Exists)
            }
            (Condition::Add, Some(old)) => {
                let (access, wanted) = (arena.access(old), arena.access(old).wanted(self.now));
                if access != wanted {
                    arena.set_access(old, wanted);
                }
                Verdict::Refuse(Outcome::NotStored)
            }
            _ => Verdict::Refuse(Outcome::NotStored),
        }
    }

    fn judge_join(&self, join: Join, old: Option<Addr>, addr: Addr) -> Verdict {
        match (old, join) {
            (None, Join { absent: Absent::Add, .. }) => Verdict::Link,
            (None, _) => Verdict::Refuse(Outcome::NotStored),
            (Some(old), Join { cas, .. }) if cas != 0 && cas != self.shared.stamp(old) => {
                Verdict::Refuse(Outcome::Exists)
            }
            (Some(old), Join { end: End::Back, .. }) => Verdict::Join([old, addr]),
            (Some(old), Join { end: End::Front, .. }) => Verdict::Join([addr, old]),
        }
    }
}

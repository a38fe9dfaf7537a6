//! What the cache says that it did.

use super::SideName;

/// Of new items, so many have evicted another, at least, where memory is full: the others found room that a neighbour had left.
const LEAST_EVICTING: f64 = 0.9;

/// Counters of `stats`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counters {
    /// Requests to store.
    pub(super) sets: u64,
    /// Requests for an item, and those of them that found it.
    pub(super) gets: u64,
    pub(super) hits: u64,
    /// Items dropped for others.
    pub(super) evictions: u64,
    /// Items there are.
    pub(super) items: u64,
}

impl Counters {
    /// From an answer to `stats`, if it has all of them.
    pub(super) fn parse(answer: &str) -> Option<Counters> {
        let value = |name: &str| {
            let mut lines = answer.lines().filter_map(|line| line.strip_prefix("STAT ")?.split_once(' '));
            lines.find(|(found, _)| *found == name)?.1.trim().parse().ok()
        };
        Some(Counters {
            sets: value("cmd_set")?,
            gets: value("cmd_get")?,
            hits: value("get_hits")?,
            evictions: value("evictions")?,
            items: value("curr_items")?,
        })
    }

    /// What was counted since.
    pub(super) fn since(self, before: Counters) -> Counters {
        Counters {
            sets: self.sets.saturating_sub(before.sets),
            gets: self.gets.saturating_sub(before.gets),
            hits: self.hits.saturating_sub(before.hits),
            evictions: self.evictions.saturating_sub(before.evictions),
            items: self.items,
        }
    }

    /// Items that were evicted for each that was stored.
    pub(super) fn evictions_per_set(&self) -> f64 {
        self.evictions as f64 / self.sets.max(1) as f64
    }

    /// The share of requests that found their item.
    pub(super) fn hit_share(&self) -> f64 {
        self.hits as f64 / self.gets.max(1) as f64
    }

    /// Whether a side did meanwhile what it is there for, or what it did instead.
    pub(super) fn prove(&self, side: SideName) -> Result<(), String> {
        let found = || format!("{} evictions in {} sets", self.evictions, self.sets);
        match side {
            _ if self.sets == 0 => Err("nothing was stored".to_owned()),
            SideName::Evicting if self.evictions_per_set() < LEAST_EVICTING => {
                Err(format!("{}: memory was not full, give less (--scarce)", found()))
            }
            SideName::Keeping if self.evictions > 0 => {
                Err(format!("{}: memory was full, give more (--ample) or measure for less long (--time)", found()))
            }
            SideName::Evicting | SideName::Keeping => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_read() {
        let answer = "STAT pid 1\r\nSTAT cmd_get 7\r\nSTAT cmd_set 10\r\nSTAT get_hits 3\r\nSTAT curr_items 4\r\n\
                      STAT evictions 5\r\nEND\r\n";
        let counters = Counters { sets: 10, gets: 7, hits: 3, evictions: 5, items: 4 };
        assert_eq!(Counters::parse(answer), Some(counters));
        assert_eq!(Counters::parse(&answer.replace("evictions", "evicted")), None);
        assert_eq!(Counters::parse(&answer.replace("10", "x")), None);
        let later = Counters { sets: 110, gets: 27, hits: 8, evictions: 105, items: 4 };
        assert_eq!(later.since(counters), Counters { sets: 100, gets: 20, hits: 5, evictions: 100, items: 4 });
        assert_eq!((later.since(counters).evictions_per_set(), later.since(counters).hit_share()), (1.0, 0.25));
    }

    #[test]
    fn a_side_that_did_something_else_proves_nothing() {
        let of = |sets, evictions| Counters { sets, evictions, ..Counters::default() };
        assert_eq!(of(100, 100).prove(SideName::Evicting), Ok(()));
        assert!(of(100, 80).prove(SideName::Evicting).unwrap_err().contains("--scarce"));
        assert_eq!(of(100, 0).prove(SideName::Keeping), Ok(()));
        assert!(of(100, 1).prove(SideName::Keeping).unwrap_err().contains("--ample"));
        assert!(SideName::BOTH.iter().all(|&side| of(0, 0).prove(side).is_err()));
    }
}

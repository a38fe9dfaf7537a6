//! Hits and misses, before and after the cache had time to fill.

/// Hits and misses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    warm_up: u64,
    /// Look-ups and hits while it fills.
    before: [u64; 2],
    /// And after.
    after: [u64; 2],
}

impl Tally {
    /// Nothing yet. What comes before the request number `warm_up` is counted apart.
    pub fn new(warm_up: u64) -> Tally {
        Tally { warm_up, ..Tally::default() }
    }

    /// Notes a look-up.
    pub fn note(&mut self, number: u64, hit: bool) {
        let counts = if number < self.warm_up { &mut self.before } else { &mut self.after };
        counts[0] += 1;
        counts[1] += u64::from(hit);
    }

    /// Look-ups in all.
    pub fn lookups(&self) -> u64 {
        self.before[0] + self.after[0]
    }

    /// The share of look-ups that hit after the cache has filled; 0 if there were none.
    pub fn hit_ratio(&self) -> f64 {
        ratio(self.after)
    }

    /// The same over all look-ups.
    pub fn hit_ratio_of_all(&self) -> f64 {
        ratio([0, 1].map(|at| self.before[at] + self.after[at]))
    }
}

fn ratio([lookups, hits]: [u64; 2]) -> f64 {
    if lookups == 0 { 0.0 } else { hits as f64 / lookups as f64 }
}

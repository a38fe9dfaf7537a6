//! How long flow groups were served by no core.

use core::time::Duration;

use netstack::app::Statistics;

/// Counts of pauses below each of these, in microseconds; the last also has those above.
const NAMES: [(&str, u64); 8] = [
    ("migrate_pauses_below_16_us", 16),
    ("migrate_pauses_below_64_us", 64),
    ("migrate_pauses_below_128_us", 128),
    ("migrate_pauses_below_256_us", 256),
    ("migrate_pauses_below_512_us", 512),
    ("migrate_pauses_below_1024_us", 1024),
    ("migrate_pauses_below_4096_us", 4096),
    ("migrate_pauses_longer", u64::MAX),
];

/// The pauses of the groups that came to one core.
#[derive(Default)]
pub(super) struct Pauses {
    counts: [u64; NAMES.len()],
    total_us: u64,
}

impl Pauses {
    pub(super) fn add(&mut self, pause: Duration) {
        let us = pause.as_micros() as u64;
        self.total_us += us;
        if let Some(at) = NAMES.iter().position(|(_, limit)| us < *limit) {
            self.counts[at] += 1;
        }
    }
}

impl Statistics for Pauses {
    fn visit(&self, visit: &mut dyn FnMut(&str, u64)) {
        NAMES.iter().zip(&self.counts).for_each(|((name, _), count)| visit(name, *count));
        visit("migrate_pauses_us", self.total_us);
    }
}

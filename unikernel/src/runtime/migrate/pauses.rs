//! How long something had to wait: counts of pauses below limits in microseconds; the last also has those above.

use core::time::Duration;

use netstack::app::Statistics;

/// The limits, each twice the last, but for the long ones.
const LIMITS: [u64; 13] = [8, 16, 32, 64, 125, 250, 500, 1000, 2000, 4000, 16_000, 64_000, u64::MAX];

/// The names of the counts, and that of the sum.
pub(super) struct Names {
    below: [&'static str; LIMITS.len()],
    total: &'static str,
}

macro_rules! names {
    ($prefix:literal) => {
        Names {
            below: [
                concat!($prefix, "_below_8_us"),
                concat!($prefix, "_below_16_us"),
                concat!($prefix, "_below_32_us"),
                concat!($prefix, "_below_64_us"),
                concat!($prefix, "_below_125_us"),
                concat!($prefix, "_below_250_us"),
                concat!($prefix, "_below_500_us"),
                concat!($prefix, "_below_1000_us"),
                concat!($prefix, "_below_2000_us"),
                concat!($prefix, "_below_4000_us"),
                concat!($prefix, "_below_16000_us"),
                concat!($prefix, "_below_64000_us"),
                concat!($prefix, "_longer"),
            ],
            total: concat!($prefix, "_us"),
        }
    };
}

/// Of groups with connections that were served by no core.
pub(super) const PAUSES: Names = names!("migrate_pauses");
/// Of frames that came by the NIC's new table before the last that came by the old one were passed on.
pub(super) const NIC_WAITS: Names = names!("migrate_nic_waits");

/// The pauses that one core has seen.
pub(super) struct Pauses {
    names: &'static Names,
    counts: [u64; LIMITS.len()],
    total_us: u64,
}

impl Pauses {
    pub(super) fn new(names: &'static Names) -> Pauses {
        Pauses { names, counts: [0; LIMITS.len()], total_us: 0 }
    }

    pub(super) fn add(&mut self, pause: Duration) {
        let us = pause.as_micros() as u64;
        self.total_us += us;
        if let Some(at) = LIMITS.iter().position(|limit| us < *limit) {
            self.counts[at] += 1;
        }
    }
}

impl Statistics for Pauses {
    fn visit(&self, visit: &mut dyn FnMut(&str, u64)) {
        self.names.below.iter().zip(&self.counts).for_each(|(name, count)| visit(name, *count));
        visit(self.names.total, self.total_us);
    }
}

//! What the appliance says of its moves.

use std::fmt::{self, Display, Formatter};
use std::net::SocketAddr;
use std::ops::Sub;

use anyhow::{Context, Result};

use super::statistics;

/// Counters that are shown.
const SHOWN: [&str; 12] = [
    "migrate_connections",
    "migrate_frames_kept",
    "migrate_refused",
    "migrate_turned_away",
    "drop_migrate_kept_full",
    "drop_mailbox_no_buffer",
    "drop_steer_ring_full",
    "drop_steer_no_buffer",
    "tcp_out_of_order",
    "tcp_retransmits",
    "tcp_tail_probes",
    "tcp_timeouts",
];
/// Moves so far.
pub(super) struct Moves {
    pub(super) groups: u64,
    pub(super) parkings: u64,
    /// Of groups with connections.
    pub(super) pauses: Pauses,
    /// Of frames that came by the NIC's new table.
    pub(super) nic_waits: Pauses,
    others: Vec<(&'static str, u64)>,
}

/// What frames of moved groups waited for, over some time.
pub(super) struct Waits {
    pub(super) pauses: Pauses,
    pub(super) nic_waits: Pauses,
}

/// Counts of pauses below limits in microseconds, in ascending order; the last has none.
#[derive(Clone)]
pub(super) struct Pauses(Vec<(u64, u64)>);

impl Moves {
    /// Asks the appliance.
    pub(super) fn ask(server: SocketAddr) -> Result<Moves> {
        let stats = statistics(server)?;
        let of = |wanted: &str| stats.iter().find(|(name, _)| name == wanted).map(|(_, value)| *value);
        Ok(Moves {
            groups: of("migrate_groups").context("no migrate_groups: one core?")?,
            parkings: of("cores_parkings").context("no cores_parkings")?,
            pauses: Pauses::named(&stats, "migrate_pauses"),
            nic_waits: Pauses::named(&stats, "migrate_nic_waits"),
            others: SHOWN.iter().map(|name| (*name, of(name).unwrap_or(0))).collect(),
        })
    }

    /// What frames have waited for so far.
    pub(super) fn waits(&self) -> Waits {
        Waits { pauses: self.pauses.clone(), nic_waits: self.nic_waits.clone() }
    }
}

impl Sub for Waits {
    type Output = Waits;

    fn sub(self, earlier: Waits) -> Waits {
        Waits { pauses: self.pauses - earlier.pauses, nic_waits: self.nic_waits - earlier.nic_waits }
    }
}

impl Display for Moves {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "  {:<28}{:>12}", "groups moved", self.groups)?;
        writeln!(f, "  {:<28}{:>12}", "cores parked", self.parkings)?;
        for (name, value) in &self.others {
            writeln!(f, "  {name:<28}{value:>12}")?;
        }
        Ok(())
    }
}

impl Pauses {
    fn named(stats: &[(String, u64)], prefix: &str) -> Pauses {
        let below = |(name, count): &(String, u64)| {
            let limit = match name.strip_prefix(prefix)?.strip_prefix('_')? {
                "longer" => u64::MAX,
                rest => rest.strip_prefix("below_")?.strip_suffix("_us")?.parse().ok()?,
            };
            Some((limit, *count))
        };
        let mut pauses: Vec<_> = stats.iter().filter_map(below).collect();
        pauses.sort_unstable();
        Pauses(pauses)
    }

    /// The limit that such a part of the pauses stayed below.
    pub(super) fn below_us(&self, part: f64) -> u64 {
        let all: u64 = self.0.iter().map(|(_, count)| count).sum();
        let mut sum = 0;
        for (limit, count) in &self.0 {
            sum += count;
            if sum as f64 >= part * all as f64 {
                return *limit;
            }
        }
        u64::MAX
    }
}

impl Sub for Pauses {
    type Output = Pauses;

    fn sub(self, earlier: Pauses) -> Pauses {
        let rest = self.0.into_iter().zip(earlier.0);
        Pauses(rest.map(|((limit, count), (_, before))| (limit, count.saturating_sub(before))).collect())
    }
}

impl Display for Pauses {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let count: u64 = self.0.iter().map(|(_, count)| count).sum();
        write!(f, "{count}, below us")?;
        for (name, part) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)] {
            match self.below_us(part) {
                u64::MAX => write!(f, ", {name} beyond the scale")?,
                limit => write!(f, ", {name} {limit}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_pauses() {
        let pauses = Pauses(vec![(16, 50), (32, 49), (64, 1), (u64::MAX, 0)]);
        assert_eq!([0.5, 0.99, 0.995, 1.0].map(|part| pauses.below_us(part)), [16, 32, 64, 64]);
        let later = Pauses(vec![(16, 50), (32, 50), (64, 1), (u64::MAX, 1)]);
        assert_eq!([0.5, 1.0].map(|part| (later.clone() - pauses.clone()).below_us(part)), [32, u64::MAX]);
    }
}

//! What the two sides of a case have in common, and what they differ in.

use std::fmt;

use super::Options;
use crate::load::workload::{Mix, Workload};
use crate::load::{LoadError, Loading, Misses, Plan};
use crate::peers::Needs;

/// Lengths follow from it, and what is asked for.
const SEED: u64 = 1;
/// Keys to draw from where nearly each is to be new.
const NEW_KEYS: u64 = 1_000_000_000;
/// Of the memory, keys and values take one part in so many where all are to stay.
const FITTING: u64 = 2;
/// Bytes counted for an item beside its key and value: more than its header and its place in the index take.
const ITEM_BYTES: u64 = 48;
/// Records that are looked at for the mean of their lengths.
const SAMPLE: u64 = 10_000;

/// What the sides differ in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Differs {
    /// The memory. Both are asked the same: one new key after another. One has memory for all of them.
    Memory,
    /// The keys. Both have the same memory: one is asked for new keys, the other for few, which fit in half of it, again and again.
    Keys,
}

/// What both are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// To store items.
    Sets,
    /// For items, which are stored where they were not there: a look-aside cache.
    LookAside,
}

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SideName {
    /// For each new item another is evicted.
    Evicting,
    /// None is.
    Keeping,
}

/// A pair to compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// What its sides differ in.
    pub differs: Differs,
    /// What both are asked for.
    pub load: Load,
}

impl SideName {
    /// As figures have them.
    pub const BOTH: [SideName; 2] = [SideName::Evicting, SideName::Keeping];
}

impl Case {
    /// All of them. Few keys that are all there are never missed: a look-aside cache of them stores nothing, and would be another load.
    pub const ALL: [Case; 3] = [
        Case { differs: Differs::Memory, load: Load::Sets },
        Case { differs: Differs::Memory, load: Load::LookAside },
        Case { differs: Differs::Keys, load: Load::Sets },
    ];

    /// What the server of a side is given.
    pub(super) fn needs(&self, options: &Options, side: SideName) -> Needs {
        let memory_mib = match (self.differs, side) {
            (Differs::Memory, SideName::Keeping) => options.ample_mib,
            (Differs::Keys, _) | (_, SideName::Evicting) => options.scarce_mib,
        };
        Needs { memory_mib, connections: options.connections, cores: options.cores.servers }
    }

    /// What the generator of a side is asked.
    pub(super) fn plan(&self, options: &Options, side: SideName) -> Result<Plan, LoadError> {
        let (keys, values, _) = options.records.parameters();
        let (updates, misses) = match self.load {
            Load::Sets => (1.0, Misses::Counted),
            Load::LookAside => (0.0, Misses::Filled),
        };
        let mix = Mix { records: NEW_KEYS, keys, values, updates, seed: SEED };
        let (records, loading) = match (self.differs, side) {
            (Differs::Keys, SideName::Keeping) => {
                let bytes = u64::from(self.needs(options, side).memory_mib) << 20;
                (bytes / FITTING / mean_bytes(mix)?, Loading::First)
            }
            (Differs::Memory, _) | (_, SideName::Evicting) => (NEW_KEYS, Loading::Skipped),
        };
        Ok(Plan {
            connections: options.connections,
            depth: options.depth,
            mix: Mix { records, ..mix },
            loading,
            misses,
            warmup: options.warmup,
            time: options.time,
            processors: vec![options.cores.client],
            ..Plan::default()
        })
    }
}

/// What an item of a mix takes, in the mean.
pub(super) fn mean_bytes(mix: Mix) -> Result<u64, LoadError> {
    let workload = Workload::new(mix).map_err(|error| LoadError::Impossible(error.to_string()))?;
    let records = (0..SAMPLE).map(|index| workload.record(index));
    let bytes: u64 = records.map(|record| (record.key_len() + record.value_len()) as u64).sum();
    Ok(bytes / SAMPLE + ITEM_BYTES)
}

impl Differs {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Differs::Memory => "memory",
            Differs::Keys => "keys",
        }
    }
}

impl Load {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Load::Sets => "set",
            Load::LookAside => "look-aside",
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, other {}", self.load.name(), self.differs.name())
    }
}

impl fmt::Display for SideName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SideName::Evicting => "evicting",
            SideName::Keeping => "keeping",
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use orchestrator::Accel;

    use super::*;
    use crate::load::workload::Preset;
    use crate::peers::{Cores, Kind, Peer, Route};

    pub(crate) fn options() -> Options {
        Options {
            peer: Peer { kind: Kind::Memstorm, route: Route::VhostUser, accel: Some(Accel::Kvm) },
            records: Preset::Etc,
            rounds: 2,
            time: Duration::from_secs(1),
            warmup: Duration::from_millis(250),
            connections: 64,
            depth: 4,
            scarce_mib: 64,
            ample_mib: 1024,
            cores: Cores { server: 1, servers: 1, client: 0 },
        }
    }

    #[test]
    fn the_sides_differ_in_one_thing() {
        let options = options();
        for case in Case::ALL {
            let [evicting, keeping] =
                SideName::BOTH.map(|side| (case.needs(&options, side), case.plan(&options, side).unwrap()));
            match case.differs {
                Differs::Memory => {
                    assert_eq!(evicting.1, keeping.1);
                    assert_eq!((evicting.0.memory_mib, keeping.0.memory_mib), (64, 1024));
                }
                Differs::Keys => {
                    assert_eq!(evicting.0, keeping.0);
                    let (few, many) = (keeping.1.mix, evicting.1.mix);
                    assert_eq!(Mix { records: many.records, ..few }, many);
                    let mean = mean_bytes(few).unwrap();
                    assert!((30 << 20..=32 << 20).contains(&(few.records * mean)), "{} of {mean} bytes", few.records);
                }
            }
            assert!(evicting.1.workload().is_ok() && keeping.1.workload().is_ok());
        }
    }

    #[test]
    fn lengths_are_those_of_the_records() {
        let mean = |records: Preset| {
            let (keys, values, updates) = records.parameters();
            mean_bytes(Mix { records: NEW_KEYS, keys, values, updates, seed: SEED }).unwrap()
        };
        assert_eq!(mean(Preset::Usr), 19 + 2 + ITEM_BYTES);
        // By the definitions of Facebook's pools, keys of 31 and values of 214 to 330 bytes.
        assert!((250..450).contains(&mean(Preset::Etc)), "{}", mean(Preset::Etc));
    }
}

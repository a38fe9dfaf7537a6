//! What is measured.

use crate::stack::{Arrivals, BATCH, Load, Work};

/// A kind of request with a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// Its name in the file.
    pub name: &'static str,
    /// What it is about.
    pub about: &'static str,
    /// What is measured.
    pub load: Load,
}

/// All of them, sorted by name. Keys and values are of the lengths that are usual in Facebook's pools USR and ETC (Atikoglu et
/// al., "Workload Analysis of a Large-Scale Key-Value Store", 2012); a value of 4 KiB is lent to the stack, not copied.
pub const CASES: [Case; 6] = [
    case("echo", "64 bytes", Work::Echo, 64, 1000),
    case("echo-alone", "64 bytes, one connection: all of a turn for one request", Work::Echo, 64, 1),
    case("get-4k", "key of 31 bytes, value of 4 KiB", Work::Get { key: 31 }, 4096, 1000),
    case("get-etc", "key of 31 bytes, value of 330", Work::Get { key: 31 }, 330, 1000),
    case("get-usr", "key of 19 bytes, value of 2", Work::Get { key: 19 }, 2, 1000),
    case("set-usr", "key of 19 bytes, value of 2", Work::Set { key: 19 }, 2, 1000),
];

const fn case(name: &'static str, about: &'static str, work: Work, size: usize, connections: usize) -> Case {
    let load = Load { work, connections, size, depth: 1, batch: BATCH, arrivals: Arrivals::Batch };
    Case { name, about, load }
}

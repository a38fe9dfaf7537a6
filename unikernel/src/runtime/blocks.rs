//! What each core counts, where the others can read it.
//!
//! A core counts in plain memory of its own and copies it to its block now and then, so that counting costs nothing. Whoever
//! is asked for statistics adds the blocks of the others to its own counters, and is at most a millisecond behind.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::Write;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use netstack::app::Statistics;
use netstack::time::Instant;

/// How old a block may be.
const AGE: Duration = Duration::from_millis(1);

/// Statistics whose names begin so are told for each core, too.
const PER_CORE: &str = "stage_";

/// The blocks of all cores: values in the order in which the statistics of any core are visited.
#[derive(Clone)]
pub struct Blocks(Arc<[Block]>);

#[repr(align(128))]
struct Block(Box<[AtomicU64]>);

impl Blocks {
    /// Blocks for `cores` cores of as many values as `count` counts. One core alone needs none.
    pub fn new(cores: usize, count: impl FnOnce() -> usize) -> Blocks {
        let values = if cores > 1 { count() } else { 0 };
        Blocks((0..cores).map(|_| Block((0..values).map(|_| AtomicU64::new(0)).collect())).collect())
    }

    fn value(&self, core: usize, index: usize) -> u64 {
        self.0[core].0.get(index).map_or(0, |value| value.load(Ordering::Relaxed))
    }
}

/// One core's access to the blocks.
pub struct Publisher {
    blocks: Blocks,
    own: usize,
    due: Instant,
}

impl Publisher {
    /// The access of core `own`.
    pub fn new(blocks: Blocks, own: usize) -> Publisher {
        Publisher { blocks, own, due: Instant::ZERO }
    }

    /// Whether the block is so old that it should be written.
    pub fn is_due(&self, now: Instant) -> bool {
        now >= self.due && self.has_readers()
    }

    /// Whether there are other cores.
    fn has_readers(&self) -> bool {
        self.blocks.0.len() > 1
    }

    /// Writes the block, if anybody reads it.
    pub fn publish(&mut self, now: Instant, statistics: &dyn Statistics) {
        if !self.has_readers() {
            return;
        }
        self.due = now + AGE;
        let mut values = self.blocks.0[self.own].0.iter();
        statistics.visit(&mut |_, count| {
            if let Some(value) = values.next() {
                value.store(count, Ordering::Relaxed);
            }
        });
    }

    /// The sum of this core's statistics and the others' blocks.
    pub fn total<'a>(&'a self, own: &'a dyn Statistics) -> Total<'a> {
        Total { publisher: self, own }
    }
}

/// The statistics of all cores.
pub struct Total<'a> {
    publisher: &'a Publisher,
    own: &'a dyn Statistics,
}

impl Statistics for Total<'_> {
    fn visit(&self, visit: &mut dyn FnMut(&str, u64)) {
        let Publisher { blocks, own, .. } = self.publisher;
        let cores = blocks.0.len();
        let mut index = 0;
        self.own.visit(&mut |name, value| {
            let others = (0..cores).filter(|core| core != own).map(|core| blocks.value(core, index));
            visit(name, value + others.sum::<u64>());
            index += 1;
        });
        for core in 0..cores {
            let mut index = 0;
            self.own.visit(&mut |name, value| {
                let value = if core == *own { value } else { blocks.value(core, index) };
                index += 1;
                let mut of_core = heapless::String::<64>::new();
                if name.starts_with(PER_CORE) && write!(of_core, "core{core}_{name}").is_ok() {
                    visit(&of_core, value);
                }
            });
        }
    }
}

/// How many values statistics have.
pub fn count(statistics: &dyn Statistics) -> usize {
    let mut names = Vec::new();
    statistics.visit(&mut |_, _| names.push(()));
    names.len()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    struct Fixed(&'static [(&'static str, u64)]);

    impl Statistics for Fixed {
        fn visit(&self, visit: &mut dyn FnMut(&str, u64)) {
            self.0.iter().for_each(|(name, value)| visit(name, *value));
        }
    }

    #[test]
    fn sums_and_cores() {
        let [first, second] = [Fixed(&[("a", 1), ("stage_b", 2)]), Fixed(&[("a", 10), ("stage_b", 20)])];
        let blocks = Blocks::new(2, || count(&first));
        let mut publishers = [0, 1].map(|core| Publisher::new(blocks.clone(), core));
        publishers[1].publish(Instant::ZERO, &second);
        assert!(publishers[0].is_due(Instant::ZERO) && !publishers[1].is_due(Instant::ZERO));
        let mut seen = Vec::new();
        publishers[0].total(&first).visit(&mut |name, value| seen.push((name.to_owned(), value)));
        let expected = [("a", 11), ("stage_b", 22), ("core0_stage_b", 2), ("core1_stage_b", 20)];
        assert_eq!(seen, expected.map(|(name, value)| (name.to_owned(), value)));
    }

    #[test]
    fn a_core_alone_publishes_nothing() {
        let first = Fixed(&[("stage_b", 2)]);
        let mut publisher = Publisher::new(Blocks::new(1, || unreachable!()), 0);
        publisher.publish(Instant::ZERO, &first);
        assert!(!publisher.is_due(Instant::ZERO));
        let mut seen = Vec::new();
        publisher.total(&first).visit(&mut |name, value| seen.push((name.to_owned(), value)));
        assert_eq!(seen, [("stage_b".to_owned(), 2), ("core0_stage_b".to_owned(), 2)]);
    }
}

//! Empty buffers that wait for frames, where there is no ring.

use std::collections::VecDeque;

use crate::nic::RxCounters;
use crate::pktbuf::{PktBuf, Pool};

/// Takes buffers from the pool until `most` of them wait; an empty pool is counted. Returns how many it took.
pub fn refill(empty: &mut VecDeque<PktBuf>, most: usize, pool: &'static Pool, counters: &mut RxCounters) -> usize {
    let before = empty.len();
    while empty.len() < most {
        let Some(buf) = pool.alloc() else {
            counters.pool_empty += 1;
            break;
        };
        empty.push_back(buf);
    }
    empty.len() - before
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pktbuf::PoolMemory;

    #[test]
    fn a_pool_gives_what_it_has() {
        let pool = Pool::leak(PoolMemory::leak(2));
        let (mut empty, mut counters) = (VecDeque::new(), RxCounters::default());
        assert_eq!((refill(&mut empty, 1, pool, &mut counters), counters.pool_empty), (1, 0));
        assert_eq!((refill(&mut empty, 1, pool, &mut counters), counters.pool_empty), (0, 0));
        assert_eq!((refill(&mut empty, 5, pool, &mut counters), counters.pool_empty), (1, 1));
        assert_eq!(empty.len(), 2);
    }
}

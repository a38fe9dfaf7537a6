//! Every key once: set, and never asked for.

use super::{Operation, Request, Source};
use crate::cache::CacheError;
use crate::load::distribution::{Distribution, FACEBOOK_KEY};
use crate::load::workload::{Mix, Workload};

/// No key is shorter than its number: there are no more keys than this has digits for.
const RECORDS: u64 = 100_000_000;

/// Items with keys and values of Facebook's ETC pool, each with a key of its own.
#[derive(Clone, Debug)]
pub struct Once {
    records: Workload,
    items: u64,
    number: u64,
}

impl Once {
    /// As many items as have so many bytes of keys and values together.
    pub fn new(bytes: u64, seed: u64) -> Result<Once, CacheError> {
        let values = Distribution::FacebookValue;
        let records = Workload::new(Mix { records: RECORDS, keys: FACEBOOK_KEY, values, updates: 0.0, seed })?;
        let (mut items, mut sum) = (0, 0);
        while sum < bytes && items < RECORDS {
            let record = records.record(items);
            sum += (record.key_len() + record.value_len()) as u64;
            items += 1;
        }
        Ok(Once { records, items, number: 0 })
    }
}

impl Source for Once {
    fn next(&mut self, request: &mut Request) -> Result<bool, CacheError> {
        if self.number == self.items {
            return Ok(false);
        }
        let record = self.records.record(self.number);
        *request = Request {
            number: self.number,
            time_us: 0,
            operation: Operation::Set,
            key: std::mem::take(&mut request.key),
            value_len: record.value_len(),
            ttl_s: 0,
        };
        request.key.clear();
        record.append_key(&mut request.key);
        self.number += 1;
        Ok(true)
    }

    fn requests(&self) -> u64 {
        self.items
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_key_comes_once_until_the_bytes_are_reached() {
        let mut trace = Once::new(1 << 20, 1).unwrap();
        let (mut keys, mut bytes, mut request) = (HashSet::new(), 0, Request::default());
        while trace.next(&mut request).unwrap() {
            assert_eq!((request.operation, request.number), (Operation::Set, keys.len() as u64));
            bytes += request.key.len() + request.value_len;
            assert!(keys.insert(request.key.clone()));
        }
        assert_eq!(keys.len() as u64, trace.requests());
        assert!((1 << 20..(1 << 20) + 100_000).contains(&bytes), "{bytes}");
    }
}

//! Traces made up from a seed: the same seed, the same requests.

use super::{Lifetimes, Operation, Request, Scans, Shape, Source, Zipf};
use crate::cache::CacheError;
use crate::load::distribution::{Distribution, FACEBOOK_KEY};
use crate::load::random::{Random, scatter};
use crate::load::workload::{Mix, Workload};

/// Stretches of a trace without scans, each followed by one with: so many are there of both.
const STRETCHES: u64 = 16;
/// Records that the mean length is taken of.
const SAMPLE: u64 = 100_000;
/// Tells the choices of lifetimes from those of lengths.
const LIFETIMES: u64 = 0x6c69_6665;

/// How much of it there is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extent {
    /// Bytes of all keys and values that are asked for again, about.
    pub bytes: u64,
    /// Requests.
    pub requests: u64,
    /// Requests a second.
    pub rate: u64,
    /// What everything follows from.
    pub seed: u64,
}

/// A made-up trace.
#[derive(Clone, Debug)]
pub struct Synthetic {
    shape: Shape,
    extent: Extent,
    /// Keys that are asked for again; keys of scans come behind them.
    keys: u64,
    records: Workload,
    zipf: Zipf,
    random: Random,
    number: u64,
    scanned: u64,
}

impl Synthetic {
    /// A trace of this shape and extent.
    pub fn new(shape: Shape, extent: Extent) -> Result<Synthetic, CacheError> {
        let records = |records: u64| {
            let values = Distribution::FacebookValue;
            Workload::new(Mix { records, keys: FACEBOOK_KEY, values, updates: 0.0, seed: extent.seed })
        };
        let sample = records(SAMPLE)?;
        let lengths = (0..SAMPLE).map(|index| sample.record(index)).map(|record| record.key_len() + record.value_len());
        let mean = lengths.sum::<usize>() as u64 / SAMPLE;
        let keys = (extent.bytes / mean).max(1);
        Ok(Synthetic {
            shape,
            extent,
            keys,
            records: records(keys + extent.requests)?,
            zipf: Zipf::new(keys, shape.alpha),
            random: Random::with_seed(extent.seed),
            number: 0,
            scanned: 0,
        })
    }

    /// Keys that are asked for again.
    pub fn keys(&self) -> u64 {
        self.keys
    }

    /// The record that is asked for next.
    fn draw(&mut self) -> u64 {
        let stretch = (self.extent.requests / STRETCHES / 2).max(1);
        let scans = self.shape.scans == Scans::Quarter && self.number / stretch % 2 == 1;
        if scans && self.random.bool() {
            self.scanned += 1;
            self.keys + self.scanned - 1
        } else {
            self.zipf.draw(&mut self.random)
        }
    }

    fn ttl_s(&self, index: u64) -> u32 {
        if self.shape.lifetimes == Lifetimes::Unlimited {
            return 0;
        }
        let hash = scatter(index, self.extent.seed ^ LIFETIMES);
        let within = |least: u32, most: u32| least + ((hash >> 32) as u32) % (most - least + 1);
        match hash as u32 % 10 {
            0..5 => within(1, 5),
            5..8 => within(10, 30),
            8 => within(300, 3600),
            _ => 0,
        }
    }
}

impl Source for Synthetic {
    fn next(&mut self, request: &mut Request) -> Result<bool, CacheError> {
        if self.number == self.extent.requests {
            return Ok(false);
        }
        let index = self.draw();
        let record = self.records.record(index);
        request.number = self.number;
        request.time_us = (u128::from(self.number) * 1_000_000 / u128::from(self.extent.rate.max(1))) as u64;
        request.operation = Operation::Get;
        request.key.clear();
        record.append_key(&mut request.key);
        request.value_len = record.value_len();
        request.ttl_s = self.ttl_s(index);
        self.number += 1;
        Ok(true)
    }

    fn requests(&self) -> u64 {
        self.extent.requests
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const EXTENT: Extent = Extent { bytes: 2 << 20, requests: 40_000, rate: 10_000, seed: 3 };

    fn all(name: &str, extent: Extent) -> (Synthetic, Vec<Request>) {
        let mut trace = Synthetic::new(name.parse().unwrap(), extent).unwrap();
        let (mut requests, mut request) = (Vec::new(), Request::default());
        while trace.next(&mut request).unwrap() {
            requests.push(request.clone());
        }
        (trace, requests)
    }

    #[test]
    fn the_same_seed_makes_the_same_trace() {
        for name in ["zipf-0.9", "scan", "ttl"] {
            let (_, first) = all(name, EXTENT);
            assert_eq!(first, all(name, EXTENT).1);
            assert_ne!(first, all(name, Extent { seed: 4, ..EXTENT }).1);
            assert_eq!(first.len(), 40_000);
            assert_eq!((first[0].time_us, first[39_999].time_us), (0, 3_999_900));
        }
    }

    #[test]
    fn a_key_has_one_size_and_lifetime() {
        let mut seen: HashMap<Vec<u8>, (usize, u32)> = HashMap::new();
        let (_, requests) = all("ttl", EXTENT);
        for request in &requests {
            let properties = (request.value_len, request.ttl_s);
            assert_eq!(*seen.entry(request.key.clone()).or_insert(properties), properties);
        }
        assert!(seen.len() > 1000 && seen.len() < 20_000, "{}", seen.len());
    }

    #[test]
    fn the_keys_have_the_bytes_that_were_asked_for() {
        let trace = Synthetic::new(Shape::zipf(0.99), EXTENT).unwrap();
        let records = (0..trace.keys()).map(|index| trace.records.record(index));
        let bytes: usize = records.map(|record| record.key_len() + record.value_len()).sum();
        let ratio = bytes as f64 / EXTENT.bytes as f64;
        assert!((0.95..1.05).contains(&ratio), "{ratio}");
    }

    #[test]
    fn scans_are_a_quarter_of_all_requests_in_half_of_the_stretches() {
        let (trace, requests) = all("scan", EXTENT);
        let share = trace.scanned as f64 / requests.len() as f64;
        assert!((0.24..0.26).contains(&share), "{share}");
        let mut counts: HashMap<&[u8], u32> = HashMap::new();
        requests.iter().for_each(|request| *counts.entry(&request.key).or_default() += 1);
        let is_scanned = |request: &Request| {
            let digits = std::str::from_utf8(&request.key).unwrap().parse::<u64>().unwrap();
            digits >= trace.keys()
        };
        assert!(requests.iter().filter(|request| is_scanned(request)).all(|request| counts[&request.key[..]] == 1));
        let stretches: Vec<bool> = requests.chunks(1250).map(|stretch| stretch.iter().any(is_scanned)).collect();
        assert!(stretches.iter().enumerate().all(|(number, scanned)| *scanned == (number % 2 == 1)));
    }

    #[test]
    fn lifetimes_are_mixed_as_they_should_be() {
        let trace = Synthetic::new("ttl".parse().unwrap(), Extent { bytes: 64 << 20, ..EXTENT }).unwrap();
        let mut shares = [0.0; 4];
        for index in 0..trace.keys() {
            let class = match trace.ttl_s(index) {
                0 => 3,
                1..=5 => 0,
                10..=30 => 1,
                300..=3600 => 2,
                other => panic!("{other} s"),
            };
            shares[class] += 1.0 / trace.keys() as f64;
        }
        for (share, expected) in shares.iter().zip([0.5, 0.3, 0.1, 0.1]) {
            assert!((share - expected).abs() < 0.005, "{shares:?}");
        }
    }
}

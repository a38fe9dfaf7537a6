//! What is stored and asked for: records with a key and a value each, pure functions of the record's index and a seed, so
//! that nothing of them is kept and every value that comes back can be checked.
//!
//! Keys are indices, zero-padded to the length drawn for them, as mutilate's. A value is a stretch of one pattern of
//! letters, from where the record's hash points to.

use super::decimal::{EIGHT_DIGITS, eight_digits};
use super::distribution::{Distribution, FACEBOOK_KEY};
use super::lengths::{Lengths, Rounding};
use super::random::{Random, scatter};

/// The longest key that the protocol allows, in bytes.
pub const MAX_KEY: usize = 250;
/// The longest value that is drawn: with the longest key, within memcached's default limit of a MiB for an item.
pub const MAX_VALUE: usize = 1_048_000;
/// Values of so many bytes are the small ones of Facebook's pools.
pub(super) const SHORT_VALUE: usize = 16;
/// Letters before the pattern repeats.
const PATTERN: usize = 4096;

/// What is asked for, and how often.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mix {
    /// Records in all.
    pub records: u64,
    /// Lengths of keys.
    pub keys: Distribution,
    /// Lengths of values.
    pub values: Distribution,
    /// The share of updates, 0 to 1.
    pub updates: f64,
    /// What lengths, contents and choices follow from.
    pub seed: u64,
}

/// Mixes with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// Facebook's general-purpose pool, with the updates that mutilate's scripts ask for: 3.3 %.
    Etc,
    /// The same, with the updates that the paper's text gives: 25 %.
    Etc75,
    /// Facebook's pool of user account states: keys of 19 bytes, values of 2, updates of 0.2 %.
    Usr,
}

impl Preset {
    /// All of them.
    pub const ALL: [Preset; 3] = [Preset::Etc, Preset::Etc75, Preset::Usr];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Preset::Etc => "etc",
            Preset::Etc75 => "etc75",
            Preset::Usr => "usr",
        }
    }

    /// Lengths of keys, of values, and the share of updates.
    pub fn parameters(self) -> (Distribution, Distribution, f64) {
        match self {
            Preset::Etc => (FACEBOOK_KEY, Distribution::FacebookValue, 0.033),
            Preset::Etc75 => (FACEBOOK_KEY, Distribution::FacebookValue, 0.25),
            Preset::Usr => (Distribution::Fixed(19.0), Distribution::Fixed(2.0), 0.002),
        }
    }
}

/// Why a mix cannot be asked for.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum WorkloadError {
    /// No records.
    #[error("at least one record is needed")]
    NoRecords,
    /// A fixed length that no key has.
    #[error("keys of {0} bytes: the protocol allows 1 to {MAX_KEY}")]
    KeyLength(f64),
    /// A fixed length that no key has, since the indices are longer.
    #[error("keys of {length} bytes: {records} records need {digits}")]
    KeyTooShort {
        /// As asked for.
        length: f64,
        /// How many.
        records: u64,
        /// What their indices take.
        digits: usize,
    },
    /// A fixed length that no value has.
    #[error("values of {0} bytes: at most {MAX_VALUE} fit an item")]
    ValueLength(f64),
    /// A share beyond 0 to 1.
    #[error("a share of updates of {0}: expected 0 to 1")]
    Updates(f64),
}

/// The records.
#[derive(Clone, Debug)]
pub struct Workload {
    mix: Mix,
    keys: Lengths,
    values: Lengths,
    /// Updates, as a bound for random bits.
    update_bound: u64,
    /// Twice the pattern, so that a piece of a period's length begins anywhere.
    pattern: Box<[u8]>,
}

/// What to do with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Get it.
    Read,
    /// Set it.
    Update,
}

impl Workload {
    /// The records of a mix.
    pub fn new(mix: Mix) -> Result<Workload, WorkloadError> {
        let digits = mix.records.checked_sub(1).ok_or(WorkloadError::NoRecords)?.max(1).ilog10() as usize + 1;
        if let Distribution::Fixed(length) = mix.keys {
            if !(1.0..=MAX_KEY as f64).contains(&length) {
                return Err(WorkloadError::KeyLength(length));
            }
            if length < digits as f64 {
                return Err(WorkloadError::KeyTooShort { length, records: mix.records, digits });
            }
        }
        match mix.values {
            Distribution::Fixed(length) if length > MAX_VALUE as f64 => return Err(WorkloadError::ValueLength(length)),
            _ => {}
        }
        if !(0.0..=1.0).contains(&mix.updates) {
            return Err(WorkloadError::Updates(mix.updates));
        }
        let mut random = Random::with_seed(mix.seed);
        let period: Vec<u8> = (0..PATTERN).map(|_| random.alphanumeric() as u8).collect();
        Ok(Workload {
            mix,
            keys: Lengths::new(mix.keys, Rounding::Nearest, digits, MAX_KEY),
            values: Lengths::new(mix.values, Rounding::Down, 0, MAX_VALUE),
            update_bound: (mix.updates * 2_f64.powi(64)) as u64,
            pattern: [&period[..], &period[..]].concat().into(),
        })
    }

    /// What it was made of.
    pub fn mix(&self) -> &Mix {
        &self.mix
    }

    /// The longest value.
    pub fn longest_value(&self) -> usize {
        self.values.longest()
    }

    /// The next operation, and its record.
    #[inline]
    pub fn draw(&self, random: &mut Random) -> (Operation, u64) {
        let update = self.update_bound != 0 && random.u64(..) <= self.update_bound;
        (if update { Operation::Update } else { Operation::Read }, random.u64(..self.mix.records))
    }

    /// The record with an index.
    #[inline]
    pub fn record(&self, index: u64) -> Record<'_> {
        let hash = scatter(index, self.mix.seed);
        Record { workload: self, index, hash }
    }
}

/// A record.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    workload: &'a Workload,
    index: u64,
    hash: u64,
}

impl Record<'_> {
    /// The length of its key.
    #[inline]
    pub fn key_len(&self) -> usize {
        self.workload.keys.length(self.hash)
    }

    /// Appends its key.
    #[inline(always)]
    pub fn append_key(&self, out: &mut Vec<u8>) {
        /// More than most keys have, so that one step is enough.
        const ZEROS: [u8; 32] = [b'0'; 32];
        let (len, begin) = (self.key_len(), out.len());
        while out.len() < begin + len {
            out.extend_from_slice(&ZEROS);
        }
        out.truncate(begin + len);
        match out.last_chunk_mut() {
            Some(digits) if self.index < EIGHT_DIGITS && len >= 8 => *digits = eight_digits(self.index),
            _ => self.write_digits(&mut out[begin..]),
        }
    }

    /// Writes the digits of its index over the end of its key.
    #[cold]
    fn write_digits(&self, key: &mut [u8]) {
        let mut rest = self.index;
        for digit in key.iter_mut().rev() {
            if rest == 0 {
                break;
            }
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    }

    /// Its key.
    pub fn key(&self) -> String {
        let mut key = Vec::new();
        self.append_key(&mut key);
        key.into_iter().map(char::from).collect()
    }

    /// A number that tells it from most others.
    pub fn tag(&self) -> u32 {
        self.hash as u32
    }

    /// The length of its value.
    #[inline]
    pub fn value_len(&self) -> usize {
        self.workload.values.length(self.hash.rotate_left(32).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// Appends its value.
    #[inline(always)]
    pub fn append_value(&self, out: &mut Vec<u8>) {
        let len = self.value_len();
        if len > SHORT_VALUE {
            return self.append_long_value(len, out);
        }
        // Copied at a length that is known, without a call.
        let (begin, from) = (out.len(), self.hash as usize % PATTERN);
        if let Some(piece) = self.workload.pattern[from..].first_chunk::<SHORT_VALUE>() {
            out.extend_from_slice(piece);
            out.truncate(begin + len);
        }
    }

    fn append_long_value(&self, len: usize, out: &mut Vec<u8>) {
        let mut at = 0;
        while at < len {
            let piece = self.pattern_at(at, len - at);
            out.extend_from_slice(piece);
            at += piece.len();
        }
    }

    /// Whether `bytes` are what its value holds from `at` on.
    #[inline]
    pub fn holds(&self, mut at: usize, mut bytes: &[u8]) -> bool {
        if at + bytes.len() > self.value_len() {
            return false;
        }
        while !bytes.is_empty() {
            let piece = self.pattern_at(at, bytes.len());
            if piece != &bytes[..piece.len()] {
                return false;
            }
            at += piece.len();
            bytes = &bytes[piece.len()..];
        }
        true
    }

    /// At most `len` bytes of the value from `at` on, and a period at most.
    #[inline]
    fn pattern_at(&self, at: usize, len: usize) -> &[u8] {
        let from = (self.hash as usize).wrapping_add(at) % PATTERN;
        &self.workload.pattern[from..from + len.min(PATTERN)]
    }
}

#[cfg(test)]
mod tests;

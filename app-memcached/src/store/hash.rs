//! The item hash: keyed, so that nobody who does not know the keys can choose names that share a bucket.
//!
//! ```text
//! sum  = length · k + Σ (w[2i] + k[2i]) · (w[2i+1] + k[2i+1])     words of 64 bits, products and sum of 128 bits
//! hash = both halves, each with a key, multiplied once more and folded
//! ```
//!
//! The sum is NH, the compression of UMAC (RFC 4418, section 5.2; Black and others, Crypto '99): for any two names, chosen before
//! the keys, it is the same for at most one choice of keys in 2^62. The second step spreads it over all bits, and hides from
//! whoever sees that two names share a bucket whether their sums are alike. Keys come from SipHash of the store's seed.

use core::hash::Hasher;

use siphasher::sip::SipHasher24;

use super::MAX_KEY;

/// Bytes that one product takes.
const PAIR: usize = 16;

/// Products of the longest name.
const MOST_PAIRS: usize = MAX_KEY.div_ceil(PAIR);

/// The hash's keys.
pub(super) struct ItemHash {
    pairs: [[u64; 2]; MOST_PAIRS],
    length: u64,
    last: [u64; 2],
}

impl ItemHash {
    /// The hash of this seed.
    pub(super) fn new(seed: u64) -> ItemHash {
        let mut drawn = 0u64;
        let mut draw = || {
            let mut prf = SipHasher24::new_with_keys(seed, !seed);
            prf.write_u64(drawn);
            drawn += 1;
            prf.finish()
        };
        ItemHash { pairs: core::array::from_fn(|_| [draw(), draw()]), length: draw() | 1, last: [draw(), draw()] }
    }

    /// The hash of a name of at most [`MAX_KEY`] bytes.
    #[inline]
    pub(super) fn of(&self, name: &[u8]) -> u64 {
        let mut sum = u128::from(self.length) * name.len() as u128;
        if let [first @ .., _] = name {
            let (whole, rest) = first.as_chunks::<PAIR>();
            for (pair, keys) in whole.iter().zip(&self.pairs) {
                sum = sum.wrapping_add(product(words_of(pair), *keys));
            }
            if let Some(keys) = self.pairs.get(whole.len()) {
                sum = sum.wrapping_add(product(last_words(name, rest.len() + 1), *keys));
            }
        }
        fold(sum as u64 ^ self.last[0], (sum >> 64) as u64 ^ self.last[1])
    }
}

#[inline]
fn product(words: [u64; 2], keys: [u64; 2]) -> u128 {
    u128::from(words[0].wrapping_add(keys[0])) * u128::from(words[1].wrapping_add(keys[1]))
}

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

#[inline]
fn words_of(pair: &[u8; PAIR]) -> [u64; 2] {
    let (words, _) = pair.as_chunks::<8>();
    [u64::from_le_bytes(words[0]), u64::from_le_bytes(words[1])]
}

/// Two words that hold the last `len` bytes, 1 to 16; some bytes may be in both, or come once more: the length says how many are
/// new.
#[inline]
fn last_words(name: &[u8], len: usize) -> [u64; 2] {
    if let Some(pair) = name.last_chunk::<PAIR>() { words_of(pair) } else { words_of_short(&name[name.len() - len..]) }
}

/// Two words that hold a whole name of 1 to 15 bytes.
#[inline]
fn words_of_short(rest: &[u8]) -> [u64; 2] {
    if let (Some(first), Some(last)) = (rest.first_chunk(), rest.last_chunk()) {
        [u64::from_le_bytes(*first), u64::from_le_bytes(*last)]
    } else if let (Some(first), Some(last)) = (rest.first_chunk(), rest.last_chunk()) {
        [u32::from_le_bytes(*first).into(), u32::from_le_bytes(*last).into()]
    } else {
        // One to three bytes: the first, the middle one, and the last.
        let byte = |at: usize| rest.get(at).map_or(0, |byte| u64::from(*byte));
        [byte(0) | byte(rest.len() / 2) << 8, byte(rest.len().wrapping_sub(1))]
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_of_all_lengths_differ() {
        let hash = ItemHash::new(1);
        let mut seen = HashSet::new();
        for len in 0..=MAX_KEY {
            assert!(seen.insert(hash.of(&vec![0; len])), "{len} zeros");
            for at in 0..len {
                for value in [1, 0x80] {
                    let mut name = vec![0; len];
                    name[at] = value;
                    assert!(seen.insert(hash.of(&name)), "{len} bytes, of which {at} is {value}");
                }
            }
        }
    }

    #[test]
    fn the_seed_decides() {
        let (a, b) = (ItemHash::new(1), ItemHash::new(2));
        let differ = (0..1000u32).filter(|i| a.of(&i.to_le_bytes()) != b.of(&i.to_le_bytes())).count();
        assert_eq!(differ, 1000);
    }

    /// Buckets and tags are taken from the ends of a hash: names that count spread over both as chance would have it. With
    /// `n` balls in `n` bins, chi-square has mean and half variance of `n`: six standard deviations are allowed.
    #[test]
    fn hashes_are_spread() {
        const BINS: usize = 1 << 16;
        let names: [fn(u32) -> Vec<u8>; 4] = [
            |i| i.to_le_bytes().to_vec(),
            |i| format!("{i:019}").into_bytes(),
            |i| format!("user:{i}:session").into_bytes(),
            |i| [i.to_be_bytes(); 10].concat(),
        ];
        for (number, name) in names.iter().enumerate() {
            let hash = ItemHash::new(7);
            for shift in [0, 24, 48] {
                let mut bins = vec![0u32; BINS];
                (0..BINS as u32).for_each(|i| bins[(hash.of(&name(i)) >> shift) as usize % BINS] += 1);
                let chi_square: f64 = bins.iter().map(|&n| (f64::from(n) - 1.0).powi(2)).sum();
                let off = (chi_square - BINS as f64) / (2.0 * BINS as f64).sqrt();
                assert!(off.abs() < 6.0, "names {number}, bits from {shift}: off by {off:.1}");
            }
        }
    }
}

//! Secrets and random numbers, all from the seed: nobody who does not know it can predict a hash, a sequence number or a
//! transaction id.

use core::net::Ipv4Addr;

use siphasher::sip::SipHasher24;

/// A source of keys and random numbers.
pub(crate) struct Keys {
    seed: SipHasher24,
    drawn: u64,
}

impl Keys {
    /// Begins from 16 random bytes.
    pub(crate) fn new(seed: &[u8; 16]) -> Keys {
        Keys { seed: SipHasher24::new_with_key(seed), drawn: 0 }
    }

    /// A random number.
    pub(crate) fn next_u64(&mut self) -> u64 {
        self.drawn += 1;
        self.seed.hash(&self.drawn.to_ne_bytes())
    }

    /// A keyed hash for what peers see.
    pub(crate) fn strong_hasher(&mut self) -> SipHasher24 {
        SipHasher24::new_with_keys(self.next_u64(), self.next_u64())
    }
}

/// Spreads addresses over the sets of a table, by multiply-shift hashing with a secret odd number: a few instructions, and
/// nobody can aim at a set.
pub(crate) struct SetHash {
    multiplier: u32,
    bits: u32,
}

impl SetHash {
    /// For `1 << bits` sets.
    pub(crate) fn new(keys: &mut Keys, bits: u32) -> SetHash {
        SetHash { multiplier: keys.next_u64() as u32 | 1, bits }
    }

    /// The set of an address.
    pub(crate) fn of(&self, ip: Ipv4Addr) -> usize {
        (ip.to_bits().wrapping_mul(self.multiplier) >> (u32::BITS - self.bits)) as usize
    }
}

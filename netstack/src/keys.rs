//! Secrets and random numbers, all from the seed: nobody who does not know it can predict a hash, a sequence number or a
//! transaction id.

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

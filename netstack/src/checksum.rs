//! The Internet checksum (RFC 1071): a one's-complement sum of 16-bit words.
//!
//! The sum is independent of byte order as long as the result is stored the way the words were read (RFC 1071, section
//! 2 B), so words are read natively and eight bytes at a time.

use core::net::Ipv4Addr;

/// A sum under way. Every piece that is [added](Sum::add) but the last must have an even length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sum(u64);

impl Sum {
    /// The sum of nothing.
    pub(crate) const fn new() -> Sum {
        Sum(0)
    }

    /// The pseudo-header of TCP and UDP over IPv4 (RFC 9293, section 3.1).
    pub(crate) fn pseudo_header(src: Ipv4Addr, dst: Ipv4Addr, protocol: u8, len: u16) -> Sum {
        Sum::addresses(src, dst).add_word(protocol.into()).add_word(len)
    }

    /// Two addresses: what an IPv4 header and the pseudo-header of its payload have in common.
    #[inline]
    pub(crate) fn addresses(src: Ipv4Addr, dst: Ipv4Addr) -> Sum {
        Sum(0).add_words(&src.octets()).add_words(&dst.octets())
    }

    /// Adds a word.
    #[inline]
    pub(crate) fn add_word(self, word: u16) -> Sum {
        Sum(self.0 + u64::from(word.to_be()))
    }

    /// Adds `bytes`. Two 32-bit halves per step cannot overflow 64 bits below 16 GiB of input.
    pub(crate) fn add(self, bytes: &[u8]) -> Sum {
        let (words, rest) = bytes.as_chunks::<8>();
        let mut sum = self.0;
        for word in words {
            let word = u64::from_ne_bytes(*word);
            sum += (word & 0xffff_ffff) + (word >> 32);
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        let last = u64::from_ne_bytes(last);
        Sum(sum + (last & 0xffff_ffff) + (last >> 32))
    }

    /// Adds `bytes` that follow `before` bytes added so far, which may be an odd number: their words are shifted by a byte then
    /// (RFC 1071, section 2 B).
    pub(crate) fn add_behind(self, before: usize, bytes: &[u8]) -> Sum {
        let sum = Sum::new().add(bytes).fold();
        Sum(self.0 + u64::from(if before.is_multiple_of(2) { sum } else { sum.swap_bytes() }))
    }

    /// Adds a native word of eight bytes, whose carry goes round.
    #[inline]
    pub(crate) fn add_long(self, long: u64) -> Sum {
        let (sum, carry) = self.0.overflowing_add(long);
        Sum(sum + u64::from(carry))
    }

    /// Adds another sum.
    #[inline]
    pub(crate) fn add_sum(self, other: Sum) -> Sum {
        Sum(self.0 + other.0)
    }

    /// Adds as many bytes as are known beforehand, a multiple of four: without a loop.
    #[inline]
    pub(crate) fn add_words<const N: usize>(self, bytes: &[u8; N]) -> Sum {
        const { assert!(N.is_multiple_of(4)) };
        let words = bytes.as_chunks::<4>().0;
        Sum(self.0 + words.iter().map(|word| u64::from(u32::from_ne_bytes(*word))).sum::<u64>())
    }

    /// The checksum field: the complement of the sum.
    pub(crate) fn checksum(self) -> [u8; 2] {
        (!self.fold()).to_ne_bytes()
    }

    /// The sum itself: what a device that completes the checksum expects in the field.
    pub(crate) fn partial(self) -> [u8; 2] {
        self.fold().to_ne_bytes()
    }

    /// Whether a sum that covers its own checksum field comes out right.
    pub(crate) fn is_valid(self) -> bool {
        self.fold() == 0xffff
    }

    /// The sum in 16 bits. Both halves of a number plus the same halves exchanged are the sum of the halves, and in the upper one
    /// the carry of the lower has gone round.
    #[inline]
    fn fold(self) -> u16 {
        let sum = (self.0.wrapping_add(self.0.rotate_left(32)) >> 32) as u32;
        (sum.wrapping_add(sum.rotate_left(16)) >> 16) as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 1071, section 4.1, word by word.
    fn reference(bytes: &[u8]) -> u16 {
        let mut sum = 0u32;
        for pair in bytes.chunks(2) {
            sum += u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !(sum as u16)
    }

    #[test]
    fn the_example_of_rfc_1071() {
        let sum = Sum::new().add(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
        assert_eq!(sum.partial(), [0xdd, 0xf2]);
        assert_eq!(sum.checksum(), [0x22, 0x0d]);
    }

    proptest! {
        #[test]
        fn equals_the_reference(bytes in proptest::collection::vec(any::<u8>(), 0..3000), cut in 0usize..3000) {
            let (a, b) = bytes.split_at((cut & !1).min(bytes.len() & !1));
            let sum = Sum::new().add(a).add(b);
            prop_assert_eq!(u16::from_be_bytes(sum.checksum()), reference(&bytes));
            if let Some((words, rest)) = bytes.split_first_chunk::<20>() {
                prop_assert_eq!(Sum::new().add_words(words).add(rest).partial(), sum.partial());
            }
        }

        #[test]
        fn a_sum_over_its_own_checksum_is_valid(mut bytes in proptest::collection::vec(any::<u8>(), 2..200)) {
            bytes[0..2].fill(0);
            let field = Sum::new().add(&bytes).checksum();
            bytes[0..2].copy_from_slice(&field);
            prop_assert!(Sum::new().add(&bytes).is_valid() || bytes.iter().all(|b| *b == 0));
        }
    }
}

//! The bytes of an input, taken from the front. Behind the end there are zeros.

use std::time::Duration;

/// What is left of an input.
pub(crate) struct Input<'a> {
    left: &'a [u8],
}

impl<'a> Input<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Input<'a> {
        Input { left: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    pub(crate) fn u8(&mut self) -> u8 {
        let Some((first, rest)) = self.left.split_first() else { return 0 };
        self.left = rest;
        *first
    }

    pub(crate) fn u16(&mut self) -> u16 {
        u16::from_be_bytes([self.u8(), self.u8()])
    }

    pub(crate) fn u32(&mut self) -> u32 {
        u32::from(self.u16()) << 16 | u32::from(self.u16())
    }

    /// Exactly `N` bytes.
    pub(crate) fn array<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.u8())
    }

    /// At most `len` bytes.
    pub(crate) fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (bytes, rest) = self.left.split_at(len.min(self.left.len()));
        self.left = rest;
        bytes
    }

    /// A distance in sequence space: most values of the first byte are a small one, some take a longer one from the input.
    pub(crate) fn distance(&mut self) -> u32 {
        match self.u8() as i8 {
            -128 => self.u32(),
            -127 => i32::from(self.u16() as i16) as u32,
            127 => u32::from(self.u16()),
            small => i32::from(small) as u32,
        }
    }

    /// A span of time from 1 us to about 100 s, three values an octave and a half.
    pub(crate) fn span(&mut self) -> Duration {
        let byte = self.u8();
        Duration::from_micros(u64::from(1 + (byte & 7)) << ((byte >> 3) & 31).min(24))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_lie_behind_the_end() {
        let mut input = Input::new(&[1, 2, 3]);
        assert_eq!((input.u16(), input.u16(), input.u8()), (0x0102, 0x0300, 0));
        assert!(input.is_empty() && input.bytes(5).is_empty());
    }

    #[test]
    fn distances_reach_all_of_sequence_space() {
        let distance = |bytes: &[u8]| Input::new(bytes).distance();
        assert_eq!((distance(&[5]), distance(&[0xff])), (5, u32::MAX));
        assert_eq!((distance(&[0x7f, 0xff, 0xff]), distance(&[0x81, 0x80, 0])), (0xffff, (-32768_i32) as u32));
        assert_eq!(distance(&[0x80, 0x80, 0, 0, 0]), 1 << 31);
    }

    #[test]
    fn spans_reach_from_a_microsecond_to_minutes() {
        assert_eq!(Input::new(&[0]).span(), Duration::from_micros(1));
        assert_eq!(Input::new(&[0xff]).span(), Duration::from_micros(8 << 24));
    }
}

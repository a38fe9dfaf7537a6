//! Bytes from a seed: any stretch of a stream can be written, and checked, without the rest.

use netdrv::testkit::random::mix;

/// Bytes at the beginning of a stream that name its connection.
pub(super) const NAME_BYTES: u64 = 4;

/// A stream of bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream {
    seed: u64,
    name: [u8; NAME_BYTES as usize],
}

impl Stream {
    /// A stream that begins with a name.
    pub(super) fn new(seed: u64, name: u32) -> Stream {
        Stream { seed, name: name.to_le_bytes() }
    }

    /// Writes the bytes from `offset` on.
    pub(super) fn fill(&self, offset: u64, out: &mut [u8]) {
        let mut at = offset;
        let mut rest = out;
        while !rest.is_empty() {
            let word = self.word(at / 8);
            let from = &word[(at % 8) as usize..];
            let n = from.len().min(rest.len());
            let (now, later) = rest.split_at_mut(n);
            now.copy_from_slice(&from[..n]);
            at += n as u64;
            rest = later;
        }
    }

    /// The offset of the first byte that is not the stream's, if there is one; `bytes` should be those from `offset` on.
    pub(super) fn first_wrong(&self, offset: u64, bytes: &[u8]) -> Option<u64> {
        let mut at = offset;
        let mut rest = bytes;
        while !rest.is_empty() {
            let word = self.word(at / 8);
            let expected = &word[(at % 8) as usize..];
            let n = expected.len().min(rest.len());
            if rest[..n] != expected[..n] {
                let wrong = (0..n).find(|i| rest[*i] != expected[*i]).unwrap_or(0);
                return Some(at + wrong as u64);
            }
            at += n as u64;
            rest = &rest[n..];
        }
        None
    }

    fn word(&self, index: u64) -> [u8; 8] {
        let mut word = mix(self.seed.wrapping_add(index)).to_le_bytes();
        if index == 0 {
            word[..self.name.len()].copy_from_slice(&self.name);
        }
        word
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_stretch_is_the_same_and_every_wrong_byte_is_found() {
        let stream = Stream::new(9, 0x0403_0201);
        let mut whole = vec![0; 100];
        stream.fill(0, &mut whole);
        assert_eq!(whole[..4], [1, 2, 3, 4]);
        for from in 0..100 {
            let mut part = vec![0; 100 - from];
            stream.fill(from as u64, &mut part);
            assert_eq!(part, whole[from..]);
            assert_eq!(stream.first_wrong(from as u64, &part), None);
            let mut damaged = whole.clone();
            damaged[from] ^= 0x10;
            assert_eq!(stream.first_wrong(0, &damaged), Some(from as u64));
        }
    }
}

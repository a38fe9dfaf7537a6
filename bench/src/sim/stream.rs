//! Bytes from a seed: any stretch of a stream can be written, and checked, without the rest.

use std::sync::OnceLock;

use netdrv::testkit::random::Random;

/// Bytes at the beginning of a stream that name its connection.
pub(super) const NAME_BYTES: u64 = 4;

/// All streams are cut from one pattern, from different places, and wrap: so any of it can be sent from where it lies.
/// A prime number of bytes, that no other period fits into it.
const PATTERN_BYTES: usize = 1_048_583;

/// A stream of bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream {
    start: u64,
    name: [u8; NAME_BYTES as usize],
}

impl Stream {
    /// A stream that begins with a name.
    pub(super) fn new(seed: u64, name: u32) -> Stream {
        Stream { start: seed % PATTERN_BYTES as u64, name: name.to_le_bytes() }
    }

    /// Writes the bytes from `offset` on.
    pub(super) fn fill(&self, offset: u64, out: &mut [u8]) {
        let mut written = 0;
        while written < out.len() {
            let piece = self.piece(offset + written as u64, out.len() - written);
            out[written..written + piece.len()].copy_from_slice(piece);
            written += piece.len();
        }
    }

    /// The offset of the first byte that is not the stream's, if there is one; `bytes` should be those from `offset` on.
    pub(super) fn first_wrong(&self, offset: u64, bytes: &[u8]) -> Option<u64> {
        let mut checked = 0;
        while checked < bytes.len() {
            let piece = self.piece(offset + checked as u64, bytes.len() - checked);
            let rest = &bytes[checked..checked + piece.len()];
            if rest != piece {
                let wrong = rest.iter().zip(piece).take_while(|(a, b)| a == b).count();
                return Some(offset + (checked + wrong) as u64);
            }
            checked += piece.len();
        }
        None
    }

    /// Bytes from `offset` on that lie in one piece: at least one, at most `most`; behind the name, they stay for ever.
    pub(super) fn body(&self, offset: u64, most: usize) -> Option<&'static [u8]> {
        let at = ((self.start + offset) % PATTERN_BYTES as u64) as usize;
        let until = PATTERN_BYTES.min(at + most);
        (offset >= NAME_BYTES && most > 0).then(|| &pattern()[at..until])
    }

    fn piece(&self, offset: u64, most: usize) -> &[u8] {
        match self.body(offset, most) {
            Some(body) => body,
            None => {
                let at = offset as usize;
                &self.name[at..self.name.len().min(at + most)]
            }
        }
    }
}

fn pattern() -> &'static [u8] {
    static PATTERN: OnceLock<Vec<u8>> = OnceLock::new();
    PATTERN.get_or_init(|| {
        let mut random = Random::new(0);
        (0..PATTERN_BYTES).map(|_| random.next_u64() as u8).collect()
    })
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

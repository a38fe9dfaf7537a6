//! Finding bytes, eight at a time.

/// Bytes looked at together.
const WORD: usize = size_of::<u64>();

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Position of the first byte that is a blank or a control character: below 0x21.
#[inline]
pub(super) fn find_blank(bytes: &[u8]) -> Option<usize> {
    find(bytes, |word| word.wrapping_sub(LOW * 0x21) & !word & HIGH, |byte| byte < 0x21)
}

/// Position of the first line feed.
#[inline]
pub(super) fn find_newline(bytes: &[u8]) -> Option<usize> {
    let matches = |word: u64| {
        let differs = word ^ (LOW * u64::from(b'\n'));
        differs.wrapping_sub(LOW) & !differs & HIGH
    };
    find(bytes, matches, |byte| byte == b'\n')
}

/// `marks` sets the high bit of the first byte of a little-endian word that matches, and none before it.
#[inline]
fn find(bytes: &[u8], marks: impl Fn(u64) -> u64, matches: impl Fn(u8) -> bool) -> Option<usize> {
    let (words, rest) = bytes.as_chunks::<WORD>();
    for (i, word) in words.iter().enumerate() {
        let found = marks(u64::from_le_bytes(*word));
        if found != 0 {
            return Some(i * WORD + first(found));
        }
    }
    match bytes.last_chunk() {
        // Of the last word, nothing that was looked at before matches.
        Some(last) => {
            let found = marks(u64::from_le_bytes(*last));
            (found != 0).then(|| bytes.len() - WORD + first(found))
        }
        None => rest.iter().position(|&byte| matches(byte)),
    }
}

/// The first byte that is marked in a little-endian word.
#[inline]
fn first(marks: u64) -> usize {
    marks.trailing_zeros() as usize / 8
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_a_plain_search(bytes in prop::collection::vec(any::<u8>(), 0..40), fill in any::<u8>()) {
            prop_assert_eq!(find_newline(&bytes), bytes.iter().position(|&b| b == b'\n'));
            prop_assert_eq!(find_blank(&bytes), bytes.iter().position(|&b| b < 0x21));
            let high: Vec<u8> = bytes.iter().map(|b| b | fill | 0x80).collect();
            prop_assert_eq!(find_blank(&high), None);
        }
    }
}

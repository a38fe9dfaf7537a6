//! Base64 (RFC 4648, section 4) as 1.6.18 reads and writes it: what is not of the alphabet is skipped.

use crate::store::MAX_KEY;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Bytes of the longest key, encoded.
pub(super) const MAX_ENCODED: usize = MAX_KEY.div_ceil(3) * 4;

/// Decodes `text` into `to`, which is not shorter. `None` if it is not base64, or nothing.
pub(super) fn decode<'a>(text: &[u8], to: &'a mut [u8; MAX_KEY]) -> Option<&'a [u8]> {
    let count = text.iter().filter(|&&byte| value_of(byte).is_some()).count();
    if count == 0 || !count.is_multiple_of(4) || count / 4 * 3 > MAX_KEY {
        return None;
    }
    let (mut len, mut group, mut digits, mut padding) = (0, 0u32, 0, 0);
    for &byte in text {
        let Some(value) = value_of(byte) else { continue };
        padding += usize::from(byte == b'=');
        group = group << 6 | value;
        digits += 1;
        if digits == 4 {
            let [_, bytes @ ..] = group.to_be_bytes();
            to.get_mut(len..len + 3)?.copy_from_slice(&bytes);
            len += 3;
            (group, digits) = (0, 0);
            match padding {
                0 => {}
                1 | 2 => {
                    len -= padding;
                    break;
                }
                _ => return None,
            }
        }
    }
    to.get(..len)
}

/// What a digit stands for; a filler counts as zero.
fn value_of(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        b'=' => 0,
        _ => return None,
    }))
}

/// Encodes `bytes`, four digits at a time.
pub(super) fn encode(bytes: &[u8]) -> impl Iterator<Item = [u8; 4]> {
    bytes.chunks(3).map(|chunk| {
        let byte = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        let digit = |i: usize| match i <= chunk.len() {
            true => ALPHABET[(group >> (18 - 6 * i)) as usize & 63],
            false => b'=',
        };
        [digit(0), digit(1), digit(2), digit(3)]
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decoded(text: &[u8]) -> Option<Vec<u8>> {
        decode(text, &mut [0; MAX_KEY]).map(<[u8]>::to_vec)
    }

    #[test]
    fn the_examples_of_the_rfc() {
        let examples: [(&[u8], &[u8]); 6] = [
            (b"f", b"Zg=="),
            (b"fo", b"Zm8="),
            (b"foo", b"Zm9v"),
            (b"foob", b"Zm9vYg=="),
            (b"fooba", b"Zm9vYmE="),
            (b"foobar", b"Zm9vYmFy"),
        ];
        for (plain, text) in examples {
            assert_eq!(encode(plain).flatten().collect::<Vec<_>>(), text);
            assert_eq!(decoded(text).as_deref(), Some(plain));
        }
    }

    #[test]
    fn reads_what_memcached_reads() {
        assert_eq!(decoded(b"Y!Q=="), Some(b"a".to_vec()));
        assert_eq!(decoded(b"YQ==YQ=="), Some(b"a".to_vec()));
        assert_eq!(decoded(b"Y=Q="), Some(b"`".to_vec()));
        for text in [&b""[..], b"====", b"A===", b"YQ=", b"a", &[b'A'; 400]] {
            assert_eq!(decoded(text), None);
        }
    }

    proptest! {
        #[test]
        fn comes_back(bytes in prop::collection::vec(any::<u8>(), 1..=180)) {
            let text: Vec<u8> = encode(&bytes).flatten().collect();
            prop_assert!(text.len() <= MAX_ENCODED);
            prop_assert_eq!(decoded(&text), Some(bytes));
        }
    }
}

//! Decimal numbers, read as memcached 1.6.18 reads them (`strtoull` and its kin) and written without allocation.

/// Whether C's `isspace` holds.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// The 64-bit number at the start of `text`, which has to end there or go on with white space or a NUL. Leading white space and a
/// sign are fine; a minus negates modulo 2^64, which is refused if the result is 2^63 or more.
pub(super) fn parse_u64(text: &[u8]) -> Option<u64> {
    let (negative, magnitude) = parse_magnitude(text)?;
    let value = if negative { magnitude.wrapping_neg() } else { magnitude };
    if negative && value >> 63 == 1 { None } else { Some(value) }
}

/// As [`parse_u64`], cut to 32 bits, as 1.6.18 cuts flags.
pub(super) fn parse_u32(text: &[u8]) -> Option<u32> {
    parse_u64(text).map(|value| value as u32)
}

/// A signed 64-bit number cut to 32 bits, as 1.6.18 cuts expiry times and lengths.
pub(super) fn parse_i32(text: &[u8]) -> Option<i32> {
    let (negative, magnitude) = parse_magnitude(text)?;
    let value = if negative { 0i64.checked_sub_unsigned(magnitude)? } else { i64::try_from(magnitude).ok()? };
    Some(value as i32)
}

/// Sign and magnitude: nothing but digits, as nearly always, or whatever else is fine.
#[inline]
fn parse_magnitude(text: &[u8]) -> Option<(bool, u64)> {
    if text.is_empty() || text.len() >= MAX_DIGITS {
        return parse_any_magnitude(text);
    }
    let mut value = 0;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return parse_any_magnitude(text);
        }
        value = value * 10 + u64::from(digit);
    }
    Some((false, value))
}

#[cold]
fn parse_any_magnitude(text: &[u8]) -> Option<(bool, u64)> {
    let blanks = text.iter().take_while(|byte| is_space(**byte)).count();
    let text = &text[blanks..];
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if count == 0 || digits.get(count).is_some_and(|&byte| byte != 0 && !is_space(byte)) {
        return None;
    }
    let mut value = 0u64;
    for digit in &digits[..count] {
        value = value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
    }
    Some((negative, value))
}

/// Most digits of a number that fits into 31 bits whatever they are.
const FEW_DIGITS: usize = 9;

/// The number that `text` begins with, plain and small as nearly all are, and what follows its digits.
#[inline]
pub(super) fn split_small(text: &[u8]) -> Option<(u32, &[u8])> {
    let mut value = 0;
    for (count, byte) in text.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return (count > 0).then(|| (value, &text[count..]));
        }
        if count == FEW_DIGITS {
            break;
        }
        value = value * 10 + u32::from(digit);
    }
    None
}

/// Most digits of a 64-bit number.
pub(super) const MAX_DIGITS: usize = 20;

/// A number as text.
pub(super) struct Decimal {
    digits: [u8; MAX_DIGITS],
    start: usize,
}

impl Decimal {
    /// The text of `value`.
    #[inline]
    pub(super) fn new(mut value: u64) -> Decimal {
        let mut digits = [0; MAX_DIGITS];
        let mut start = MAX_DIGITS;
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (value % 10) as u8;
            value /= 10;
            start -= 1;
            if value == 0 {
                break;
            }
        }
        Decimal { digits, start }
    }

    /// The digits.
    #[inline]
    pub(super) fn text(&self) -> &[u8] {
        self.digits.get(self.start..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_by_strtoull() {
        let cases: &[(&[u8], Option<u64>)] = &[
            (b"0", Some(0)),
            (b"18446744073709551615", Some(u64::MAX)),
            (b"18446744073709551616", None),
            (b"", None),
            (b"-", None),
            (b"a", None),
            (b"1a", None),
            (b"1 a", Some(1)),
            (b" 12", Some(12)),
            (b"+7\t", Some(7)),
            (b"\x0b7\x0b", Some(7)),
            (b"7\0x", Some(7)),
            (b"\x007", None),
            (b"-0", Some(0)),
            (b"-1", None),
            (b"-18446744073709551615", Some(1)),
        ];
        for (text, value) in cases {
            assert_eq!(parse_u64(text), *value, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn narrow_numbers_are_cut() {
        assert_eq!(parse_u32(b"4294967297"), Some(1));
        assert_eq!(parse_i32(b"-1"), Some(-1));
        assert_eq!(parse_i32(b"4294967296"), Some(0));
        assert_eq!(parse_i32(b"9223372036854775807"), Some(-1));
        assert_eq!(parse_i32(b"9223372036854775808"), None);
    }

    #[test]
    fn small_numbers_are_split_off() {
        assert_eq!(split_small(b"0 1"), Some((0, &b" 1"[..])));
        assert_eq!(split_small(b"999999999\r\n"), Some((999_999_999, &b"\r\n"[..])));
        for other in [&b""[..], b" 1", b"-1 ", b"+1 ", b"12", b"1000000000 "] {
            assert_eq!(split_small(other), None, "{}", other.escape_ascii());
        }
    }

    #[test]
    fn numbers_are_written() {
        for value in [0, 7, 10, 4_294_967_295, u64::MAX] {
            assert_eq!(Decimal::new(value).text(), value.to_string().as_bytes());
        }
    }
}

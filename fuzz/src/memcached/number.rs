//! Numbers as C's `strtoull` and its kin read them, which memcached takes as they come.

/// Whether C's `isspace` holds.
fn is_space(byte: u8) -> bool {
    byte == b' ' || (9..=13).contains(&byte)
}

/// Sign and magnitude of the number at the start of `text`, which ends there, at white space or at a NUL.
fn parse(text: &[u8]) -> Option<(bool, u128)> {
    let mut at = text.iter().position(|byte| !is_space(*byte))?;
    let is_negative = text[at] == b'-';
    if is_negative || text[at] == b'+' {
        at += 1;
    }
    let digits: Vec<u8> = text[at..].iter().copied().take_while(u8::is_ascii_digit).collect();
    match text.get(at + digits.len()) {
        None | Some(0) => {}
        Some(byte) if is_space(*byte) => {}
        Some(_) => return None,
    }
    let magnitude =
        digits.iter().fold(0u128, |sum, digit| sum.saturating_mul(10).saturating_add((digit - b'0').into()));
    (!digits.is_empty()).then_some((is_negative, magnitude))
}

/// `strtoull`, refused with a minus before what comes out at 2^63 and more.
pub(super) fn unsigned(text: &[u8]) -> Option<u64> {
    let (is_negative, magnitude) = parse(text)?;
    let magnitude = u64::try_from(magnitude).ok()?;
    match is_negative {
        true => Some(0u64.wrapping_sub(magnitude)).filter(|value| *value < 1 << 63),
        false => Some(magnitude),
    }
}

/// `strtoll`, the lower half of it.
pub(super) fn signed(text: &[u8]) -> Option<i32> {
    let (is_negative, magnitude) = parse(text)?;
    let limit = (1u128 << 63) - u128::from(!is_negative);
    let value = if is_negative { 0u64.wrapping_sub(magnitude as u64) } else { magnitude as u64 };
    (magnitude <= limit).then_some(value as u32 as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_c_reads_them() {
        let read = |text: &[u8]| unsigned(text);
        assert_eq!([read(b"7"), read(b" +7\t"), read(b"7\0x"), read(b"-0")], [Some(7), Some(7), Some(7), Some(0)]);
        assert_eq!([read(b""), read(b"-"), read(b"7x"), read(b"-1"), read(b"\0")], [None; 5]);
        assert_eq!(read(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(read(b"18446744073709551616"), None);
        assert_eq!(read(b"-18446744073709551615"), Some(1));
        assert_eq!(
            [signed(b"-1"), signed(b"4294967297"), signed(b"9223372036854775807")],
            [Some(-1), Some(1), Some(-1)]
        );
        assert_eq!([signed(b"9223372036854775808"), signed(b"-9223372036854775808")], [None, Some(0)]);
    }
}

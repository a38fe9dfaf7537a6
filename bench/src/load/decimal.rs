//! Whole numbers as decimal digits, eight at a time and without a division for each.

/// The numbers that have no more than eight digits.
pub(super) const EIGHT_DIGITS: u64 = 100_000_000;

/// The last eight digits of a number below [`EIGHT_DIGITS`].
///
/// The number is halved three times, into parts of four, two and one digits that lie beside each other in one word: each step
/// divides all of them by a multiplication with the reciprocal.
#[inline]
pub(super) fn eight_digits(number: u64) -> [u8; 8] {
    let fours = number / 10_000 + ((number % 10_000) << 32);
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let twos = hundreds + ((fours - 100 * hundreds) << 16);
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    let ones = tens + ((twos - 10 * tens) << 8);
    (ones | u64::from_le_bytes(*b"00000000")).to_le_bytes()
}

/// Appends a number.
#[inline(always)]
pub(super) fn append_number(number: usize, out: &mut Vec<u8>) {
    match number {
        0..10 => out.extend_from_slice(&[b'0' + number as u8]),
        _ => append_long_number(number as u64, out),
    }
}

fn append_long_number(number: u64, out: &mut Vec<u8>) {
    if number >= EIGHT_DIGITS {
        append_number((number / EIGHT_DIGITS) as usize, out);
        return out.extend_from_slice(&eight_digits(number % EIGHT_DIGITS));
    }
    let digits = number.ilog10() + 1;
    let text = u64::from_le_bytes(eight_digits(number)) >> (8 * (8 - digits));
    out.extend_from_slice(&text.to_le_bytes());
    out.truncate(out.len() - 8 + digits as usize);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_is_written() {
        let powers = (0..19).map(|power| 10_u64.pow(power));
        for number in powers.flat_map(|power| [power - 1, power, power + 1, 7 * power, 98 * (power / 10)]) {
            let mut out = b"x".to_vec();
            append_number(number as usize, &mut out);
            assert_eq!(out, format!("x{number}").into_bytes());
        }
    }

    #[test]
    fn eight_digits_are_those_of_the_number() {
        for number in (0..EIGHT_DIGITS).step_by(9_973).chain(0..10_001).chain(EIGHT_DIGITS - 10_001..EIGHT_DIGITS) {
            assert_eq!(eight_digits(number)[..], *format!("{number:08}").as_bytes());
        }
    }
}

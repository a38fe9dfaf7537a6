//! The real-time clock (Motorola MC146818), for the wall-clock time at boot.

#![allow(unsafe_code)] // ports

use crate::platform::port::Ports;

const RTC_PORT: u16 = 0x70;
const INDEX: u16 = 0;
const DATA: u16 = 1;
/// Registers.
const SECONDS: u8 = 0;
const MINUTES: u8 = 2;
const HOURS: u8 = 4;
const DAY: u8 = 7;
const MONTH: u8 = 8;
const YEAR: u8 = 9;
const STATUS_A: u8 = 10;
const STATUS_B: u8 = 11;
/// Status A: an update is in progress.
const UPDATING: u8 = 0x80;
/// Status B: numbers are binary, hours run to 24.
const BINARY: u8 = 0x04;
const HOURS_24: u8 = 0x02;
/// Hours: afternoon, on a 12-hour clock.
const AFTERNOON: u8 = 0x80;
/// Readings before the clock is given up: an update takes 2 ms of a second.
const TRIES: usize = 10_000;

/// The wall-clock time, in seconds since 1970; `None` without a clock.
pub(super) fn read() -> Option<u64> {
    // SAFETY: the clock does nothing to memory.
    let rtc = unsafe { Ports::grant(RTC_PORT, 2) }.ok()?;
    let register = |number| {
        rtc.write_u8(INDEX, number);
        rtc.read_u8(DATA)
    };
    let reading = || [SECONDS, MINUTES, HOURS, DAY, MONTH, YEAR].map(register);
    for _ in 0..TRIES {
        if register(STATUS_A) & UPDATING != 0 {
            continue;
        }
        let first = reading();
        if first == reading() {
            return decode(first, register(STATUS_B));
        }
    }
    None
}

/// Seconds since 1970 of a reading, in years 2000 to 2099.
fn decode(reading: [u8; 6], status_b: u8) -> Option<u64> {
    let number = |raw: u8| if status_b & BINARY != 0 { raw } else { (raw >> 4) * 10 + (raw & 0xf) };
    let [seconds, minutes, raw_hours, day, month, year] = reading;
    let mut hours = number(raw_hours & !AFTERNOON);
    if status_b & HOURS_24 == 0 {
        hours = hours % 12 + if raw_hours & AFTERNOON != 0 { 12 } else { 0 };
    }
    let (day, month, year) = (number(day), number(month), 2000 + u64::from(number(year)));
    if !(1..=31).contains(&day) || !(1..=12).contains(&month) || hours > 23 {
        return None;
    }
    let days = days_since_1970(year, month.into(), day.into());
    Some(((days * 24 + u64::from(hours)) * 60 + u64::from(number(minutes))) * 60 + u64::from(number(seconds)))
}

/// Days from 1970-01-01 to a date of the Gregorian calendar. A year that begins in March puts the leap day last.
fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    let (year, months) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days_before_month = (153 * months + 2) / 5;
    year * 365 + year / 4 - year / 100 + year / 400 + days_before_month + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_become_days() {
        assert_eq!(days_since_1970(1970, 1, 1), 0);
        assert_eq!(days_since_1970(2000, 2, 29), 11_016);
        assert_eq!(days_since_1970(2026, 11, 21), 20_778);
    }

    #[test]
    fn both_encodings_are_read() {
        let expected = Some(20_778 * 86_400 + 21 * 3600 + 7 * 60 + 9);
        assert_eq!(decode([9, 7, 21, 21, 11, 26], BINARY | HOURS_24), expected);
        assert_eq!(decode([0x09, 0x07, 0x21, 0x21, 0x11, 0x26], HOURS_24), expected);
        assert_eq!(decode([0x09, 0x07, 0x89, 0x21, 0x11, 0x26], 0), expected);
        assert_eq!(decode([0; 6], 0), None);
    }
}

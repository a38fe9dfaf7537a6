//! `cache_memlimit <MiB> [noreply]`: refused, as the item memory is fixed at boot.

use super::super::line::Words;
use super::super::number::parse_u32;
use super::super::reply::{self, Answer};

pub(super) fn run(words: &Words<'_>) -> Answer {
    if !(2..=3).contains(&words.count()) {
        return reply::ERROR;
    }
    let answer = match parse_u32(words.get(1)) {
        None => reply::ERROR,
        Some(0..8) => Answer::Line("MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m"),
        Some(8..=1_000_000_000) => Answer::Line("MEMLIMIT_ADJUST_FAILED out of bounds or unable to adjust"),
        Some(_) => Answer::Line("MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes"),
    };
    answer.unless_silent(words.reply())
}

#[cfg(test)]
mod tests {
    use crate::protocol::testkit::exchange;

    #[test]
    fn is_refused() {
        assert_eq!(exchange(b"cache_memlimit 1\r\n"), b"MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m\r\n");
        assert_eq!(exchange(b"cache_memlimit x\r\n"), b"ERROR\r\n");
        assert_eq!(exchange(b"cache_memlimit 7 noreply\r\n"), b"");
    }
}

//! `verbosity <level> [noreply]`: accepted, without effect, as there is no log of requests.

use super::super::line::Words;
use super::super::number::parse_u32;
use super::super::reply::{self, Answer};

pub(super) fn run(words: &Words<'_>) -> Answer {
    if !(2..=3).contains(&words.count()) {
        return reply::ERROR;
    }
    let answer = if parse_u32(words.get(1)).is_some() { reply::OK } else { reply::BAD_FORMAT };
    answer.unless_silent(words.reply())
}

#[cfg(test)]
mod tests {
    use crate::protocol::testkit::exchange;

    #[test]
    fn takes_a_level() {
        assert_eq!(
            exchange(b"verbosity 1\r\nverbosity 1 x\r\nverbosity a\r\n"),
            b"OK\r\nOK\r\nCLIENT_ERROR bad command line format\r\n"
        );
        assert_eq!(exchange(b"verbosity\r\nverbosity 1 2 3\r\n"), b"ERROR\r\nERROR\r\n");
        assert_eq!(exchange(b"verbosity 1 noreply\r\nverbosity noreply\r\n"), b"");
    }
}

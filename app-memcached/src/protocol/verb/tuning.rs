//! `lru`, `slabs` and `lru_crawler`: knobs of what there is not here. Arguments are checked as memcached checks them, and those that it would
//! take are taken, without effect, so that scripts that tune a memcached run on.

use core::cmp::Ordering;

use super::super::dump::{Dump, Purpose};
use super::super::line::Words;
use super::super::number::{parse_i32, parse_u32};
use super::super::reply::{self, Answer};
use super::super::server::Server;
use super::{CLASS, SLAB_CLASSES};

/// The longest pause of the crawler, in microseconds.
const MAX_CRAWLER_SLEEP: u32 = 1_000_000;

/// The share of memory that hot and warm items may have, in percent.
const MAX_HOT_AND_WARM: u32 = 80;

const BAD_CLASS: Answer = Answer::Line("BADCLASS invalid src or dst class id");
const BAD_WALK: Answer = Answer::Line("BADCLASS invalid class id");

/// `lru <tune|mode|temp_ttl> <option list>`
pub(super) fn lru(words: &Words<'_>) -> Answer {
    let answer = match (words.get(1), words.count()) {
        (b"tune", 6..) => lru_tune(words),
        (b"mode", 3..) if matches!(words.get(2), b"flat" | b"segmented") => reply::OK,
        (b"temp_ttl", 3..) if parse_i32(words.get(2)).is_some() => reply::OK,
        _ => reply::ERROR,
    };
    answer.unless_silent(words.reply())
}

fn lru_tune(words: &Words<'_>) -> Answer {
    match (parse_u32(words.get(2)), parse_u32(words.get(3)), sign_of(words.get(4)), sign_of(words.get(5))) {
        (Some(hot), Some(warm), Some(hot_factor), Some(warm_factor)) => {
            if hot.wrapping_add(warm) > MAX_HOT_AND_WARM {
                Answer::Line("ERROR hot and warm pcts must not exceed 80")
            } else if hot_factor.is_le() || warm_factor.is_le() {
                Answer::Line("ERROR hot/warm age factors must be greater than 0")
            } else {
                reply::OK
            }
        }
        _ => reply::ERROR,
    }
}

/// How a decimal number, with a point perhaps, compares with 0. Its value is not needed.
fn sign_of(text: &[u8]) -> Option<Ordering> {
    let (sign, digits) = match text {
        [b'-', digits @ ..] => (Ordering::Less, digits),
        [b'+', digits @ ..] | digits => (Ordering::Greater, digits),
    };
    let points = digits.iter().filter(|&&byte| byte == b'.').count();
    let is_number =
        points <= 1 && digits.len() > points && digits.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    let is_zero = digits.iter().all(|byte| matches!(byte, b'0' | b'.'));
    is_number.then_some(if is_zero { Ordering::Equal } else { sign })
}

/// `slabs reassign <source> <destination>` and `slabs automove <0|1|2>`; there is one class, so nothing can be reassigned.
pub(super) fn slabs(words: &Words<'_>) -> Answer {
    let answer = match (words.get(1), words.count()) {
        (b"reassign", 4) => match (parse_i32(words.get(2)), parse_i32(words.get(3))) {
            (Some(from), Some(to)) if from == to => Answer::Line("SAME src and dst class are identical"),
            (Some(_), Some(_)) => BAD_CLASS,
            _ => reply::BAD_FORMAT,
        },
        (b"automove", 3..) if words.get(2) == b"ratio" => {
            if sign_of(words.get(3)).is_some() {
                reply::OK
            } else {
                reply::ERROR
            }
        }
        (b"automove", 3..) => match parse_u32(words.get(2)) {
            Some(0..=2) => reply::OK,
            Some(_) => reply::ERROR,
            None => reply::BAD_FORMAT,
        },
        _ => reply::ERROR,
    };
    answer.unless_silent(words.reply())
}

/// `lru_crawler <crawl|metadump|mgdump> <classes>` begins a walk, `lru_crawler <enable|disable|sleep|tocrawl> ...` sets what there is
/// not: expired items go as the log is cleaned.
pub(super) fn lru_crawler(words: &Words<'_>, server: &Server) -> Result<Dump, Answer> {
    let permissions = &server.settings.permissions;
    let answer = match (words.get(1), words.count()) {
        (b"metadump", 3) if !permissions.dumping => return Err(Answer::Line("ERROR metadump not allowed")),
        (b"mgdump", 3) if !permissions.dumping => return Err(Answer::Line("ERROR mgdump not allowed")),
        (b"crawl", 3) if words.get(2) == b"hash" => return Err(Answer::Line("ERROR an unknown error happened")),
        (b"metadump", 3) => return walk(Purpose::Metadata, words.get(2), server),
        (b"mgdump", 3) => return walk(Purpose::MetaGet, words.get(2), server),
        (b"crawl", 3) => return walk(Purpose::Crawl, words.get(2), server),
        (b"crawl" | b"metadump" | b"mgdump", _) => return Err(reply::ERROR),
        (b"enable" | b"disable", _) => reply::OK,
        (b"sleep", 3) => match parse_u32(words.get(2)) {
            Some(0..=MAX_CRAWLER_SLEEP) => reply::OK,
            Some(_) => Answer::Line("CLIENT_ERROR sleep must be one second or less"),
            None => reply::BAD_FORMAT,
        },
        (b"tocrawl", 3) => match parse_u32(words.get(2)) {
            Some(_) => reply::OK,
            None => reply::BAD_FORMAT,
        },
        _ => reply::ERROR,
    };
    Err(answer.unless_silent(words.reply()))
}

/// Begins a walk over the items of some classes: of the one that there is, or of those without items.
fn walk(purpose: Purpose, classes: &[u8], server: &Server) -> Result<Dump, Answer> {
    if matches!(classes, b"all" | b"hash") {
        return Ok(Dump::new(purpose, server));
    }
    let (mut has_any, mut has_items) = (false, false);
    for class in classes.split(|&byte| byte == b',').filter(|class| !class.is_empty()) {
        let Some(class @ 1..SLAB_CLASSES) = parse_u32(class) else { return Err(BAD_WALK) };
        has_any = true;
        has_items |= u64::from(class) == CLASS;
    }
    match (has_any, has_items) {
        (false, _) => Err(Answer::Line("NOTSTARTED no items to crawl")),
        (true, false) => Err(purpose.end()),
        (true, true) => Ok(Dump::new(purpose, server)),
    }
}

#[cfg(test)]
mod tests {
    use crate::protocol::testkit::exchange;

    #[test]
    fn lru_is_checked() {
        assert_eq!(
            exchange(b"lru tune 10 25 0.1 2.0\r\nlru mode flat\r\nlru temp_ttl -1\r\nlru tune 1 1 1 1 noreply\r\n"),
            b"OK\r\nOK\r\nOK\r\n"
        );
        assert_eq!(
            exchange(b"lru tune 50 50 0.1 2\r\nlru tune 10 25 0 2\r\n"),
            b"ERROR hot and warm pcts must not exceed 80\r\nERROR hot/warm age factors must be greater than 0\r\n"
        );
        assert_eq!(
            exchange(b"lru\r\nlru tune\r\nlru tune a b c d\r\nlru mode x\r\nlru temp_ttl x\r\n"),
            b"ERROR\r\n".repeat(5)
        );
    }

    #[test]
    fn slabs_are_checked() {
        assert_eq!(
            exchange(
                b"slabs automove 0\r\nslabs automove 2\r\nslabs automove ratio 0.5\r\nslabs automove 1 noreply\r\n"
            ),
            b"OK\r\nOK\r\nOK\r\n"
        );
        assert_eq!(
            exchange(b"slabs automove 3\r\nslabs automove a\r\nslabs reassign a b\r\nslabs x y\r\nslabs\r\n"),
            b"ERROR\r\nCLIENT_ERROR bad command line format\r\nCLIENT_ERROR bad command line format\r\nERROR\r\nERROR\r\n"
        );
        assert_eq!(
            exchange(b"slabs reassign 1 1\r\nslabs reassign 1 99\r\n"),
            b"SAME src and dst class are identical\r\nBADCLASS invalid src or dst class id\r\n"
        );
    }

    #[test]
    fn the_crawler_is_checked() {
        assert_eq!(
            exchange(b"lru_crawler enable\r\nlru_crawler sleep 100\r\nlru_crawler tocrawl 5\r\nlru_crawler x\r\n"),
            b"OK\r\nOK\r\nOK\r\nERROR\r\n"
        );
        assert_eq!(exchange(b"lru_crawler sleep 1000001\r\n"), b"CLIENT_ERROR sleep must be one second or less\r\n");
    }
}

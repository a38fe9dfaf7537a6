//! `cache_memlimit <MiB> [noreply]`: below what there was at boot, down and up again.

use super::super::line::Words;
use super::super::number::parse_u32;
use super::super::reply::{self, Answer};
use super::super::server::Server;

/// MiB that are taken for bytes.
const TOO_MANY: u32 = 1_000_000_000;
/// The least that memcached takes.
const LEAST_MIB: u32 = 8;
const MOST_BELOW: u32 = LEAST_MIB - 1;

pub(super) fn run(words: &Words<'_>, server: &mut Server) -> Answer {
    if !(2..=3).contains(&words.count()) {
        return reply::ERROR;
    }
    let answer = match parse_u32(words.get(1)) {
        None => reply::ERROR,
        Some(0..=MOST_BELOW) => Answer::Line("MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m"),
        Some(mib @ LEAST_MIB..=TOO_MANY) => adjust(mib, server),
        Some(_) => Answer::Line("MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes"),
    };
    answer.unless_silent(words.reply())
}

/// Sets the limit; what is above it goes in the turns that follow.
fn adjust(mib: u32, server: &mut Server) -> Answer {
    match server.store.set_limit(u64::from(mib) << 20) {
        Ok(()) => {
            server.is_adjusting = true;
            reply::OK
        }
        Err(_) => Answer::Line("MEMLIMIT_ADJUST_FAILED out of bounds or unable to adjust"),
    }
}

#[cfg(test)]
mod tests {
    use crate::protocol::testkit::{Client, exchange};
    use crate::store::{Adjusting, WhenFull};

    #[test]
    fn arguments() {
        assert_eq!(exchange(b"cache_memlimit 1\r\n"), b"MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m\r\n");
        assert_eq!(exchange(b"cache_memlimit x\r\ncache_memlimit\r\n"), b"ERROR\r\nERROR\r\n");
        assert_eq!(exchange(b"cache_memlimit 7 noreply\r\n"), b"");
        assert_eq!(
            exchange(b"cache_memlimit 1000000001\r\ncache_memlimit 64\r\n"),
            b"MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes\r\n\
              MEMLIMIT_ADJUST_FAILED out of bounds or unable to adjust\r\n"
        );
    }

    #[test]
    fn the_limit_goes_down_and_up() {
        let mut client = Client::with(16 << 20, WhenFull::Evict);
        assert_eq!(client.send(b"cache_memlimit 8\r\n"), b"OK\r\n");
        while client.server.store.adjust() == Adjusting::Goes {}
        let stats = String::from_utf8(client.send(b"stats\r\nstats settings\r\n")).unwrap();
        assert!(stats.contains("STAT limit_maxbytes 8388608\r\n") && stats.contains("STAT maxbytes 8388608\r\n"));
        let refused = client.send(b"cache_memlimit 15 noreply\r\ncache_memlimit 99\r\n");
        assert_eq!(refused, b"MEMLIMIT_ADJUST_FAILED out of bounds or unable to adjust\r\n");
        let stats = String::from_utf8(client.send(b"stats\r\n")).unwrap();
        assert!(stats.contains("STAT limit_maxbytes 15728640\r\n"));
    }
}

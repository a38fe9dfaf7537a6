//! `touch <key> <exptime> [noreply]`

use super::super::line::Words;
use super::super::number::parse_i32;
use super::super::reply::{self, Answer};
use super::super::server::Server;

pub(super) fn run(words: &Words<'_>, server: &mut Server) -> Answer {
    if !(3..=4).contains(&words.count()) {
        return reply::ERROR;
    }
    touch(words, server).unless_silent(words.reply())
}

fn touch(words: &Words<'_>, server: &mut Server) -> Answer {
    let Some(key) = super::key(words) else { return reply::BAD_FORMAT };
    let Some(exptime) = parse_i32(words.get(2)) else { return reply::BAD_EXPTIME };
    let exptime = server.expiry(exptime.into());
    server.note_look_up(key);
    server.counters.cmd_touch.add(1);
    if server.store.get_and_touch(key, exptime).is_ok() {
        server.counters.touch_hits.add(1);
        Answer::Line("TOUCHED")
    } else {
        server.counters.touch_misses.add(1);
        reply::NOT_FOUND
    }
}

#[cfg(test)]
mod tests {
    use crate::protocol::testkit::{Client, exchange};

    #[test]
    fn sets_the_expiry() {
        let mut client = Client::new();
        assert_eq!(client.send(b"set a 0 1 1\r\n1\r\ntouch a 5\r\n"), b"STORED\r\nTOUCHED\r\n");
        client.sleep(3);
        assert_eq!(client.send(b"get a\r\n"), b"VALUE a 0 1\r\n1\r\nEND\r\n");
        client.sleep(3);
        assert_eq!(client.send(b"get a\r\n"), b"END\r\n");
    }

    #[test]
    fn keeps_the_cas_value() {
        assert_eq!(
            exchange(b"set a 0 0 1\r\n1\r\ntouch a 9\r\ngets a\r\n"),
            b"STORED\r\nTOUCHED\r\nVALUE a 0 1 1\r\n1\r\nEND\r\n"
        );
    }

    #[test]
    fn refuses_what_it_does_not_understand() {
        assert_eq!(
            exchange(b"touch a\r\ntouch a x\r\ntouch a 1\r\n"),
            b"ERROR\r\nCLIENT_ERROR invalid exptime argument\r\nNOT_FOUND\r\n"
        );
        assert_eq!(exchange(b"touch a x noreply\r\ntouch a 1 noreply\r\n"), b"");
    }
}

//! `delete <key> [0] [noreply]`

use super::super::line::{Reply, Words};
use super::super::reply::{self, Answer};
use super::super::server::Server;

const USAGE: Answer = Answer::Line("CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]");

pub(super) fn run(words: &Words<'_>, server: &mut Server) -> Answer {
    let mut reply = Reply::Wanted;
    match words.count() {
        2 => {}
        3 | 4 => {
            // The time that old clients send has to be 0.
            let zero = words.get(2) == b"0";
            reply = words.reply();
            let silent = reply == Reply::Silent;
            if !(if words.count() == 3 { zero || silent } else { zero && silent }) {
                return USAGE.unless_silent(reply);
            }
        }
        _ => return reply::ERROR,
    }
    let Some(key) = super::key(words) else { return reply::BAD_FORMAT.unless_silent(reply) };
    server.note_look_up(key);
    let answer = if server.store.delete(key) {
        server.counters.delete_hits.add(1);
        Answer::Line("DELETED")
    } else {
        server.counters.delete_misses.add(1);
        reply::NOT_FOUND
    };
    answer.unless_silent(reply)
}

#[cfg(test)]
mod tests {
    use crate::protocol::testkit::exchange;

    #[test]
    fn deletes() {
        assert_eq!(
            exchange(b"set a 0 0 1\r\n1\r\ndelete a\r\ndelete a\r\nget a\r\n"),
            b"STORED\r\nDELETED\r\nNOT_FOUND\r\nEND\r\n"
        );
    }

    #[test]
    fn takes_a_time_of_zero_only() {
        let usage = b"CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n";
        assert_eq!(exchange(b"delete a 0\r\n"), b"NOT_FOUND\r\n");
        assert_eq!(exchange(b"delete a 10\r\n"), usage);
        assert_eq!(exchange(b"delete a b c\r\n"), usage);
        assert_eq!(exchange(b"delete a b c d\r\ndelete\r\n"), b"ERROR\r\nERROR\r\n");
    }

    #[test]
    fn is_silent_on_request() {
        assert_eq!(
            exchange(b"set a 0 0 1\r\n1\r\ndelete a noreply\r\ndelete a 0 noreply\r\nget a\r\n"),
            b"STORED\r\nEND\r\n"
        );
    }

    #[test]
    fn refuses_a_long_key() {
        let line = [b"delete ", &[b'k'; 251][..], b"\r\n"].concat();
        assert_eq!(exchange(&line), b"CLIENT_ERROR bad command line format\r\n");
    }
}

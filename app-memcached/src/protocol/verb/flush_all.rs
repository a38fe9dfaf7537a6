//! `flush_all [delay] [noreply]`

use super::super::line::{Reply, Words};
use super::super::number::parse_i32;
use super::super::reply::{self, Answer};
use super::super::server::Server;

pub(super) fn run(words: &Words<'_>, server: &mut Server) -> Answer {
    if !(1..=3).contains(&words.count()) {
        return reply::ERROR;
    }
    let reply = words.reply();
    if !server.settings.permissions.flush_all {
        return Answer::Line("CLIENT_ERROR flush_all not allowed").unless_silent(reply);
    }
    let has_delay = words.count() > if reply == Reply::Silent { 2 } else { 1 };
    let delay = if has_delay { parse_i32(words.get(1)) } else { Some(0) };
    let Some(delay) = delay else {
        server.counters.cmd_flush.add(1);
        return reply::BAD_EXPTIME.unless_silent(reply);
    };
    flush(delay.into(), server);
    reply::OK.unless_silent(reply)
}

/// Forgets all items, at once or when `delay` has come, an expiry time.
pub(in crate::protocol) fn flush(delay: i64, server: &mut Server) {
    server.counters.cmd_flush.add(1);
    let at = if delay > 0 { server.expiry(delay) } else { server.store.now() };
    server.store.flush(at);
}

#[cfg(test)]
mod tests {
    use crate::protocol::testkit::{Client, exchange};

    #[test]
    fn forgets_everything_at_once() {
        assert_eq!(
            exchange(b"set a 0 0 1\r\n1\r\nflush_all\r\nget a\r\nset a 0 0 1\r\n2\r\nget a\r\n"),
            b"STORED\r\nOK\r\nEND\r\nSTORED\r\nVALUE a 0 1\r\n2\r\nEND\r\n"
        );
    }

    #[test]
    fn waits_when_told_to() {
        let mut client = Client::new();
        assert_eq!(
            client.send(b"set a 0 0 1\r\n1\r\nflush_all 2\r\nget a\r\n"),
            b"STORED\r\nOK\r\nVALUE a 0 1\r\n1\r\nEND\r\n"
        );
        client.sleep(3);
        assert_eq!(
            client.send(b"get a\r\nadd a 0 0 1\r\n2\r\nget a\r\n"),
            b"END\r\nSTORED\r\nVALUE a 0 1\r\n2\r\nEND\r\n"
        );
    }

    #[test]
    fn may_be_refused() {
        let mut client = Client::new();
        client.server.settings.permissions.flush_all = false;
        assert_eq!(
            client.send(b"set a 0 0 1\r\n1\r\nflush_all\r\nflush_all x\r\nflush_all noreply\r\nflush_all 1 2 3\r\nget a\r\n"),
            b"STORED\r\nCLIENT_ERROR flush_all not allowed\r\nCLIENT_ERROR flush_all not allowed\r\nERROR\r\nVALUE a 0 1\r\n1\r\nEND\r\n"
        );
        let mut client = Client::new();
        client.server.settings.permissions.flush_all = false;
        let answer = client.send(&[&[0x80, 8][..], &[0; 22]].concat());
        assert_eq!((answer[7], &answer[24..]), (0x20, &b"Auth failure."[..]));
    }

    #[test]
    fn arguments() {
        assert_eq!(
            exchange(b"flush_all -1\r\nflush_all 0 a\r\nflush_all a\r\nflush_all 0 0 0\r\n"),
            b"OK\r\nOK\r\nCLIENT_ERROR invalid exptime argument\r\nERROR\r\n"
        );
        assert_eq!(exchange(b"flush_all noreply\r\nflush_all 0 noreply\r\nflush_all a noreply\r\n"), b"");
    }
}

use crate::protocol::testkit::{Client, exchange};
use crate::protocol::{Counters, LINE_LIMIT};

const A: &[u8] = b"set a 7 0 3\r\nabc\r\n";

fn after_a(request: &[u8]) -> Vec<u8> {
    let reply = exchange(&[A, request].concat());
    reply.strip_prefix(b"STORED\r\n").unwrap().to_vec()
}

#[test]
fn finds_what_there_is() {
    assert_eq!(after_a(b"get a\r\n"), b"VALUE a 7 3\r\nabc\r\nEND\r\n");
    assert_eq!(after_a(b"get b\r\n"), b"END\r\n");
    assert_eq!(after_a(b"gets  b a a \r\n"), b"VALUE a 7 3 1\r\nabc\r\nVALUE a 7 3 1\r\nabc\r\nEND\r\n");
    assert_eq!(after_a(b"get a\nbget a\n"), b"VALUE a 7 3\r\nabc\r\nEND\r\n".repeat(2));
}

#[test]
fn odd_lines() {
    assert_eq!(after_a(b"get\r\ngets \r\ngat\r\nGET a\r\n"), b"ERROR\r\n".repeat(4));
    assert_eq!(after_a(b"get a\tb\r\n"), b"END\r\n");
    assert_eq!(after_a(b"get a\r\r\n"), b"END\r\n");
    assert_eq!(after_a(b"get a\0b\r\n"), b"VALUE a 7 3\r\nabc\r\nEND\r\n");
    assert_eq!(after_a(b" get  a\r\n"), b"VALUE a 7 3\r\nabc\r\nEND\r\n");
}

#[test]
fn a_long_key_spoils_the_line() {
    let error = b"CLIENT_ERROR bad command line format\r\n";
    assert_eq!(after_a(&[b"get a ", &[b'k'; 251][..], b" a\r\n"].concat()), error);
    assert_eq!(after_a(&[b"get ", &[b'k'; 251][..], b"\r\n"].concat()), error);
    assert_eq!(after_a(&[b"get ", &[b'k'; 250][..], b"\r\n"].concat()), b"END\r\n");
}

#[test]
fn gat_touches() {
    let mut client = Client::new();
    client.send(A);
    assert_eq!(
        client.send(b"gat 5 a\r\ngats 5 a b\r\n"),
        b"VALUE a 7 3\r\nabc\r\nEND\r\nVALUE a 7 3 1\r\nabc\r\nEND\r\n"
    );
    client.sleep(4);
    assert_eq!(
        client.send(b"get a\r\ngat -1 a\r\nget a\r\n"),
        b"VALUE a 7 3\r\nabc\r\nEND\r\nVALUE a 7 3\r\nabc\r\nEND\r\nEND\r\n"
    );
    assert_eq!(client.send(b"gat 0\r\ngat x a\r\n"), b"END\r\nCLIENT_ERROR invalid exptime argument\r\n");
}

#[test]
fn counts_hits_and_misses() {
    let mut client = Client::new();
    client.send(b"set a 0 1 1\r\n1\r\nget a b\r\ngat 1 a b\r\n");
    client.sleep(2);
    client.send(b"get a\r\nset c 0 0 1\r\n1\r\nflush_all\r\nget c\r\n");
    let expected = Counters {
        cmd_get: 4,
        get_hits: 1,
        get_misses: 3,
        get_expired: 1,
        get_flushed: 1,
        cmd_touch: 2,
        touch_hits: 1,
        touch_misses: 1,
        cmd_set: 2,
        cmd_flush: 1,
        ..Counters::default()
    };
    assert_eq!(client.server.all_counters(), expected);
}

#[test]
fn lines_of_any_length() {
    let line = [b"get a ", &b"b ".repeat(60_000)[..], b"a\r\nget a\r\n"].concat();
    assert_eq!(after_a(&line), b"VALUE a 7 3\r\nabc\r\nVALUE a 7 3\r\nabc\r\nEND\r\nVALUE a 7 3\r\nabc\r\nEND\r\n");
    let spoiled = [b"get ", &b"b ".repeat(LINE_LIMIT)[..], &[b'k'; 300], b" a\r\nget a\r\n"].concat();
    assert_eq!(after_a(&spoiled), b"CLIENT_ERROR bad command line format\r\nVALUE a 7 3\r\nabc\r\nEND\r\n");
}

#[test]
fn large_values_wait_for_room() {
    let mut client = Client::new();
    let value = b"0123456789".repeat(5_000);
    client.send(&[&b"set big 0 0 50000\r\n"[..], &value, b"\r\n"].concat());
    client.room = 1200;
    let reply = client.send(b"get big big\r\nget big\r\n");
    let one = [&b"VALUE big 0 50000\r\n"[..], &value, b"\r\n"].concat();
    assert_eq!(reply, [&one[..], &one, b"END\r\n", &one, b"END\r\n"].concat());
    assert_eq!(client.server.store.pinned_segments(), 0);
}

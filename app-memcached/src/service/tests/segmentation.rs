//! However a stream is cut, its replies are the same.

use super::peer::{Credit, Stack};

/// A conversation with everything in it: values larger than a credit, long lines, errors, silence.
fn conversation() -> Vec<u8> {
    let big = b"0123456789abcdef".repeat(2_000);
    let mut bytes = Vec::new();
    let mut add = |part: &[u8]| bytes.extend_from_slice(part);
    add(b"set a 7 0 3\r\nabc\r\nget a\r\ngets a b a\r\nversion\r\n\r\nset q 0 0 1 noreply\r\nx\r\nget q\r\n");
    add(format!("set big 1 0 {}\r\n", big.len()).as_bytes());
    add(&big);
    add(b"\r\nget big\r\nget a big q big nothing\r\nappend big 0 0 4\r\ntail\r\n");
    add(b"set bad 0 0 3\r\nabcdefgh\r\nset n 0 0 2\r\n10\r\nincr n 5\r\ndecr n 9\r\nget n\r\n");
    add(&[b"get a ", &b"none ".repeat(2_000)[..], b"n\r\n"].concat());
    add(b"set huge 0 0 2000000\r\n");
    add(&vec![b'h'; 2_000_002]);
    add(b"get huge\r\nstats settings\r\ndelete a\r\nget a\r\nget big\r\n");
    bytes
}

fn replies(segment: usize, credit: Credit) -> Vec<u8> {
    let mut stack = Stack::new(256);
    let peer = stack.connect(credit);
    stack.send(peer, &conversation(), segment);
    assert_eq!(stack.peers[peer].window_used, 0, "everything is done with");
    let replies = std::mem::take(&mut stack.peers[peer].replies);
    stack.assert_nothing_leaked();
    replies
}

#[test]
fn any_cut_gives_the_same_replies() {
    let expected = replies(1460, Credit::Window(1 << 20));
    assert!(expected.len() > 4 * 32_000);
    for (segment, window) in [(1460, 0), (1448, 3_000), (1, 1 << 20), (1, 0), (7, 2_000), (536, 10_000)] {
        let got = replies(segment, Credit::Window(window));
        let same = got.iter().zip(&expected).take_while(|(a, b)| a == b).count();
        let around =
            |bytes: &[u8]| bytes[same.saturating_sub(60)..(same + 80).min(bytes.len())].escape_ascii().to_string();
        assert!(
            got == expected,
            "segments of {segment}, window of {window}: at {same}\n{}\n{}",
            around(&got),
            around(&expected)
        );
    }
}

#[test]
fn a_thousand_requests_at_once() {
    let mut stack = Stack::new(256);
    let peer = stack.connect(Credit::Window(1 << 20));
    stack.send(peer, b"set a 0 0 100\r\n", 1460);
    stack.send(peer, &[&[b'v'; 100][..], b"\r\n"].concat(), 1460);
    stack.peers[peer].replies.clear();
    for segment in b"get a\r\n".repeat(1000).chunks(1460) {
        assert!(stack.deliver(peer, segment));
    }
    stack.settle();
    let one = [&b"VALUE a 0 100\r\n"[..], &[b'v'; 100], b"\r\nEND\r\n"].concat();
    assert_eq!(stack.peers[peer].replies, one.repeat(1000));
    stack.assert_nothing_leaked();
}

#[test]
fn more_replies_than_calls() {
    // 30,000 requests in a few buffers ask for 480 buffers of replies, more than a call array holds.
    let mut stack = Stack::new(2048);
    let peer = stack.connect(Credit::Window(1 << 30));
    stack.send(peer, &[&b"set a 0 0 30000\r\n"[..], &vec![b'v'; 30_000], b"\r\n"].concat(), 1460);
    stack.peers[peer].replies.clear();
    let asked = 300;
    for segment in b"get a\r\n".repeat(asked).chunks(1460) {
        assert!(stack.deliver(peer, segment));
    }
    stack.settle();
    assert_eq!(stack.peers[peer].replies.len(), asked * (17 + 30_000 + 2 + 5));
    stack.assert_nothing_leaked();
}

#[test]
fn replies_wait_for_buffers_and_come() {
    let mut stack = Stack::new(32);
    let peer = stack.connect(Credit::Window(1 << 20));
    // Too small to be lent: each is copied.
    let get = [&b"get"[..], &b" a".repeat(200), b"\r\n"].concat();
    stack.send(peer, &[&b"set a 0 0 1000\r\n"[..], &[b'v'; 1000], b"\r\n", &get].concat(), 1000);
    assert!(stack.service.server.all_connections().waited_for_buffers > 0);
    assert_eq!(stack.peers[peer].replies.len(), 8 + 200 * (16 + 1000 + 2) + 5);
    stack.assert_nothing_leaked();
}

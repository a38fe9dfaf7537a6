//! Requests that stop in the middle, and memory that ends there: what was acknowledged stays, and nothing is held.

use super::testkit::{Client, Speaker};
use crate::store::WhenFull;

/// A request of each kind, about an item `a` that is `10`, and whose CAS value is 1.
const TEXT: [&[u8]; 30] = [
    b"get a\r\n",
    b"gets a a\r\n",
    b"gat 9 a\r\n",
    b"gats 9 a\r\n",
    b"set a 1 0 3\r\nnew\r\n",
    b"set a 1 0 3 noreply\r\nnew\r\n",
    b"add b 1 0 3\r\nnew\r\n",
    b"replace a 1 0 3\r\nnew\r\n",
    b"append a 1 0 3\r\nnew\r\n",
    b"prepend a 1 0 3\r\nnew\r\n",
    b"cas a 1 0 3 1\r\nnew\r\n",
    b"incr a 5\r\n",
    b"decr a 5\r\n",
    b"touch a 9\r\n",
    b"delete a\r\n",
    b"flush_all\r\n",
    b"verbosity 1\r\n",
    b"version\r\n",
    b"stats\r\n",
    b"quit\r\n",
    b"mg a v c t f k q\r\n",
    b"mg b v N9 t\r\n",
    b"ms a 3 T0 F1 c k O1\r\nnew\r\n",
    b"ms a 3 MA C1\r\nnew\r\n",
    b"md a q\r\n",
    b"md a I T9\r\n",
    b"ma a D5 v\r\n",
    b"ma b N0 J5 v\r\n",
    b"me a\r\n",
    b"mn\r\n",
];

const BEGIN: &[u8] = b"set kept 7 0 4\r\nkept\r\nset a 0 0 2\r\n10\r\n";
const THERE: &[u8] = b"gets kept a b\r\n";

/// Frames of every command, most of which have a key `a`.
fn frames() -> Vec<Vec<u8>> {
    let frame = |opcode: u8| {
        let (extras, key, value): (usize, &[u8], &[u8]) = match opcode {
            0x01..=0x03 | 0x11..=0x13 => (8, b"a", b"new"),
            0x0e | 0x0f | 0x19 | 0x1a => (0, b"a", b"new"),
            0x05 | 0x06 | 0x15 | 0x16 => (20, b"a", b""),
            0x1c..=0x1e | 0x23 | 0x24 => (4, b"a", b""),
            0x07 | 0x08 | 0x0a | 0x0b | 0x10 | 0x17 | 0x18 => (0, b"", b""),
            _ => (0, b"a", b""),
        };
        let len = (extras + key.len() + value.len()) as u8;
        let head = [0x80, opcode, 0, key.len() as u8, extras as u8, 0, 0, 0, 0, 0, 0, len];
        [&head[..], &[0; 12], &vec![0; extras], key, value].concat()
    };
    (0..=0x1a).chain(0x1c..=0x1e).chain([0x23, 0x24]).map(frame).collect()
}

/// Drops `request` at every byte, each time after some of an item was acknowledged.
fn drop_at_every_byte(request: &[u8]) {
    let mut client = Client::with(2 << 20, WhenFull::Evict);
    assert_eq!(client.send(BEGIN), b"STORED\r\nSTORED\r\n");
    let there = client.send(THERE);
    for end in 0..request.len() {
        let mut speaker = Speaker::default();
        let said = client.send_as(&mut speaker, &request[..end]);
        assert!(said.is_empty(), "{} bytes of {} are answered", end, request.escape_ascii());
        client.leave(speaker);
        assert_eq!(client.server.store.pinned_segments(), 0, "{end} bytes of {}", request.escape_ascii());
        assert_eq!(client.send(THERE), there, "{end} bytes of {}", request.escape_ascii());
    }
    let mut speaker = Speaker::default();
    client.send_as(&mut speaker, request);
    client.leave(speaker);
    assert_eq!(client.server.store.pinned_segments(), 0, "{}", request.escape_ascii());
}

#[test]
fn text_that_is_dropped_at_every_byte() {
    TEXT.iter().for_each(|request| drop_at_every_byte(request));
}

#[test]
fn frames_that_are_dropped_at_every_byte() {
    frames().iter().for_each(|request| drop_at_every_byte(request));
}

/// Values of which a half has come fill the memory: who comes next is refused, at once and in step; who came before is not, and what
/// was acknowledged is there.
#[test]
fn memory_that_ends_in_the_middle_of_values() {
    const HALF: usize = 30_000;
    for when_full in [WhenFull::Refuse, WhenFull::Evict] {
        let mut client = Client::with(4 << 20, when_full);
        assert_eq!(client.send(BEGIN), b"STORED\r\nSTORED\r\n");
        let begun = |n: usize| [format!("set big{n} 0 0 {}\r\n", 2 * HALF).into_bytes(), vec![b'v'; HALF]].concat();
        let rest = [&vec![b'v'; HALF][..], b"\r\n"].concat();
        let mut waiting = Vec::new();
        let refused = loop {
            let mut speaker = Speaker::default();
            let said = client.send_as(&mut speaker, &begun(waiting.len()));
            if !said.is_empty() {
                assert_eq!(said, b"SERVER_ERROR out of memory storing object\r\n");
                break speaker;
            }
            waiting.push(speaker);
            assert!(waiting.len() < 100, "more than there is memory");
        };
        assert!(waiting.len() > 10, "only {} at a time", waiting.len());
        // The rest of what was refused is skipped, and the next request is understood.
        let mut refused = refused;
        assert_eq!(client.send_as(&mut refused, &[&rest[..], b"mn\r\n"].concat()), b"MN\r\n");
        client.leave(refused);
        // One goes in the middle; the others end.
        let count = waiting.len();
        for (n, mut speaker) in waiting.into_iter().enumerate() {
            if n > 0 {
                assert_eq!(client.send_as(&mut speaker, &rest), b"STORED\r\n");
            }
            client.leave(speaker);
        }
        assert_eq!(client.server.store.pinned_segments(), 0);
        assert_eq!(client.server.store.counters().evictions, 0);
        assert_eq!(client.send(b"get kept a big0\r\n"), b"VALUE kept 7 4\r\nkept\r\nVALUE a 0 2\r\n10\r\nEND\r\n");
        for n in 1..count {
            let answer = client.send(format!("get big{n}\r\n").as_bytes());
            assert_eq!(answer.len(), format!("VALUE big{n} 0 {}\r\n", 2 * HALF).len() + 2 * HALF + 7);
        }
    }
}

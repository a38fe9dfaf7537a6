//! Requests by UDP.

use super::peer::{Credit, Stack};
use crate::protocol::udp::PART_LEN;

/// A datagram with requests.
fn framed(id: u16, requests: &[u8]) -> Vec<u8> {
    [&id.to_be_bytes()[..], &[0, 0, 0, 1, 0, 0], requests].concat()
}

impl Stack {
    /// Has a peer store the value of `a`.
    fn store(&mut self, peer: usize, value: &[u8]) {
        let line = format!("set a 0 0 {}\r\n", value.len());
        self.send(peer, &[line.as_bytes(), value, b"\r\n"].concat(), 1460);
    }

    /// The id and the bytes of the answer to a datagram, whose parts have to be in order and full but for the last.
    fn ask(&mut self, id: u16, requests: &[u8]) -> Option<(u16, Vec<u8>)> {
        assert!(self.datagram(&framed(id, requests)));
        self.settle();
        let parts = std::mem::take(&mut self.datagrams);
        let half = |part: &[u8], at: usize| u16::from_be_bytes([part[at], part[at + 1]]);
        let mut answer = Vec::new();
        for (number, part) in parts.iter().enumerate() {
            assert_eq!([2, 4, 6].map(|at| half(part, at) as usize), [number, parts.len(), 0]);
            assert_eq!(half(part, 0), half(&parts[0], 0));
            assert!((1..=PART_LEN).contains(&(part.len() - 8)));
            answer.extend_from_slice(&part[8..]);
        }
        parts.first().map(|part| (half(part, 0), answer))
    }
}

#[test]
fn text_and_frames_are_answered_alike() {
    let mut stack = Stack::new(64);
    assert_eq!(stack.ask(1, b"set a 5 0 1\r\n1\r\n"), Some((1, b"STORED\r\n".to_vec())));
    let get = [&[0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1][..], b"op\0\0\0\0\0\0\0\0\0\0a"].concat();
    let (id, answer) = stack.ask(0xfffe, &get).unwrap();
    assert_eq!((id, answer.len(), answer[0], &answer[24..]), (0xfffe, 29, 0x81, &b"\0\0\0\x051"[..]));
    assert_eq!(stack.ask(2, b"get a b\r\nmg a v\r\n"), Some((2, b"VALUE a 5 1\r\n1\r\nEND\r\nVA 1\r\n1\r\n".to_vec())));
    assert_eq!(stack.ask(3, b"nonsense\r\n"), Some((3, b"ERROR\r\n".to_vec())));
    assert_eq!(stack.service.server.all_connections().udp_requests, 4);
    stack.assert_nothing_leaked();
}

#[test]
fn answers_of_several_datagrams() {
    let mut stack = Stack::new(256);
    let peer = stack.connect(Credit::Window(1 << 16));
    for len in [PART_LEN - 30, 1389, 1400, 5000, 100_000] {
        let value: Vec<u8> = (0..len).map(|i| b'a' + (i % 23) as u8).collect();
        stack.store(peer, &value);
        let expected = [format!("VALUE a 0 {len}\r\n").as_bytes(), &value, b"\r\nEND\r\n"].concat();
        assert_eq!(stack.ask(9, b"get a\r\n"), Some((9, expected)));
    }
    stack.assert_nothing_leaked();
}

#[test]
fn nothing_to_say_is_not_said() {
    let mut stack = Stack::new(64);
    for requests in [&b"set a 0 0 1 noreply\r\n1\r\n"[..], b"get a", b"set a 0 0 9\r\n1\r\n", b"quit\r\n"] {
        assert_eq!(stack.ask(1, requests), None);
    }
    // What a datagram does not finish is not finished by the next.
    assert_eq!(stack.ask(2, b"get a\r\n"), Some((2, b"VALUE a 0 1\r\n1\r\nEND\r\n".to_vec())));
    stack.assert_nothing_leaked();
}

#[test]
fn datagrams_that_are_no_messages() {
    let mut stack = Stack::new(64);
    let two = [&[0, 7, 0, 0, 0, 2, 0, 0][..], b"get a\r\n"].concat();
    for bytes in [&b""[..], b"version\r\n", &framed(1, b""), &two] {
        assert!(stack.datagram(bytes));
        stack.settle();
    }
    assert!(stack.datagrams.is_empty());
    assert_eq!(stack.service.server.all_connections().udp_malformed, 4);
    stack.assert_nothing_leaked();
}

#[test]
fn an_answer_is_sent_whole_or_not_at_all() {
    let mut stack = Stack::new(512);
    let peer = stack.connect(Credit::Window(1 << 16));
    stack.store(peer, &vec![b'v'; 200000]);
    assert_eq!(stack.ask(1, b"get a\r\n"), None);
    assert_eq!(stack.service.server.all_connections().udp_too_large, 1);
    let mut stack = Stack::new(32);
    let peer = stack.connect(Credit::Window(1 << 16));
    stack.store(peer, &vec![b'v'; 60000]);
    assert_eq!(stack.ask(1, b"get a\r\n"), None);
    assert_eq!(stack.service.server.all_connections().udp_no_buffers, 1);
    stack.assert_nothing_leaked();
}

#[test]
fn many_large_answers_wait_for_each_other() {
    let mut stack = Stack::new(1024);
    let peer = stack.connect(Credit::Window(1 << 16));
    stack.store(peer, &vec![b'v'; 60000]);
    for id in 0..40 {
        assert!(stack.datagram(&framed(id, b"get a\r\n")));
    }
    stack.settle();
    let ids: Vec<u8> = stack.datagrams.iter().map(|part| part[1]).collect();
    assert_eq!(ids, (0..40).flat_map(|id| [id; 44]).collect::<Vec<_>>());
    stack.assert_nothing_leaked();
}

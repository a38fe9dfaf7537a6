use crate::protocol::testkit::{Client, exchange};

/// A request's frame.
fn frame(opcode: u8, key: &[u8], extras: &[u8], value: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80, opcode, 0, key.len() as u8, extras.len() as u8, 0, 0, 0];
    frame.extend(((key.len() + extras.len() + value.len()) as u32).to_be_bytes());
    frame.extend([9, 8, 7, 6, 0, 0, 0, 0, 0, 0, 0, 0]);
    [&frame[..], extras, key, value].concat()
}

fn set(key: &[u8], value: &[u8]) -> Vec<u8> {
    frame(0x01, key, &[0, 0, 0, 5, 0, 0, 0, 0], value)
}

/// Status, CAS value and body of each frame of `bytes`.
fn responses(mut bytes: &[u8]) -> Vec<(u16, u64, Vec<u8>)> {
    let mut responses = Vec::new();
    while let Some((header, rest)) = bytes.split_at_checked(24) {
        assert_eq!((header[0], &header[12..16]), (0x81, &[9, 8, 7, 6][..]));
        let len = u32::from_be_bytes(header[8..12].try_into().unwrap()) as usize;
        let status = u16::from_be_bytes([header[6], header[7]]);
        responses.push((status, u64::from_be_bytes(header[16..].try_into().unwrap()), rest[..len].to_vec()));
        bytes = &rest[len..];
    }
    responses
}

#[test]
fn frames_may_come_in_pieces() {
    let request = [set(b"key", b"value"), frame(0x0c, b"key", b"", b""), frame(0x0a, b"", b"", b"")].concat();
    let expected = exchange(&request);
    let body = b"\0\0\0\x05keyvalue".to_vec();
    assert_eq!(responses(&expected), [(0, 1, vec![]), (0, 1, body), (0, 0, vec![])]);
    for at in 1..request.len() {
        let mut client = Client::new();
        let (first, second) = request.split_at(at);
        assert_eq!([client.send(first), client.send(second)].concat(), expected, "cut at {at}");
        assert_eq!(client.server.store.pinned_segments(), 0);
    }
}

#[test]
fn large_values_wait_for_room() {
    let mut client = Client::new();
    let value = b"0123456789".repeat(5_000);
    client.send(&set(b"big", &value));
    client.room = 1200;
    let reply = client.send(&[frame(0, b"big", b"", b""), frame(0x0d, b"big", b"", b"")].concat());
    let expected = [(0, 1, [b"\0\0\0\x05", &value[..]].concat()), (0, 1, [b"\0\0\0\x05big", &value[..]].concat())];
    assert_eq!(responses(&reply), expected);
    assert_eq!(client.server.store.pinned_segments(), 0);
}

#[test]
fn statistics_are_frames() {
    let lines = responses(&exchange(&frame(0x10, b"", b"", b"")));
    let (end, lines) = lines.split_last().unwrap();
    assert!(end.2.is_empty() && lines.len() > 20);
    assert!(lines.iter().any(|(_, _, body)| body == b"threads1"));
    let mut client = Client::new();
    client.room = crate::protocol::REPLY_ROOM + 10;
    assert_eq!(responses(&client.send(&frame(0x10, b"settings", b"", b""))).last(), Some(&(0, 0, vec![])));
}

#[test]
fn the_first_byte_decides() {
    assert_eq!(exchange(b"\x80"), b"");
    let version = responses(&exchange(&frame(0x0b, b"", b"", b"")));
    assert_eq!(version, [(0, 0, crate::protocol::VERSION.as_bytes().to_vec())]);
    // Text for good.
    let mut client = Client::new();
    assert_eq!(client.send(b"mn\r\n"), b"MN\r\n");
    assert_eq!(client.send(&[&frame(0x0b, b"", b"", b"")[..], b"\r\n"].concat()), b"ERROR\r\n");
}

#[test]
fn an_unknown_command_is_stepped_over() {
    // 1.6.18 steps over as many bytes as the key has, too, and loses its place.
    let request = [frame(0x40, b"key", b"extras", b"value"), frame(0x0a, b"", b"", b"")].concat();
    assert_eq!(responses(&exchange(&request)), [(0x81, 0, b"Unknown command".to_vec()), (0, 0, vec![])]);
}

#[test]
fn a_client_that_leaves_early_leaves_nothing() {
    let mut client = Client::new();
    let request = set(b"a", &[b'v'; 100]);
    client.send(&request[..60]);
    assert_eq!(client.server.store.pinned_segments(), 1);
    client.session.close(&mut client.server);
    assert_eq!((client.server.store.pinned_segments(), client.server.store.len()), (0, 0));
}

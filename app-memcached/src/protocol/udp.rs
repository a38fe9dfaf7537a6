//! The frame of a datagram (protocol.txt, "UDP protocol"): eight bytes before the requests of a client and each part of the answer.
//!
//! ```text
//! | request id | number of this datagram, from 0 | datagrams in this message | 0 |     16 bits each, big-endian
//! ```
//!
//! A message from a client is one datagram. An answer is numbered as a whole, whatever the number of requests it answers.

/// Bytes of a frame.
pub(crate) const FRAME_LEN: usize = 8;

/// Bytes of an answer in one datagram, at most: with the frame 1,400, as memcached's.
pub(crate) const PART_LEN: usize = 1400 - FRAME_LEN;

/// What a client knows the answer by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestId([u8; 2]);

/// Takes the frame off a client's datagram. `None` if there is nothing behind it, or the message has other datagrams.
pub(crate) fn parse(datagram: &[u8]) -> Option<(RequestId, &[u8])> {
    match datagram {
        [high, low, _, _, 0, 1, _, _, requests @ ..] if !requests.is_empty() => {
            Some((RequestId([*high, *low]), requests))
        }
        _ => None,
    }
}

/// The frame of datagram `number` of the `count` that answer a request.
pub(crate) fn frame(id: RequestId, number: u16, count: u16) -> [u8; FRAME_LEN] {
    let ([id_high, id_low], [high, low]) = (id.0, number.to_be_bytes());
    let [count_high, count_low] = count.to_be_bytes();
    [id_high, id_low, high, low, count_high, count_low, 0, 0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_the_request_s_id() {
        let (id, requests) = parse(b"\x12\x34\0\x05\0\x01\x09\x09get a\r\n").unwrap();
        assert_eq!(requests, b"get a\r\n");
        assert_eq!(frame(id, 258, 259), *b"\x12\x34\x01\x02\x01\x03\0\0");
    }

    #[test]
    fn messages_that_are_not_one_datagram_with_requests() {
        for bad in [&b""[..], b"1234567", b"\0\0\0\0\0\x01\0\0", b"\0\0\0\0\0\x02\0\0get a\r\n", b"\0\0\0\0\0\0\0\0a"] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }
}

//! A request that QEMU makes too early: it enables queues when it resets its device, before it has said which features count,
//! while the crate `vhost` takes that for a mistake. Such a request is answered here.

use std::io::{self, Read as _, Write as _};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use nix::sys::socket::{MsgFlags, recv};

/// Bytes of a message's header: request, flags, and bytes of the payload, words of 32 bits in the host's order.
const HEADER_BYTES: usize = 12;
/// Bytes of the payload: the queue, and whether it is enabled.
const PAYLOAD_BYTES: usize = 8;

/// VHOST_USER_SET_VRING_ENABLE.
const SET_VRING_ENABLE: u32 = 18;

/// `flags`: the protocol's version, that this is an answer, and that one is wanted.
const VERSION: u32 = 1;
const REPLY: u32 = 1 << 2;
const NEED_REPLY: u32 = 1 << 3;

/// Takes the next message, if it enables or disables a queue: the queue and what is to become of it go to `enable`. Otherwise
/// it stays where it is. Waits for it in any case.
pub(super) fn take_enable(mut stream: &UnixStream, enable: impl FnOnce(u32, bool) -> bool) -> io::Result<bool> {
    let mut header = [0; HEADER_BYTES];
    let seen = recv(stream.as_raw_fd(), &mut header, MsgFlags::MSG_PEEK | MsgFlags::MSG_WAITALL)?;
    let word = |bytes: &[u8], at: usize| bytes[at..].first_chunk().map_or(0, |word| u32::from_ne_bytes(*word));
    let (request, flags, size) = (word(&header, 0), word(&header, 4), word(&header, 8));
    if seen < HEADER_BYTES || request != SET_VRING_ENABLE || size as usize != PAYLOAD_BYTES {
        return Ok(false);
    }
    let mut message = [0; HEADER_BYTES + PAYLOAD_BYTES];
    stream.read_exact(&mut message)?;
    let done = enable(word(&message, HEADER_BYTES), word(&message, HEADER_BYTES + 4) != 0);
    if flags & NEED_REPLY != 0 {
        let words = [request, VERSION | REPLY, PAYLOAD_BYTES as u32, u32::from(!done), 0];
        stream.write_all(&words.map(u32::to_ne_bytes).concat())?;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(request: u32, flags: u32, payload: [u32; 2]) -> Vec<u8> {
        [request, flags, 8, payload[0], payload[1]].map(u32::to_ne_bytes).concat()
    }

    #[test]
    fn only_what_enables_a_queue_is_taken() {
        let (mut vmm, ours) = UnixStream::pair().unwrap();
        vmm.write_all(&message(SET_VRING_ENABLE, VERSION | NEED_REPLY, [3, 1])).unwrap();
        vmm.write_all(&message(SET_VRING_ENABLE, VERSION, [2, 0])).unwrap();
        vmm.write_all(&message(8, VERSION, [2, 256])).unwrap();
        let mut seen = Vec::new();
        let mut take = || {
            take_enable(&ours, |queue, enabled| {
                seen.push((queue, enabled));
                true
            })
        };
        assert!(take().unwrap() && take().unwrap() && !take().unwrap());
        assert_eq!(seen, [(3, true), (2, false)]);
        let mut reply = [0; 20];
        vmm.read_exact(&mut reply).unwrap();
        assert_eq!(
            reply[..],
            message(SET_VRING_ENABLE, VERSION | REPLY, [0, 0]),
            "one answer, to the one that wanted it"
        );
        let mut left = [0; 20];
        (&ours).read_exact(&mut left).unwrap();
        assert_eq!(left[..4], 8u32.to_ne_bytes(), "the other message is still there");
    }
}

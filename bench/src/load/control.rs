//! A connection apart, on which the server is asked for its statistics, in text.

use super::protocol::frame::Frame;
use super::wire::Transport;

/// What ends an answer.
const ENDS: [&[u8]; 2] = [b"END\r\n", b"ERROR\r\n"];
/// Lines that are a whole answer.
const LINES: [&[u8]; 7] = [b"VERSION ", b"CLIENT_ERROR ", b"SERVER_ERROR ", b"RESET", b"STORED", b"OK", b"-ERR "];
/// More than any statistics.
const MOST: usize = 1 << 20;

/// The question under way.
#[derive(Debug)]
pub(super) struct Control {
    transport: Transport,
    request: u16,
    next: u16,
    answer: Vec<u8>,
    waits: bool,
}

impl Control {
    pub(super) fn new(transport: Transport) -> Control {
        Control { transport, request: 0, next: 0, answer: Vec::new(), waits: false }
    }

    /// What is to be sent, to ask a question.
    pub(super) fn ask(&mut self, command: &str) -> Vec<u8> {
        self.request = self.request.wrapping_add(1);
        self.next = 0;
        self.answer.clear();
        self.waits = true;
        let mut bytes = Vec::new();
        if self.transport == Transport::Udp {
            bytes.extend_from_slice(&Frame::of_request(self.request));
        }
        bytes.extend_from_slice(command.as_bytes());
        bytes.extend_from_slice(b"\r\n");
        bytes
    }

    /// Takes what came. A datagram that is not the next is dropped: then there is no answer.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        let piece = match self.transport {
            Transport::Tcp => bytes,
            Transport::Udp => match Frame::parse(bytes) {
                Some((frame, rest)) if frame.request == self.request && frame.sequence == self.next => {
                    self.next += 1;
                    rest
                }
                _ => return,
            },
        };
        if self.waits && self.answer.len() + piece.len() <= MOST {
            self.answer.extend_from_slice(piece);
        }
    }

    /// The answer, once it is complete.
    pub(super) fn answer(&mut self) -> Option<String> {
        let line = LINES.iter().any(|line| self.answer.starts_with(line)) && self.answer.ends_with(b"\r\n");
        let complete = line || ENDS.iter().any(|end| self.answer.ends_with(end));
        if !self.waits || !complete {
            return None;
        }
        self.waits = false;
        Some(String::from_utf8_lossy(&self.answer).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_put_together_from_pieces() {
        let mut control = Control::new(Transport::Tcp);
        assert_eq!(control.ask("stats"), b"stats\r\n");
        control.take(b"STAT pid 1\r\nEN");
        assert_eq!(control.answer(), None);
        control.take(b"D\r\n");
        assert_eq!(control.answer().as_deref(), Some("STAT pid 1\r\nEND\r\n"));
        assert_eq!(control.answer(), None);
        control.ask("version");
        control.take(b"VERSION 1.6.18\r\n");
        assert_eq!(control.answer().as_deref(), Some("VERSION 1.6.18\r\n"));
    }

    #[test]
    fn and_from_datagrams() {
        let mut control = Control::new(Transport::Udp);
        assert_eq!(control.ask("stats"), b"\x00\x01\x00\x00\x00\x01\x00\x00stats\r\n");
        control.take(b"\x00\x01\x00\x00\x00\x02\x00\x00STAT pid 1\r\n");
        control.take(b"\x00\x07\x00\x01\x00\x02\x00\x00STAT pid 2\r\n");
        control.take(b"\x00\x01\x00\x01\x00\x02\x00\x00END\r\n");
        assert_eq!(control.answer().as_deref(), Some("STAT pid 1\r\nEND\r\n"));
    }
}

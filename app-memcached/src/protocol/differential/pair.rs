//! One request, and what both answer to it.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::super::testkit::{Client, Speaker};

/// How long memcached may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection to memcached.
pub(in crate::protocol) struct Theirs(TcpStream);

impl Theirs {
    pub(in crate::protocol) fn connect(port: u16) -> Theirs {
        let stream = (0..100)
            .find_map(|_| {
                std::thread::sleep(Duration::from_millis(10));
                TcpStream::connect(("127.0.0.1", port)).ok()
            })
            .expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Theirs(stream)
    }

    /// What it answers, up to `last`, or to the end of the connection.
    pub(in crate::protocol) fn ask(&mut self, request: &[u8], last: &[u8]) -> Vec<u8> {
        self.0.write_all(request).unwrap();
        let (mut answer, mut part) = (Vec::new(), [0; 8192]);
        while !answer.ends_with(last) {
            match self.0.read(&mut part) {
                Ok(0) => {
                    answer.extend_from_slice(b"<closed>");
                    break;
                }
                Ok(n) => answer.extend_from_slice(&part[..n]),
                // A process that was stopped and goes on has its call interrupted, if that has a timeout.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("no end of {}: {error}", answer.escape_ascii()),
            }
        }
        answer
    }
}

/// A connection to memcached, and the one here that stands beside it.
pub(super) struct Pair {
    theirs: Theirs,
    ours: Speaker,
    end: Vec<u8>,
}

impl Pair {
    /// A pair whose requests are each followed by `end`, which is answered by `mn`'s answer or, but for the first byte, itself.
    pub(super) fn new(port: u16, end: &[u8], client: &mut Client) -> Pair {
        let mut pair = Pair { theirs: Theirs::connect(port), ours: Speaker::default(), end: end.to_vec() };
        let (theirs, ours) = pair.send(b"", client);
        assert_eq!(theirs, ours, "the greeting");
        pair
    }

    /// What both answer: memcached, and the code here.
    pub(super) fn send(&mut self, request: &[u8], client: &mut Client) -> (Vec<u8>, Vec<u8>) {
        let end = &self.end[..];
        let with_end = if request == end { request.to_vec() } else { [request, end].concat() };
        let ours = client.send_as(&mut self.ours, &with_end);
        let last = if end == b"mn\r\n" { b"MN\r\n" } else { &end[2..] };
        (self.theirs.ask(&with_end, last), ours)
    }
}

//! One connection's exchange: the client asks for a stream, or offers one; whoever takes it hashes it.
//!
//! A request is 24 bytes: four of the verb, four zeros, and the stream's seed and length, little-endian. `give` is answered by
//! the stream; `take` is followed by it, and answered by its SHA-256. Then the server closes.

use netdrv::testkit::random::Random;
use sha2::{Digest, Sha256};

/// Bytes of a request, and of a digest.
pub(super) const REQUEST_LEN: usize = 24;
pub(super) const DIGEST_LEN: usize = 32;

/// Which way the stream goes, as the client sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// The server sends it.
    Give,
    /// The server receives it.
    Take,
}

/// The request for a stream.
pub(super) fn request(verb: Verb, seed: u64, len: u64) -> Vec<u8> {
    let word: &[u8; 4] = if verb == Verb::Give { b"give" } else { b"take" };
    [&word[..], &[0; 4], &seed.to_le_bytes(), &len.to_le_bytes()].concat()
}

/// A stream of pseudo-random bytes.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    random: Random,
    word: [u8; 8],
    /// Bytes of the word that were used.
    used: usize,
    /// Bytes to come.
    pub(super) left: u64,
}

impl Stream {
    pub(super) fn new(seed: u64, len: u64) -> Stream {
        Stream { random: Random::new(seed), word: [0; 8], used: 8, left: len }
    }

    /// Writes what comes next; returns how much that is.
    pub(super) fn fill(&mut self, out: &mut [u8]) -> usize {
        let len = out.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let mut rest = &mut out[..len];
        while !rest.is_empty() {
            if self.used == 8 {
                self.word = self.random.next_u64().to_le_bytes();
                self.used = 0;
            }
            let n = rest.len().min(8 - self.used);
            rest[..n].copy_from_slice(&self.word[self.used..self.used + n]);
            self.used += n;
            rest = &mut rest[n..];
        }
        self.left -= len as u64;
        len
    }

    /// The SHA-256 of all that is to come.
    pub(super) fn digest(mut self) -> [u8; DIGEST_LEN] {
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 64 << 10];
        loop {
            match self.fill(&mut buffer) {
                0 => return hash.finalize().into(),
                len => hash.update(&buffer[..len]),
            }
        }
    }
}

/// The server's end of a connection.
#[derive(Debug)]
pub(super) enum Exchange {
    /// The request, as much of it as has come.
    Asked(Vec<u8>),
    /// The stream, as much of it as is to be sent.
    Giving(Stream),
    /// What has come, and what is to come.
    Taking(Box<Sha256>, u64),
    /// A digest, as much of it as is to be sent.
    Answering([u8; DIGEST_LEN], usize),
    /// Not a request that it knows.
    Refused,
}

impl Exchange {
    pub(super) fn new() -> Exchange {
        Exchange::Asked(Vec::with_capacity(REQUEST_LEN))
    }

    /// Takes what has come.
    pub(super) fn take(&mut self, mut bytes: &[u8]) {
        if let Exchange::Asked(head) = self {
            let (more, rest) = bytes.split_at(bytes.len().min(REQUEST_LEN - head.len()));
            head.extend_from_slice(more);
            bytes = rest;
            if head.len() < REQUEST_LEN {
                return;
            }
            let number = |at: usize| head[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
            let (seed, len) = (number(8), number(16));
            *self = match &head[..4] {
                b"give" => Exchange::Giving(Stream::new(seed, len)),
                b"take" => Exchange::Taking(Box::new(Sha256::new()), len),
                _ => Exchange::Refused,
            };
        }
        if let Exchange::Taking(hash, left) = self {
            let len = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
            hash.update(&bytes[..len]);
            *left -= len as u64;
            if *left == 0 {
                *self = Exchange::Answering(hash.finalize_reset().into(), 0);
            }
        }
    }

    /// Bytes that can be sent now.
    pub(super) fn ready(&self) -> u64 {
        match self {
            Exchange::Giving(stream) => stream.left,
            Exchange::Answering(_, sent) => (DIGEST_LEN - sent) as u64,
            _ => 0,
        }
    }

    /// Writes what is to be sent next; returns how much that is.
    pub(super) fn give(&mut self, out: &mut [u8]) -> usize {
        match self {
            Exchange::Giving(stream) => stream.fill(out),
            Exchange::Answering(digest, sent) => {
                let len = out.len().min(DIGEST_LEN - *sent);
                out[..len].copy_from_slice(&digest[*sent..*sent + len]);
                *sent += len;
                len
            }
            _ => 0,
        }
    }

    /// Whether all was sent, and it can be closed.
    pub(super) fn is_over(&self) -> bool {
        matches!(self, Exchange::Giving(_) | Exchange::Answering(..) | Exchange::Refused) && self.ready() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_does_not_depend_on_how_it_is_cut() {
        let mut whole = vec![0; 1000];
        assert_eq!(Stream::new(7, 1000).fill(&mut whole), 1000);
        let mut stream = Stream::new(7, 1000);
        let mut pieces = Vec::new();
        for len in (1..40).cycle() {
            let mut piece = vec![0; len];
            let filled = stream.fill(&mut piece);
            pieces.extend_from_slice(&piece[..filled]);
            if filled < len {
                break;
            }
        }
        assert_eq!(pieces, whole);
        assert_ne!(Stream::new(8, 1000).digest(), Stream::new(7, 1000).digest());
    }

    #[test]
    fn what_is_taken_is_hashed() {
        let mut stream = Stream::new(3, 5000);
        let mut bytes = request(Verb::Take, 3, 5000);
        let begin = bytes.len();
        bytes.resize(begin + 5000, 0);
        stream.fill(&mut bytes[begin..]);
        let mut exchange = Exchange::new();
        for piece in bytes.chunks(17) {
            assert_eq!(exchange.ready(), 0);
            exchange.take(piece);
        }
        let mut digest = [0; DIGEST_LEN];
        assert_eq!(exchange.give(&mut digest), DIGEST_LEN);
        assert_eq!(digest, Stream::new(3, 5000).digest());
        assert!(exchange.is_over());
    }

    #[test]
    fn what_is_asked_for_is_given() {
        let mut exchange = Exchange::new();
        exchange.take(&request(Verb::Give, 9, 100));
        let mut given = [0; 200];
        assert_eq!((exchange.is_over(), exchange.give(&mut given)), (false, 100));
        let mut expected = [0; 100];
        Stream::new(9, 100).fill(&mut expected);
        assert_eq!(given[..100], expected);
        assert!(exchange.is_over());
    }
}

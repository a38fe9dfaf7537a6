//! A cache at the other end of a stream, in memcached's text protocol.
//!
//! Requests go in batches: look-ups by the meta command `mg`, which says in two letters whether there is an item and treats it as
//! `get` does, and behind the answers the sets that they call for, together with the next look-ups. A key that is asked for again in the
//! batch in which it was missed waits for the next one, so that its item is there.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, ErrorKind, Read, Write};

use super::replay::{Cache, Tally, value};
use super::trace::{Operation, Request};
use super::{CacheError, Held};

/// memcached takes a longer time to live for a date.
const LONGEST_TTL_S: u32 = 30 * 24 * 3600;
/// Bytes of answers that are read at a time.
const READ: usize = 1 << 16;

/// A client's side of a connection.
pub(super) struct Remote<S> {
    answers: BufReader<S>,
    /// What is to be sent.
    out: Vec<u8>,
    line: String,
    /// Look-ups of keys that the batch before has missed.
    late: Vec<Request>,
    refused: u64,
}

impl<S: Read + Write> Remote<S> {
    pub(super) fn new(stream: S) -> Remote<S> {
        let answers = BufReader::with_capacity(READ, stream);
        Remote { answers, out: Vec::new(), line: String::new(), late: Vec::new(), refused: 0 }
    }

    /// Numbers among the statistics that `command` asks for.
    fn statistics(&mut self, command: &str) -> Result<BTreeMap<String, u64>, CacheError> {
        self.out.extend_from_slice(command.as_bytes());
        self.out.extend_from_slice(b"\r\n");
        self.flush()?;
        let mut statistics = BTreeMap::new();
        loop {
            let line = self.answer()?;
            if line == "END" {
                return Ok(statistics);
            }
            let statistic = line.strip_prefix("STAT ").and_then(|statistic| statistic.split_once(' '));
            let (name, value) = statistic.ok_or_else(|| CacheError::Nonsense(line.to_owned()))?;
            if let Ok(value) = value.parse() {
                statistics.insert(name.to_owned(), value);
            }
        }
    }

    fn flush(&mut self) -> Result<(), CacheError> {
        self.answers.get_mut().write_all(&self.out)?;
        self.out.clear();
        Ok(())
    }

    /// The next line of an answer that belongs to a request; refused sets, of which it tells in spite of `noreply`, are counted.
    fn answer(&mut self) -> Result<&str, CacheError> {
        loop {
            self.line.clear();
            if self.answers.read_line(&mut self.line)? == 0 {
                return Err(std::io::Error::from(ErrorKind::UnexpectedEof).into());
            }
            if !self.line.starts_with("SERVER_ERROR") {
                return Ok(self.line.trim_end());
            }
            self.refused += 1;
        }
    }

    fn ask(&mut self, request: &Request) {
        let (before, after): (&[u8], &[u8]) = match request.operation {
            Operation::Get => (b"mg ", b"\r\n"),
            Operation::Set => return self.set(request),
            Operation::Delete => (b"delete ", b" noreply\r\n"),
        };
        for part in [before, &request.key, after] {
            self.out.extend_from_slice(part);
        }
    }

    fn set(&mut self, request: &Request) {
        let (ttl_s, value_len) = (request.ttl_s.min(LONGEST_TTL_S), request.value_len);
        let numbers = format!(" 0 {ttl_s} {value_len} noreply\r\n");
        for part in [b"set ", &request.key[..], numbers.as_bytes(), value(value_len), b"\r\n"] {
            self.out.extend_from_slice(part);
        }
    }

    /// Asks for a batch, and leaves behind the sets of what it misses.
    fn batch(&mut self, requests: &[Request], tally: &mut Tally) -> Result<(), CacheError> {
        requests.iter().for_each(|request| self.ask(request));
        self.flush()?;
        let mut missed: Vec<&[u8]> = Vec::new();
        for request in requests.iter().filter(|request| request.operation == Operation::Get) {
            let hit = match self.answer()? {
                "HD" => true,
                "EN" => false,
                other => return Err(CacheError::Nonsense(other.to_owned())),
            };
            if !hit && missed.contains(&&request.key[..]) {
                self.late.push(request.clone());
                continue;
            }
            tally.note(request.number, hit);
            if !hit {
                missed.push(&request.key);
                self.set(request);
            }
        }
        Ok(())
    }
}

impl<S: Read + Write> Cache for Remote<S> {
    fn play(&mut self, requests: &[Request], tally: &mut Tally) -> Result<(), CacheError> {
        let late = std::mem::take(&mut self.late);
        if !late.is_empty() {
            self.batch(&late, tally)?;
        }
        self.batch(requests, tally)
    }

    fn finish(&mut self, tally: &mut Tally) -> Result<Held, CacheError> {
        while !self.late.is_empty() {
            self.play(&[], tally)?;
        }
        let general = self.statistics("stats")?;
        // What one of both servers does not count; ours has no classes of lengths.
        let optional = |name: &str| general.get(name).copied();
        let needed = |name: &str| optional(name).ok_or_else(|| CacheError::Nonsense(format!("stats without {name}")));
        Ok(Held {
            items: needed("curr_items")?,
            item_bytes: needed("bytes")?,
            index_bytes: optional("hash_bytes"),
            arena_bytes: match optional("crawler_reclaimed") {
                Some(_) => self.statistics("stats slabs")?.get("total_malloced").copied(),
                None => optional("limit_maxbytes"),
            },
            evictions: needed("evictions")?,
            reclaimed: needed("reclaimed")? + optional("crawler_reclaimed").unwrap_or_default(),
            moved_bytes: optional("moved_bytes"),
            refused: self.refused,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// Answers that are there already, and what was sent.
    struct Scripted {
        answers: Cursor<&'static str>,
        sent: Vec<u8>,
    }

    impl Read for Scripted {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.answers.read(buffer)
        }
    }

    impl Write for Scripted {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.sent.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn remote(answers: &'static str) -> Remote<Scripted> {
        Remote::new(Scripted { answers: Cursor::new(answers), sent: Vec::new() })
    }

    fn request(number: u64, operation: Operation, key: &str) -> Request {
        Request { number, time_us: 0, operation, key: key.into(), value_len: 3, ttl_s: 7 }
    }

    #[test]
    fn a_miss_is_set_before_its_key_is_asked_for_again() {
        let mut remote = remote("EN\r\nEN\r\nHD\r\nHD\r\nSERVER_ERROR out of memory storing object\r\nHD\r\n");
        let mut tally = Tally::new(0);
        let get = |number, key| request(number, Operation::Get, key);
        remote.play(&[get(0, "a"), get(1, "a"), get(2, "b")], &mut tally).unwrap();
        assert_eq!((tally.lookups(), tally.hit_ratio()), (2, 0.5));
        remote.play(&[request(3, Operation::Delete, "c"), get(4, "d")], &mut tally).unwrap();
        assert_eq!((tally.lookups(), tally.hit_ratio(), remote.refused), (4, 0.75, 1));
        let sent = String::from_utf8(remote.answers.into_inner().sent).unwrap();
        assert_eq!(sent, "mg a\r\nmg a\r\nmg b\r\nset a 0 7 3 noreply\r\nvvv\r\nmg a\r\ndelete c noreply\r\nmg d\r\n");
    }

    #[test]
    fn an_end_and_an_unknown_answer_are_errors() {
        let mut tally = Tally::new(0);
        let requests = [request(0, Operation::Get, "a")];
        assert!(matches!(remote("").play(&requests, &mut tally), Err(CacheError::Connection(_))));
        assert!(matches!(remote("VALUE\r\n").play(&requests, &mut tally), Err(CacheError::Nonsense(_))));
        assert!(matches!(remote("END\r\n").finish(&mut tally), Err(CacheError::Nonsense(_))));
    }
}

//! Debian's memcached, with its own defaults but for `-m`, on a socket of the file system.
//!
//! Requests go in batches: look-ups by the meta command `mg`, which says in two letters whether there is an item and treats it as `get` does, and
//! behind the answers the sets that they call for, together with the next look-ups. A key that is asked for again in the batch in
//! which it was missed waits for the next one, so that its item is there.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::replay::{Cache, Tally, value};
use super::trace::{Operation, Request};
use super::{CacheError, Held};
use crate::peers::{Child, PeerError, resident_bytes};

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is asked until then.
const POLL: Duration = Duration::from_millis(5);
/// Whom it runs as: by changing it, it would lose the signal that ends it with us.
const USER: &str = "root";
/// memcached takes a longer time to live for a date.
const LONGEST_TTL_S: u32 = 30 * 24 * 3600;

/// A memcached that runs, ended with this value.
pub struct Memcached {
    server: Child,
    answers: BufReader<UnixStream>,
    /// What is to be sent.
    out: Vec<u8>,
    line: String,
    /// Look-ups of keys that the batch before has missed.
    late: Vec<Request>,
    refused: u64,
    _folder: TempDir,
}

impl Memcached {
    /// Starts one that may use `memory_mib` MiB for items.
    pub fn start(memory_mib: u32) -> Result<Memcached, CacheError> {
        let folder = tempfile::tempdir()?;
        let socket = folder.path().join("socket");
        let program = orchestrator::find_program("memcached").ok_or_else(|| {
            PeerError::Missing("memcached is not on this host: install it with `apt-get install memcached`".to_owned())
        })?;
        let memory = memory_mib.to_string();
        let arguments: [&std::ffi::OsStr; 6] =
            ["-m".as_ref(), memory.as_ref(), "-u".as_ref(), USER.as_ref(), "-s".as_ref(), socket.as_ref()];
        let mut server = Child::start(&program, &arguments, folder.path().join("log"))?;
        let stream = connect(&mut server, &socket)?;
        Ok(Memcached {
            server,
            answers: BufReader::with_capacity(1 << 16, stream),
            out: Vec::new(),
            line: String::new(),
            late: Vec::new(),
            refused: 0,
            _folder: folder,
        })
    }

    /// Memory that its process has in RAM.
    pub fn resident_bytes(&self) -> Result<u64, CacheError> {
        Ok(resident_bytes(self.server.pid())?)
    }

    /// Sets an item, with the next requests that are sent.
    pub fn set(&mut self, key: &[u8], value_len: usize, ttl_s: u32) {
        self.out.extend_from_slice(b"set ");
        self.out.extend_from_slice(key);
        let ttl_s = ttl_s.min(LONGEST_TTL_S);
        // Never fails: it is memory that is written to.
        let _ = write!(self.out, " 0 {ttl_s} {value_len} noreply\r\n");
        self.out.extend_from_slice(value(value_len));
        self.out.extend_from_slice(b"\r\n");
    }

    /// Sends what is to be sent.
    pub fn flush(&mut self) -> Result<(), CacheError> {
        self.answers.get_mut().write_all(&self.out)?;
        self.out.clear();
        Ok(())
    }

    /// The next line of an answer that belongs to a request; refused sets, of which it tells in spite of `noreply`, are counted.
    fn answer(&mut self) -> Result<&str, CacheError> {
        loop {
            self.line.clear();
            if self.answers.read_line(&mut self.line)? == 0 {
                self.server.check()?;
                return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
            }
            if !self.line.starts_with("SERVER_ERROR") {
                return Ok(self.line.trim_end());
            }
            self.refused += 1;
        }
    }

    /// A statistic, of those that `command` asks for.
    fn statistics(&mut self, command: &str, name: &str) -> Result<u64, CacheError> {
        self.out.extend_from_slice(command.as_bytes());
        self.out.extend_from_slice(b"\r\n");
        self.flush()?;
        let mut found = None;
        loop {
            match self.answer()? {
                "END" => return found.ok_or_else(|| CacheError::Nonsense(format!("no {name} to {command}"))),
                line => {
                    let value = line.strip_prefix("STAT ").and_then(|line| line.strip_prefix(name));
                    let value = value.and_then(|value| value.strip_prefix(' ')).and_then(|value| value.parse().ok());
                    found = found.or(value);
                }
            }
        }
    }

    /// Asks for a batch, and leaves behind the sets of what it misses.
    fn batch(&mut self, requests: &[Request], tally: &mut Tally) -> Result<(), CacheError> {
        for request in requests {
            match request.operation {
                Operation::Get => {
                    self.out.extend_from_slice(b"mg ");
                    self.out.extend_from_slice(&request.key);
                    self.out.extend_from_slice(b"\r\n");
                }
                Operation::Set => self.set(&request.key, request.value_len, request.ttl_s),
                Operation::Delete => {
                    self.out.extend_from_slice(b"delete ");
                    self.out.extend_from_slice(&request.key);
                    self.out.extend_from_slice(b" noreply\r\n");
                }
            }
        }
        self.flush()?;
        let mut missed: Vec<&[u8]> = Vec::new();
        for request in requests.iter().filter(|request| request.operation == Operation::Get) {
            let hit = match self.answer()? {
                "HD" => true,
                "EN" => false,
                other => return Err(CacheError::Nonsense(other.to_owned())),
            };
            if hit || !missed.contains(&&request.key[..]) {
                tally.note(request.number, hit);
            }
            if !hit && missed.contains(&&request.key[..]) {
                self.late.push(request.clone());
            } else if !hit {
                missed.push(&request.key);
                self.set(&request.key, request.value_len, request.ttl_s);
            }
        }
        Ok(())
    }
}

impl Cache for Memcached {
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
        let expired = ["reclaimed", "crawler_reclaimed"].map(|name| self.statistics("stats", name));
        let [reclaimed, crawled] = expired;
        Ok(Held {
            items: self.statistics("stats", "curr_items")?,
            item_bytes: self.statistics("stats", "bytes")?,
            index_bytes: Some(self.statistics("stats", "hash_bytes")?),
            arena_bytes: Some(self.statistics("stats slabs", "total_malloced")?),
            evictions: self.statistics("stats", "evictions")?,
            reclaimed: reclaimed? + crawled?,
            moved_bytes: None,
            refused: self.refused,
        })
    }
}

fn connect(server: &mut Child, socket: &Path) -> Result<UnixStream, CacheError> {
    let began = Instant::now();
    loop {
        match UnixStream::connect(socket) {
            Ok(stream) => {
                stream.set_read_timeout(Some(PATIENCE))?;
                return Ok(stream);
            }
            Err(error) if began.elapsed() > PATIENCE => return Err(error.into()),
            Err(_) => server.check()?,
        }
        sleep(POLL);
    }
}

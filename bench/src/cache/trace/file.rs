//! Traces in files: a line a request, in the columns of Twitter's cache traces (OSDI'20).
//!
//! ```text
//! time in s,key,bytes of the key,bytes of the value,client,operation,seconds to live
//! 0.000125,000000000000000000000004711,27,330,0,get,0
//! ```
//!
//! A key that is shorter than its size is filled up with dots; a client is nothing to us. Of operations, `get` and `gets` look up,
//! `delete` deletes, and all others that Twitter has set.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use super::{Operation, Request, Source};
use crate::cache::CacheError;
use crate::load::workload::MAX_KEY;

/// The longest value that memcached takes with its default limit.
const MAX_VALUE: usize = crate::load::workload::MAX_VALUE;
/// Operations that set, whatever else they do.
const SETTING: [&str; 8] = ["set", "add", "replace", "cas", "append", "prepend", "incr", "decr"];

/// A trace in a file.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    lines: BufReader<File>,
    line: String,
    number: u64,
    requests: u64,
    /// When the first request was.
    began_us: Option<u64>,
}

impl Reader {
    /// Opens a file, and counts its lines.
    pub fn open(path: &Path) -> Result<Reader, CacheError> {
        let requests = BufReader::new(open(path)?).lines().count() as u64;
        let lines = BufReader::new(open(path)?);
        Ok(Reader { path: path.to_owned(), lines, line: String::new(), number: 0, requests, began_us: None })
    }
}

fn open(path: &Path) -> Result<File, CacheError> {
    File::open(path).map_err(|cause| CacheError::File { what: "cannot read", path: path.to_owned(), cause })
}

impl Source for Reader {
    fn next(&mut self, request: &mut Request) -> Result<bool, CacheError> {
        self.line.clear();
        let read = self.lines.read_line(&mut self.line);
        let read = read.map_err(|cause| CacheError::File { what: "cannot read", path: self.path.clone(), cause })?;
        if read == 0 {
            return Ok(false);
        }
        request.number = self.number;
        self.number += 1;
        let line = self.line.trim_end_matches(['\r', '\n']);
        parse(line, request).map_err(|wrong| CacheError::Line {
            path: self.path.clone(),
            number: self.number,
            wrong,
        })?;
        let began_us = *self.began_us.get_or_insert(request.time_us);
        request.time_us = request.time_us.saturating_sub(began_us);
        Ok(true)
    }

    fn requests(&self) -> u64 {
        self.requests
    }
}

/// Parses a line. Of keys with commas, the last six commas count.
fn parse(line: &str, request: &mut Request) -> Result<(), &'static str> {
    let (time, rest) = line.split_once(',').ok_or("too few columns")?;
    let mut columns = rest.rsplitn(6, ',');
    let mut column = || columns.next().ok_or("too few columns");
    let [ttl, operation, _client, value, key_size, key] =
        [column()?, column()?, column()?, column()?, column()?, column()?];
    let seconds: f64 = time.parse().map_err(|_| "a time that is no number")?;
    if !(0.0..1e12).contains(&seconds) {
        return Err("a time that is no number");
    }
    request.time_us = (seconds * 1e6).round() as u64;
    request.operation = match operation {
        "get" | "gets" => Operation::Get,
        "delete" => Operation::Delete,
        other if SETTING.contains(&other) => Operation::Set,
        _ => return Err("an unknown operation"),
    };
    let key_size: usize = key_size.parse().map_err(|_| "a key size that is no number")?;
    request.key.clear();
    request.key.extend_from_slice(key.as_bytes());
    request.key.resize(key.len().max(key_size), b'.');
    if !(1..=MAX_KEY).contains(&request.key.len()) || request.key.iter().any(|&byte| byte <= b' ' || byte == 0x7f) {
        return Err("a key that the protocol does not allow");
    }
    request.value_len = value.parse().map_err(|_| "a value size that is no number")?;
    if request.value_len > MAX_VALUE {
        return Err("a value that is too long for an item");
    }
    request.ttl_s = ttl.parse().map_err(|_| "a time to live that is no number")?;
    Ok(())
}

/// Writes a trace.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    out: BufWriter<File>,
}

impl Writer {
    /// Into a new file.
    pub fn create(path: &Path) -> Result<Writer, CacheError> {
        let file = File::create(path);
        let file = file.map_err(|cause| CacheError::File { what: "cannot make", path: path.to_owned(), cause })?;
        Ok(Writer { path: path.to_owned(), out: BufWriter::new(file) })
    }

    /// Writes a request.
    pub fn write(&mut self, request: &Request) -> Result<(), CacheError> {
        let Request { time_us, operation, key, value_len, ttl_s, .. } = request;
        let operation = match operation {
            Operation::Get => "get",
            Operation::Set => "set",
            Operation::Delete => "delete",
        };
        let (seconds, micros) = (time_us / 1_000_000, time_us % 1_000_000);
        let key_text = String::from_utf8_lossy(key);
        let written =
            writeln!(self.out, "{seconds}.{micros:06},{key_text},{},{value_len},0,{operation},{ttl_s}", key.len());
        written.map_err(|cause| self.failed(cause))
    }

    /// Writes what is left.
    pub fn finish(mut self) -> Result<(), CacheError> {
        self.out.flush().map_err(|cause| self.failed(cause))
    }

    fn failed(&self, cause: std::io::Error) -> CacheError {
        CacheError::File { what: "cannot write", path: self.path.clone(), cause }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::trace::{Extent, Synthetic};

    #[test]
    fn a_trace_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trace");
        let extent = Extent { bytes: 1 << 20, requests: 5000, rate: 777, seed: 1 };
        let mut source = Synthetic::new("ttl".parse().unwrap(), extent).unwrap();
        let (mut writer, mut request, mut requests) = (Writer::create(&path).unwrap(), Request::default(), Vec::new());
        while source.next(&mut request).unwrap() {
            writer.write(&request).unwrap();
            requests.push(request.clone());
        }
        writer.finish().unwrap();
        let mut reader = Reader::open(&path).unwrap();
        assert_eq!(reader.requests(), 5000);
        for expected in &requests {
            assert!(reader.next(&mut request).unwrap());
            assert_eq!(request, *expected);
        }
        assert!(!reader.next(&mut request).unwrap());
    }

    #[test]
    fn lines_of_twitter_are_understood() {
        let mut request = Request::default();
        parse("1,a,b,6,10,17,incr,3600", &mut request).unwrap();
        assert_eq!((request.time_us, &request.key[..], request.value_len), (1_000_000, &b"a,b..."[..], 10));
        assert_eq!((request.operation, request.ttl_s), (Operation::Set, 3600));
        parse("2,key,3,0,1,gets,0", &mut request).unwrap();
        assert_eq!((request.operation, &request.key[..]), (Operation::Get, &b"key"[..]));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let refusal = |line: &str| parse(line, &mut Request::default()).unwrap_err();
        assert_eq!(refusal("1,key,3,0,1,get"), "too few columns");
        assert_eq!(refusal("x,key,3,0,1,get,0"), "a time that is no number");
        assert_eq!(refusal("1,key,3,0,1,fetch,0"), "an unknown operation");
        assert_eq!(refusal("1,key,300,0,1,get,0"), "a key that the protocol does not allow");
        assert_eq!(refusal("1,k y,3,0,1,get,0"), "a key that the protocol does not allow");
        assert_eq!(refusal("1,key,3,2000000,1,get,0"), "a value that is too long for an item");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trace");
        std::fs::write(&path, "0,key,3,0,1,get,0\n0,key,3,0,1,get\n").unwrap();
        let (mut reader, mut request) = (Reader::open(&path).unwrap(), Request::default());
        assert!(reader.next(&mut request).unwrap());
        assert!(reader.next(&mut request).unwrap_err().to_string().contains("line 2: too few columns"));
    }
}

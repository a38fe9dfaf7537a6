//! Exchanges recorded from memcached 1.6.18, replayed here.
//!
//! `fixtures/memcached-1.6.18*.txt` hold one exchange after another, each with a server of its own: lines that begin with `> `
//! are sent together, lines with `< ` are what came back, in Rust's escapes, with `{byte*count}` for runs. To record anew:
//! `RECORD=1 cargo test -p app-memcached -- --ignored memcached_says_so_still`.

use std::fmt::Write;
use std::io::{Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::testkit::exchange;
use super::verb::version::VERSION;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/protocol/fixtures/");

/// The recordings: classic text, meta, binary.
const RECORDED: [(&str, &str); 3] = [
    ("memcached-1.6.18.txt", include_str!("fixtures/memcached-1.6.18.txt")),
    ("memcached-1.6.18-meta.txt", include_str!("fixtures/memcached-1.6.18-meta.txt")),
    ("memcached-1.6.18-binary.txt", include_str!("fixtures/memcached-1.6.18-binary.txt")),
];

/// Runs of a byte from this length on are abbreviated.
const MIN_RUN: usize = 40;

struct Exchange {
    comment: String,
    request: Vec<u8>,
    reply: Vec<u8>,
}

fn exchanges(recorded: &str) -> Vec<Exchange> {
    let mut exchanges = Vec::new();
    for block in recorded.split("\n\n").filter(|block| block.contains("\n> ") || block.starts_with("> ")) {
        let lines = |mark: &str| -> Vec<u8> {
            block.lines().filter_map(|line| line.strip_prefix(mark)).flat_map(unescape).collect()
        };
        let comment = block.lines().take_while(|line| line.starts_with('#')).collect::<Vec<_>>().join("\n");
        exchanges.push(Exchange { comment, request: lines("> "), reply: lines("< ") });
    }
    exchanges
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next().unwrap() {
                'r' => bytes.push(b'\r'),
                'n' => bytes.push(b'\n'),
                't' => bytes.push(b'\t'),
                'x' => bytes.push(u8::from_str_radix(&chars.by_ref().take(2).collect::<String>(), 16).unwrap()),
                other => bytes.push(other as u8),
            },
            '{' => {
                let run: String = chars.by_ref().take_while(|&c| c != '}').collect();
                let (byte, count) = run.split_once('*').unwrap();
                bytes.resize(bytes.len() + count.parse::<usize>().unwrap(), byte.as_bytes()[0]);
            }
            other => bytes.push(other as u8),
        }
    }
    bytes
}

/// The lines of `bytes`, each after `mark`.
fn escape(mark: &str, bytes: &[u8]) -> String {
    let mut text = String::new();
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        text.push_str(mark);
        for run in line.chunk_by(|a, b| a == b) {
            if run.len() >= MIN_RUN {
                write!(text, "{{{}*{}}}", run[0].escape_ascii(), run.len()).unwrap();
            } else {
                write!(text, "{}", run.escape_ascii()).unwrap();
            }
        }
        text.push('\n');
    }
    text
}

#[test]
fn answers_as_memcached_did() {
    for (file, recorded) in RECORDED {
        let exchanges = exchanges(recorded);
        assert!(exchanges.len() > 40);
        for Exchange { comment, request, reply } in exchanges {
            let ours = without_version(exchange(&request));
            let (ours, theirs) = (escape("< ", &ours), escape("< ", &without_version(reply)));
            assert_eq!(ours, theirs, "{file} {comment}\n{}", escape("> ", &request));
        }
    }
}

/// What was answered, but for what tells the two programs apart.
fn without_version(reply: Vec<u8>) -> Vec<u8> {
    match String::from_utf8(reply) {
        Ok(text) => text.replace(VERSION, "1.6.18").into_bytes(),
        // The header of a frame tells how long the version is.
        Err(reply) => reply.into_bytes(),
    }
}

/// How long memcached may take to answer, and how long it says nothing once it has.
const PATIENCE: Duration = Duration::from_secs(5);
const SILENCE: Duration = Duration::from_millis(150);

/// Without the thread that tends items and has them crawled of its own accord: what it is about just then would change an answer.
const ALONE: [&str; 2] = ["-o", "no_lru_maintainer"];

pub(super) struct Memcached {
    child: Child,
    pub(super) port: u16,
}

impl Memcached {
    pub(super) fn start_with(options: &[&str]) -> Memcached {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("memcached")
            .args(["-u", "nobody", "-l", "127.0.0.1", "-t", "1", "-p", &port.to_string()])
            .args(options)
            .stderr(Stdio::null())
            .spawn()
            .expect("memcached 1.6.18 is installed");
        Memcached { child, port }
    }

    /// What it answers. As much as `expected` may take long on a busy machine; after that, silence is the end.
    fn exchange(&self, request: &[u8], expected: usize) -> Vec<u8> {
        let mut stream = (0..100)
            .find_map(|_| {
                std::thread::sleep(Duration::from_millis(10));
                TcpStream::connect(("127.0.0.1", self.port)).ok()
            })
            .expect("it listens");
        stream.write_all(request).unwrap();
        let (mut reply, mut part) = (Vec::new(), [0; 8192]);
        loop {
            let patience = if reply.len() < expected { PATIENCE } else { SILENCE };
            stream.set_read_timeout(Some(patience)).unwrap();
            match stream.read(&mut part) {
                Ok(0) => {
                    reply.extend_from_slice(b"<closed>");
                    return reply;
                }
                Ok(n) => reply.extend_from_slice(&part[..n]),
                Err(_) => return reply,
            }
        }
    }
}

impl Drop for Memcached {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "needs memcached 1.6.18"]
fn memcached_says_so_still() {
    for (file, before) in RECORDED {
        let mut recorded = String::new();
        for Exchange { comment, request, reply } in exchanges(before) {
            let reply = Memcached::start_with(&ALONE).exchange(&request, reply.len());
            if !comment.is_empty() {
                recorded += &format!("{comment}\n");
            }
            recorded += &escape("> ", &request);
            recorded += &escape("< ", &reply);
            recorded.push('\n');
        }
        if std::env::var_os("RECORD").is_some() {
            std::fs::write([FOLDER, file].concat(), &recorded).unwrap();
            continue;
        }
        assert_eq!(recorded, before, "memcached and the recording {file} differ");
    }
}

//! Random requests, text, meta and binary, answered here and by memcached: the same bytes, but for the differences that
//! `docs/differences.md` justifies, which the generator does not ask for.
//!
//! `cargo test -p app-memcached -- --ignored as_memcached_does`; `OPERATIONS` and `SEED` change what is asked.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::recorded::Memcached;
use super::testkit::{Client, Speaker};

/// Operations of one run. One is sent at a time: 1.6.18 gives a number that is counted down while it is being sent its own length.
const OPERATIONS: usize = 20_000;

/// Operations that are shown if one is answered differently.
const SHOWN: usize = 400;

const KEYS: [&str; 6] = ["a", "b", "num", "k0123456789", "long-key-that-is-not-inline-anywhere-0123456789", "d"];
/// The same keys in base64, whose length is a multiple of three or is filled up.
const ENCODED: [&str; 6] = [
    "YQ==",
    "Yg==",
    "bnVt",
    "azAxMjM0NTY3ODk=",
    "bG9uZy1rZXktdGhhdC1pcy1ub3QtaW5saW5lLWFueXdoZXJlLTAxMjM0NTY3ODk=",
    "ZA==",
];

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    /// Expiry times that do not come within a run, have passed, or are no numbers.
    fn expiry(&mut self) -> &'static str {
        self.one(&["0", "0", "0", "1000", "2591999", "4000000000", "2147483647", "-1", "2592001"])
    }

    /// CAS values are few, so that some are right.
    fn cas(&mut self, given: u64) -> u64 {
        match self.below(4) {
            0 => self.below(5) as u64,
            _ => given.saturating_sub(self.below(12) as u64),
        }
    }

    fn value(&mut self) -> Vec<u8> {
        match self.below(12) {
            0 => Vec::new(),
            1 => vec![b'v'; 1 + self.below(9_000)],
            2 => b"18446744073709551615".to_vec(),
            3 => b"12 ".to_vec(),
            4..=8 => self.below(2000).to_string().into_bytes(),
            _ => (0..self.below(60)).map(|i| b'a' + (i % 26) as u8).collect(),
        }
    }
}

/// A request, and about how many CAS values were given before it.
fn text(random: &mut Random, given: u64) -> Vec<u8> {
    let key = random.one(&KEYS);
    let noreply = if random.below(6) == 0 { " noreply" } else { "" };
    let line = match random.below(16) {
        0..=2 => {
            let (verb, value) = (random.one(&["set", "set", "add", "replace", "append", "prepend"]), random.value());
            let (flags, expiry) = (random.one(&["0", "5", "4294967295"]), random.expiry());
            let line = format!("{verb} {key} {flags} {expiry} {}{noreply}\r\n", value.len());
            return [line.as_bytes(), &value, b"\r\n"].concat();
        }
        3 => {
            let (value, cas) = (random.value(), random.cas(given));
            let line = format!("cas {key} 0 {} {} {cas}{noreply}\r\n", random.expiry(), value.len());
            return [line.as_bytes(), &value, b"\r\n"].concat();
        }
        4..=6 => format!("get {key} {}", random.one(&KEYS)),
        7 => format!("gets {key} {}", random.one(&KEYS)),
        8 => format!("{} {} {key}", random.one(&["gat", "gats"]), random.expiry()),
        9 => format!("touch {key} {}{noreply}", random.expiry()),
        10 => format!("delete {key}{noreply}"),
        11 | 12 => format!("{} {key} {}{noreply}", random.one(&["incr", "decr"]), random.below(5000)),
        13 => return meta(random, given),
        14 => return meta(random, given),
        _ => random.one(&["mn", "verbosity 1", "nonsense", "get", "flush_all", "delete a 0", "incr a"]).into(),
    };
    format!("{line}\r\n").into_bytes()
}

fn meta(random: &mut Random, given: u64) -> Vec<u8> {
    let number = random.below(KEYS.len());
    let is_encoded = random.below(5) == 0;
    let key = if is_encoded { ENCODED[number] } else { KEYS[number] };
    let verb = random.one(&["mg", "mg", "mg", "ms", "ms", "md", "ma", "ma", "me"]);
    let mut flags: Vec<String> = Vec::new();
    let letters = match verb {
        "mg" => "cfhklqstuvNRTOPX",
        "ms" => "ckqCFIMTO",
        "md" => "kqCITO",
        "ma" => "ckqtvCNJDMTO",
        _ => "",
    };
    let letters: Vec<char> = letters.chars().collect();
    for _ in 0..random.below(6) {
        if letters.is_empty() {
            break;
        }
        let letter = letters[random.below(letters.len())];
        let token = match letter {
            'N' | 'R' => random.one(&["0", "30", "1000"]).to_owned(),
            'T' => random.one(&["0", "30", "1000", "100000"]).to_owned(),
            'O' => random.one(&["1", "opaque-2", "", "0123456789012345678901234567890"]).to_owned(),
            'C' => random.cas(given).to_string(),
            'F' => random.one(&["0", "7", "x", "4294967295"]).to_owned(),
            'J' | 'D' => random.one(&["0", "7", "500", "x"]).to_owned(),
            'M' if verb == "ms" => random.one(&["S", "E", "A", "P", "R", "?", ""]).to_owned(),
            'M' => random.one(&["I", "D", "+", "-", "?"]).to_owned(),
            _ => String::new(),
        };
        flags.push(format!("{letter}{token}"));
    }
    if is_encoded {
        let place = random.below(flags.len() + 1);
        flags.insert(place, "b".into());
    }
    let value = random.value();
    let mut line = format!("{verb} {key}");
    if verb == "ms" {
        write!(line, " {}", value.len()).unwrap();
    }
    flags.iter().for_each(|flag| write!(line, " {flag}").unwrap());
    line += "\r\n";
    if verb == "ms" { [line.as_bytes(), &value, b"\r\n"].concat() } else { line.into_bytes() }
}

fn binary(random: &mut Random, given: u64) -> Vec<u8> {
    let key = random.one(&KEYS).as_bytes();
    let opcode = [
        0u8, 0, 1, 1, 2, 3, 4, 5, 6, 8, 9, 0xa, 0xc, 0xd, 0xe, 0xf, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x19, 0x1a,
        0x1c, 0x1d, 0x1e, 0x23, 0x24,
    ];
    let opcode = opcode[random.below(opcode.len())];
    let expiry = || [0u32, 0, 0, 1000, 2_591_999, 2_592_001, u32::MAX];
    let expiry = expiry()[random.below(7)].to_be_bytes();
    let cas = if random.below(4) == 0 { random.cas(given) } else { 0 };
    let (extras, value) = match opcode {
        1..=3 | 0x11..=0x13 => ([&[0, 0, 0, random.below(3) as u8], &expiry[..]].concat(), random.value()),
        5 | 6 | 0x15 | 0x16 => {
            let numbers = [random.below(3000) as u64, random.below(9) as u64].map(u64::to_be_bytes);
            ([&numbers[0][..], &numbers[1], &expiry].concat(), Vec::new())
        }
        0xe | 0xf | 0x19 | 0x1a => (Vec::new(), random.value()),
        0x1c..=0x1e | 0x23 | 0x24 => (expiry.to_vec(), Vec::new()),
        _ => (Vec::new(), Vec::new()),
    };
    let key: &[u8] = if matches!(opcode, 8 | 0xa) { b"" } else { key };
    let mut frame = vec![0x80, opcode, 0, key.len() as u8, extras.len() as u8, 0, 0, 0];
    frame.extend(((extras.len() + key.len() + value.len()) as u32).to_be_bytes());
    frame.extend((random.below(1000) as u32).to_be_bytes());
    frame.extend(cas.to_be_bytes());
    [&frame[..], &extras, key, &value].concat()
}

/// A connection to memcached, and the one here that stands beside it.
struct Pair {
    theirs: TcpStream,
    ours: Speaker,
}

impl Pair {
    fn new(port: u16, first: &[u8], client: &mut Client) -> Pair {
        let theirs = (0..100)
            .find_map(|_| {
                std::thread::sleep(Duration::from_millis(10));
                TcpStream::connect(("127.0.0.1", port)).ok()
            })
            .expect("it listens");
        theirs.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut pair = Pair { theirs, ours: Speaker::default() };
        let (theirs, ours) = pair.send(first, first, client);
        assert_eq!(theirs, ours, "the greeting");
        pair
    }

    /// What both answer. `end` is a request whose answer, the same on both sides, ends theirs.
    fn send(&mut self, request: &[u8], end: &[u8], client: &mut Client) -> (Vec<u8>, Vec<u8>) {
        let with_end = if request == end { request.to_vec() } else { [request, end].concat() };
        let ours = client.send_as(&mut self.ours, &with_end);
        self.theirs.write_all(&with_end).unwrap();
        // The end's answer is that of `mn` or a `noop`, which ends like its request.
        let last: &[u8] = if end.starts_with(b"mn") { b"MN\r\n" } else { &end[2..] };
        let (mut theirs, mut part) = (Vec::new(), [0; 8192]);
        while !theirs.ends_with(last) {
            match self.theirs.read(&mut part) {
                Ok(0) | Err(_) => break,
                Ok(n) => theirs.extend_from_slice(&part[..n]),
            }
        }
        (theirs, ours)
    }
}

/// Seconds that a run takes at most: the clock here stands still.
const MAX_SECONDS: i64 = 120;

/// Whether two answers are the same, but for the time that passes and the number of the slab class.
fn are_alike(theirs: &[u8], ours: &[u8]) -> bool {
    theirs == ours || {
        let words = |bytes: &[u8]| -> Vec<Vec<u8>> {
            bytes.split(|byte| matches!(byte, b' ' | b'\r')).map(<[u8]>::to_vec).collect()
        };
        let (theirs, ours) = (words(theirs), words(ours));
        theirs.len() == ours.len() && theirs.iter().zip(&ours).all(|(a, b)| a == b || differ_in_time(a, b))
    }
}

fn differ_in_time(theirs: &[u8], ours: &[u8]) -> bool {
    ["t", "l", "la=", "exp=", "cls="].iter().any(|name| {
        let number = |word: &[u8]| -> Option<i64> {
            std::str::from_utf8(word.strip_prefix(name.as_bytes())?).ok()?.parse().ok()
        };
        let (Some(theirs), Some(ours)) = (number(theirs), number(ours)) else { return false };
        *name == "cls=" || (theirs != -1 && (theirs - ours).abs() < MAX_SECONDS)
    })
}

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[test]
#[ignore = "needs memcached 1.6.18"]
fn answers_as_memcached_does() {
    // Its maintenance of the LRU holds items that were read; a number that is held is not written in place.
    let memcached = Memcached::start_with(&["-o", "no_lru_maintainer"]);
    let mut client = Client::with_clock_of_host();
    let frame = binary_noop();
    let mut pairs = [Pair::new(memcached.port, b"mn\r\n", &mut client), Pair::new(memcached.port, &frame, &mut client)];
    let mut random = Random(0x9e37_79b9 + number("SEED", 1) as u64);
    let mut before = std::collections::VecDeque::new();
    for done in 0..number("OPERATIONS", OPERATIONS) {
        let given = client.server.store.last_cas();
        let protocol = random.below(2);
        let (request, end): (_, &[u8]) =
            if protocol == 0 { (text(&mut random, given), b"mn\r\n") } else { (binary(&mut random, given), &frame) };
        before.push_back(request[..request.len().min(90)].escape_ascii().to_string());
        if before.len() > SHOWN {
            before.pop_front();
        }
        let (theirs, ours) = pairs[protocol].send(&request, end, &mut client);
        if !are_alike(&theirs, &ours) {
            let before = before.make_contiguous().join("\n");
            panic!("after {done}:\n{before}\ntheirs {}\n  ours {}", theirs.escape_ascii(), ours.escape_ascii());
        }
    }
}

fn binary_noop() -> Vec<u8> {
    let mut frame = vec![0; 24];
    (frame[0], frame[1], frame[15]) = (0x80, 0x0a, 0x77);
    frame
}

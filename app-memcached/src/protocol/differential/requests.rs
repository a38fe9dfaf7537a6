//! Requests at random.

use std::fmt::Write as _;

pub(super) const KEYS: [&str; 6] =
    ["a", "b", "num", "k0123456789", "long-key-that-is-not-inline-anywhere-0123456789", "d"];
/// The same keys in base64, whose length is a multiple of three or is filled up.
const ENCODED: [&str; 6] = [
    "YQ==",
    "Yg==",
    "bnVt",
    "azAxMjM0NTY3ODk=",
    "bG9uZy1rZXktdGhhdC1pcy1ub3QtaW5saW5lLWFueXdoZXJlLTAxMjM0NTY3ODk=",
    "ZA==",
];

/// Numbers that look random, the same ones from the same start.
pub(super) struct Random(pub(super) u64);

impl Random {
    /// One of the first `n`.
    pub(super) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    /// Expiry times that come soon, do not within a run, or have passed.
    fn expiry(&mut self) -> &'static str {
        self.one(&["0", "0", "0", "1", "2", "3", "1000", "2591999", "4000000000", "2147483647", "-1", "2592001"])
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
            // Below 2^63: see `holds_huge_number`.
            2 => b"4611686018427387904".to_vec(),
            3 => b"12 ".to_vec(),
            4..=8 => self.below(2000).to_string().into_bytes(),
            _ => (0..self.below(60)).map(|i| b'a' + (i % 26) as u8).collect(),
        }
    }
}

/// Whether a request adds to a number.
pub(super) fn is_arithmetic(request: &[u8]) -> bool {
    match request {
        [0x80, opcode, ..] => matches!(opcode, 0x05 | 0x06 | 0x15 | 0x16),
        _ => [&b"incr "[..], b"decr ", b"ma "].iter().any(|verb| request.starts_with(verb)),
    }
}

/// A request, and about how many CAS values were given before it.
pub(super) fn text(random: &mut Random, given: u64) -> Vec<u8> {
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
            'N' | 'R' => random.one(&["0", "2", "30", "1000"]).to_owned(),
            'T' => random.one(&["0", "1", "30", "1000", "100000"]).to_owned(),
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

pub(super) fn binary(random: &mut Random, given: u64) -> Vec<u8> {
    let key = random.one(&KEYS).as_bytes();
    let opcode = [
        0u8, 0, 1, 1, 2, 3, 4, 5, 6, 8, 9, 0xa, 0xc, 0xd, 0xe, 0xf, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x19, 0x1a,
        0x1c, 0x1d, 0x1e, 0x23, 0x24,
    ];
    let opcode = opcode[random.below(opcode.len())];
    let expiry = [0u32, 0, 0, 1, 2, 1000, 2_591_999, 2_592_001, u32::MAX];
    let expiry = expiry[random.below(9)].to_be_bytes();
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
    frame.extend((random.below(NOOP_OPAQUE as usize) as u32).to_be_bytes());
    frame.extend(cas.to_be_bytes());
    [&frame[..], &extras, key, &value].concat()
}

/// What the frame that ends an answer has for its opaque value, and no other.
const NOOP_OPAQUE: u8 = 0x77;

/// A frame that is answered by itself but for its first byte.
pub(super) fn noop() -> Vec<u8> {
    let mut frame = vec![0; 24];
    (frame[0], frame[1], frame[15]) = (0x80, 0x0a, NOOP_OPAQUE);
    frame
}

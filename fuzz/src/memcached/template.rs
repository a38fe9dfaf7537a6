//! Requests from a few bytes of an input each, right ones for the most part: what a mutation of raw bytes seldom makes.

use crate::input::Input;

/// Keys: short, for numbers, longer than what is compared at once, the longest, one too long.
fn key(input: &mut Input<'_>) -> Vec<u8> {
    match input.u8() % 16 {
        0..=4 => b"a".to_vec(),
        5..=7 => b"num".to_vec(),
        8..=10 => b"key-of-some-length-012345".to_vec(),
        11 => vec![b'k'; 250],
        12 => vec![b'k'; 251],
        13 => b"t\tb\x7f\xff".to_vec(),
        n => vec![b'0' + n, b'0' + input.u8() % 64],
    }
}

fn one<'a>(input: &mut Input<'_>, of: &[&'a str]) -> &'a str {
    of[usize::from(input.u8()) % of.len()]
}

fn time(input: &mut Input<'_>) -> String {
    let times = [
        "0",
        "0",
        "0",
        "0",
        "1",
        "2",
        "5",
        "100",
        "-1",
        "2592000",
        "2592001",
        "1699999999",
        "1700000010",
        "2147483647",
        "4294967296",
        "9223372036854775807",
        "9223372036854775808",
        "x",
        "1 ",
        "-9223372036854775809",
    ];
    one(input, &times).to_owned()
}

fn number(input: &mut Input<'_>) -> String {
    match input.u8() % 8 {
        0 => one(
            input,
            &["18446744073709551615", "18446744073709551616", "9223372036854775808", "-1", "+7", "", "x", "4294967296"],
        )
        .to_owned(),
        1 => u64::from(input.u32()).to_string(),
        _ => (input.u8() % 16).to_string(),
    }
}

/// A CAS value near the last one given.
fn cas(input: &mut Input<'_>, last: u64) -> u64 {
    match input.u8() % 16 {
        15 => 0,
        14 => last.wrapping_add(1),
        back => last.saturating_sub(back.into()),
    }
}

fn value(input: &mut Input<'_>) -> Vec<u8> {
    match input.u8() % 16 {
        0 => Vec::new(),
        1..=4 => number(input).into_bytes(),
        5 => b" 12\t".to_vec(),
        6 => b"99".to_vec(),
        7 => vec![b'v'; usize::from(input.u16()) * 2],
        8 => vec![b'w'; usize::from(input.u16() % 8192)],
        9 => b"\r\nget a\r\n".to_vec(),
        _ => {
            let len = usize::from(input.u8() % 32);
            input.bytes(len).to_vec()
        }
    }
}

/// A length that is mostly that of the value.
fn told_len(input: &mut Input<'_>, len: usize) -> String {
    match input.u8() {
        0 => number(input),
        1 => (len + 1).to_string(),
        2 => len.saturating_sub(1).to_string(),
        3 => {
            one(input, &["-1", "2147483646", "2147483645", "2147483647", "4294967295", "131000", "1048576"]).to_owned()
        }
        _ => len.to_string(),
    }
}

/// A classic command. `last` is the CAS value given last.
pub(super) fn text(input: &mut Input<'_>, last: u64) -> Vec<u8> {
    let verb = input.u8() % 32;
    let name = key(input);
    let noreply = if input.u8() & 7 == 0 { " noreply" } else { "" };
    let line = |verb: &str, rest: &str| {
        [verb.as_bytes(), b" ", &name, b" ", rest.as_bytes(), noreply.as_bytes(), b"\r\n"].concat()
    };
    match verb {
        0..=9 => {
            let verb = one(input, &["set", "set", "set", "add", "replace", "append", "append", "prepend"]);
            let (flags, time, value) = (number(input), time(input), value(input));
            let len = told_len(input, value.len());
            [&line(verb, &format!("{flags} {time} {len}"))[..], &value, b"\r\n"].concat()
        }
        10..=12 => {
            let (time, value, cas) = (time(input), value(input), cas(input, last));
            let len = told_len(input, value.len());
            [&line("cas", &format!("0 {time} {len} {cas}"))[..], &value, b"\r\n"].concat()
        }
        13..=17 => {
            let (verb, other) = (one(input, &["get", "gets", "get", "bget"]), key(input));
            [verb.as_bytes(), b" ", &name, b" ", &other, b"\r\n"].concat()
        }
        18 | 19 => {
            let verb = one(input, &["gat", "gats"]);
            [verb.as_bytes(), b" ", time(input).as_bytes(), b" ", &name, b"\r\n"].concat()
        }
        20 | 21 => line("touch", &time(input)),
        22 | 23 => line("delete", one(input, &["", "", "0", "1"])),
        24..=26 => line(one(input, &["incr", "decr"]), &number(input)),
        27 => {
            format!("flush_all {}{noreply}\r\n", one(input, &["", "0", "1", "3", "-1", "x", "1700000005"])).into_bytes()
        }
        28 => [b"get ", &name[..]].concat(),
        _ => one(
            input,
            &["stats\r\n", "version\r\n", "verbosity 1\r\n", "quit\r\n", "mn\r\n", "stats items\r\n", "\r\n"],
        )
        .as_bytes()
        .to_vec(),
    }
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    super::meta::encode(bytes)
}

/// A meta command.
pub(super) fn meta(input: &mut Input<'_>, last: u64) -> Vec<u8> {
    let verb = one(input, &["mg", "mg", "mg", "ms", "ms", "ms", "md", "ma", "ma", "me", "mn"]);
    let is_encoded = input.u8().is_multiple_of(4);
    let name = if is_encoded { base64(&key(input)) } else { key(input) };
    let letters: &[u8] = match verb {
        "mg" => b"cfhklqstuvNRTOvvNRT!PLb",
        "ms" => b"ckqCFIMTOSNCIMb",
        "md" => b"kqCITOI",
        "ma" => b"kqtvcCNJDMTOvM",
        _ => b"b",
    };
    let mut flags = if is_encoded { b" b".to_vec() } else { Vec::new() };
    for _ in 0..input.u8() % 7 {
        let letter = letters[usize::from(input.u8()) % letters.len()];
        let token = match letter {
            b'N' | b'R' | b'T' => time(input).trim().to_owned(),
            b'C' => cas(input, last).to_string(),
            b'F' | b'J' | b'D' => number(input),
            b'O' => {
                one(input, &["", "1", "opaque", "0123456789012345678901234567890", "01234567890123456789012345678901"])
                    .to_owned()
            }
            b'M' if verb == "ms" => one(input, &["S", "E", "A", "A", "P", "R", "?", "", "AA"]).to_owned(),
            b'M' => one(input, &["I", "D", "+", "-", "?", ""]).to_owned(),
            _ => String::new(),
        };
        flags.extend([b" ", &[letter][..], token.as_bytes()].concat());
    }
    if verb != "ms" {
        return [verb.as_bytes(), b" ", &name, &flags, b"\r\n"].concat();
    }
    let value = value(input);
    let len = told_len(input, value.len());
    [b"ms ", &name[..], b" ", len.as_bytes(), &flags, b"\r\n", &value, b"\r\n"].concat()
}

/// A frame.
pub(super) fn binary(input: &mut Input<'_>, last: u64) -> Vec<u8> {
    let opcode = input.u8() % 0x28;
    let loud = if (0x11..0x20).contains(&opcode) { opcode - 0x10 } else { opcode };
    let name = match opcode {
        0x07 | 0x08 | 0x0a | 0x0b | 0x17 | 0x18 => Vec::new(),
        0x10 => one(input, &["", "settings", "items", "reset", "x"]).as_bytes().to_vec(),
        _ => key(input),
    };
    let seconds = [0u32, 0, 0, 1, 2, 100, 2_592_000, 2_592_001, 1_700_000_005, u32::MAX];
    let seconds = seconds[usize::from(input.u8() % 10)].to_be_bytes();
    let (extras, value) = match (opcode, loud) {
        (0x19 | 0x1a, _) | (_, 0x0e | 0x0f) => (Vec::new(), value(input)),
        (0x1c..=0x1e | 0x23 | 0x24, _) => (seconds.to_vec(), Vec::new()),
        (_, 1..=3) => ([&[0, 0, 0, input.u8() % 3][..], &seconds].concat(), value(input)),
        (_, 5 | 6) => {
            let numbers = [u64::from(input.u8()), u64::from(input.u8())].map(u64::to_be_bytes);
            ([&numbers[0][..], &numbers[1], &seconds].concat(), Vec::new())
        }
        (8 | 0x18, _) => (if input.u8() & 1 == 0 { Vec::new() } else { seconds.to_vec() }, Vec::new()),
        _ => (Vec::new(), Vec::new()),
    };
    let cas = if input.u8() & 3 == 0 { cas(input, last) } else { 0 };
    let mut body_len = (extras.len() + name.len() + value.len()) as u32;
    let (mut key_len, mut extras_len) = (name.len() as u16, extras.len() as u8);
    match input.u8() {
        0 => body_len = input.u32(),
        1 => key_len = input.u16(),
        2 => extras_len = input.u8(),
        3 => body_len += 1,
        _ => {}
    }
    let [key_high, key_low] = key_len.to_be_bytes();
    let mut frame = vec![0x80, opcode, key_high, key_low, extras_len, 0, 0, 0];
    frame.extend(body_len.to_be_bytes());
    frame.extend([b'o', 0, b'p', input.u8()]);
    frame.extend(cas.to_be_bytes());
    [&frame[..], &extras, &name, &value].concat()
}

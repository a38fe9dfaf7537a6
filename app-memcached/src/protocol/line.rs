//! A command line, cut into words.

use super::scan;

/// Words that are kept: no command has more.
const MAX_WORDS: usize = 8;

/// Bytes of the shortest request that names a key.
const SHORTEST_REQUEST: usize = b"mg k\r\n".len();

/// The words of a command line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words<'a> {
    words: [&'a [u8]; MAX_WORDS],
    count: usize,
}

impl<'a> Words<'a> {
    /// Cuts `line`, without its line end, at blanks. As in memcached, a NUL ends the line.
    pub(super) fn of(line: &'a [u8]) -> Words<'a> {
        let mut words = Words { words: [&[]; MAX_WORDS], count: 0 };
        let mut rest = line;
        while let Some((word, after)) = next_word(rest) {
            if let Some(place) = words.words.get_mut(words.count) {
                *place = word;
            }
            words.count += 1;
            rest = after;
        }
        words
    }

    /// Number of words, also of those that are not kept.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Word `i`; empty if there is none.
    pub(super) fn get(&self, i: usize) -> &'a [u8] {
        self.words.get(i).copied().unwrap_or_default()
    }

    /// Whether the last word asks for silence.
    pub(super) fn reply(&self) -> Reply {
        if self.count > 0 && self.get(self.count - 1) == b"noreply" { Reply::Silent } else { Reply::Wanted }
    }
}

/// Whether the client wants to hear of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// It does.
    Wanted,
    /// It said `noreply`.
    Silent,
}

/// The first word of a line (without line end) and what follows it. A NUL ends the line.
#[inline]
pub(super) fn next_word(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let blanks = line.iter().take_while(|&&byte| byte == b' ').count();
    let line = line.get(blanks..)?;
    let len = word_len(line);
    if len == 0 { None } else { Some(line.split_at(len)) }
}

/// What is probably the key of the request that begins `input`, the second word of its line, and what follows that line: a
/// guess that costs little, to fetch ahead what look-ups will read.
#[inline]
pub fn probable_key(input: &[u8]) -> Option<(&[u8], &[u8])> {
    if input.len() < SHORTEST_REQUEST {
        return None;
    }
    let rest = &input[scan::find_blank(input)? + 1..];
    let (key, rest) = rest.split_at(scan::find_blank(rest)?);
    let next = match rest {
        [b'\r', b'\n', next @ ..] => next,
        _ => &rest[scan::find_newline(rest)? + 1..],
    };
    Some((key, next))
}

/// Bytes before the next blank or NUL; other control characters belong to words.
#[inline]
fn word_len(line: &[u8]) -> usize {
    let mut at = 0;
    while let Some(found) = scan::find_blank(&line[at..]) {
        if matches!(line[at + found], b' ' | 0) {
            return at + found;
        }
        at += found + 1;
    }
    line.len()
}

/// The line before the line feed at `end`, without the carriage return that may precede that. As in memcached, a carriage
/// return alone stays: it is a word.
pub(super) fn before_newline(input: &[u8], end: usize) -> &[u8] {
    match &input[..end] {
        [line @ .., b'\r'] if !line.is_empty() => line,
        line => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_at_blanks_only() {
        let words = Words::of(b"  get a\tb  c ");
        assert_eq!(
            (words.count(), words.get(0), words.get(1), words.get(2)),
            (3, &b"get"[..], &b"a\tb"[..], &b"c"[..])
        );
        assert_eq!(words.get(3), b"");
        assert_eq!(Words::of(b"get a\0b c").count(), 2);
        assert_eq!(Words::of(b"").count(), 0);
        assert_eq!(Words::of(b"a b c d e f g h i j").count(), 10);
    }

    #[test]
    fn the_last_word_asks_for_silence() {
        assert_eq!(Words::of(b"set a 0 0 1 noreply").reply(), Reply::Silent);
        assert_eq!(Words::of(b"set a 0 0 1 noreply x").reply(), Reply::Wanted);
        assert_eq!(Words::of(b"").reply(), Reply::Wanted);
    }

    #[test]
    fn keys_are_guessed() {
        let keys = |mut input: &'static [u8]| {
            let mut keys = Vec::new();
            while let Some((key, rest)) = probable_key(input) {
                keys.push(key);
                input = rest;
            }
            keys
        };
        assert_eq!(keys(b"get a\r\nget  b\r\ngets c d\r\ndelete e\nget f"), [&b"a"[..], b"", b"c", b"e"]);
        assert_eq!(keys(b"set a 0 0 3\r\nabc\r\nget b\r\n"), [&b"a"[..], b"", b"b"], "a value is a line too");
        assert_eq!(keys(b"set a 0 0 2\r\nab\r\n"), [b"a"], "no request is as short");
        for nothing in [&b""[..], b"\r\n", b" ", b"get", b"get ", b"get a", b"quit\r\n", b"\r\n\r\n\r\n"] {
            assert!(keys(nothing).iter().all(|key| key.is_empty()), "{nothing:?}");
        }
    }

    #[test]
    fn line_ends_go() {
        assert_eq!(before_newline(b"a\r\n", 2), b"a");
        assert_eq!(before_newline(b"a\n", 1), b"a");
        assert_eq!(before_newline(b"\r\n", 1), b"\r");
    }
}

//! A meta command's arguments: a key and flags, letters with or without a token behind them.

use super::super::line::next_word;
use super::super::number::{parse_i32, parse_u32, parse_u64};
use super::base64;
use super::{BAD_FORMAT, LONG_OPAQUE};
use crate::store::{MAX_KEY, Marks};

/// Words of a command that are too many.
const TOO_MANY_WORDS: usize = 20;

/// Bytes of the longest opaque flag, its letter included.
pub(super) const MAX_OPAQUE: usize = 32;

/// What `md` and `ma` say of any bad flag.
pub(super) const BAD_FLAG: &str = "CLIENT_ERROR invalid or duplicate flag";

const BAD_TOKEN: &str = "CLIENT_ERROR bad token in command line format";

const BAD_INITIAL: &str = "CLIENT_ERROR invalid numeric initial value";
const BAD_DELTA: &str = "CLIENT_ERROR invalid numeric delta value";
const BAD_MODE: &str = "CLIENT_ERROR incorrect length for M token";

/// What is wrong with a flag.
enum Wrong {
    /// There is none of this letter.
    Letter,
    /// Its token is bad, and what the client hears of it, if that is something else than of the one before.
    Token(Option<&'static str>),
}

/// A key, and how the client sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key<'a> {
    /// As it is.
    Text(&'a [u8]),
    /// In base64.
    Binary(&'a [u8]),
}

impl<'a> Key<'a> {
    /// The key of an item with `marks`.
    pub(super) fn of(key: &'a [u8], marks: Marks) -> Key<'a> {
        if marks.has(Marks::BINARY_KEY) { Key::Binary(key) } else { Key::Text(key) }
    }

    /// The key as it is stored.
    #[inline]
    pub(super) fn bytes(self) -> &'a [u8] {
        match self {
            Key::Text(key) | Key::Binary(key) => key,
        }
    }
}

/// What a flag says that is about how to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verbosity {
    Full,
    /// Nothing that could be expected.
    Quiet,
}

/// A meta command without its name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'a> {
    pub(super) key: Key<'a>,
    /// The words that are flags.
    flags: &'a [u8],
    /// The letters among them, as bits.
    letters: u128,
    /// `N`: a new item's expiry time, as the client gives it.
    pub(super) vivify: i32,
    /// `T`
    pub(super) ttl: i32,
    /// `R`
    pub(super) recache: i32,
    /// `F`
    pub(super) client_flags: u32,
    /// `C`
    pub(super) cas: u64,
    /// `M`
    pub(super) mode: Option<u8>,
    /// `J`
    pub(super) initial: u64,
    /// `D`
    pub(super) delta: u64,
}

/// The first word of `rest`, which is the key, and what follows it.
pub(super) fn split_key(rest: &[u8]) -> Result<(&[u8], &[u8]), &'static str> {
    match next_word(rest) {
        Some((key, _)) if key.len() > MAX_KEY => Err(BAD_FORMAT),
        Some(split) => Ok(split),
        None => Err("ERROR"),
    }
}

/// Whether `flags`, behind `before` words, make a command of too many.
pub(super) fn are_too_many(flags: &[u8], before: usize) -> bool {
    words(flags).nth(TOO_MANY_WORDS - 1 - before).is_some()
}

/// The words of a line.
fn words(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    core::iter::from_fn(move || {
        let (word, after) = next_word(rest)?;
        rest = after;
        Some(word)
    })
}

impl<'a> Request<'a> {
    /// Reads the flags; `decoded` is where a key in base64 goes. As in 1.6.18, the last bad token is what the client hears of, but an
    /// unknown or repeated letter comes first.
    #[inline]
    pub(super) fn parse(
        key: &'a [u8],
        flags: &'a [u8],
        decoded: &'a mut [u8; MAX_KEY],
    ) -> Result<Request<'a>, &'static str> {
        let mut request = Request {
            key: Key::Text(key),
            flags,
            letters: 0,
            vivify: 0,
            ttl: 0,
            recache: 0,
            client_flags: 0,
            cas: 0,
            mode: None,
            initial: 0,
            delta: 1,
        };
        let (mut bad, mut why) = (false, BAD_FORMAT);
        for word in words(flags) {
            let [letter, token @ ..] = word else { continue };
            if *letter >= 127 || request.has(*letter) {
                return Err("CLIENT_ERROR duplicate flag");
            }
            request.letters |= 1 << letter;
            match request.take(*letter, token) {
                Ok(()) => {}
                Err(Wrong::Letter) => return Err("CLIENT_ERROR invalid flag"),
                Err(Wrong::Token(wrong)) => {
                    bad = true;
                    why = wrong.unwrap_or(why);
                }
            }
        }
        if request.has(b'b') {
            match base64::decode(key, decoded) {
                Some(key) => request.key = Key::Binary(key),
                // Reported unless a later token was bad, too.
                None if !bad => return Err("CLIENT_ERROR error decoding key"),
                None => {}
            }
        }
        if bad { Err(why) } else { Ok(request) }
    }

    /// Reads one flag.
    fn take(&mut self, letter: u8, token: &[u8]) -> Result<(), Wrong> {
        match letter {
            b'N' => self.vivify = parse_i32(token).ok_or(Wrong::Token(Some(BAD_TOKEN)))?,
            b'T' => self.ttl = parse_i32(token).ok_or(Wrong::Token(Some(BAD_TOKEN)))?,
            b'R' => self.recache = parse_i32(token).ok_or(Wrong::Token(Some(BAD_TOKEN)))?,
            b'C' => self.cas = parse_u64(token).ok_or(Wrong::Token(Some(BAD_TOKEN)))?,
            b'F' => self.client_flags = parse_u32(token).ok_or(Wrong::Token(None))?,
            b'J' => self.initial = parse_u64(token).ok_or(Wrong::Token(Some(BAD_INITIAL)))?,
            b'D' => self.delta = parse_u64(token).ok_or(Wrong::Token(Some(BAD_DELTA)))?,
            b'M' => match token {
                [mode] => self.mode = Some(*mode),
                _ => return Err(Wrong::Token(Some(BAD_MODE))),
            },
            b'b' | b'c' | b'f' | b'h' | b'k' | b'l' | b'q' | b's' | b't' | b'u' | b'v' => {}
            b'I' | b'L' | b'O' | b'P' => {}
            _ => return Err(Wrong::Letter),
        }
        Ok(())
    }

    /// Whether a flag was given.
    #[inline]
    pub(super) fn has(&self, letter: u8) -> bool {
        self.letters >> letter & 1 != 0
    }

    /// `q`
    pub(super) fn verbosity(&self) -> Verbosity {
        if self.has(b'q') { Verbosity::Quiet } else { Verbosity::Full }
    }

    /// The flags in their order, each with its letter.
    pub(super) fn flags(&self) -> impl Iterator<Item = (u8, &'a [u8])> {
        words(self.flags).filter_map(|word| Some((*word.first()?, word)))
    }

    /// Checks the opaque flag.
    pub(super) fn check_opaque(&self) -> Result<(), &'static str> {
        let is_long = self.has(b'O') && self.flags().any(|(letter, word)| letter == b'O' && word.len() > MAX_OPAQUE);
        if is_long { Err(LONG_OPAQUE) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(flags: &[u8]) -> Option<&'static str> {
        Request::parse(b"YQ==", flags, &mut [0; MAX_KEY]).err()
    }

    #[test]
    fn the_last_bad_token_is_reported() {
        assert_eq!(error(b"Tx M"), Some("CLIENT_ERROR incorrect length for M token"));
        assert_eq!(error(b"M Tx"), Some(BAD_TOKEN));
        assert_eq!(error(b"M Fx"), Some("CLIENT_ERROR incorrect length for M token"));
        assert_eq!(error(b"Fx"), Some(BAD_FORMAT));
        assert_eq!(error(b"Tx !"), Some("CLIENT_ERROR invalid flag"));
        assert_eq!(error(b"Tx k k"), Some("CLIENT_ERROR duplicate flag"));
        assert_eq!(error(b"\xff"), Some("CLIENT_ERROR duplicate flag"));
    }

    #[test]
    fn every_flag_is_read() {
        let mut decoded = [0; MAX_KEY];
        let request = Request::parse(b"YQ==", b"b N1 T2 R3 F4 C5 Mx J6 D7 q", &mut decoded).unwrap();
        assert_eq!(request.key, Key::Binary(b"a"));
        assert_eq!((request.vivify, request.ttl, request.recache, request.client_flags), (1, 2, 3, 4));
        assert_eq!((request.cas, request.mode, request.initial, request.delta), (5, Some(b'x'), 6, 7));
        assert_eq!(request.verbosity(), Verbosity::Quiet);
        assert_eq!(request.flags().map(|(letter, _)| letter).collect::<Vec<_>>(), b"bNTRFCMJDq");
    }

    #[test]
    fn twenty_words_are_too_many() {
        assert!(!are_too_many(&b"a ".repeat(17), 2) && are_too_many(&b"a ".repeat(18), 2));
    }
}

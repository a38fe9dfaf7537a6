//! `get|gets <key>*`, `gat|gats <exptime> <key>*` and the ancient `bget`
//!
//! Keys are taken one at a time, so that a line may be as long as it likes and a reply may wait for room anywhere. A line that
//! is at hand as a whole is checked first: one key too long, and none is answered.

mod reply;

use super::super::line::{Words, before_newline, next_word};
use super::super::number::parse_i32;
use super::super::output::Output;
use super::super::reply::{BAD_EXPTIME, BAD_FORMAT, END, ERROR};
use super::super::scan;
use super::super::server::Server;
use super::super::session::{State, Then};
use super::super::step::{After, Next, REPLY_ROOM, Status, Step};
use crate::store::MAX_KEY;
use reply::Found;

/// What is asked of each key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::protocol) struct Keys {
    /// Whether the reply tells CAS values.
    cas: Cas,
    /// The client's new expiry time.
    touch: Option<i32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cas {
    Told,
    Untold,
}

const GET: Keys = Keys { cas: Cas::Untold, touch: None };

/// Blanks before a command that is still taken for a `get`.
const MAX_INDENT: usize = 100;

/// The hot path: `get <key>\r\n`, all at hand, before a line. `None`, and nothing done, if `input` does not begin so.
#[inline]
pub(in crate::protocol) fn single(
    input: &[u8],
    state: &mut State,
    server: &mut Server,
    out: &mut impl Output,
) -> Option<Step> {
    let rest = input.strip_prefix(b"get ")?;
    let len = scan::find_blank(rest)?;
    let (key, end) = rest.split_at(len);
    if !(1..=MAX_KEY).contains(&len) || !end.starts_with(b"\r\n") {
        return None;
    }
    let consumed = 4 + len;
    match reply::send(GET, key, b"END\r\n", server, out) {
        Found::Sent => return Some(Step::go_on(consumed + 2)),
        // What follows the value is as after any other key: nothing left on the line.
        Found::Begun(transfer) => *state = State::Value(transfer, Then::Keys(GET)),
        Found::NoMemory => *state = State::Discard(After::Nothing),
    }
    Some(Step::go_on(consumed))
}

/// Begins with a line that is at hand as a whole: checks it and leaves its keys for [`next_key`].
pub(super) fn begin(words: &Words<'_>, input: &[u8], end: usize, out: &mut impl Output) -> (Step, State) {
    let refuse = |answer: super::Answer, out: &mut _| {
        answer.write(out);
        (Step::go_on(end + 1), State::Line)
    };
    let (verb, touches) = (words.get(0), words.get(0).starts_with(b"gat"));
    if words.count() < 2 {
        return refuse(ERROR, out);
    }
    let touch = parse_i32(words.get(1));
    if touches && touch.is_none() {
        return refuse(BAD_EXPTIME, out);
    }
    let line = before_newline(input, end);
    let mut keys = after_words(line, if touches { 2 } else { 1 });
    let start = line.len() - keys.len();
    while let Some((key, rest)) = next_word(keys) {
        if key.len() > MAX_KEY {
            return refuse(BAD_FORMAT, out);
        }
        keys = rest;
    }
    let cas = if verb.ends_with(b"s") { Cas::Told } else { Cas::Untold };
    (Step::go_on(start), State::Keys(Keys { cas, touch: touch.filter(|_| touches) }))
}

/// Recognises a `get` or `gets` whose line is too long to wait for its end. Returns the bytes before its first key.
pub(in crate::protocol) fn long_line(input: &[u8]) -> Option<(Keys, usize)> {
    let command = input.trim_ascii_start();
    let indent = input.len() - command.len();
    if indent > MAX_INDENT || input[..indent].iter().any(|&byte| byte != b' ') {
        None
    } else if command.starts_with(b"get ") {
        Some((GET, indent + 4))
    } else if command.starts_with(b"gets ") {
        Some((Keys { cas: Cas::Told, ..GET }, indent + 5))
    } else {
        None
    }
}

/// Answers the next key of the line, or its end. Returns the state after it.
pub(in crate::protocol) fn next_key(
    keys: Keys,
    input: &[u8],
    server: &mut Server,
    out: &mut impl Output,
) -> (Step, State) {
    let blanks = input.iter().take_while(|&&byte| byte == b' ').count();
    let rest = &input[blanks..];
    if out.room() < REPLY_ROOM {
        return (Step { consumed: blanks, next: Next::Stop(Status::NeedRoom) }, State::Keys(keys));
    }
    let (key, consumed) = match word(rest) {
        Word::Key(key) => (key, blanks + key.len()),
        Word::Unfinished => {
            return (Step { consumed: blanks, next: Next::Stop(Status::NeedInput) }, State::Keys(keys));
        }
        Word::LineEnd(len) => {
            END.write(out);
            return (Step::go_on(blanks + len), State::Line);
        }
        Word::Nul => return (Step::go_on(blanks), State::Discard(After::End)),
        Word::TooLong => {
            BAD_FORMAT.write(out);
            return (Step::go_on(blanks), State::Discard(After::Nothing));
        }
    };
    let state = match reply::send(keys, key, b"", server, out) {
        Found::Sent => State::Keys(keys),
        Found::Begun(transfer) => State::Value(transfer, Then::Keys(keys)),
        Found::NoMemory => State::Discard(After::Nothing),
    };
    (Step::go_on(consumed), state)
}

/// What stands at a place in a line where a key may.
enum Word<'a> {
    /// A key that has ended.
    Key(&'a [u8]),
    /// The line's end, of so many bytes.
    LineEnd(usize),
    /// A NUL, which ends the command but not the line.
    Nul,
    /// Nothing that has ended.
    Unfinished,
    /// A key that is too long.
    TooLong,
}

fn word(rest: &[u8]) -> Word<'_> {
    let mut at = 0;
    let len = loop {
        let Some(found) = scan::find_blank(&rest[at..]) else {
            return if rest.len() > MAX_KEY + 1 { Word::TooLong } else { Word::Unfinished };
        };
        at += found;
        match rest[at] {
            b'\n' if at == 0 => return Word::LineEnd(1),
            b'\n' if rest[at - 1] == b'\r' && at == 1 => return Word::LineEnd(2),
            b'\n' if rest[at - 1] == b'\r' => break at - 1,
            0 if at == 0 => return Word::Nul,
            b' ' | b'\n' | 0 => break at,
            _ => at += 1,
        }
    };
    if len > MAX_KEY { Word::TooLong } else { Word::Key(&rest[..len]) }
}

/// What follows the first `n` words of a line.
fn after_words(mut line: &[u8], n: usize) -> &[u8] {
    for _ in 0..n {
        line = next_word(line).map_or(&[], |(_, rest)| rest);
    }
    line
}

#[cfg(test)]
mod tests;

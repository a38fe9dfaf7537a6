//! The classic text commands.

use super::answer::Silence;
use super::items::{Absent, Direction, Items, Join, New, Outcome, Place, Rule, Sum};
use super::meta;
use super::number::{signed, unsigned};
use super::talk::{Home, State, Stored, Storing, Style, Talk, is_short};

const BAD_FORMAT: &str = "CLIENT_ERROR bad command line format";
const BAD_TIME: &str = "CLIENT_ERROR invalid exptime argument";

/// What is asked of each key of a `get`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Keys {
    cas: Cas,
    touch: Option<i32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cas {
    Told,
    Untold,
}

/// Whether the client wants to hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Wanted,
    Silent,
}

/// The words of a line, up to a NUL.
pub(super) fn words(line: &[u8]) -> Vec<&[u8]> {
    let line = line.split(|byte| *byte == 0).next().unwrap_or_default();
    line.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).collect()
}

/// A line without the carriage return before its end, unless that is all.
fn without_return(line: &[u8]) -> &[u8] {
    match line {
        [rest @ .., b'\r'] if !rest.is_empty() => rest,
        _ => line,
    }
}

/// Where the word `n` of a line ends.
fn end_of_word(line: &[u8], n: usize) -> usize {
    let mut ends = (0..line.len()).filter(|at| line[*at] != b' ' && line.get(at + 1).is_none_or(|next| *next == b' '));
    ends.nth(n).map_or(line.len(), |at| at + 1)
}

/// Executes a line. Returns how many of its bytes are taken, its end included.
pub(super) fn command(talk: &mut Talk, line: &[u8], items: &mut Items) -> usize {
    let all = line.len() + 1;
    let line = without_return(line);
    let words = words(line);
    let verb = words.first().copied().unwrap_or_default();
    match verb {
        b"get" | b"bget" | b"gets" | b"gat" | b"gats" => return get(talk, line, &words).unwrap_or(all),
        b"set" | b"add" | b"replace" | b"append" | b"prepend" | b"cas" => store(talk, &words, items),
        b"mg" | b"ms" | b"md" | b"ma" | b"me" => meta::command(talk, verb[1], &words[1..], items),
        b"mn" => talk.say_line("MN"),
        b"stats" | b"config" => talk.tell(Silence::Impossible),
        b"lru" | b"slabs" | b"lru_crawler" | b"cache_memlimit" | b"watch" => talk.tell(Silence::Possible),
        b"quit" => talk.state = State::Closed,
        _ => {
            let (answer, reply) = simple(&words, items);
            if reply == Reply::Wanted {
                talk.say_line(&answer);
            }
        }
    }
    all
}

/// The commands that are answered by a line at once.
fn simple(words: &[&[u8]], items: &mut Items) -> (String, Reply) {
    let verb = words.first().copied().unwrap_or_default();
    let reply = match words {
        // The word is a key.
        [b"delete", b"noreply"] => Reply::Wanted,
        [.., b"noreply"] => Reply::Silent,
        _ => Reply::Wanted,
    };
    let error = ("ERROR".to_owned(), Reply::Wanted);
    let counts = match verb {
        b"delete" => 2..=4,
        b"incr" | b"decr" | b"touch" => 3..=4,
        b"flush_all" => 1..=3,
        b"verbosity" => 2..=3,
        b"version" => return (format!("VERSION {}", app_memcached::protocol::VERSION), Reply::Wanted),
        b"shutdown" => return ("ERROR: shutdown not enabled".to_owned(), Reply::Wanted),
        _ => return error,
    };
    if !counts.contains(&words.len()) {
        return error;
    }
    let answer = match verb {
        b"delete" => delete(words, items).to_owned(),
        b"incr" => match add(Direction::Up, words, items) {
            Err(loud) => return (loud.to_owned(), Reply::Wanted),
            Ok(answer) => answer,
        },
        b"decr" => match add(Direction::Down, words, items) {
            Err(loud) => return (loud.to_owned(), Reply::Wanted),
            Ok(answer) => answer,
        },
        b"touch" => touch(words, items).to_owned(),
        b"flush_all" => flush(words, reply, items).to_owned(),
        _ if unsigned(words[1]).is_some() => "OK".to_owned(),
        _ => BAD_FORMAT.to_owned(),
    };
    (answer, reply)
}

fn delete(words: &[&[u8]], items: &mut Items) -> &'static str {
    let is_fine = match words[2..] {
        [] => true,
        [word] => word == b"0" || word == b"noreply",
        [time, word] => time == b"0" && word == b"noreply",
        _ => false,
    };
    if !is_fine {
        return "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]";
    }
    match items.remove(words[1]) {
        _ if !is_short(words[1]) => BAD_FORMAT,
        Some(_) => "DELETED",
        None => "NOT_FOUND",
    }
}

/// An error is said even to who wants to hear nothing.
fn add(direction: Direction, words: &[&[u8]], items: &mut Items) -> Result<String, &'static str> {
    if !is_short(words[1]) {
        return Ok(BAD_FORMAT.to_owned());
    }
    let Some(delta) = unsigned(words[2]) else {
        return Ok("CLIENT_ERROR invalid numeric delta argument".to_owned());
    };
    Ok(match items.add(words[1], direction, delta, 0) {
        Sum::Done(value) => value.to_string(),
        Sum::Absent | Sum::Exists => "NOT_FOUND".to_owned(),
        Sum::NotNumeric => "CLIENT_ERROR cannot increment or decrement non-numeric value".to_owned(),
        Sum::NoMemory => return Err("SERVER_ERROR out of memory"),
    })
}

fn touch(words: &[&[u8]], items: &mut Items) -> &'static str {
    if !is_short(words[1]) {
        return BAD_FORMAT;
    }
    let Some(exptime) = signed(words[2]) else { return BAD_TIME };
    let gone_at = items.second(exptime.into());
    match items.fetch(words[1]) {
        Some(item) => {
            item.gone_at = gone_at;
            "TOUCHED"
        }
        None => "NOT_FOUND",
    }
}

fn flush(words: &[&[u8]], reply: Reply, items: &mut Items) -> &'static str {
    let has_delay = words.len() > if reply == Reply::Silent { 2 } else { 1 };
    let delay = if has_delay { signed(words[1]) } else { Some(0) };
    let Some(delay) = delay else { return BAD_TIME };
    items.flush(delay.into());
    "OK"
}

/// Bytes of the value behind a line, with its line end, if it is one that has a value.
pub(super) fn payload_len(line: &[u8]) -> usize {
    let words = words(without_return(&line[..line.len() - 1]));
    let len = match words.first() {
        Some(&(b"set" | b"add" | b"replace" | b"append" | b"prepend" | b"cas")) => words.get(4),
        Some(&b"ms") => words.get(2),
        _ => None,
    };
    len.and_then(|len| signed(len)).filter(|len| *len >= 0).map_or(0, |len| len as usize + 2)
}

fn store(talk: &mut Talk, words: &[&[u8]], items: &mut Items) {
    let arguments = if words[0] == b"cas" { 5 } else { 4 };
    if words.len() != 1 + arguments && words.len() != 2 + arguments {
        return talk.say_line("ERROR");
    }
    let reply = if words.last() == Some(&&b"noreply"[..]) { Reply::Silent } else { Reply::Wanted };
    let refuse = |talk: &mut Talk, why: &str| {
        if reply == Reply::Wanted {
            talk.say_line(why);
        }
    };
    let Some((new, len, rule)) = read_arguments(words, items) else { return refuse(talk, BAD_FORMAT) };
    let whole = len + 2;
    let fits = items.fits(new.key.len(), new.flags, len);
    if !fits || items.allocate(&new.key).is_err() {
        if rule == Rule::Set {
            items.remove(&new.key);
        }
        match fits {
            true => talk.say_line("SERVER_ERROR out of memory storing object"),
            false => refuse(talk, "SERVER_ERROR object too large for cache"),
        }
        return talk.skip(whole, Home::Line);
    }
    talk.begin(Storing { new, rule, style: Style::Text(reply), len, whole, bytes: Vec::new() }, items);
}

/// The item, the length of its value, and when it is stored.
fn read_arguments(words: &[&[u8]], items: &Items) -> Option<(New, usize, Rule)> {
    let key = Some(words[1]).filter(|key| is_short(key))?.to_vec();
    let flags = unsigned(words[2])? as u32;
    let gone_at = items.second(signed(words[3])?.into());
    let len = signed(words[4]).filter(|len| (0..=i32::MAX - 2).contains(len))? as usize;
    let join = |place| Rule::Join(Join { place, cas: 0, absent: Absent::Refuse });
    let rule = match words[0] {
        b"set" => Rule::Set,
        b"add" => Rule::Add,
        b"replace" => Rule::Replace,
        b"append" => join(Place::Behind),
        b"prepend" => join(Place::Before),
        _ => Rule::Cas(unsigned(words[5])?),
    };
    Some((New { key, flags, gone_at, is_encoded: false, begun_at: items.now }, len, rule))
}

/// Answers a storage command.
pub(super) fn answer(talk: &mut Talk, stored: Stored, reply: Reply) {
    let line = match stored {
        Stored::Told(Outcome::Stored) => "STORED",
        Stored::Told(Outcome::NotStored) => "NOT_STORED",
        Stored::Told(Outcome::Exists) => "EXISTS",
        Stored::Told(Outcome::NotFound) => "NOT_FOUND",
        Stored::Told(Outcome::NoMemory) => return talk.say_line("SERVER_ERROR out of memory storing object"),
        Stored::BadEnd => "CLIENT_ERROR bad data chunk",
    };
    if reply == Reply::Wanted {
        talk.say_line(line);
    }
}

/// Begins with a `get`. Returns the bytes before its keys; `None` if it is refused.
fn get(talk: &mut Talk, line: &[u8], words: &[&[u8]]) -> Option<usize> {
    let touches = words[0].starts_with(b"gat");
    let before = if touches { 2 } else { 1 };
    let touch = words.get(1).and_then(|word| signed(word));
    let why = match words {
        [_] => "ERROR",
        _ if touches && touch.is_none() => BAD_TIME,
        _ if !words[before..].iter().all(|key| is_short(key)) => BAD_FORMAT,
        _ => "",
    };
    if !why.is_empty() {
        talk.say_line(why);
        return None;
    }
    let cas = if words[0].ends_with(b"s") { Cas::Told } else { Cas::Untold };
    talk.state = State::Keys(Keys { cas, touch: touch.filter(|_| touches) });
    // A NUL ends the words, not the line.
    let text = line.split(|byte| *byte == 0).next().unwrap_or_default();
    Some(end_of_word(text, before - 1))
}

/// A `get` or `gets` that is too long to wait for its end, and the bytes before its keys.
pub(super) fn long_get(line: &[u8]) -> Option<(Keys, usize)> {
    let blanks = line.iter().take_while(|byte| **byte == b' ').count();
    let cas = match &line[blanks..] {
        [b'g', b'e', b't', b' ', ..] => Cas::Untold,
        [b'g', b'e', b't', b's', b' ', ..] => Cas::Told,
        _ => return None,
    };
    let taken = blanks + if cas == Cas::Told { 5 } else { 4 };
    (blanks <= 100).then_some((Keys { cas, touch: None }, taken))
}

/// Answers the key at the start of `left`, or the end of the line. Returns the bytes taken; `None` if there is not enough.
pub(super) fn next_key(talk: &mut Talk, keys: Keys, left: &[u8], items: &mut Items) -> Option<usize> {
    let len = left.iter().position(|byte| matches!(byte, b' ' | b'\n' | 0));
    let (word, end) = match len {
        None if left.len() <= super::items::MAX_KEY + 1 => return None,
        None => (left, 0),
        Some(0) if left[0] == 0 => {
            talk.state = State::Discard("END");
            return Some(0);
        }
        Some(len) => (&left[..len], left[len]),
    };
    let key = if end == b'\n' { word.strip_suffix(b"\r").unwrap_or(word) } else { word };
    if key.is_empty() {
        talk.say_line("END");
        talk.state = State::Line;
        return Some(word.len() + 1);
    }
    if !is_short(key) {
        talk.say_line(BAD_FORMAT);
        talk.state = State::Discard("");
        return Some(0);
    }
    let taken = key.len();
    if !get_one(talk, keys, key, items) {
        talk.say_line("SERVER_ERROR out of memory writing get response");
        talk.state = State::Discard("");
    }
    Some(taken)
}

/// Answers a key. Whether that could be done.
fn get_one(talk: &mut Talk, keys: Keys, key: &[u8], items: &mut Items) -> bool {
    let gone_at = keys.touch.map(|touch| items.second(touch.into()));
    let Some(item) = items.fetch(key) else { return true };
    item.gone_at = gone_at.unwrap_or(item.gone_at);
    let item = item.clone();
    if items.hold().is_err() {
        return false;
    }
    let cas = if keys.cas == Cas::Told { format!(" {}", item.cas) } else { String::new() };
    talk.say(b"VALUE ");
    talk.say(key);
    talk.say_line(&format!(" {} {}{cas}", item.flags, item.value.len()));
    talk.say(&item.value);
    talk.say(b"\r\n");
    true
}

//! The meta commands.

use super::items::{Absent, Direction, Item, Items, Join, MAX_KEY, New, Outcome, Place, Rule, Sum, size};
use super::number::{signed, unsigned};
use super::talk::{Home, Stored, Storing, Style, Talk, is_short};

const BAD_FORMAT: &str = "CLIENT_ERROR bad command line format";
const BAD_FLAG: &str = "CLIENT_ERROR invalid or duplicate flag";
const TOO_MANY: &str = "CLIENT_ERROR options flags too long";

/// Words of a command, at most.
const MOST_WORDS: usize = 19;

/// Bytes of an opaque flag with its letter, at most.
const LONGEST_OPAQUE: usize = 32;

/// A key, and whether it goes in base64.
#[derive(Clone, Debug)]
struct Key {
    bytes: Vec<u8>,
    is_encoded: bool,
}

impl Key {
    fn shown(&self) -> Vec<u8> {
        if self.is_encoded { encode(&self.bytes) } else { self.bytes.clone() }
    }

    /// As a flag.
    fn flag(&self) -> Vec<u8> {
        let note: &[u8] = if self.is_encoded { b" b" } else { b"" };
        [b" k", &self.shown()[..], note].concat()
    }
}

/// The flags of a command, in their order: letters and tokens.
struct Flags<'a>(Vec<(u8, &'a [u8])>);

impl<'a> Flags<'a> {
    /// Why they are refused, if they are: the first letter that is wrong, else the last bad token.
    fn read(words: &[&'a [u8]], key: &[u8]) -> Result<(Flags<'a>, Key), &'static str> {
        let mut flags = Flags(Vec::new());
        let mut bad = None;
        for word in words {
            let (letter, token) = (word[0], &word[1..]);
            if letter >= 127 || flags.has(letter) {
                return Err("CLIENT_ERROR duplicate flag");
            }
            flags.0.push((letter, token));
            let (is_fine, why) = match letter {
                b'N' | b'T' | b'R' => (signed(token).is_some(), Some("CLIENT_ERROR bad token in command line format")),
                b'C' => (unsigned(token).is_some(), Some("CLIENT_ERROR bad token in command line format")),
                b'F' => (unsigned(token).is_some(), None),
                b'J' => (unsigned(token).is_some(), Some("CLIENT_ERROR invalid numeric initial value")),
                b'D' => (unsigned(token).is_some(), Some("CLIENT_ERROR invalid numeric delta value")),
                b'M' => (token.len() == 1, Some("CLIENT_ERROR incorrect length for M token")),
                _ if b"bcfhklqstuvILOP".contains(&letter) => (true, None),
                _ => return Err("CLIENT_ERROR invalid flag"),
            };
            if !is_fine {
                bad = why.or(bad).or(Some(BAD_FORMAT));
            }
        }
        let is_encoded = flags.has(b'b');
        let bytes = if is_encoded { decode(key) } else { Some(key.to_vec()) };
        match (bad, bytes) {
            (Some(why), _) => Err(why),
            (None, None) => Err("CLIENT_ERROR error decoding key"),
            (None, Some(bytes)) => Ok((flags, Key { bytes, is_encoded })),
        }
    }

    fn token(&self, letter: u8) -> Option<&'a [u8]> {
        self.0.iter().find(|flag| flag.0 == letter).map(|flag| flag.1)
    }

    fn has(&self, letter: u8) -> bool {
        self.token(letter).is_some()
    }

    fn time(&self, letter: u8) -> i64 {
        self.token(letter).and_then(signed).unwrap_or(0).into()
    }

    fn number(&self, letter: u8, default: u64) -> u64 {
        self.token(letter).and_then(unsigned).unwrap_or(default)
    }

    fn mode(&self) -> Option<u8> {
        self.token(b'M').map(|token| token[0])
    }

    fn check_opaque(&self) -> Result<(), &'static str> {
        let is_long = self.token(b'O').is_some_and(|token| token.len() + 1 > LONGEST_OPAQUE);
        if is_long { Err("CLIENT_ERROR opaque token too long") } else { Ok(()) }
    }

    /// The flags that come back whatever is found.
    fn echoes(&self, key: &Key) -> Vec<u8> {
        let echo = |&(letter, token): &(u8, &[u8])| match letter {
            b'O' => [b" O", token].concat(),
            b'k' => key.flag(),
            _ => Vec::new(),
        };
        self.0.iter().flat_map(echo).collect()
    }
}

/// Executes `m` and `letter`, with what is behind it.
pub(super) fn command(talk: &mut Talk, letter: u8, words: &[&[u8]], items: &mut Items) {
    if letter == b'e' {
        return debug(talk, words, items);
    }
    let done = match words.split_first() {
        None => Err("ERROR"),
        Some((key, _)) if !is_short(key) => Err(BAD_FORMAT),
        Some((key, words)) => match letter {
            b'g' => get(talk, key, words, items),
            b's' => set(talk, key, words, items),
            b'd' => delete(talk, key, words, items),
            _ => add(talk, key, words, items),
        },
    };
    if let Err(why) = done {
        talk.say_line(why);
    }
}

/// An expiry time as it is told.
fn told_time(gone_at: u32, now: u32) -> Vec<u8> {
    match gone_at {
        0 => b" t-1".to_vec(),
        _ => format!(" t{}", gone_at.wrapping_sub(now)).into_bytes(),
    }
}

fn get(talk: &mut Talk, key: &[u8], words: &[&[u8]], items: &mut Items) -> Result<(), &'static str> {
    if words.len() + 2 > MOST_WORDS {
        return Err("CLIENT_ERROR options flags are too long");
    }
    let (flags, key) = Flags::read(words, key)?;
    flags.check_opaque()?;
    let mut is_new = false;
    if items.get(&key.bytes).is_none() && flags.has(b'N') {
        is_new = items.make(&key.bytes, b"", 0).is_ok();
    }
    let Some(item) = items.get(&key.bytes).cloned() else {
        if !flags.has(b'q') {
            talk.say(b"EN");
            talk.say(&flags.echoes(&key));
            talk.say(b"\r\n");
        }
        return Ok(());
    };
    let (line, gone_at, has_won) = tell(&flags, &key, &item, is_new, items);
    win(&key.bytes, has_won && !is_new, items);
    let (now, is_seen) = (items.now, !flags.has(b'u'));
    if let Some(item) = items.get(&key.bytes) {
        item.gone_at = gone_at;
        item.is_won |= is_new;
        if is_seen {
            item.is_used(now);
        }
    }
    if flags.has(b'v') && items.hold().is_err() {
        return Err("SERVER_ERROR out of memory writing get response");
    }
    talk.say(&line);
    talk.say(b"\r\n");
    if flags.has(b'v') {
        talk.say(&item.value);
        talk.say(b"\r\n");
    }
    Ok(())
}

/// Notes that a client has won an item. If there is no memory for that, another one may win it too.
fn win(key: &[u8], has_won: bool, items: &mut Items) {
    if has_won
        && items.allocate(key).is_ok()
        && let Some(item) = items.get(key)
    {
        item.is_won = true;
    }
}

/// The line about an item, when it is gone after the flags, and whether this client has won it.
fn tell(flags: &Flags<'_>, key: &Key, item: &Item, is_new: bool, items: &Items) -> (Vec<u8>, u32, bool) {
    let mut line = match flags.has(b'v') {
        true => format!("VA {}", item.value.len()).into_bytes(),
        false => b"HD".to_vec(),
    };
    let key = Key { bytes: key.bytes.clone(), is_encoded: item.is_encoded };
    let (mut gone_at, mut has_won) = (item.gone_at, is_new);
    for (letter, token) in &flags.0 {
        let said = match letter {
            b'T' => {
                gone_at = items.second(flags.time(b'T'));
                continue;
            }
            b'N' if is_new => {
                gone_at = items.second(flags.time(b'N'));
                continue;
            }
            b'R' => {
                let is_soon = gone_at != 0 && gone_at < items.second(flags.time(b'R'));
                has_won |= is_soon && !item.is_won && !is_new;
                continue;
            }
            b's' => format!(" s{}", item.value.len()).into_bytes(),
            b't' => told_time(gone_at, items.now),
            b'c' => format!(" c{}", item.cas).into_bytes(),
            b'f' => format!(" f{}", item.flags).into_bytes(),
            b'l' => format!(" l{}", items.now - item.used_at).into_bytes(),
            b'h' => format!(" h{}", u8::from(item.is_fetched)).into_bytes(),
            b'O' => [b" O", *token].concat(),
            b'k' => key.flag(),
            _ => continue,
        };
        line.extend(said);
    }
    if item.is_won {
        line.extend(b" Z");
    }
    if item.is_stale {
        line.extend(b" X");
        has_won |= !item.is_won;
    }
    if has_won {
        line.extend(b" W");
    }
    (line, gone_at, has_won)
}

/// How an `ms` is answered.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    key: Key,
    /// Whether success is not told.
    is_quiet: bool,
    /// Letters and tokens.
    flags: Vec<(u8, Vec<u8>)>,
}

fn set(talk: &mut Talk, key: &[u8], words: &[&[u8]], items: &mut Items) -> Result<(), &'static str> {
    let (len, words) = words.split_first().ok_or(BAD_FORMAT)?;
    if words.len() + 3 > MOST_WORDS {
        return Err(TOO_MANY);
    }
    let len = signed(len).filter(|len| (0..=i32::MAX - 2).contains(len)).ok_or(BAD_FORMAT)? as usize;
    let whole = len + 2;
    match prepare_set(key, words, items) {
        Ok((new, rule, asked)) => {
            let fits = items.fits(new.key.len(), new.flags, len);
            if fits && items.allocate(&new.key).is_ok() {
                talk.begin(Storing { new, rule, style: Style::Meta(asked), len, whole, bytes: Vec::new() }, items);
                return Ok(());
            }
            items.remove(&new.key);
            talk.skip(whole, Home::Line);
            Err(if fits {
                "SERVER_ERROR out of memory storing object"
            } else {
                "SERVER_ERROR object too large for cache"
            })
        }
        Err(why) => {
            talk.skip(whole, Home::Line);
            Err(why)
        }
    }
}

fn prepare_set(key: &[u8], words: &[&[u8]], items: &Items) -> Result<(New, Rule, Asked), &'static str> {
    let (flags, key) = Flags::read(words, key)?;
    let absent = if flags.has(b'N') { Absent::Store } else { Absent::Refuse };
    let cas = flags.number(b'C', 0);
    let joined = |place| Rule::Join(Join { place, cas, absent });
    let compared = match (flags.has(b'C'), flags.has(b'I')) {
        (false, _) => None,
        (true, false) => Some(Rule::Cas(cas)),
        (true, true) => Some(Rule::CasOrStale(cas)),
    };
    let (rule, time) = match flags.mode() {
        None | Some(b'S') => (compared.unwrap_or(Rule::Set), b'T'),
        Some(b'E') => (Rule::Add, b'T'),
        Some(b'R') => (compared.unwrap_or(Rule::Replace), b'T'),
        Some(b'A') => (joined(Place::Behind), if flags.has(b'N') { b'N' } else { b'T' }),
        Some(b'P') => (joined(Place::Before), if flags.has(b'N') { b'N' } else { b'T' }),
        Some(_) => return Err("CLIENT_ERROR invalid mode for ms M token"),
    };
    flags.check_opaque()?;
    let new = New {
        key: key.bytes.clone(),
        flags: flags.number(b'F', 0) as u32,
        gone_at: items.second(flags.time(time)),
        is_encoded: key.is_encoded,
        begun_at: items.now,
    };
    let told = flags.0.iter().map(|(letter, token)| (*letter, token.to_vec())).collect();
    Ok((new, rule, Asked { key, is_quiet: flags.has(b'q'), flags: told }))
}

/// Answers an `ms`.
pub(super) fn answer(talk: &mut Talk, stored: Stored, asked: &Asked, len: usize, items: &Items) {
    let is_stored = stored == Stored::Told(Outcome::Stored);
    let code = match stored {
        Stored::Told(Outcome::Stored) if asked.is_quiet => return,
        Stored::Told(Outcome::Stored) => "HD",
        Stored::Told(Outcome::NotStored) => "NS",
        Stored::Told(Outcome::Exists) => "EX",
        Stored::Told(Outcome::NotFound) => "NF",
        Stored::Told(Outcome::NoMemory) => return talk.say_line("SERVER_ERROR out of memory storing object"),
        Stored::BadEnd => return talk.say_line("CLIENT_ERROR bad data chunk"),
    };
    talk.say(code.as_bytes());
    for (letter, token) in &asked.flags {
        match letter {
            b'O' => talk.say(&[b" O", &token[..]].concat()),
            b'k' => talk.say(&asked.key.flag()),
            b's' => talk.say(format!(" s{len}").as_bytes()),
            b'c' => talk.say(format!(" c{}", if is_stored { items.last_cas } else { 0 }).as_bytes()),
            _ => {}
        }
    }
    talk.say(b"\r\n");
}

fn delete(talk: &mut Talk, key: &[u8], words: &[&[u8]], items: &mut Items) -> Result<(), &'static str> {
    if words.len() + 2 > MOST_WORDS {
        return Err(TOO_MANY);
    }
    let (flags, key) = Flags::read(words, key).map_err(|_| BAD_FLAG)?;
    flags.check_opaque()?;
    let cas = flags.token(b'C').and_then(unsigned);
    let there = items.get(&key.bytes).map(|item| item.cas);
    let code = match there {
        None => "NF",
        Some(there) if cas.is_some_and(|cas| cas != there) => "EX",
        Some(_) if flags.has(b'I') => {
            let gone_at = flags.has(b'T').then(|| items.second(flags.time(b'T')));
            match items.invalidate(&key.bytes) {
                Ok(Some(item)) => {
                    item.gone_at = gone_at.unwrap_or(item.gone_at);
                    "HD"
                }
                Ok(None) => "NF",
                Err(_) => return Err("SERVER_ERROR out of memory storing object"),
            }
        }
        Some(_) => {
            items.remove(&key.bytes);
            "HD"
        }
    };
    if code != "HD" || !flags.has(b'q') {
        talk.say(code.as_bytes());
        talk.say(&flags.echoes(&key));
        talk.say(b"\r\n");
    }
    Ok(())
}

fn add(talk: &mut Talk, key: &[u8], words: &[&[u8]], items: &mut Items) -> Result<(), &'static str> {
    if words.len() + 2 > MOST_WORDS {
        return Err(TOO_MANY);
    }
    let (flags, key) = Flags::read(words, key).map_err(|_| BAD_FLAG)?;
    let direction = match flags.mode() {
        None | Some(b'I' | b'+') => Direction::Up,
        Some(b'D' | b'-') => Direction::Down,
        Some(_) => return Err("CLIENT_ERROR invalid mode for ma M token"),
    };
    flags.check_opaque()?;
    let mut made = None;
    let (sum, cas) =
        (items.add(&key.bytes, direction, flags.number(b'D', 1), flags.number(b'C', 0)), flags.number(b'J', 0));
    let value = match sum {
        Sum::Done(value) => value,
        Sum::NotNumeric => return Err("CLIENT_ERROR cannot increment or decrement non-numeric value"),
        Sum::NoMemory => return Err("SERVER_ERROR out of memory"),
        Sum::Absent if flags.has(b'N') => {
            // The later of both times is the new item's.
            let time = flags.0.iter().rev().find(|flag| matches!(flag.0, b'N' | b'T')).map_or(b'N', |flag| flag.0);
            let gone_at = items.second(flags.time(time));
            if items.make(&key.bytes, cas.to_string().as_bytes(), gone_at).is_err() {
                return Err("SERVER_ERROR Out of memory allocating new item");
            }
            made = Some(0);
            cas
        }
        Sum::Absent | Sum::Exists => {
            talk.say(if sum == Sum::Absent { b"NF" } else { b"EX" });
            talk.say(&flags.echoes(&key));
            talk.say(b"\r\n");
            return Ok(());
        }
    };
    let before = made.or_else(|| items.get(&key.bytes).map(|item| item.gone_at)).unwrap_or(0);
    if flags.has(b'T') && made.is_none() {
        let gone_at = items.second(flags.time(b'T'));
        items.get(&key.bytes).into_iter().for_each(|item| item.gone_at = gone_at);
    }
    if !flags.has(b'q') || made.is_some() {
        tell_number(talk, &flags, &key, value, before, made.is_some(), items);
    }
    Ok(())
}

fn tell_number(
    talk: &mut Talk,
    flags: &Flags<'_>,
    key: &Key,
    value: u64,
    mut gone_at: u32,
    is_new: bool,
    items: &Items,
) {
    let text = value.to_string();
    match flags.has(b'v') {
        true => talk.say(format!("VA {}", text.len()).as_bytes()),
        false => talk.say(b"HD"),
    }
    for (letter, token) in &flags.0 {
        match letter {
            b'T' => gone_at = items.second(flags.time(b'T')),
            b'N' if is_new => gone_at = items.second(flags.time(b'N')),
            b't' => talk.say(&told_time(gone_at, items.now)),
            b'c' => talk.say(format!(" c{}", items.last_cas).as_bytes()),
            b'O' => talk.say(&[b" O", *token].concat()),
            b'k' => talk.say(&key.flag()),
            _ => {}
        }
    }
    talk.say(b"\r\n");
    if flags.has(b'v') {
        talk.say_line(&text);
    }
}

fn debug(talk: &mut Talk, words: &[&[u8]], items: &mut Items) {
    let key = words.first().filter(|key| is_short(key));
    let is_encoded = words.get(1) == Some(&&b"b"[..]);
    let key = key.and_then(|key| if is_encoded { decode(key) } else { Some(key.to_vec()) });
    let Some(key) = key else { return talk.say_line(BAD_FORMAT) };
    let now = items.now;
    let Some(item) = items.get(&key).cloned() else { return talk.say_line("EN") };
    let left = match item.gone_at {
        0 => -1,
        at => now.wrapping_sub(at) as i32,
    };
    let fetched = if item.is_fetched { "yes" } else { "no" };
    let bytes = size(key.len(), item.flags, item.value.len());
    talk.say(b"ME ");
    talk.say(&Key { bytes: key, is_encoded: item.is_encoded }.shown());
    talk.say_line(&format!(
        " exp={left} la={} cas={} fetch={fetched} cls=1 size={bytes}",
        now - item.used_at,
        item.cas
    ));
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 (RFC 4648, section 4).
pub(super) fn encode(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for digit in 0..4 {
            text.push(if digit <= three.len() { DIGITS[(bits >> (18 - 6 * digit)) as usize % 64] } else { b'=' });
        }
    }
    text
}

/// Reads base64 as memcached does, which skips what is none and stops at the first group that is filled up.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.iter().copied().filter(|byte| *byte == b'=' || DIGITS.contains(byte)).collect();
    if digits.is_empty() || !digits.len().is_multiple_of(4) || digits.len() / 4 * 3 > MAX_KEY {
        return None;
    }
    let mut bytes = Vec::new();
    for group in digits.chunks(4) {
        let value = |digit: &u8| DIGITS.iter().position(|known| known == digit).unwrap_or(0) as u32;
        let bits = group.iter().fold(0, |bits, digit| bits << 6 | value(digit));
        let fillers = group.iter().filter(|digit| **digit == b'=').count();
        if fillers > 2 {
            return None;
        }
        bytes.extend_from_slice(&bits.to_be_bytes()[1..4 - fillers]);
        if fillers > 0 {
            break;
        }
    }
    Some(bytes)
}

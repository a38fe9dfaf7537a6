//! Frames of the binary protocol.

use super::answer::Part;
use super::items::{Absent, Direction, Items, Join, New, Outcome, Place, Rule, Sum};
use super::talk::{Home, State, Stored, Storing, Style, Talk, is_short};

/// The first byte of a request.
pub(super) const MAGIC: u8 = 0x80;

const HEADER: usize = 24;

/// What a request's header says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    opcode: u8,
    opaque: [u8; 4],
    cas: u64,
    is_quiet: bool,
}

/// Status and words of what is refused.
type Refusal = (u16, &'static str);

const NOT_FOUND: Refusal = (1, "Not found");
const EXISTS: Refusal = (2, "Data exists for key.");
const TOO_LARGE: Refusal = (3, "Too large.");
const INVALID: Refusal = (4, "Invalid arguments");
const NOT_STORED: Refusal = (5, "Not stored.");
const NOT_NUMERIC: Refusal = (6, "Non-numeric server-side value for incr or decr");
const UNKNOWN: Refusal = (0x81, "Unknown command");

/// A quiet command's number, and that of the same command that is not.
const QUIET: [(u8, u8); 14] = [
    (0x09, 0x00),
    (0x0d, 0x0c),
    (0x11, 0x01),
    (0x12, 0x02),
    (0x13, 0x03),
    (0x14, 0x04),
    (0x15, 0x05),
    (0x16, 0x06),
    (0x17, 0x07),
    (0x18, 0x08),
    (0x19, 0x0e),
    (0x1a, 0x0f),
    (0x1e, 0x1d),
    (0x24, 0x23),
];

/// Bytes of a frame as its header says, if that is there.
pub(super) fn frame_len(input: &[u8]) -> Option<usize> {
    let body = input.get(8..12)?;
    Some(HEADER + u32::from_be_bytes(body.try_into().ok()?) as usize)
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

impl Header {
    fn respond(&self, talk: &mut Talk, status: u16, cas: u64, [extras, key, value]: [&[u8]; 3]) {
        let len = (extras.len() + key.len() + value.len()) as u32;
        let [key_high, key_low] = (key.len() as u16).to_be_bytes();
        talk.say(&[0x81, self.opcode, key_high, key_low, extras.len() as u8, 0]);
        talk.say(&status.to_be_bytes());
        talk.say(&len.to_be_bytes());
        talk.say(&self.opaque);
        talk.say(&cas.to_be_bytes());
        [extras, key, value].iter().for_each(|part| talk.say(part));
    }

    fn refuse(&self, talk: &mut Talk, (status, why): Refusal) {
        self.respond(talk, status, 0, [b"", b"", why.as_bytes()]);
    }

    /// Answers success, unless that is what is expected.
    fn succeed(&self, talk: &mut Talk, cas: u64, value: &[u8]) {
        if !self.is_quiet {
            self.respond(talk, 0, cas, [b"", b"", value]);
        }
    }
}

/// Executes the frame at the start of `input`. Returns the bytes taken, without a value that is still to come; `None` if there is
/// not enough.
pub(super) fn execute(input: &[u8], talk: &mut Talk, items: &mut Items) -> Option<usize> {
    if *input.first()? != MAGIC {
        talk.state = State::Closed;
        return Some(0);
    }
    let head = input.get(..HEADER)?;
    let (key_len, extras_len, body_len) =
        (number(&head[2..4]) as usize, usize::from(head[4]), number(&head[8..12]) as usize);
    let quiet = QUIET.iter().find(|pair| pair.0 == head[1]);
    let opaque = [head[12], head[13], head[14], head[15]];
    let header = Header { opcode: head[1], opaque, cas: number(&head[16..24]), is_quiet: quiet.is_some() };
    let why = match body_len.checked_sub(key_len + extras_len) {
        None => Some(UNKNOWN),
        Some(_) => (key_len > super::items::MAX_KEY).then_some(INVALID),
    };
    if let Some(why) = why {
        header.refuse(talk, why);
        talk.state = State::Closed;
        return Some(0);
    }
    let taken = HEADER + extras_len + key_len;
    let (extras, key) = input.get(HEADER..taken)?.split_at(extras_len);
    let loud = quiet.map_or(header.opcode, |pair| pair.1);
    let request = Request { header, loud, extras, key, value_len: body_len - extras_len - key_len };
    if !request.run(talk, items) {
        header.refuse(talk, INVALID);
        talk.state = State::Closed;
        return Some(0);
    }
    Some(taken)
}

struct Request<'a> {
    header: Header,
    /// The number of the command, were it not quiet.
    loud: u8,
    extras: &'a [u8],
    key: &'a [u8],
    value_len: usize,
}

impl Request<'_> {
    /// Whether the frame has the parts that its command has; then it is executed.
    fn run(&self, talk: &mut Talk, items: &mut Items) -> bool {
        debug_assert!(is_short(self.key));
        let (extras, has_key, has_value) = (self.extras.len(), !self.key.is_empty(), self.value_len > 0);
        let fits = match self.loud {
            0x00 | 0x0c | 0x04 => extras == 0 && has_key && !has_value,
            0x1c | 0x1d | 0x23 => extras == 4 && has_key,
            0x01..=0x03 => extras == 8 && has_key,
            0x0e | 0x0f => extras == 0 && has_key,
            0x05 | 0x06 => extras == 20 && has_key && !has_value,
            0x08 => (extras == 0 || extras == 4) && !has_key && !has_value,
            0x07 | 0x0a | 0x0b => extras == 0 && !has_key && !has_value,
            0x10 => extras == 0,
            _ => {
                self.header.refuse(talk, UNKNOWN);
                talk.skip(self.value_len, Home::Frame);
                return true;
            }
        };
        if !fits {
            return false;
        }
        match self.loud {
            0x00 | 0x0c | 0x1c | 0x1d | 0x23 => self.get(talk, items),
            0x01..=0x03 | 0x0e | 0x0f => self.store(talk, items),
            0x04 => self.delete(talk, items),
            0x05 => self.add(Direction::Up, talk, items),
            0x06 => self.add(Direction::Down, talk, items),
            0x07 => {
                self.header.succeed(talk, 0, b"");
                talk.state = State::Closed;
            }
            0x08 => {
                items.flush(number(self.extras) as i64);
                self.header.succeed(talk, 0, b"");
            }
            0x0b => self.header.succeed(talk, 0, app_memcached::protocol::VERSION.as_bytes()),
            0x10 => talk.parts.push(Part::Frames(self.header.opaque)),
            _ => self.header.succeed(talk, 0, b""),
        }
        true
    }

    fn get(&self, talk: &mut Talk, items: &mut Items) {
        let touches = matches!(self.loud, 0x1c | 0x1d | 0x23);
        let gone_at = items.second(number(self.extras) as i64);
        let key: &[u8] = if matches!(self.loud, 0x0c | 0x23) { self.key } else { b"" };
        let Some(item) = items.fetch(self.key) else {
            return match (self.header.is_quiet, key) {
                (true, _) => {}
                (false, b"") => self.header.refuse(talk, NOT_FOUND),
                (false, key) => self.header.respond(talk, NOT_FOUND.0, 0, [b"", key, b""]),
            };
        };
        if touches {
            item.gone_at = gone_at;
        }
        let item = item.clone();
        if self.loud != 0x1c && items.hold().is_err() {
            return self.header.refuse(talk, (0x82, "Out of memory"));
        }
        let value: &[u8] = if self.loud == 0x1c { b"" } else { &item.value };
        self.header.respond(talk, 0, item.cas, [&item.flags.to_be_bytes(), key, value]);
    }

    fn store(&self, talk: &mut Talk, items: &mut Items) {
        let (cas, len) = (self.header.cas, self.value_len);
        let join = |place| Rule::Join(Join { place, cas, absent: Absent::Refuse });
        let rule = match self.loud {
            0x0e => join(Place::Behind),
            0x0f => join(Place::Before),
            _ if cas != 0 => Rule::Cas(cas),
            0x01 => Rule::Set,
            0x02 => Rule::Add,
            _ => Rule::Replace,
        };
        let (flags, time) = self.extras.split_at(self.extras.len() / 2);
        let (flags, gone_at) = (number(flags) as u32, items.second(number(time) as i64));
        let new = New { key: self.key.to_vec(), flags, gone_at, is_encoded: false, begun_at: items.now };
        let fits = items.fits(self.key.len(), flags, len);
        if fits && items.allocate(self.key).is_ok() {
            let style = Style::Binary(self.header);
            return talk.begin(Storing { new, rule, style, len, whole: len, bytes: Vec::new() }, items);
        }
        if self.loud == 0x01 {
            items.remove(self.key);
        }
        self.header.refuse(talk, if fits { (0x82, "Out of memory allocating item") } else { TOO_LARGE });
        talk.skip(len, Home::Frame);
    }

    fn delete(&self, talk: &mut Talk, items: &mut Items) {
        let cas = self.header.cas;
        match items.get(self.key).map(|item| item.cas) {
            None => self.header.refuse(talk, NOT_FOUND),
            Some(there) if cas != 0 && cas != there => self.header.refuse(talk, EXISTS),
            Some(_) => {
                items.remove(self.key);
                self.header.succeed(talk, 0, b"");
            }
        }
    }

    fn add(&self, direction: Direction, talk: &mut Talk, items: &mut Items) {
        let (delta, initial, time) =
            (number(&self.extras[..8]), number(&self.extras[8..16]), number(&self.extras[16..]) as i64);
        let value = match items.add(self.key, direction, delta, self.header.cas) {
            Sum::Done(value) => value,
            Sum::Absent if time == u32::MAX.into() => return self.header.refuse(talk, NOT_FOUND),
            Sum::Absent => {
                let gone_at = items.second(time);
                if items.make(self.key, initial.to_string().as_bytes(), gone_at).is_err() {
                    return self.header.refuse(talk, (0x82, "Out of memory allocating new item"));
                }
                initial
            }
            Sum::Exists => return self.header.refuse(talk, EXISTS),
            Sum::NotNumeric => return self.header.refuse(talk, NOT_NUMERIC),
            Sum::NoMemory => return self.header.refuse(talk, (0x82, "Out of memory incrementing value")),
        };
        self.header.succeed(talk, items.last_cas, &value.to_be_bytes());
    }
}

/// Answers a storage command.
pub(super) fn answer(talk: &mut Talk, stored: Stored, header: &Header, rule: Rule, items: &Items) {
    let why = match (stored, rule) {
        (Stored::Told(Outcome::Stored), _) => return header.succeed(talk, items.last_cas, b""),
        (Stored::Told(Outcome::Exists), _) => EXISTS,
        (Stored::Told(Outcome::NotFound), _) => NOT_FOUND,
        (_, Rule::Add) => EXISTS,
        (_, Rule::Replace) => NOT_FOUND,
        _ => NOT_STORED,
    };
    header.refuse(talk, why);
}

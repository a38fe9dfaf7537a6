//! The model's side of a connection: the bytes that came, what it is at, and what it has to say.

use app_memcached::protocol::REPLY_ROOM;

use super::answer::{Part, Silence};
use super::binary::{self, Header};
use super::items::{Items, MAX_KEY, New, Outcome, Rule};
use super::{meta, text};

/// A line without end closes the connection from so many bytes on.
const LONGEST_LINE: usize = 2048;

/// Bytes behind a value.
pub(super) const LINE_END: &[u8] = b"\r\n";

/// What a connection is at.
#[derive(Clone, Debug)]
pub(super) enum State {
    /// Nothing has come.
    Start,
    Line,
    Frame,
    /// Within the keys of a `get`.
    Keys(text::Keys),
    /// Within a value.
    Value(Storing),
    /// Within so many bytes that nobody wants.
    Skip(usize, Home),
    /// Within a line that nobody wants; what is said at its end.
    Discard(&'static str),
    Closed,
}

/// Where requests begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Home {
    Line,
    Frame,
}

impl Home {
    fn state(self) -> State {
        match self {
            Home::Line => State::Line,
            Home::Frame => State::Frame,
        }
    }
}

/// A value on its way in.
#[derive(Clone, Debug)]
pub(super) struct Storing {
    pub(super) new: New,
    pub(super) rule: Rule,
    pub(super) style: Style,
    /// Bytes of the value, and of it with what is behind it.
    pub(super) len: usize,
    pub(super) whole: usize,
    /// What has come.
    pub(super) bytes: Vec<u8>,
}

/// How it is answered.
#[derive(Clone, Debug)]
pub(super) enum Style {
    Text(text::Reply),
    Meta(meta::Asked),
    Binary(Header),
}

/// What came of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    Told(Outcome),
    /// It does not end where it should.
    BadEnd,
}

/// The model's side of a connection.
#[derive(Clone, Debug)]
pub(super) struct Talk {
    stream: Vec<u8>,
    /// How far the model is in it.
    at: usize,
    pub(super) state: State,
    /// What is to come.
    pub(super) parts: Vec<Part>,
    /// How far the session sees.
    seen: usize,
    /// Whether there is room to begin an answer: a value that has come is not stored before.
    has_room: bool,
}

/// How a session was called, and how much it took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    /// Bytes that it was shown.
    pub(super) shown: usize,
    /// Room for answers.
    pub(super) room: usize,
    /// Bytes that it took.
    pub(super) taken: usize,
}

impl Talk {
    pub(super) fn new() -> Talk {
        Talk { stream: Vec::new(), at: 0, state: State::Start, parts: Vec::new(), seen: 0, has_room: true }
    }

    /// Bytes come from the client.
    pub(super) fn hear(&mut self, bytes: &[u8]) {
        self.stream.drain(..self.at);
        self.at = 0;
        self.stream.extend_from_slice(bytes);
        self.seen = self.stream.len();
    }

    /// Does what the bytes ask for that were taken in a turn. Whether so many can have been.
    pub(super) fn follow(&mut self, turn: Turn, items: &mut Items) -> bool {
        let until = self.at + turn.taken;
        self.seen = self.at + turn.shown;
        self.has_room = turn.room >= REPLY_ROOM;
        self.store_whole(items);
        while self.at < until {
            if !self.step(until, items) {
                return false;
            }
        }
        self.at == until
    }

    /// Whether more could be done with what has come.
    pub(super) fn waits(&mut self, items: &mut Items) -> bool {
        !self.step(self.stream.len(), items)
    }

    /// Gives a line up in which a key is too long, if it is at one. Nothing is taken by that.
    pub(super) fn gives_up_line(&mut self, items: &mut Items) -> bool {
        matches!(self.state, State::Keys(_)) && {
            let at = self.at;
            self.step(at, items) && self.at == at && matches!(self.state, State::Discard(_))
        }
    }

    /// Does all that can be done with what has come.
    pub(super) fn finish(&mut self, items: &mut Items) {
        while self.step(self.stream.len(), items) {}
    }

    /// Bytes that are to come; those of a listing count as one.
    pub(super) fn said(&self) -> usize {
        let said = |part: &Part| match part {
            Part::Bytes(bytes) => bytes.len(),
            Part::Told(_) | Part::Frames(_) => 1,
        };
        self.parts.iter().map(said).sum()
    }

    /// The last bytes that came.
    pub(super) fn last(&self, n: usize) -> &[u8] {
        &self.stream[self.stream.len().saturating_sub(n)..]
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Says some bytes.
    pub(super) fn say(&mut self, bytes: &[u8]) {
        match self.parts.last_mut() {
            Some(Part::Bytes(said)) => said.extend_from_slice(bytes),
            _ => self.parts.push(Part::Bytes(bytes.to_vec())),
        }
    }

    /// Says a line.
    pub(super) fn say_line(&mut self, line: &str) {
        self.say(line.as_bytes());
        self.say(LINE_END);
    }

    /// An administrator is told something.
    pub(super) fn tell(&mut self, silence: Silence) {
        self.parts.push(Part::Told(silence));
    }

    /// Skips bytes.
    pub(super) fn skip(&mut self, bytes: usize, home: Home) {
        self.state = if bytes > 0 { State::Skip(bytes, home) } else { home.state() };
    }

    /// Where the next request ends, as far as that can be seen; behind all that has come, if not.
    pub(super) fn boundary(&self) -> usize {
        let left = &self.stream[self.at..];
        let line_end = left.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
        let end = match &self.state {
            State::Start if left.first() == Some(&binary::MAGIC) => binary::frame_len(left),
            State::Frame => binary::frame_len(left),
            State::Start | State::Line => line_end.map(|end| end + text::payload_len(&left[..end])),
            State::Keys(_) | State::Discard(_) => line_end,
            State::Value(storing) => Some(storing.whole - storing.bytes.len()),
            State::Skip(bytes, _) => Some(*bytes),
            State::Closed => None,
        };
        end.map_or(left.len(), |end| end.min(left.len()))
    }

    /// Takes bytes up to `until` for the next thing to be done. Whether there was any.
    fn step(&mut self, until: usize, items: &mut Items) -> bool {
        let left = &self.stream[self.at..self.seen];
        if let (State::Start, Some(first)) = (&self.state, left.first()) {
            self.state = if *first == binary::MAGIC { State::Frame } else { State::Line };
        }
        let limit = until - self.at;
        match &mut self.state {
            State::Start => false,
            State::Line => match left.iter().position(|byte| *byte == b'\n') {
                Some(end) => self.take(|talk, left| Some(text::command(talk, &left[..end], items))),
                None => self.unfinished_line(),
            },
            State::Frame => self.take(|talk, left| binary::execute(left, talk, items)),
            State::Keys(keys) => {
                let keys = *keys;
                let blanks = left.iter().take_while(|byte| **byte == b' ').count();
                if blanks > 0 {
                    self.at += blanks;
                    return true;
                }
                self.take(|talk, left| text::next_key(talk, keys, left, items))
            }
            State::Value(storing) => {
                let n = limit.min(left.len()).min(storing.whole - storing.bytes.len());
                storing.bytes.extend_from_slice(&left[..n]);
                self.at += n;
                self.store_whole(items);
                n > 0
            }
            State::Skip(bytes, home) => {
                let n = limit.min(left.len()).min(*bytes);
                *bytes -= n;
                let (bytes, home) = (*bytes, *home);
                self.at += n;
                self.skip(bytes, home);
                n > 0
            }
            State::Discard(answer) => {
                let answer = *answer;
                let end = left.iter().position(|byte| *byte == b'\n');
                let n = end.map_or(limit.min(left.len()), |end| end + 1);
                self.at += n;
                if end.is_some() {
                    self.state = State::Line;
                    if !answer.is_empty() {
                        self.say_line(answer);
                    }
                }
                n > 0
            }
            State::Closed => {
                let n = limit.min(left.len());
                self.at += n;
                n > 0
            }
        }
    }

    /// Lets `execute` take from the front of what is left. Whether it could do something.
    fn take(&mut self, execute: impl FnOnce(&mut Talk, &[u8]) -> Option<usize>) -> bool {
        let stream = std::mem::take(&mut self.stream);
        let taken = execute(self, &stream[self.at..self.seen]);
        self.stream = stream;
        self.at += taken.unwrap_or(0);
        taken.is_some()
    }

    /// A line without end so far: the keys of a `get` may go on for ever.
    fn unfinished_line(&mut self) -> bool {
        let left = &self.stream[self.at..self.seen];
        if left.len() < LONGEST_LINE {
            return false;
        }
        match text::long_get(left) {
            Some((keys, taken)) => {
                self.state = State::Keys(keys);
                self.at += taken;
            }
            None => self.state = State::Closed,
        }
        true
    }

    /// Begins with a value, or ends with an empty one that nothing comes behind.
    pub(super) fn begin(&mut self, storing: Storing, items: &mut Items) {
        if storing.whole == 0 {
            return self.store(storing, items);
        }
        self.state = State::Value(storing);
    }

    /// Stores a value that has come, if it may be.
    fn store_whole(&mut self, items: &mut Items) {
        if let State::Value(storing) = &self.state
            && self.has_whole_value()
            && self.has_room
        {
            self.store(storing.clone(), items);
        }
    }

    /// Whether a value has come that is not stored yet.
    pub(super) fn has_whole_value(&self) -> bool {
        matches!(&self.state, State::Value(storing) if storing.bytes.len() == storing.whole)
    }

    fn store(&mut self, storing: Storing, items: &mut Items) {
        let (value, end) = storing.bytes.split_at(storing.len);
        let stored = match storing.style {
            Style::Text(_) | Style::Meta(_) if end != LINE_END => Stored::BadEnd,
            _ => Stored::Told(items.store(&storing.new, value, storing.rule)),
        };
        match &storing.style {
            Style::Text(reply) => {
                self.state = State::Line;
                text::answer(self, stored, *reply);
            }
            Style::Meta(asked) => {
                self.state = State::Line;
                meta::answer(self, stored, asked, storing.len, items);
            }
            Style::Binary(header) => {
                self.state = State::Frame;
                binary::answer(self, stored, header, storing.rule, items);
            }
        }
    }
}

/// Whether a key is short enough.
pub(super) fn is_short(key: &[u8]) -> bool {
    key.len() <= MAX_KEY
}

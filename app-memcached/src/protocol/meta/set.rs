//! `ms <key> <datalen> <flags>*`
//!
//! What the answer needs of the command line is four letters, while the payload is on its way; an opaque token or a CAS value
//! beside them waits in the store's memory.

use super::super::dialect::Dialect;
use super::super::line::next_word;
use super::super::number::parse_i32;
use super::super::output::Output;
use super::super::payload::{self, Payload};
use super::super::server::Server;
use super::super::session::State;
use super::super::step::{Home, Step};
use super::super::storing::{self, Framing, Refusal, Stored};
use super::super::value::CRLF;
use super::line::Line;
use super::request::{self, Key, MAX_OPAQUE, Request, Verbosity};
use super::{BAD_FORMAT, OUT_OF_MEMORY, refuse};
use crate::store::{Absent, Condition, End, Join, MAX_KEY, Marks, NewItem, Note, OutOfMemory, Reservation};

/// How many flags are answered.
const MAX_ECHOED: usize = 4;

/// What is stored, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Set,
    Add,
    Replace,
    Join(End, Absent),
    /// `C`, with `I` or without.
    Cas,
    CasOrStale,
}

impl Mode {
    fn condition(self, cas: u64, dialect: Dialect) -> Condition {
        match self {
            Mode::Set => Condition::Set,
            Mode::Add => Condition::Add,
            Mode::Replace => Condition::Replace,
            Mode::Join(end, absent) => Condition::Join(Join { end, cas: dialect.asked_unless_zero(cas), absent }),
            Mode::Cas => Condition::Cas(dialect.asked(cas)),
            Mode::CasOrStale => Condition::CasOrStale(dialect.asked(cas)),
        }
    }
}

/// What was asked for, while the payload is on its way.
#[derive(Debug)]
pub(in crate::protocol) struct Asked {
    /// The CAS value and the opaque flag, if there is either.
    note: Option<Note>,
    outline: Outline,
}

/// What is stored, and what is said then, but for what is longer.
#[derive(Clone, Copy, Debug)]
struct Outline {
    mode: Mode,
    verbosity: Verbosity,
    /// The letters of the flags that are answered; zeros behind them.
    echoed: [u8; MAX_ECHOED],
}

/// A command line that was understood.
struct Arguments<'a> {
    request: Request<'a>,
    mode: Mode,
    exptime: i32,
}

/// Why nothing is stored, and how much of what follows is not a command.
struct Refused {
    why: &'static str,
    swallow: usize,
}

/// Begins with a command line whose line feed is at `end`.
pub(super) fn begin(
    rest: &[u8],
    end: usize,
    payload: &[u8],
    server: &mut Server,
    out: &mut impl Output,
) -> (Step, State) {
    match try_begin(rest, payload, server, out) {
        Ok((taken, state)) => (Step::go_on(end + 1 + taken), state),
        Err(Refused { why, swallow }) => {
            refuse(why, out);
            let state = if swallow > 0 { State::Swallow(swallow, Home::Line) } else { State::Line };
            (Step::go_on(end + 1), state)
        }
    }
}

fn try_begin(
    rest: &[u8],
    payload: &[u8],
    server: &mut Server,
    out: &mut impl Output,
) -> Result<(usize, State), Refused> {
    let at_once = |why| Refused { why, swallow: 0 };
    let (key, rest) = request::split_key(rest).map_err(at_once)?;
    let (len, flags) = next_word(rest).ok_or(at_once(BAD_FORMAT))?;
    if request::are_too_many(flags, 3) {
        return Err(at_once("CLIENT_ERROR options flags too long"));
    }
    let len = parse_i32(len).filter(|len| (0..=i32::MAX - CRLF as i32).contains(len)).ok_or(at_once(BAD_FORMAT))?;
    let len = len as usize;
    let refused = |why| Refused { why, swallow: len + CRLF };
    let mut decoded = [0; MAX_KEY];
    let arguments = parse(key, flags, &mut decoded).map_err(refused)?;
    store(&arguments, len, payload, server, out).map_err(refused)
}

fn parse<'a>(key: &'a [u8], flags: &'a [u8], decoded: &'a mut [u8; MAX_KEY]) -> Result<Arguments<'a>, &'static str> {
    let request = Request::parse(key, flags, decoded)?;
    let absent = if request.has(b'N') { Absent::Add } else { Absent::Refuse };
    let mode = match request.mode {
        None | Some(b'S') => Mode::Set,
        Some(b'E') => Mode::Add,
        Some(b'R') => Mode::Replace,
        Some(b'A') => Mode::Join(End::Back, absent),
        Some(b'P') => Mode::Join(End::Front, absent),
        Some(_) => return Err("CLIENT_ERROR invalid mode for ms M token"),
    };
    let mode = match (mode, request.has(b'C')) {
        (Mode::Set | Mode::Replace, true) if request.has(b'I') => Mode::CasOrStale,
        (Mode::Set | Mode::Replace, true) => Mode::Cas,
        (mode, _) => mode,
    };
    request.check_opaque()?;
    let exptime = match mode {
        Mode::Join(_, Absent::Add) => request.vivify,
        _ => request.ttl,
    };
    Ok(Arguments { request, mode, exptime })
}

/// Stores the value, or begins to. Returns the bytes taken of it.
fn store(
    arguments: &Arguments<'_>,
    value_len: usize,
    payload: &[u8],
    server: &mut Server,
    out: &mut impl Output,
) -> Result<(usize, State), &'static str> {
    let Arguments { request, mode, exptime } = arguments;
    let key = request.key.bytes();
    let marks = if let Key::Binary(_) = request.key { Marks::BINARY_KEY } else { Marks::NONE };
    let item = NewItem { key, flags: request.client_flags, exptime: server.expiry((*exptime).into()), marks };
    let reserved = storing::reserve(&item, value_len, Framing::LineEnd, payload, server);
    let (reservation, taken) = reserved.map_err(|refusal| {
        server.note_refusal(&item, mode.condition(request.cas, server.settings.dialect), refusal);
        // Better no item than an old one that the client believes replaced.
        server.store.delete(key);
        match refusal {
            Refusal::TooLarge => "SERVER_ERROR object too large for cache",
            Refusal::NoMemory => OUT_OF_MEMORY,
        }
    })?;
    let (outline, opaque) = Outline::of(request, *mode);
    if server.store.missing(&reservation) == 0 {
        outline.publish(request.cas, opaque, reservation, server, out);
        return Ok((taken, State::Line));
    }
    match keep(request.cas, opaque, server) {
        Ok(note) => {
            let asked = payload::Asked::Meta(Asked { note, outline });
            Ok((taken, State::Payload(Payload { reservation, asked })))
        }
        Err(OutOfMemory) => {
            server.store.abandon(reservation);
            server.store.delete(key);
            server.counters.store_no_memory.add(1);
            Err(OUT_OF_MEMORY)
        }
    }
}

/// Keeps what is too long for a connection.
fn keep(cas: u64, opaque: &[u8], server: &mut Server) -> Result<Option<Note>, OutOfMemory> {
    if cas == 0 && opaque.is_empty() {
        return Ok(None);
    }
    let mut text: heapless::Vec<u8, { 8 + MAX_OPAQUE }> = heapless::Vec::new();
    let is_whole = text.extend_from_slice(&cas.to_le_bytes()).is_ok() && text.extend_from_slice(opaque).is_ok();
    debug_assert!(is_whole, "the opaque flag's length was checked");
    server.store.note(&text).map(Some)
}

impl Outline {
    /// What `request` asks for, and its opaque flag.
    fn of<'a>(request: &Request<'a>, mode: Mode) -> (Outline, &'a [u8]) {
        let mut outline = Outline { mode, verbosity: request.verbosity(), echoed: [0; MAX_ECHOED] };
        let mut opaque: &[u8] = b"";
        let echoed = request.flags().filter(|(letter, _)| matches!(letter, b'O' | b'k' | b'c' | b's'));
        for (place, (letter, word)) in outline.echoed.iter_mut().zip(echoed) {
            *place = letter;
            if letter == b'O' {
                opaque = word;
            }
        }
        (outline, opaque)
    }

    /// Publishes the complete item and answers.
    fn publish(self, cas: u64, opaque: &[u8], reservation: Reservation, server: &mut Server, out: &mut impl Output) {
        let mut name = [0; MAX_KEY];
        let (key, marks) = server.store.name(&reservation);
        let value_len = server.store.lengths(&reservation).1;
        let key_len = key.len().min(MAX_KEY);
        name[..key_len].copy_from_slice(&key[..key_len]);
        let stored = storing::publish(reservation, self.mode.condition(cas, server.settings.dialect), server);
        let code = match stored {
            Stored::Done if self.verbosity == Verbosity::Quiet => return,
            Stored::Done => b"HD",
            Stored::Unmet => b"NS",
            Stored::Exists => b"EX",
            Stored::NotFound => b"NF",
            Stored::BadChunk => return refuse("CLIENT_ERROR bad data chunk", out),
            Stored::NoMemory => return refuse(OUT_OF_MEMORY, out),
        };
        let mut line = Line::new(code);
        for letter in self.echoed {
            match letter {
                b'O' => line.echo(opaque),
                b'k' => line.key(Key::of(&name[..key_len], marks)),
                b'c' => line.flag(
                    b'c',
                    if stored == Stored::Done { server.settings.dialect.told(server.store.last_cas()) } else { 0 },
                ),
                b's' => line.flag(b's', value_len as u64),
                _ => {}
            }
        }
        line.write(out);
    }
}

impl Asked {
    /// Publishes the complete item and answers.
    pub(in crate::protocol) fn publish(self, reservation: Reservation, server: &mut Server, out: &mut impl Output) {
        let text = self.note.as_ref().map_or(&[][..], |note| server.store.noted(note));
        let text: heapless::Vec<u8, { 8 + MAX_OPAQUE }> = heapless::Vec::from_slice(text).unwrap_or_default();
        let (cas, opaque) = text.split_first_chunk().unwrap_or((&[0; 8], &[]));
        self.outline.publish(u64::from_le_bytes(*cas), opaque, reservation, server, out);
        self.close(server);
    }

    /// Gives up.
    pub(in crate::protocol) fn close(self, server: &mut Server) {
        if let Some(note) = self.note {
            server.store.drop_note(note);
        }
    }
}

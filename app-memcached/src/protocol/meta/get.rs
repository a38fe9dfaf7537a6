//! `mg <key> <flags>*`

use super::super::output::Output;
use super::super::reply::Answer;
use super::super::server::Server;
use super::super::session::{State, Then};
use super::super::step::{Home, Step};
use super::super::value::{self, Ending, Sent};
use super::line::Line;
use super::refuse;
use super::request::{self, Key, Request, Verbosity};
use crate::store::{Condition, Details, MAX_KEY, Marks, Miss, NewItem, OutOfMemory, Outcome, Place, Remark};
use crate::watch::Kind;

const NO_MEMORY: Answer = Answer::Line("SERVER_ERROR out of memory writing get response");

/// An item that was found, or made.
struct Hit {
    place: Place,
    value_len: usize,
    flags: u32,
    cas: u64,
    exptime: u32,
    details: Details,
    origin: Origin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// It was there.
    Found,
    /// It was made for this request.
    Vivified,
}

/// What the item is like after the flags were gone through.
struct Outcomes {
    line: Line,
    exptime: u32,
    has_won: bool,
}

pub(super) fn run(rest: &[u8], end: usize, server: &mut Server, out: &mut impl Output) -> (Step, State) {
    let done = |state| (Step::go_on(end + 1), state);
    let mut decoded = [0; MAX_KEY];
    let request = match parse(rest, &mut decoded) {
        Ok(request) => request,
        Err(why) => {
            refuse(why, out);
            return done(State::Line);
        }
    };
    let Some((hit, outcomes)) = look_up(&request, server) else {
        answer_miss(&request, out);
        return done(State::Line);
    };
    count_hit(&request, server);
    let Outcomes { mut line, .. } = outcomes;
    if !request.has(b'v') {
        out.write(line.end());
        return done(State::Line);
    }
    match value::send(line.end(), hit.place, Ending::LineEnd, b"", server, out) {
        Sent::All => done(State::Line),
        Sent::Part(transfer) => done(State::Value(transfer, Then::Home(Home::Line))),
        Sent::NoMemory => {
            NO_MEMORY.write(out);
            done(State::Line)
        }
    }
}

fn parse<'a>(rest: &'a [u8], decoded: &'a mut [u8; MAX_KEY]) -> Result<Request<'a>, &'static str> {
    let (key, flags) = request::split_key(rest)?;
    if request::are_too_many(flags, 2) {
        return Err("CLIENT_ERROR options flags are too long");
    }
    let request = Request::parse(key, flags, decoded)?;
    request.check_opaque()?;
    Ok(request)
}

/// Finds or makes the item, and changes what is to be changed in it. Once more whenever another core was faster.
fn look_up(request: &Request<'_>, server: &mut Server) -> Option<(Hit, Outcomes)> {
    loop {
        let mut hit = find(request, server)?;
        let outcomes = go_through(request, &hit, server);
        if change(request, &mut hit, &outcomes, server).is_ok() {
            if !request.has(b'u') {
                server.store.mark_read(hit.place);
            }
            return Some((hit, outcomes));
        }
    }
}

/// Another core has changed the item.
struct Raced;

fn find(request: &Request<'_>, server: &mut Server) -> Option<Hit> {
    let key = request.key.bytes();
    let mut origin = Origin::Found;
    loop {
        match server.store.peek(key) {
            Ok(item) => {
                if origin == Origin::Found && server.report.wants(Kind::Fetch) {
                    server.report.hit(key, item.value.len());
                }
                let (place, value_len) = (item.place, item.value.len() - value::CRLF);
                let (flags, cas, exptime) = (item.flags, item.cas, item.exptime);
                let details = server.store.details(place)?;
                return Some(Hit { place, value_len, flags, cas, exptime, details, origin });
            }
            Err(miss) if origin == Origin::Vivified || !request.has(b'N') => {
                note_miss(request, miss, server);
                count_miss(miss, server);
                return None;
            }
            Err(miss) => match vivify(request, server) {
                Ok(true) => {
                    note_miss(request, miss, server);
                    origin = Origin::Vivified;
                }
                Ok(false) => {}
                Err(OutOfMemory) => {
                    note_miss(request, miss, server);
                    count_miss(miss, server);
                    return None;
                }
            },
        }
    }
}

/// Makes an empty item, and lets this client win it. Whether it was there first.
fn vivify(request: &Request<'_>, server: &mut Server) -> Result<bool, OutOfMemory> {
    // A time that has passed is set when the item has been answered; until then it is there.
    let exptime = match server.expiry(request.vivify.into()) {
        passed if passed != 0 && passed <= server.store.now() => 0,
        exptime => exptime,
    };
    let item = NewItem { key: request.key.bytes(), flags: 0, exptime, marks: Marks::WON };
    let mut reservation = server.store.reserve(&item, 0)?;
    server.store.fill(&mut reservation, b"\r\n");
    Ok(server.store.publish(reservation, Condition::Add)? == Outcome::Stored)
}

/// Writes the answer's line, flag by flag, as each finds the item.
fn go_through(request: &Request<'_>, hit: &Hit, server: &Server) -> Outcomes {
    let Hit { details, origin, .. } = *hit;
    let key = Key::of(request.key.bytes(), details.marks);
    let is_new = origin == Origin::Vivified;
    let was_won = details.marks.has(Marks::WON) && !is_new;
    let mut exptime = if is_new { 0 } else { hit.exptime };
    let mut has_won = is_new;
    let mut line = Line::new(if request.has(b'v') { b"VA " } else { b"HD" });
    if request.has(b'v') {
        line.put_number(hit.value_len as u64);
    }
    for (letter, word) in request.flags() {
        match letter {
            b'T' => exptime = server.expiry(request.ttl.into()),
            b'N' if is_new => exptime = server.expiry(request.vivify.into()),
            b'R' => has_won |= !was_won && !is_new && exptime != 0 && exptime < server.expiry(request.recache.into()),
            b's' => line.flag(b's', hit.value_len as u64),
            b't' if exptime == 0 => line.put(b" t-1"),
            b't' => line.flag(b't', exptime.wrapping_sub(server.store.now()).into()),
            b'c' => line.flag(b'c', server.settings.dialect.told(hit.cas)),
            b'f' => line.flag(b'f', hit.flags.into()),
            b'l' => line.flag(b'l', details.idle_seconds.into()),
            b'h' => line.flag(b'h', details.is_fetched.into()),
            b'O' => line.echo(word),
            b'k' => line.key(key),
            _ => {}
        }
    }
    if was_won {
        line.put(b" Z");
    }
    if details.marks.has(Marks::STALE) {
        line.put(b" X");
        has_won |= !was_won;
    }
    if has_won {
        line.put(b" W");
    }
    Outcomes { line, exptime, has_won }
}

/// Lets the item be as the answer says.
fn change(request: &Request<'_>, hit: &mut Hit, outcomes: &Outcomes, server: &mut Server) -> Result<(), Raced> {
    let key = request.key.bytes();
    if outcomes.has_won && hit.origin == Origin::Found {
        match server.store.remark(key, hit.cas, Remark::Win) {
            Ok(Some(place)) => hit.place = place,
            Ok(None) => return Err(Raced),
            // There is no room to note that this client has won: better two of them than none.
            Err(OutOfMemory) => hit.place = again(key, hit.cas, server)?,
        }
    }
    let is_set_already = hit.origin == Origin::Vivified && !request.has(b'T') && outcomes.exptime == hit.exptime;
    if (request.has(b'T') || hit.origin == Origin::Vivified) && !is_set_already {
        // The client has won by now: that the item has gone meanwhile changes nothing.
        match server.store.touch(key, outcomes.exptime) {
            Ok(place) => hit.place = place,
            Err(_) if outcomes.has_won && !request.has(b'v') => {}
            Err(_) => return Err(Raced),
        }
    }
    Ok(())
}

/// The place of the item that has this CAS value still.
fn again(key: &[u8], cas: u64, server: &mut Server) -> Result<Place, Raced> {
    match server.store.peek(key) {
        Ok(item) if item.cas == cas => Ok(item.place),
        _ => Err(Raced),
    }
}

fn count_hit(request: &Request<'_>, server: &mut Server) {
    if request.has(b'T') {
        server.counters.cmd_touch.add(1);
        server.counters.touch_hits.add(1);
    } else {
        server.counters.cmd_get.add(1);
        server.counters.get_hits.add(1);
    }
}

/// As in 1.6.18, also if it was to be touched.
fn count_miss(miss: Miss, server: &mut Server) {
    server.counters.cmd_get.add(1);
    server.count_miss(miss);
}

fn note_miss(request: &Request<'_>, miss: Miss, server: &Server) {
    if server.report.wants(Kind::Fetch) {
        server.report.miss(request.key.bytes(), miss);
    }
}

fn answer_miss(request: &Request<'_>, out: &mut impl Output) {
    if request.verbosity() == Verbosity::Quiet {
        return;
    }
    let mut line = Line::new(b"EN");
    for (letter, word) in request.flags() {
        match letter {
            b'O' => line.echo(word),
            b'k' => line.key(request.key),
            _ => {}
        }
    }
    line.write(out);
}

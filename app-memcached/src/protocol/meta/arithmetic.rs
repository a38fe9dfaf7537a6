//! `ma <key> <flags>*`

use super::super::number::Decimal;
use super::super::output::Output;
use super::super::server::Server;
use super::super::sum::{self, Direction, Sum};
use super::super::verb::arithmetic::{NO_MEMORY, NOT_NUMERIC};
use super::line::Line;
use super::refuse;
use super::request::{self, Request, Verbosity};
use crate::store::{MAX_KEY, Marks, OutOfMemory};

/// A number that was changed or made.
struct Number {
    value: u64,
    cas: u64,
    /// Before the flags have changed it.
    exptime: u32,
    origin: Origin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Found,
    Vivified,
}

pub(super) fn run(rest: &[u8], server: &mut Server, out: &mut impl Output) {
    let mut decoded = [0; MAX_KEY];
    let (request, direction) = match parse(rest, &mut decoded) {
        Ok(parsed) => parsed,
        Err(why) => return refuse(why, out),
    };
    let key = request.key.bytes();
    let cas = server.settings.dialect.asked_unless_zero(request.cas);
    loop {
        let code = match sum::add(direction, key, request.delta, cas, server) {
            Sum::Done(value) => {
                let cas = server.store.last_cas();
                let exptime = server.store.peek(key).map_or(0, |item| item.exptime);
                let number = Number { value, cas, exptime, origin: Origin::Found };
                return answer(&request, &number, server, out);
            }
            Sum::Absent if request.has(b'N') => match vivify(&request, server) {
                Ok(Some(number)) => return answer(&request, &number, server, out),
                Ok(None) => continue,
                Err(OutOfMemory) => return refuse("SERVER_ERROR Out of memory allocating new item", out),
            },
            Sum::Absent => {
                sum::count_miss(direction, server);
                b"NF"
            }
            Sum::Exists => b"EX",
            Sum::NotNumeric => return NOT_NUMERIC.write(out),
            Sum::NoMemory => return NO_MEMORY.write(out),
        };
        let mut line = Line::new(code);
        echo(&request, &mut line);
        return line.write(out);
    }
}

fn parse<'a>(rest: &'a [u8], decoded: &'a mut [u8; MAX_KEY]) -> Result<(Request<'a>, Direction), &'static str> {
    let (key, flags) = request::split_key(rest)?;
    if request::are_too_many(flags, 2) {
        return Err("CLIENT_ERROR options flags too long");
    }
    let request = Request::parse(key, flags, decoded).map_err(|_| request::BAD_FLAG)?;
    let direction = match request.mode {
        None | Some(b'I' | b'+') => Direction::Up,
        Some(b'D' | b'-') => Direction::Down,
        Some(_) => return Err("CLIENT_ERROR invalid mode for ma M token"),
    };
    request.check_opaque()?;
    Ok((request, direction))
}

/// Makes the number. `None` if another core was faster.
fn vivify(request: &Request<'_>, server: &mut Server) -> Result<Option<Number>, OutOfMemory> {
    let ttl = request.flags().fold(0, |ttl, (letter, _)| match letter {
        b'N' => request.vivify,
        b'T' => request.ttl,
        _ => ttl,
    });
    let (value, exptime) = (request.initial, server.expiry(ttl.into()));
    let made = sum::create(request.key.bytes(), value, exptime, Marks::NONE, server)?;
    Ok(made.map(|()| Number { value, cas: server.store.last_cas(), exptime: 0, origin: Origin::Vivified }))
}

fn answer(request: &Request<'_>, number: &Number, server: &mut Server, out: &mut impl Output) {
    if request.has(b'T') && number.origin == Origin::Found {
        // If it has gone meanwhile, that came after.
        let exptime = server.expiry(request.ttl.into());
        let _ = server.store.touch(request.key.bytes(), exptime);
    }
    // As in 1.6.18, a number that was made is answered even so.
    if request.verbosity() == Verbosity::Quiet && number.origin == Origin::Found {
        return;
    }
    let value = Decimal::new(number.value);
    let mut line = Line::new(if request.has(b'v') { b"VA " } else { b"HD" });
    if request.has(b'v') {
        line.put_number(value.text().len() as u64);
    }
    let mut exptime = number.exptime;
    for (letter, word) in request.flags() {
        match letter {
            b'T' => exptime = server.expiry(request.ttl.into()),
            b'N' if number.origin == Origin::Vivified => exptime = server.expiry(request.vivify.into()),
            b't' if exptime == 0 => line.put(b" t-1"),
            b't' => line.flag(b't', exptime.wrapping_sub(server.store.now()).into()),
            b'c' => line.flag(b'c', server.settings.dialect.told(number.cas)),
            b'O' => line.echo(word),
            b'k' => line.key(request.key),
            _ => {}
        }
    }
    if request.has(b'v') {
        line.put(b"\r\n");
        line.put(value.text());
    }
    line.write(out);
}

fn echo(request: &Request<'_>, line: &mut Line) {
    for (letter, word) in request.flags() {
        match letter {
            b'O' => line.echo(word),
            b'k' => line.key(request.key),
            _ => {}
        }
    }
}

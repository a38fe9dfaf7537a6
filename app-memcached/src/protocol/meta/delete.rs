//! `md <key> <flags>*`

use super::super::dialect::CasUse;
use super::super::output::Output;
use super::super::server::Server;
use super::line::Line;
use super::request::{self, Request, Verbosity};
use super::{OUT_OF_MEMORY, refuse};
use crate::store::{Deleted, MAX_KEY, OutOfMemory, Remark};

pub(super) fn run(rest: &[u8], server: &mut Server, out: &mut impl Output) {
    let mut decoded = [0; MAX_KEY];
    let request = match parse(rest, &mut decoded) {
        Ok(request) => request,
        Err(why) => return refuse(why, out),
    };
    server.note_look_up(request.key.bytes());
    let done = if request.has(b'I') {
        invalidate(&request, server)
    } else {
        let cas = asked_cas(&request, server);
        Ok(server.store.delete_if(request.key.bytes(), cas))
    };
    let Ok(done) = done else { return refuse(OUT_OF_MEMORY, out) };
    match done {
        // To invalidate is not counted as a deletion.
        Deleted::Done if request.has(b'I') => {}
        Deleted::Done => server.counters.delete_hits.add(1),
        Deleted::NotFound | Deleted::Exists => server.counters.delete_misses.add(1),
    }
    if done == Deleted::Done && request.verbosity() == Verbosity::Quiet {
        return;
    }
    let mut line = Line::new(match done {
        Deleted::Done => b"HD",
        Deleted::NotFound => b"NF",
        Deleted::Exists => b"EX",
    });
    for (letter, word) in request.flags() {
        match letter {
            b'O' => line.echo(word),
            b'k' => line.key(request.key),
            _ => {}
        }
    }
    line.write(out);
}

fn parse<'a>(rest: &'a [u8], decoded: &'a mut [u8; MAX_KEY]) -> Result<Request<'a>, &'static str> {
    let (key, flags) = request::split_key(rest)?;
    if request::are_too_many(flags, 2) {
        return Err("CLIENT_ERROR options flags too long");
    }
    let request = Request::parse(key, flags, decoded).map_err(|_| request::BAD_FLAG)?;
    request.check_opaque()?;
    Ok(request)
}

/// The CAS value that the item has to have, if any. Where none has one, all have 0.
fn asked_cas(request: &Request<'_>, server: &Server) -> Option<u64> {
    let asked = request.has(b'C').then_some(request.cas)?;
    match server.settings.dialect.asked_unless_zero(asked) {
        0 if server.settings.dialect.cas == CasUse::Disabled => None,
        asked => Some(asked),
    }
}

/// Marks the item as stale. Once more whenever another core was faster.
fn invalidate(request: &Request<'_>, server: &mut Server) -> Result<Deleted, OutOfMemory> {
    let key = request.key.bytes();
    loop {
        let Ok(item) = server.store.peek(key) else { return Ok(Deleted::NotFound) };
        let cas = item.cas;
        if asked_cas(request, server).is_some_and(|asked| asked != cas) {
            return Ok(Deleted::Exists);
        }
        if server.store.remark(key, cas, Remark::Invalidate)?.is_none() {
            continue;
        }
        if request.has(b'T') {
            let exptime = server.expiry(request.ttl.into());
            // If it has gone meanwhile, that came after.
            let _ = server.store.touch(key, exptime);
        }
        return Ok(Deleted::Done);
    }
}

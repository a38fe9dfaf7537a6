//! `get`, `getk`, `gat`, `gatk` and `touch`

use super::super::output::Output;
use super::super::server::Server;
use super::super::session::{State, Then};
use super::super::step::{Home, Step};
use super::super::value::{self, CRLF, Ending, Sent};
use super::Frame;
use super::header::{Body, EMPTY, HEADER, Status};
use super::opcode::Verbosity;
use crate::store::{MAX_KEY, Place};
use crate::watch::Kind;

/// Bytes of the extras of an answer: the flags.
const FLAGS: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Get,
    GetWithKey,
    Touch,
    GetAndTouch,
    GetAndTouchWithKey,
}

impl What {
    fn touches(self) -> bool {
        matches!(self, What::Touch | What::GetAndTouch | What::GetAndTouchWithKey)
    }

    fn tells_key(self) -> bool {
        matches!(self, What::GetWithKey | What::GetAndTouchWithKey)
    }
}

/// Flags, CAS value and value of an item.
struct Hit {
    flags: u32,
    cas: u64,
    value_len: usize,
    place: Place,
}

pub(super) fn run(
    what: What,
    verbosity: Verbosity,
    frame: &Frame<'_>,
    server: &mut Server,
    out: &mut impl Output,
) -> (Step, State) {
    let done = (Step::go_on(frame.len), State::Frame);
    let Some(hit) = find(what, frame, server) else {
        if verbosity == Verbosity::Full {
            answer_miss(what, frame, out);
        }
        return done;
    };
    let key = if what.tells_key() { frame.key } else { b"" };
    let value = if what == What::Touch { 0 } else { hit.value_len };
    let body = Body { extras: FLAGS, key: key.len(), value, cas: server.settings.dialect.told(hit.cas) };
    let mut head = [0; HEADER + FLAGS + MAX_KEY];
    head[..HEADER].copy_from_slice(&frame.header.response(Status::Success, body));
    head[HEADER..HEADER + FLAGS].copy_from_slice(&hit.flags.to_be_bytes());
    let len = HEADER + FLAGS + key.len();
    head[HEADER + FLAGS..len].copy_from_slice(key);
    if what == What::Touch {
        out.write(&head[..len]);
        return done;
    }
    match value::send(&head[..len], hit.place, Ending::Bare, b"", server, out) {
        Sent::All => done,
        Sent::Part(transfer) => (Step::go_on(frame.len), State::Value(transfer, Then::Home(Home::Frame))),
        Sent::NoMemory => {
            frame.header.refuse(Status::OutOfMemory, out);
            done
        }
    }
}

fn find(what: What, frame: &Frame<'_>, server: &mut Server) -> Option<Hit> {
    let found = if what.touches() {
        server.counters.cmd_touch.add(1);
        let exptime = server.expiry(frame.u32_at(0).into());
        server.store.get_and_touch(frame.key, exptime)
    } else {
        server.counters.cmd_get.add(1);
        server.store.get(frame.key)
    };
    let found = found.map(|item| Hit {
        flags: item.flags,
        cas: item.cas,
        value_len: item.value.len() - CRLF,
        place: item.place,
    });
    if server.report.wants(Kind::Fetch) {
        match &found {
            Ok(hit) => server.report.hit(frame.key, hit.value_len + CRLF),
            Err(miss) => server.report.miss(frame.key, *miss),
        }
    }
    match &found {
        Ok(_) if what.touches() => server.counters.touch_hits.add(1),
        Ok(_) => server.counters.get_hits.add(1),
        Err(_) if what.touches() => server.counters.touch_misses.add(1),
        Err(miss) => server.count_miss(*miss),
    }
    found.ok()
}

fn answer_miss(what: What, frame: &Frame<'_>, out: &mut impl Output) {
    if what.tells_key() {
        out.write(&frame.header.response(Status::NotFound, Body { key: frame.key.len(), ..EMPTY }));
        out.write(frame.key);
    } else {
        frame.header.refuse(Status::NotFound, out);
    }
}

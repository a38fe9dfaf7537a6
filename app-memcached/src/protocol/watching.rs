//! A client that watches: it is told what happens, a line for each event, and not listened to any more.

use core::fmt::Write as _;

use heapless::String;

use super::output::Output;
use super::server::Server;
use super::step::{REPLY_ROOM, Status};
use super::uri;
use super::verb::CLASS;
use crate::watch::{Event, KEY_BYTES, Record, Sight, Ticket};

/// Lines that are written in one turn.
const LINES_A_TURN: usize = 64;

/// Bytes of a line, at most: a key of which each byte is escaped, and words with numbers; and of what stands before it if others
/// were skipped.
const MAX_LINE: usize = 3 * KEY_BYTES + 224;
const MAX_SKIPPED: usize = 32;

const _: () = assert!(MAX_LINE + MAX_SKIPPED <= REPLY_ROOM);

/// A place among the watchers.
#[derive(Debug)]
pub(super) struct Watching {
    ticket: Ticket,
}

impl Watching {
    pub(super) fn new(ticket: Ticket) -> Watching {
        Watching { ticket }
    }

    /// Tells what is new. Returns what is waited for.
    pub(super) fn advance(&self, server: &Server, out: &mut impl Output) -> Status {
        let reporter = server.report.reporter();
        let mut record = Record::new();
        for _ in 0..LINES_A_TURN {
            if out.room() < REPLY_ROOM {
                return Status::NeedRoom;
            }
            let Sight::Event { skipped } = reporter.board().next(&self.ticket, &mut record) else {
                return Status::Watch;
            };
            if skipped > 0 {
                let mut line: String<MAX_SKIPPED> = String::new();
                let _ = writeln!(line, "skipped={skipped}"); // fits
                out.write(line.as_bytes());
            }
            out.write(line(&mut record).as_bytes());
            server.counters.log_watcher_sent.add(1);
            server.counters.log_watcher_skipped.add(skipped);
        }
        Status::Pause
    }

    /// Gives the place back.
    pub(super) fn close(self, server: &Server) {
        server.report.reporter().board().leave(self.ticket);
    }
}

/// A line as 1.6.18 writes it: microseconds without leading zeros, too.
fn line(record: &mut Record) -> String<MAX_LINE> {
    let mut line = String::new();
    let (unix_us, gid, client) = (record.unix_us(), record.number(), record.client());
    let _ = write!(line, "ts={}.{} gid={gid} ", unix_us / 1_000_000, unix_us % 1_000_000); // fits, as all that follows
    let _ = match record.event() {
        Some(Event::Fetch { key, status, size }) => {
            let _ = line.push_str("type=item_get key=");
            uri::escape(key, &mut line);
            let class = if size > 0 || status == crate::watch::Fetched::Found { CLASS } else { 0 };
            writeln!(line, " status={} clsid={class} cfd={client} size={size}", status.name())
        }
        Some(Event::Mutation { key, status, verb, ttl, size }) => {
            let _ = line.push_str("type=item_store key=");
            uri::escape(key, &mut line);
            let (status, verb) = (status.name(), verb.name());
            writeln!(line, " status={status} cmd={verb} ttl={ttl} clsid={CLASS} cfd={client} size={size}")
        }
        Some(Event::Eviction { key, is_fetched, ttl, idle, size }) => {
            let _ = line.push_str("type=eviction key=");
            uri::escape(key, &mut line);
            let fetched = if is_fetched { "yes" } else { "no" };
            writeln!(line, " fetch={fetched} ttl={ttl} la={idle} clsid={CLASS} size={size}")
        }
        Some(Event::Opened { remote }) => {
            writeln!(line, "type=conn_new rip={} rport={} transport=tcp cfd={client}", remote.ip(), remote.port())
        }
        Some(Event::Closed { remote, reason }) => {
            let (ip, port, reason) = (remote.ip(), remote.port(), reason.name());
            writeln!(line, "type=conn_close rip={ip} rport={port} transport=tcp reason={reason} cfd={client}")
        }
        None => Ok(()),
    };
    line
}

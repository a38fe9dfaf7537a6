//! `stat`: a frame for each line of `stats`, and an empty one behind them.

use super::super::output::Output;
use super::super::server::Server;
use super::super::verb::stats::{Listing, Style};
use super::Frame;
use super::header::{self, Body, EMPTY, Status};

const OPCODE: u8 = 0x10;

/// Begins a listing, or answers at once.
pub(super) fn begin(frame: &Frame<'_>, server: &mut Server, out: &mut impl Output) -> Option<Listing> {
    let style = Style::Binary(frame.header.opaque);
    match frame.key {
        reset if reset.starts_with(b"reset") => {
            server.reset_counters();
            write_line(frame.header.opaque, b"", b"", out);
            None
        }
        b"detail on" | b"detail off" => {
            write_line(frame.header.opaque, b"", b"", out);
            None
        }
        // It would be refused by 1.6.18 for lack of memory while nothing was counted.
        key => match Listing::of(key, style) {
            Some(listing) => Some(listing),
            None => {
                frame.header.refuse(Status::NotFound, out);
                None
            }
        },
    }
}

/// Writes one line, or with no name the end.
pub(in crate::protocol) fn write_line(opaque: [u8; 4], name: &[u8], value: &[u8], out: &mut impl Output) {
    let body = Body { key: name.len(), value: value.len(), ..EMPTY };
    out.write(&header::respond(OPCODE, opaque, Status::Success, body));
    out.write(name);
    out.write(value);
}

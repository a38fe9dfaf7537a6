//! `stats conns`: the listening ports, and each connection of each core.

use core::fmt::Write as _;
use core::net::Ipv4Addr;

use heapless::String;

use super::super::super::output::Output;
use super::super::super::roster::{self, Doing, Listener, Seen};
use super::super::super::server::Server;
use super::super::super::step::{REPLY_ROOM, Status};
use super::{Style, Value, write_line};

/// Places that are looked at in one step, used or not.
const STEP: u32 = 1024;

/// Bytes of a name, and of an address, at most: a number and the longest word; a protocol, an IPv4 address and a port.
type Name = String<40>;
type Address = String<32>;

/// Writes the lines from `place` on, and moves that forward. `None` if there are no more.
pub(super) fn advance(place: &mut u32, server: &Server, out: &mut impl Output) -> Option<Status> {
    let until = place.saturating_add(STEP);
    while *place < until {
        if out.room() < REPLY_ROOM {
            return Some(Status::NeedRoom);
        }
        match (*place, place.checked_sub(roster::LISTENERS)) {
            (listener, None) => write_listener(listener, server, out),
            (_, Some(nth)) => match find(nth, server) {
                Found::Connection(seen) => write_connection(*place, &seen, server, out),
                Found::Nobody => {}
                Found::End => return None,
            },
        }
        *place += 1;
    }
    Some(Status::Pause)
}

/// What is at a place.
enum Found {
    Connection(Seen),
    Nobody,
    End,
}

/// The cores' connections in turn, as [`roster::number`] counts them.
fn find(nth: u32, server: &Server) -> Found {
    let rosters = server.rosters();
    let (place, core) = (nth / rosters.len() as u32, nth as usize % rosters.len());
    if rosters.iter().all(|core| core.roster.used() <= place) {
        return Found::End;
    }
    rosters[core].roster.get(place).map_or(Found::Nobody, Found::Connection)
}

fn write_listener(listener: u32, server: &Server, out: &mut impl Output) {
    let settings = &server.settings;
    let (transport, port, state) = match listener {
        0 => ("tcp", settings.port, "conn_listening"),
        1 => ("udp", settings.udp_port, "conn_read"),
        _ => ("tcp", settings.http_port, "conn_listening"),
    };
    if port != 0 {
        put(listener, "addr", &any_address(transport, port), out);
        put(listener, "state", state, out);
    }
}

fn write_connection(number: u32, seen: &Seen, server: &Server, out: &mut impl Output) {
    let mut remote = Address::new();
    let _ = write!(remote, "tcp:{}", seen.remote); // fits
    let port = match seen.listener {
        Listener::Memcached => server.settings.port,
        Listener::Http => server.settings.http_port,
    };
    let state = match seen.doing {
        Doing::Reading => "conn_read",
        Doing::Writing => "conn_mwrite",
        Doing::Closing => "conn_closing",
        Doing::Watching => "conn_watch",
    };
    put(number, "addr", &remote, out);
    put(number, "listen_addr", &any_address("tcp", port), out);
    put(number, "state", state, out);
    let idle = server.uptime().saturating_sub(seen.heard);
    write_line(Style::Text, out, &name(number, "secs_since_last_cmd"), &Value::Number(idle.into()));
}

/// A port of whatever address the appliance has.
fn any_address(transport: &str, port: u16) -> Address {
    let mut address = Address::new();
    let _ = write!(address, "{transport}:{}:{port}", Ipv4Addr::UNSPECIFIED); // fits
    address
}

fn put(number: u32, what: &str, value: &str, out: &mut impl Output) {
    write_line(Style::Text, out, &name(number, what), &Value::Text(value));
}

fn name(number: u32, what: &str) -> Name {
    let mut name = Name::new();
    let _ = write!(name, "{number}:{what}"); // fits
    name
}

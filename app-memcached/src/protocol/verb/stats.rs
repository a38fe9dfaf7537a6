//! `stats [general | settings | items | slabs | sizes | conns | dataplane | cachedump | detail | reset]`
//!
//! A listing is written line by line, as room allows; its place is the number of lines written. Only names that mean here what
//! they mean in memcached appear under memcached's names.

mod connections;
mod general;
mod settings;
mod storage;

use super::super::binary;
use super::super::line::Words;
use super::super::number::{Decimal, parse_u32};
use super::super::output::Output;
use super::super::reply::{self, Answer};
use super::super::server::{Dataplane, Server};
use super::super::step::{Home, REPLY_ROOM, Status};
use super::SLAB_CLASSES;

/// A listing that is being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::protocol) struct Listing {
    topic: Topic,
    style: Style,
    /// Lines written; of `conns`: connections looked at.
    written: u32,
}

/// How the lines of a listing look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::protocol) enum Style {
    Text,
    /// Frames with this opaque value.
    Binary([u8; 4]),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Topic {
    General,
    Settings,
    Items,
    Slabs,
    Sizes,
    Connections,
    Dataplane,
    Empty,
}

/// The value of a line.
enum Value<'a> {
    Number(u64),
    Text(&'a str),
}

/// What is called for each line of a listing.
type Visit<'a> = dyn FnMut(&str, Value<'_>) + 'a;

/// Items are not counted by size. As in 1.6.18, there is no `END`.
const NO_SIZES: Answer = Answer::Line("STAT sizes_status error\r\nSTAT sizes_error not_supported");

const BAD_LINE: Answer = Answer::Line("CLIENT_ERROR bad command line");

/// Begins with a command line: a listing, or an answer of one line.
pub(super) fn begin(words: &Words<'_>, server: &mut Server) -> Result<Listing, Answer> {
    let topic = match words.get(1) {
        b"cachedump" => cachedump(words, server)?,
        b"detail" => detail(words)?,
        b"reset" => {
            server.reset_counters();
            return Err(Answer::Line("RESET"));
        }
        b"sizes_enable" => return Err(NO_SIZES),
        b"sizes_disable" => return Err(Answer::Line("STAT sizes_status disabled")),
        b"general" => Topic::General,
        name => Topic::of(name).ok_or(reply::ERROR)?,
    };
    Ok(Listing { topic, style: Style::Text, written: 0 })
}

impl Topic {
    /// The topic of this name.
    fn of(name: &[u8]) -> Option<Topic> {
        Some(match name {
            b"" => Topic::General,
            b"settings" => Topic::Settings,
            b"items" => Topic::Items,
            b"slabs" => Topic::Slabs,
            b"sizes" => Topic::Sizes,
            b"conns" => Topic::Connections,
            b"dataplane" => Topic::Dataplane,
            _ => return None,
        })
    }
}

/// Checks the arguments; there is no order of items by class to dump.
fn cachedump(words: &Words<'_>, server: &Server) -> Result<Topic, Answer> {
    if !server.settings.permissions.dumping {
        return Err(Answer::Line("CLIENT_ERROR stats cachedump not allowed"));
    }
    if words.count() < 4 {
        return Err(BAD_LINE);
    }
    match (parse_u32(words.get(2)), parse_u32(words.get(3))) {
        (Some(SLAB_CLASSES..), Some(_)) => Err(Answer::Line("CLIENT_ERROR Illegal slab id")),
        (Some(_), Some(_)) => Ok(Topic::Empty),
        _ => Err(reply::BAD_FORMAT),
    }
}

/// Statistics by key prefix are not kept.
fn detail(words: &Words<'_>) -> Result<Topic, Answer> {
    match words.get(2) {
        b"on" | b"off" => Err(reply::OK),
        b"dump" => Ok(Topic::Empty),
        _ => Err(Answer::Line("CLIENT_ERROR usage: stats detail on|off|dump")),
    }
}

impl Listing {
    /// A listing of the topic of this name, for frames: they know of no connections.
    pub(in crate::protocol) fn of(name: &[u8], style: Style) -> Option<Listing> {
        Topic::of(name).filter(|topic| *topic != Topic::Connections).map(|topic| Listing { topic, style, written: 0 })
    }

    /// The session's place after it.
    pub(in crate::protocol) fn home(&self) -> Home {
        match self.style {
            Style::Text => Home::Line,
            Style::Binary(_) => Home::Frame,
        }
    }

    /// Writes the lines that there is room for. `None` if those were the last, else what is waited for.
    pub(in crate::protocol) fn advance(
        &mut self,
        server: &Server,
        dataplane: &dyn Dataplane,
        out: &mut impl Output,
    ) -> Option<Status> {
        if self.topic == Topic::Connections
            && let Some(status) = connections::advance(&mut self.written, server, out)
        {
            return Some(status);
        }
        let mut line = 0;
        let mut full = false;
        let (written, style) = (&mut self.written, self.style);
        visit(self.topic, server, dataplane, &mut |name, value| {
            full |= out.room() < REPLY_ROOM;
            if line == *written && !full {
                write_line(style, out, name, &value);
                *written += 1;
            }
            line += 1;
        });
        if full || out.room() < REPLY_ROOM {
            return Some(Status::NeedRoom);
        }
        match style {
            Style::Text => reply::END.write(out),
            Style::Binary(opaque) => binary::write_statistic(opaque, b"", b"", out),
        }
        None
    }
}

fn visit(topic: Topic, server: &Server, dataplane: &dyn Dataplane, visit: &mut Visit<'_>) {
    match topic {
        Topic::General => {
            general::visit(server, visit);
            dataplane.visit(&mut |name, value| {
                if name.starts_with("drop_") {
                    visit(name, Value::Number(value));
                }
            });
        }
        Topic::Dataplane => dataplane.visit(&mut |name, value| visit(name, Value::Number(value))),
        Topic::Settings => settings::visit(server, visit),
        Topic::Items => storage::visit_items(server, visit),
        Topic::Slabs => storage::visit_slabs(server, visit),
        Topic::Sizes => visit("sizes_status", Value::Text("disabled")),
        Topic::Connections | Topic::Empty => {}
    }
}

fn write_line(style: Style, out: &mut impl Output, name: &str, value: &Value<'_>) {
    // Names and texts are ours and short; a line stays within the room of a reply whatever they are.
    let name = &name.as_bytes()[..name.len().min(REPLY_ROOM / 2)];
    let decimal;
    let value = match value {
        Value::Number(number) => {
            decimal = Decimal::new(*number);
            decimal.text()
        }
        Value::Text(text) => &text.as_bytes()[..text.len().min(REPLY_ROOM / 4)],
    };
    match style {
        Style::Text => [b"STAT ", name, b" ", value, b"\r\n"].iter().for_each(|part| out.write(part)),
        Style::Binary(opaque) => binary::write_statistic(opaque, name, value, out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::testkit::{Client, exchange};

    fn text(request: &[u8]) -> String {
        String::from_utf8(exchange(request)).unwrap()
    }

    #[test]
    fn general_is_complete_and_ends() {
        let reply = text(b"set a 0 0 1\r\n1\r\nget a b\r\nstats\r\n");
        for line in ["pid 1", "curr_items 1", "get_hits 1", "get_misses 1", "cmd_set 1", "threads 1", "drop_test 7"] {
            assert!(reply.contains(&format!("STAT {line}\r\n")), "{line} in {reply}");
        }
        assert!(reply.ends_with("END\r\n") && !reply.contains("rx_frames"));
    }

    #[test]
    fn small_room_changes_nothing() {
        for request in [&b"stats\r\n"[..], b"stats settings\r\n", b"stats dataplane\r\n"] {
            let mut client = Client::new();
            client.room = REPLY_ROOM + 10;
            assert_eq!(client.send(request), exchange(request));
        }
    }

    #[test]
    fn topics() {
        assert!(text(b"stats dataplane\r\n").contains("STAT rx_frames 3\r\n"));
        assert!(text(b"stats settings\r\n").contains("STAT item_size_max 1048576\r\n"));
        assert_eq!(text(b"stats sizes\r\n"), "STAT sizes_status disabled\r\nEND\r\n");
        assert_eq!(text(b"stats sizes_disable\r\n"), "STAT sizes_status disabled\r\n");
        assert!(text(b"stats sizes_enable\r\n").starts_with("STAT sizes_status error\r\n"));
        assert_eq!(text(b"stats items\r\n"), "END\r\n");
        assert!(text(b"set a 0 0 1\r\n1\r\nstats items\r\nstats slabs\r\n").contains("STAT items:1:number 1\r\n"));
        assert_eq!(text(b"stats foo\r\n"), "ERROR\r\n");
    }

    #[test]
    fn one_line_answers() {
        assert_eq!(text(b"stats cachedump\r\n"), "CLIENT_ERROR bad command line\r\n");
        assert_eq!(text(b"stats cachedump a b\r\n"), "CLIENT_ERROR bad command line format\r\n");
        assert_eq!(text(b"stats cachedump 99 1\r\n"), "CLIENT_ERROR Illegal slab id\r\n");
        assert_eq!(text(b"stats cachedump 1 1\r\n"), "END\r\n");
        assert_eq!(text(b"stats detail\r\n"), "CLIENT_ERROR usage: stats detail on|off|dump\r\n");
        assert!(text(b"get a\r\nstats reset\r\nstats\r\n").contains("RESET\r\nSTAT pid 1\r\n"));
        assert!(text(b"get a\r\nstats reset\r\nstats\r\n").contains("STAT cmd_get 0\r\n"));
    }
}

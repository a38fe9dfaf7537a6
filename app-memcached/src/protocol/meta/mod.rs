//! The meta commands: `mg`, `ms`, `md`, `ma`, `mn` and `me` (protocol.txt, "Meta Commands"; 1.6.18's answers where that is silent).
//!
//! ```text
//! line -> Request (key, flags) -> get | set | delete | arithmetic | debug -> Server -> Line -> Output
//! ```
//!
//! They share a connection with the classic commands. A command is as many steps on the store as it has parts; where another core
//! comes in between, it begins anew, so that of many clients one wins.

mod arithmetic;
mod base64;
mod debug;
mod delete;
mod get;
mod line;
mod request;
pub(super) mod set;

use super::line::next_word;
use super::output::Output;
use super::reply::Answer;
use super::server::Server;
use super::session::State;
use super::step::Step;
use crate::store::Marks;

pub(super) use line::MAX_LINE;

/// The line of an `mg` that asks for a key of an item with `marks`.
pub(super) fn get_line(key: &[u8], marks: Marks) -> impl AsRef<[u8]> + use<> {
    let mut line = line::Line::new(b"mg ");
    let key = request::Key::of(key, marks);
    line.put_key(key);
    if let request::Key::Binary(_) = key {
        line.put(b" b");
    }
    line.put(b"\r\n");
    line
}

/// Executes `line`, a command line without its end if it is one of a meta command; `end` is the place of its line feed, and
/// `payload` what follows that. `None`, and nothing done, if it is none.
pub(super) fn execute(
    line: &[u8],
    end: usize,
    payload: &[u8],
    server: &mut Server,
    out: &mut impl Output,
) -> Option<(Step, State)> {
    let (verb, rest) = next_word(line)?;
    let done = (Step::go_on(end + 1), State::Line);
    // As memcached does: not `me` and `mn`.
    server.counters.cmd_meta.add(u64::from(matches!(verb, b"mg" | b"ms" | b"md" | b"ma")));
    match verb {
        b"mg" => return Some(get::run(rest, end, server, out)),
        b"ms" => return Some(set::begin(rest, end, payload, server, out)),
        b"md" => delete::run(rest, server, out),
        b"ma" => arithmetic::run(rest, server, out),
        b"me" => debug::run(rest, server, out),
        b"mn" => Answer::Line("MN").write(out),
        _ => return None,
    }
    Some(done)
}

/// Writes what a command answers if it is refused.
fn refuse(why: &'static str, out: &mut impl Output) {
    Answer::Line(why).write(out);
}

const BAD_FORMAT: &str = "CLIENT_ERROR bad command line format";
const LONG_OPAQUE: &str = "CLIENT_ERROR opaque token too long";
const OUT_OF_MEMORY: &str = "SERVER_ERROR out of memory storing object";

#[cfg(test)]
mod tests;

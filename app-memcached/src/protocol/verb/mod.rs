//! The commands, one file each.

pub(super) mod arithmetic;
mod cache_memlimit;
pub(super) mod cluster;
mod delete;
pub(super) mod flush_all;
pub(super) mod get;
mod shutdown;
pub(super) mod stats;
pub(super) mod storage;
mod touch;
mod tuning;
mod verbosity;
pub(super) mod version;
mod watch;

use super::line::{Words, before_newline};
use super::meta;
use super::output::Output;
use super::reply::{self, Answer};
use super::server::Server;
use super::session::State;
use super::step::{Next, Status, Step};
use super::sum::Direction;
use crate::store::{Condition, MAX_KEY};

/// The one class that statistics tell of.
pub(super) const CLASS: u64 = 1;

/// Slab classes of memcached: ids from here on are errors.
const SLAB_CLASSES: u32 = 64;

/// Executes the command line `words`, which begins `input` and whose line feed is at `end`. Returns the state after it. The
/// output has room for a line.
pub(super) fn execute(
    words: &Words<'_>,
    input: &[u8],
    end: usize,
    server: &mut Server,
    out: &mut impl Output,
) -> (Step, State) {
    let payload = &input[end + 1..];
    let answer = match words.get(0) {
        b"get" | b"bget" | b"gets" | b"gat" | b"gats" => return get::begin(words, input, end, out),
        b"set" => return storage::begin(Condition::Set, words, end, payload, server, out),
        b"add" => return storage::begin(Condition::Add, words, end, payload, server, out),
        b"replace" => return storage::begin(Condition::Replace, words, end, payload, server, out),
        b"append" => return storage::begin(Condition::Append, words, end, payload, server, out),
        b"prepend" => return storage::begin(Condition::Prepend, words, end, payload, server, out),
        b"cas" => return storage::begin(Condition::Cas(0), words, end, payload, server, out),
        // Behind blanks: others were recognised before.
        b"mg" | b"ms" | b"md" | b"ma" | b"mn" | b"me" => {
            let line = before_newline(input, end);
            return meta::execute(line, end, payload, server, out).unwrap_or((Step::go_on(end + 1), State::Line));
        }
        b"stats" => match stats::begin(words, server) {
            Ok(listing) => return (Step::go_on(end + 1), State::Listing(listing)),
            Err(answer) => answer,
        },
        b"quit" => return (Step { consumed: end + 1, next: Next::Stop(Status::Quit) }, State::Over),
        b"delete" => delete::run(words, server),
        b"incr" => arithmetic::run(Direction::Up, words, server),
        b"decr" => arithmetic::run(Direction::Down, words, server),
        b"touch" => touch::run(words, server),
        b"flush_all" => flush_all::run(words, server),
        b"version" => version::ANSWER,
        b"verbosity" => verbosity::run(words),
        b"lru" => tuning::lru(words),
        b"slabs" => tuning::slabs(words),
        b"lru_crawler" => match tuning::lru_crawler(words, server) {
            Ok(dump) => return (Step::go_on(end + 1), State::Dump(dump)),
            Err(answer) => answer,
        },
        b"config" => {
            cluster::run(words, server, out);
            return (Step::go_on(end + 1), State::Line);
        }
        b"cache_memlimit" => cache_memlimit::run(words, server),
        b"shutdown" => match shutdown::run(words, server) {
            Ok(()) => return (Step { consumed: end + 1, next: Next::Stop(Status::Quit) }, State::Over),
            Err(answer) => answer,
        },
        b"watch" => match watch::run(before_newline(input, end), server) {
            Ok(watching) => {
                reply::OK.write(out);
                return (Step::go_on(end + 1), State::Watching(watching));
            }
            Err(answer) => answer,
        },
        _ => reply::ERROR,
    };
    answer.write(out);
    (Step::go_on(end + 1), State::Line)
}

/// The key among `words`, if it is not too long.
fn key<'a>(words: &Words<'a>) -> Option<&'a [u8]> {
    let key = words.get(1);
    (key.len() <= MAX_KEY).then_some(key)
}

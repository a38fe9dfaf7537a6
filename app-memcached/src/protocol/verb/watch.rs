//! `watch [fetchers | mutations | evictions | connevents]*`
//!
//! What else 1.6.18 takes (`rawcmds`, `sysevents`, and what its proxy tells of) is taken, too: as there, nothing comes of it.

use super::super::line::next_word;
use super::super::reply::{self, Answer};
use super::super::report::Report;
use super::super::server::Server;
use super::super::watching::Watching;
use crate::watch::{Kind, Kinds};

const NOT_ALLOWED: Answer = Answer::Line("CLIENT_ERROR watch commands not allowed");
const TOO_MANY: Answer = Answer::Line("WATCHER_TOO_MANY log watcher limit reached");

/// Words behind the first that 1.6.18 looks at.
const WORDS: usize = 22;

/// Executes a command line. A datagram is answered once, so that nobody watches through them.
pub(super) fn run(line: &[u8], server: &Server) -> Result<Watching, Answer> {
    let words = Arguments(line).skip(1).take(WORDS);
    // It is no word for what could be watched, either.
    if words.clone().last() == Some(b"noreply") {
        return Err(Answer::Nothing);
    }
    if !server.settings.permissions.watching || server.report.client == Report::DATAGRAMS {
        return Err(NOT_ALLOWED);
    }
    let mut kinds = Kinds::default();
    if words.clone().next().is_none() {
        kinds = kinds.and(Kind::Fetch);
    }
    for word in words {
        kinds = match word {
            b"fetchers" => kinds.and(Kind::Fetch),
            b"mutations" => kinds.and(Kind::Mutation),
            b"evictions" => kinds.and(Kind::Eviction),
            b"connevents" => kinds.and(Kind::Connection),
            b"rawcmds" | b"sysevents" | b"proxyreqs" | b"proxyevents" | b"proxyuser" => kinds,
            _ => return Err(reply::ERROR),
        };
    }
    server.report.reporter().board().admit(kinds).map(Watching::new).ok_or(TOO_MANY)
}

/// The words of a line.
#[derive(Clone)]
struct Arguments<'a>(&'a [u8]);

impl<'a> Iterator for Arguments<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (word, rest) = next_word(self.0)?;
        self.0 = rest;
        Some(word)
    }
}

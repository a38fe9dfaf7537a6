//! Requests, and answers as they come in, in pieces.
//!
//! ```text
//! text  meta  binary   how each writes requests and heads its answers
//! resp  echo           the same for redis, and for what sends everything back
//! answer               what follows a head: a value, checked where it lies, and a tail
//! frame                datagrams
//! server               the other side, for checks of the generator itself
//! ```
//!
//! Pure functions of bytes: called by the engine, which knows the connection and the record.

mod answer;
mod binary;
mod echo;
pub(super) mod frame;
mod meta;
mod resp;
mod server;
mod text;

use super::decimal::append_number;
use super::workload::{Operation, Record};
pub(super) use answer::{Progress, Step};
pub(super) use server::answer_to;

/// Dialects of the protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// `get` and `set`.
    #[default]
    Text,
    /// `mg` and `ms`.
    Meta,
    /// The binary one.
    Binary,
    /// Redis's.
    Resp,
    /// None: what is sent comes back.
    Echo,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Protocol; 5] = [Protocol::Text, Protocol::Meta, Protocol::Binary, Protocol::Resp, Protocol::Echo];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Text => "text",
            Protocol::Meta => "meta",
            Protocol::Binary => "binary",
            Protocol::Resp => "resp",
            Protocol::Echo => "echo",
        }
    }
}

/// A request that is under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'a> {
    pub(super) operation: Operation,
    pub(super) record: Record<'a>,
}

/// What an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The value, and it is the right one.
    Hit,
    /// There is none.
    Miss,
    /// The value was stored.
    Stored,
    /// The server was not able to.
    Refused,
}

/// An answer that is none, or not that of the request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// Not what the protocol allows here.
    #[error("expected {expected}, received \"{received}\"")]
    Nonsense {
        /// What the protocol allows.
        expected: &'static str,
        /// The first bytes that came instead.
        received: String,
    },
    /// Another value than what was stored.
    #[error("the value of the key {key} is not the one stored: {difference}")]
    Value {
        /// Which.
        key: String,
        /// In what it differs.
        difference: String,
    },
}

/// What the head of an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Head {
    /// This was all.
    Answered(Outcome),
    /// A value of so many bytes follows.
    Value(usize),
    /// Bytes that mean nothing follow: the text of an error.
    Skip(usize, Outcome),
}

impl Protocol {
    /// Appends a request.
    #[inline]
    pub(super) fn compose(self, request: &Request<'_>, out: &mut Vec<u8>) {
        match self {
            Protocol::Text => text::compose(request, out),
            Protocol::Meta => meta::compose(request, out),
            Protocol::Binary => binary::compose(request, out),
            Protocol::Resp => resp::compose(request, out),
            Protocol::Echo => echo::compose(request, out),
        }
    }

    /// Bytes of a head that begins with `bytes`, or `None` as long as they do not show it.
    #[inline]
    fn head_len(self, bytes: &[u8]) -> Option<usize> {
        match self {
            Protocol::Text | Protocol::Meta | Protocol::Resp | Protocol::Echo => {
                memchr::memchr(b'\n', bytes).map(|end| end + 1)
            }
            Protocol::Binary => binary::head_len(bytes),
        }
    }

    /// Reads a whole head.
    #[inline]
    fn head(self, request: &Request<'_>, head: &[u8]) -> Result<Head, Wrong> {
        match self {
            Protocol::Text => text::head(request, head),
            Protocol::Meta => meta::head(request, head),
            Protocol::Binary => binary::head(request, head),
            Protocol::Resp => resp::head(request, head),
            Protocol::Echo => echo::head(request, head),
        }
    }

    /// Appends the head of the answer to a read that finds its record.
    #[inline(always)]
    fn append_hit_head(self, record: &Record<'_>, out: &mut Vec<u8>) {
        match self {
            Protocol::Text | Protocol::Echo => text::append_hit_head(record, out),
            Protocol::Meta => meta::append_hit_head(record, out),
            Protocol::Binary => binary::append_hit_head(record, out),
            Protocol::Resp => resp::append_hit_head(record, out),
        }
    }

    /// What follows a value.
    fn tail(self) -> &'static [u8] {
        match self {
            Protocol::Text | Protocol::Echo => b"\r\nEND\r\n",
            Protocol::Meta | Protocol::Resp => b"\r\n",
            Protocol::Binary => b"",
        }
    }
}

impl Wrong {
    /// Something else than what was expected.
    #[cold]
    pub(super) fn nonsense(expected: &'static str, received: &[u8]) -> Wrong {
        /// What is shown of it.
        const SHOWN: usize = 64;
        let shown = &received[..received.len().min(SHOWN)];
        let more = if received.len() > SHOWN { "..." } else { "" };
        Wrong::Nonsense { expected, received: format!("{}{more}", shown.escape_ascii()) }
    }

    /// Another value.
    #[cold]
    fn value(record: Record<'_>, difference: String) -> Wrong {
        Wrong::Value { key: record.key(), difference }
    }
}

/// The number that decimal digits stand for.
#[inline]
fn number(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() || digits.len() > 9 {
        return None;
    }
    digits.iter().try_fold(0, |number, digit| match digit {
        b'0'..=b'9' => Some(number * 10 + usize::from(digit - b'0')),
        _ => None,
    })
}

/// Whether a line says that the server was not able to, rather than that it was not understood.
fn is_refusal(line: &[u8]) -> bool {
    line.starts_with(b"SERVER_ERROR ")
}

#[cfg(test)]
mod tests;

//! Replies of one line.

use super::line::Reply;
use super::number::Decimal;
use super::output::Output;

/// What a command answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Nothing: the client asked for silence.
    Nothing,
    /// A line.
    Line(&'static str),
    /// A number.
    Number(u64),
}

pub(super) const ERROR: Answer = Answer::Line("ERROR");
pub(super) const END: Answer = Answer::Line("END");
pub(super) const OK: Answer = Answer::Line("OK");
pub(super) const STORED: Answer = Answer::Line("STORED");
pub(super) const NOT_STORED: Answer = Answer::Line("NOT_STORED");
pub(super) const EXISTS: Answer = Answer::Line("EXISTS");
pub(super) const NOT_FOUND: Answer = Answer::Line("NOT_FOUND");
pub(super) const BAD_FORMAT: Answer = Answer::Line("CLIENT_ERROR bad command line format");
pub(super) const BAD_EXPTIME: Answer = Answer::Line("CLIENT_ERROR invalid exptime argument");
pub(super) const BAD_CHUNK: Answer = Answer::Line("CLIENT_ERROR bad data chunk");
pub(super) const TOO_LARGE: Answer = Answer::Line("SERVER_ERROR object too large for cache");
pub(super) const NO_MEMORY: Answer = Answer::Line("SERVER_ERROR out of memory storing object");

impl Answer {
    /// This answer, or nothing if the client asked for silence. As in 1.6.18, `noreply` silences errors too, except those
    /// of memory.
    pub(super) fn unless_silent(self, reply: Reply) -> Answer {
        match reply {
            Reply::Wanted => self,
            Reply::Silent => Answer::Nothing,
        }
    }

    /// Writes the line.
    pub(super) fn write(self, out: &mut impl Output) {
        match self {
            Answer::Nothing => {}
            Answer::Line(line) => write_line(line.as_bytes(), out),
            Answer::Number(number) => write_line(Decimal::new(number).text(), out),
        }
    }
}

fn write_line(text: &[u8], out: &mut impl Output) {
    match out.piece(text.len() + 2) {
        Some(piece) => {
            let (line, end) = piece.split_at_mut(text.len());
            line.copy_from_slice(text);
            end.copy_from_slice(b"\r\n");
        }
        None => {
            out.write(text);
            out.write(b"\r\n");
        }
    }
}

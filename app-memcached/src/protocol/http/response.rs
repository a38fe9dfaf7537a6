//! Answers.

use core::fmt::Write as _;

use heapless::String;

use super::super::output::Output;
use super::super::server::Server;
use super::super::step::REPLY_ROOM;
use super::date::Date;

/// A status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    Ok = 200,
    BadRequest = 400,
    NotFound = 404,
    MethodNotAllowed = 405,
    TargetTooLong = 414,
    HeadTooLarge = 431,
    VersionNotSupported = 505,
}

impl Code {
    fn reason(self) -> &'static str {
        match self {
            Code::Ok => "OK",
            Code::BadRequest => "Bad Request",
            Code::NotFound => "Not Found",
            Code::MethodNotAllowed => "Method Not Allowed",
            Code::TargetTooLong => "URI Too Long",
            Code::HeadTooLarge => "Request Header Fields Too Large",
            Code::VersionNotSupported => "HTTP Version Not Supported",
        }
    }
}

/// How the body of an answer is sent, if its length is not known before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::protocol) enum Body {
    /// Not at all, for `HEAD`.
    Absent,
    /// As it is, until the connection is closed.
    Whole,
    /// In chunks (RFC 9112, section 7.1).
    Chunked,
}

/// What follows an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::protocol) enum After {
    /// Another request, perhaps.
    Stay,
    /// The end.
    Close,
}

/// What all answers to a request have in common.
pub(super) struct Sender<'a> {
    pub(super) after: After,
    pub(super) server: &'a Server,
}

/// The longest head fits.
type Head = String<{ REPLY_ROOM / 2 }>;

impl Sender<'_> {
    /// Sends an answer whose text is that of its code.
    pub(super) fn send_text(&self, code: Code, body: Body, out: &mut impl Output) {
        let text = if code == Code::Ok { "ok" } else { code.reason() };
        let mut head = self.head(code);
        if code == Code::MethodNotAllowed {
            let _ = head.push_str("Allow: GET, HEAD\r\n"); // fits
        }
        let _ = write!(head, "Content-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\r\n", text.len() + 1);
        out.write(head.as_bytes());
        if body != Body::Absent {
            out.write(text.as_bytes());
            out.write(b"\n");
        }
    }

    /// Begins to send metrics.
    pub(super) fn begin_metrics(&self, body: Body, out: &mut impl Output) {
        let mut head = self.head(Code::Ok);
        let _ = head.push_str("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"); // fits
        if body == Body::Chunked {
            let _ = head.push_str("Transfer-Encoding: chunked\r\n");
        }
        out.write(head.as_bytes());
        out.write(b"\r\n");
    }

    fn head(&self, code: Code) -> Head {
        let mut head = Head::new();
        let date = Date(self.server.unix_seconds());
        let _ = write!(head, "HTTP/1.1 {} {}\r\nDate: {date}\r\n", code as u16, code.reason()); // fits
        if self.after == After::Close {
            let _ = head.push_str("Connection: close\r\n");
        }
        head
    }
}

/// Writes a part of a body.
pub(super) fn write_part(text: &str, body: Body, out: &mut impl Output) {
    if body == Body::Chunked {
        let mut size = String::<16>::new();
        let _ = write!(size, "{:x}\r\n", text.len()); // fits
        out.write(size.as_bytes());
    }
    out.write(text.as_bytes());
    if body == Body::Chunked {
        out.write(b"\r\n");
    }
}

/// Writes what comes behind the last part.
pub(super) fn write_end(body: Body, out: &mut impl Output) {
    if body == Body::Chunked {
        out.write(b"0\r\n\r\n");
    }
}

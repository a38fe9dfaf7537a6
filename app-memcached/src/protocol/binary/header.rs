//! The header of frames.
//!
//! ```text
//! 0       1        2         4            5        6               8          12       16    24
//! | magic | opcode | key len | extras len | type 0 | status (or 0) | body len | opaque | cas |
//! ```

use super::super::output::Output;

/// The first byte of a request.
pub(in crate::protocol) const MAGIC: u8 = 0x80;

/// The first byte of a response.
const RESPONSE: u8 = 0x81;

/// Bytes of a header.
pub(super) const HEADER: usize = 24;

/// What a response says about success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum Status {
    Success = 0,
    NotFound = 1,
    Exists = 2,
    TooLarge = 3,
    InvalidArguments = 4,
    NotStored = 5,
    NotNumeric = 6,
    NotAllowed = 0x20,
    UnknownCommand = 0x81,
    OutOfMemory = 0x82,
}

impl Status {
    /// The body of a response with this status.
    pub(super) fn text(self) -> &'static str {
        match self {
            Status::Success => "",
            Status::NotFound => "Not found",
            Status::Exists => "Data exists for key.",
            Status::TooLarge => "Too large.",
            Status::InvalidArguments => "Invalid arguments",
            Status::NotStored => "Not stored.",
            Status::NotNumeric => "Non-numeric server-side value for incr or decr",
            Status::NotAllowed => "Auth failure.",
            Status::UnknownCommand => "Unknown command",
            Status::OutOfMemory => "Out of memory",
        }
    }
}

/// A request's header.
#[derive(Clone, Copy, Debug)]
pub(in crate::protocol) struct Header {
    pub(super) magic: u8,
    pub(super) opcode: u8,
    pub(super) key_len: u16,
    pub(super) extras_len: u8,
    pub(super) body_len: u32,
    /// Comes back as it is.
    pub(super) opaque: [u8; 4],
    pub(super) cas: u64,
}

/// What a response is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body {
    pub(super) extras: usize,
    pub(super) key: usize,
    pub(super) value: usize,
    pub(super) cas: u64,
}

/// A body of nothing.
pub(super) const EMPTY: Body = Body { extras: 0, key: 0, value: 0, cas: 0 };

impl Header {
    /// The header at the start of `input`, if it is there as a whole.
    pub(super) fn parse(input: &[u8]) -> Option<Header> {
        let [magic, opcode, k0, k1, extras_len, _, _, _, b0, b1, b2, b3, o0, o1, o2, o3, cas @ ..] =
            *input.first_chunk::<HEADER>()?;
        Some(Header {
            magic,
            opcode,
            key_len: u16::from_be_bytes([k0, k1]),
            extras_len,
            body_len: u32::from_be_bytes([b0, b1, b2, b3]),
            opaque: [o0, o1, o2, o3],
            cas: u64::from_be_bytes(cas),
        })
    }

    /// The header of a response to this request.
    pub(super) fn response(&self, status: Status, body: Body) -> [u8; HEADER] {
        respond(self.opcode, self.opaque, status, body)
    }

    /// Writes a response that says why not.
    pub(super) fn refuse(&self, status: Status, out: &mut impl Output) {
        refuse(self.opcode, self.opaque, status, status.text(), out);
    }

    /// Writes the same, in other words.
    pub(super) fn refuse_with(&self, status: Status, text: &str, out: &mut impl Output) {
        refuse(self.opcode, self.opaque, status, text, out);
    }
}

/// The header of a response to a request with this opcode and opaque value.
pub(super) fn respond(opcode: u8, opaque: [u8; 4], status: Status, body: Body) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    let len = (body.extras + body.key + body.value) as u32;
    header[0] = RESPONSE;
    header[1] = opcode;
    header[2..4].copy_from_slice(&(body.key as u16).to_be_bytes());
    header[4] = body.extras as u8;
    header[6..8].copy_from_slice(&(status as u16).to_be_bytes());
    header[8..12].copy_from_slice(&len.to_be_bytes());
    header[12..16].copy_from_slice(&opaque);
    header[16..24].copy_from_slice(&body.cas.to_be_bytes());
    header
}

/// Writes a response that says why not.
pub(super) fn refuse(opcode: u8, opaque: [u8; 4], status: Status, text: &str, out: &mut impl Output) {
    out.write(&respond(opcode, opaque, status, Body { value: text.len(), ..EMPTY }));
    out.write(text.as_bytes());
}

//! The head of a request, line by line.

use super::response::{After, Body, Code};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resource {
    Metrics,
    Health,
    /// Nothing that is here.
    Other,
}

/// What is known so far of a request whose head is not complete.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::protocol) struct Head {
    line: Option<RequestLine>,
    bytes: u16,
    hosts: u8,
    wants_close: bool,
    has_body: bool,
}

#[derive(Clone, Copy, Debug)]
struct RequestLine {
    method: Method,
    resource: Resource,
    minor: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Get,
    Head,
    Other,
}

/// A request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub(super) resource: Resource,
    /// Whether it is `GET` or `HEAD`.
    pub(super) is_read: bool,
    pub(super) body: Body,
    pub(super) after: After,
}

impl Head {
    /// Bytes so far.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.into()
    }

    /// Whether the request line is still to come.
    pub(super) fn is_empty(&self) -> bool {
        self.line.is_none()
    }

    /// Takes a line without its end, of `bytes` bytes with it. Returns the request with its last line, the empty one.
    pub(super) fn take(&mut self, line: &[u8], bytes: usize) -> Result<Option<Request>, Code> {
        self.bytes += bytes as u16; // MAX_HEAD at most
        match self.line {
            // An empty line or so before a request does no harm (RFC 9112, section 2.2).
            None if line.is_empty() => Ok(None),
            None => {
                self.line = Some(RequestLine::parse(line)?);
                Ok(None)
            }
            Some(request) if line.is_empty() => self.complete(request).map(Some),
            Some(_) => self.take_field(line).map(|()| None),
        }
    }

    fn complete(&self, RequestLine { method, resource, minor }: RequestLine) -> Result<Request, Code> {
        // RFC 9112, section 3.2.
        if self.hosts > 1 || (minor > 0 && self.hosts == 0) {
            return Err(Code::BadRequest);
        }
        let body = match (method, minor) {
            (Method::Head, _) => Body::Absent,
            (_, 0) => Body::Whole,
            _ => Body::Chunked,
        };
        let stays = minor > 0 && !self.wants_close && !self.has_body;
        let after = if stays { After::Stay } else { After::Close };
        Ok(Request { resource, is_read: method != Method::Other, body, after })
    }

    /// Takes a field line (RFC 9112, section 5). Folded ones are refused.
    fn take_field(&mut self, line: &[u8]) -> Result<(), Code> {
        let colon = line.iter().position(|&byte| byte == b':').ok_or(Code::BadRequest)?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if !is_token(name) || value.iter().any(|&byte| byte < b' ' && byte != b'\t' || byte == 0x7f) {
            return Err(Code::BadRequest);
        }
        if name.eq_ignore_ascii_case(b"host") {
            self.hosts = self.hosts.saturating_add(1);
        } else if name.eq_ignore_ascii_case(b"connection") {
            let mut options = value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
            self.wants_close |= options.any(|option| option.eq_ignore_ascii_case(b"close"));
        } else if name.eq_ignore_ascii_case(b"content-length") {
            if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
                return Err(Code::BadRequest);
            }
            self.has_body |= value.iter().any(|&digit| digit != b'0');
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.has_body = true;
        }
        Ok(())
    }
}

impl RequestLine {
    /// `<method> <target> HTTP/1.<minor>`
    fn parse(line: &[u8]) -> Result<RequestLine, Code> {
        let mut words = line.split(|&byte| byte == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(Code::BadRequest);
        };
        if !is_token(method) || target.is_empty() || !target.iter().all(u8::is_ascii_graphic) {
            return Err(Code::BadRequest);
        }
        let method = match method {
            b"GET" => Method::Get,
            b"HEAD" => Method::Head,
            _ => Method::Other,
        };
        let minor = match version.strip_prefix(b"HTTP/").ok_or(Code::BadRequest)? {
            [b'1', b'.', minor @ b'0'..=b'9'] => minor - b'0',
            [b'0'..=b'9', b'.', b'0'..=b'9'] => return Err(Code::VersionNotSupported),
            _ => return Err(Code::BadRequest),
        };
        Ok(RequestLine { method, resource: resource(target), minor })
    }
}

/// What a target names, with or without the server before it (RFC 9112, section 3.2), and whatever its query.
fn resource(target: &[u8]) -> Resource {
    let path = match target.get(..7) {
        Some(scheme) if scheme.eq_ignore_ascii_case(b"http://") => {
            let rest = &target[7..];
            &rest[rest.iter().position(|&byte| byte == b'/').unwrap_or(rest.len())..]
        }
        _ => target,
    };
    match path.split(|&byte| byte == b'?').next() {
        Some(b"/metrics") => Resource::Metrics,
        Some(b"/healthz") => Resource::Health,
        _ => Resource::Other,
    }
}

/// Whether it is a token (RFC 9110, section 5.6.2).
fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

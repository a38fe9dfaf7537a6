//! What connections speak, and whether items have CAS values.

/// What connections speak (`-B`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speech {
    /// What the first byte of each says.
    Auto,
    /// Text.
    Ascii,
    /// Frames.
    Binary,
}

/// Whether items have CAS values (`-C`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CasUse {
    /// They have.
    Enabled,
    /// Clients are told of 0s, and no value that they give matches.
    Disabled,
}

/// A CAS value that no item has.
const NO_CAS: u64 = u64::MAX;

/// How the server differs from one without options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// What connections speak.
    pub speech: Speech,
    /// Whether items have CAS values.
    pub cas: CasUse,
    /// Seconds without a request after which a connection is closed (`-o idle_timeout`); 0: never.
    pub idle_timeout_s: u32,
}

impl Dialect {
    /// As memcached's without options.
    pub const DEFAULT: Dialect = Dialect { speech: Speech::Auto, cas: CasUse::Enabled, idle_timeout_s: 0 };

    /// What a client is told of the CAS value of an item.
    pub(super) fn told(self, cas: u64) -> u64 {
        match self.cas {
            CasUse::Enabled => cas,
            CasUse::Disabled => 0,
        }
    }

    /// What the CAS value that a client asks for is compared as.
    pub(super) fn asked(self, cas: u64) -> u64 {
        match self.cas {
            CasUse::Enabled => cas,
            CasUse::Disabled => NO_CAS,
        }
    }

    /// The same where 0 asks for nothing.
    pub(super) fn asked_unless_zero(self, cas: u64) -> u64 {
        if cas == 0 { 0 } else { self.asked(cas) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::testkit::Client;

    fn client(dialect: Dialect) -> Client {
        let mut client = Client::new();
        client.server.settings.dialect = dialect;
        client
    }

    /// A frame with this opcode, extras, key and value, and a CAS value.
    fn frame(opcode: u8, extras: &[u8], body: &[u8], cas: u64) -> Vec<u8> {
        let len = (extras.len() + body.len()) as u8;
        let head = [0x80, opcode, 0, 1, extras.len() as u8, 0, 0, 0, 0, 0, 0, len, 0, 0, 0, 7];
        [&head[..], &cas.to_be_bytes(), extras, body].concat()
    }

    /// What 1.6.18 answers with `-C`, one after the other.
    #[test]
    fn without_cas_values_text_answers_as_memcached_does() {
        let mut client = client(Dialect { cas: CasUse::Disabled, ..Dialect::DEFAULT });
        for (request, expected) in [
            ("set a 0 0 1\r\n1\r\n", "STORED\r\n"),
            ("gets a\r\n", "VALUE a 0 1 0\r\n1\r\nEND\r\n"),
            ("cas a 0 0 1 0\r\n2\r\n", "EXISTS\r\n"),
            ("cas a 0 0 1 5\r\n3\r\n", "EXISTS\r\n"),
            ("cas nokey 0 0 1 5\r\n3\r\n", "NOT_FOUND\r\n"),
            ("mg a c v\r\n", "VA 1 c0\r\n1\r\n"),
            ("ms a 1 c\r\n4\r\n", "HD c0\r\n"),
            ("ms a 1 C5 c\r\n5\r\n", "EX c0\r\n"),
            ("ms a 1 C0 c\r\n6\r\n", "EX c0\r\n"),
            ("md a C7\r\n", "EX\r\n"),
            ("ms a 1\r\n1\r\n", "HD\r\n"),
            ("ma a C9 c v\r\n", "EX\r\n"),
            ("ma a c v\r\n", "VA 1 c0\r\n2\r\n"),
            ("gats 0 a\r\n", "VALUE a 0 1 0\r\n2\r\nEND\r\n"),
            ("md a C0\r\n", "HD\r\n"),
            ("get a\r\n", "END\r\n"),
        ] {
            assert_eq!(client.send(request.as_bytes()), expected.as_bytes(), "{request}");
        }
    }

    #[test]
    fn without_cas_values_frames_answer_as_memcached_does() {
        const NO_CAS: &[u8] = &[0; 8];
        let mut client = client(Dialect { cas: CasUse::Disabled, ..Dialect::DEFAULT });
        let number = [&1_u64.to_be_bytes()[..], &5_u64.to_be_bytes(), &[0; 4]].concat();
        for (request, status) in [
            (frame(1, &[0; 8], b"kv", 0), 0),
            (frame(0, &[], b"k", 0), 0),
            (frame(1, &[0; 8], b"kw", 5), 0),
            (frame(4, &[], b"k", 5), 2),
            (frame(5, &number, b"n", 0), 0),
            (frame(5, &number, b"n", 5), 2),
            (frame(0x1c, &[0; 4], b"k", 0), 0),
            (frame(4, &[], b"k", 0), 0),
        ] {
            let answer = client.send(&request);
            assert_eq!((answer[7], &answer[16..24]), (status, NO_CAS), "{request:?}");
        }
    }

    #[test]
    fn a_fixed_protocol_is_spoken_whatever_comes_first() {
        let get = frame(0, &[], b"k", 0);
        let ascii = Dialect { speech: Speech::Ascii, ..Dialect::DEFAULT };
        assert_eq!(client(ascii).send(&get), b"", "a line that does not end");
        assert_eq!(client(ascii).send(&[&get[..], b"\r\n"].concat()), b"ERROR\r\n");
        let binary = Dialect { speech: Speech::Binary, ..Dialect::DEFAULT };
        assert_eq!(client(binary).send(&get)[..2], [0x81, 0]);
        assert_eq!(client(binary).send(b"version\r\n"), b"<closed>");
        assert_eq!(client(binary).send(&[b'g'; 24]), b"<closed>");
    }
}

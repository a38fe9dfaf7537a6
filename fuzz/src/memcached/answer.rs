//! What is to come, and whether it came.

/// A part of what is to come.
#[derive(Clone, Debug)]
pub(super) enum Part {
    /// These bytes.
    Bytes(Vec<u8>),
    /// What an administrator asks for: a line, or a listing that ends with `END`.
    Told(Silence),
    /// The same in frames: those of statistics with this opaque value up to an empty one, or one that refuses.
    Frames([u8; 4]),
}

/// Whether there may be no answer at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    Possible,
    Impossible,
}

/// How much of it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    All,
    /// Perhaps only a beginning.
    Beginning,
}

/// What listings begin with, and what they end with.
const LISTINGS: [(&[u8], &[u8]); 7] = [
    (b"STAT ", b"END\r\n"),
    (b"ITEM ", b"END\r\n"),
    (b"CONFIG ", b"END\r\n"),
    (b"key=", b"END\r\n"),
    (b"END\r\n", b"END\r\n"),
    (b"mg ", b"EN\r\n"),
    (b"EN\r\n", b"EN\r\n"),
];

/// Whether `bytes` is what was to come.
pub(super) fn is_as_expected(bytes: &[u8], parts: &[Part], extent: Extent) -> bool {
    let Some((part, rest)) = parts.split_first() else { return bytes.is_empty() };
    let is_cut = |bytes: &[u8]| extent == Extent::Beginning && bytes.is_empty();
    match part {
        Part::Bytes(expected) => match bytes.strip_prefix(&expected[..]) {
            Some(bytes) => is_as_expected(bytes, rest, extent),
            None => extent == Extent::Beginning && expected.starts_with(bytes),
        },
        Part::Told(silence) => {
            let says_nothing = *silence == Silence::Possible && is_as_expected(bytes, rest, extent);
            says_nothing
                || match end_of_listing(bytes) {
                    Some(end) => is_as_expected(&bytes[end..], rest, extent),
                    None => extent == Extent::Beginning,
                }
        }
        Part::Frames(opaque) => match end_of_frames(bytes, opaque) {
            Some(end) => is_as_expected(&bytes[end..], rest, extent),
            None => is_cut(bytes) || extent == Extent::Beginning,
        },
    }
}

/// Where a line ends, or a listing that begins with it.
fn end_of_listing(bytes: &[u8]) -> Option<usize> {
    let Some((_, last)) = LISTINGS.iter().find(|(first, _)| bytes.starts_with(first)) else {
        return bytes.windows(2).position(|two| two == b"\r\n").map(|at| at + 2);
    };
    let is_line = |at: &usize| bytes[*at..].starts_with(last) && (*at == 0 || bytes[at - 1] == b'\n');
    (0..bytes.len()).find(is_line).map(|at| at + last.len())
}

/// Where frames of statistics end.
fn end_of_frames(bytes: &[u8], opaque: &[u8; 4]) -> Option<usize> {
    let mut at = 0;
    loop {
        let header = bytes.get(at..at + 24)?;
        assert_eq!((header[0], header[1], &header[12..16]), (0x81, 0x10, &opaque[..]), "a frame of statistics");
        let len = u32::from_be_bytes([header[8], header[9], header[10], header[11]]) as usize;
        at += 24 + len;
        if len == 0 || header[6..8] != [0, 0] {
            return (at <= bytes.len()).then_some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_listings() {
        let parts = [Part::Told(Silence::Possible), Part::Bytes(b"MN\r\n".to_vec())];
        for bytes in [&b"MN\r\n"[..], b"OK\r\nMN\r\n", b"STAT a 1\r\nSTAT b 2\r\nEND\r\nMN\r\n"] {
            assert!(is_as_expected(bytes, &parts, Extent::All));
            (0..bytes.len()).for_each(|end| assert!(is_as_expected(&bytes[..end], &parts, Extent::Beginning)));
        }
        for bytes in [&b""[..], b"MX\r\n", b"OK\r\nOK\r\nMN\r\n", b"STAT a 1\r\nMN\r\n", b"MN\r\nMN"] {
            assert!(!is_as_expected(bytes, &parts, Extent::All), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn frames() {
        let frame = |status: u8, body: &[u8]| {
            let header = [&[0x81, 0x10, 0, 0, 0, 0, 0, status, 0, 0, 0, body.len() as u8, 1, 2, 3, 4][..], &[0; 8]];
            [&header.concat()[..], body].concat()
        };
        let parts = [Part::Frames([1, 2, 3, 4])];
        assert!(is_as_expected(&[frame(0, b"ab"), frame(0, b"")].concat(), &parts, Extent::All));
        assert!(is_as_expected(&frame(1, b"Not found"), &parts, Extent::All));
        assert!(!is_as_expected(&frame(0, b"ab"), &parts, Extent::All));
    }
}

//! TCP options (RFC 9293, section 3.1; RFC 7323, section 2): MSS and window scale, both on SYN segments only.

/// The options of a SYN that mean something to us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SynOptions {
    /// Maximum segment size.
    pub(crate) mss: Option<u16>,
    /// Window shift, at most 14.
    pub(crate) window_shift: Option<u8>,
}

const END: u8 = 0;
const NOP: u8 = 1;
const MSS: u8 = 2;
const WINDOW_SCALE: u8 = 3;

/// The greatest window shift (RFC 7323, section 2.3): a greater one counts as this.
const MAX_SHIFT: u8 = 14;

/// The longest options that we send: MSS, NOP and window scale.
pub(crate) const MAX_LEN: usize = 8;

impl SynOptions {
    /// Reads options. Unknown ones are skipped; what follows a malformed one is ignored, as is a wrong length.
    pub(crate) fn parse(mut bytes: &[u8]) -> SynOptions {
        let mut options = SynOptions::default();
        loop {
            bytes = match *bytes {
                [] | [END, ..] => return options,
                [NOP, ref rest @ ..] => rest,
                [kind, len, ..] if len >= 2 && usize::from(len) <= bytes.len() => {
                    let (option, rest) = bytes.split_at(len.into());
                    match (kind, &option[2..]) {
                        (MSS, &[high, low]) => options.mss = Some(u16::from_be_bytes([high, low])),
                        (WINDOW_SCALE, &[shift]) => options.window_shift = Some(shift.min(MAX_SHIFT)),
                        _ => {}
                    }
                    rest
                }
                _ => return options,
            };
        }
    }

    /// Writes the options and returns how many bytes they take, a multiple of four.
    pub(crate) fn emit(self, out: &mut [u8; MAX_LEN]) -> usize {
        let mut len = 0;
        if let Some(mss) = self.mss {
            let [high, low] = mss.to_be_bytes();
            out[..4].copy_from_slice(&[MSS, 4, high, low]);
            len += 4;
        }
        if let Some(shift) = self.window_shift {
            out[len..len + 4].copy_from_slice(&[NOP, WINDOW_SCALE, 3, shift]);
            len += 4;
        }
        len
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_linux_sends() {
        // MSS 1460, SACK permitted, timestamps, NOP, window scale 7
        let bytes = [2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7];
        assert_eq!(SynOptions::parse(&bytes), SynOptions { mss: Some(1460), window_shift: Some(7) });
    }

    #[test]
    fn lengths_that_lie_end_the_options() {
        for bytes in [&[2, 0, 5, 0xb4][..], &[2, 1, 5], &[2], &[2, 5, 5, 0xb4], &[3, 9, 1], &[99, 255]] {
            assert_eq!(SynOptions::parse(bytes), SynOptions::default(), "{bytes:?}");
        }
        assert_eq!(SynOptions::parse(&[3, 3, 255]).window_shift, Some(14));
        assert_eq!(SynOptions::parse(&[0, 2, 4, 1, 1]), SynOptions::default());
        assert_eq!(SynOptions::parse(&[2, 3, 5, 3, 3, 2]), SynOptions { mss: None, window_shift: Some(2) });
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..41)) {
            SynOptions::parse(&bytes);
        }

        #[test]
        fn what_is_emitted_is_parsed(mss in any::<Option<u16>>(), shift in proptest::option::of(0u8..=14)) {
            let options = SynOptions { mss, window_shift: shift };
            let mut bytes = [0; MAX_LEN];
            let len = options.emit(&mut bytes);
            prop_assert_eq!(len % 4, 0);
            prop_assert_eq!(SynOptions::parse(&bytes[..len]), options);
        }
    }
}

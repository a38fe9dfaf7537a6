//! TCP options: MSS (RFC 9293, section 3.7.1), window scale and timestamps (RFC 7323), SACK (RFC 2018).

use super::seq::SeqNum;

/// The options of a segment that mean something to us. MSS, window scale and SACK-permitted mean it on SYN segments only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// Maximum segment size.
    pub(crate) mss: Option<u16>,
    /// Window shift, at most 14.
    pub(crate) window_shift: Option<u8>,
    /// The sender takes SACK blocks.
    pub(crate) sack_permitted: bool,
    /// The sender's clock, and ours as it came back.
    pub(crate) timestamps: Option<Timestamps>,
    /// What the sender holds beyond its acknowledgement.
    pub(crate) sack: SackBlocks,
}

/// The timestamps option (RFC 7323, section 3.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Timestamps {
    /// TSval: the sender's clock.
    pub(crate) value: u32,
    /// TSecr: a value of the receiver's, returned; means something only with ACK.
    pub(crate) echo: u32,
}

/// Payload received out of order: from `start` to before `end` (RFC 2018, section 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SackBlock {
    /// First byte.
    pub(crate) start: SeqNum,
    /// Behind the last byte.
    pub(crate) end: SeqNum,
}

/// Blocks of one option, at most four.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SackBlocks {
    blocks: [SackBlock; MAX_BLOCKS],
    len: u8,
}

const END: u8 = 0;
const NOP: u8 = 1;
const MSS: u8 = 2;
const WINDOW_SCALE: u8 = 3;
const SACK_PERMITTED: u8 = 4;
const SACK: u8 = 5;
const TIMESTAMPS: u8 = 8;

/// Bytes that timestamps take on every segment: the option, aligned by two NOPs (RFC 7323, appendix A).
pub(crate) const TIMESTAMPS_LEN: usize = 12;
/// How those bytes begin.
const TIMESTAMPS_ALIGNED: [u8; 4] = [NOP, NOP, TIMESTAMPS, 10];

/// The greatest window shift (RFC 7323, section 2.3): a greater one counts as this.
pub(crate) const MAX_SHIFT: u8 = 14;
/// Blocks that fit into an option without timestamps.
pub(crate) const MAX_BLOCKS: usize = 4;

impl SackBlocks {
    /// Adds a block; one too many is left out.
    pub(crate) fn push(&mut self, block: SackBlock) {
        if let Some(place) = self.blocks.get_mut(usize::from(self.len)) {
            *place = block;
            self.len += 1;
        }
    }
}

impl core::ops::Deref for SackBlocks {
    type Target = [SackBlock];

    fn deref(&self) -> &[SackBlock] {
        &self.blocks[..usize::from(self.len).min(MAX_BLOCKS)]
    }
}

impl PartialEq for SackBlocks {
    fn eq(&self, other: &SackBlocks) -> bool {
        **self == **other
    }
}

impl Eq for SackBlocks {}

impl Options {
    /// Reads options: unknown ones are skipped, as are those of a wrong length; what follows a malformed one is ignored, and
    /// of one that comes twice the last counts. Nearly all segments have timestamps as everybody aligns them, or nothing.
    #[inline]
    pub(crate) fn parse(bytes: &[u8]) -> Options {
        let mut options = Options::default();
        match bytes {
            [] => {}
            [NOP, NOP, TIMESTAMPS, 10, rest @ ..] if rest.len() == TIMESTAMPS_LEN - 4 => {
                options.timestamps = Timestamps::parse(rest);
            }
            _ => options.parse_any(bytes),
        }
        options
    }

    #[cold]
    fn parse_any(&mut self, mut bytes: &[u8]) {
        loop {
            bytes = match *bytes {
                [] | [END, ..] => return,
                [NOP, ref rest @ ..] => rest,
                [kind, len, ..] if len >= 2 && usize::from(len) <= bytes.len() => {
                    let (option, rest) = bytes.split_at(len.into());
                    self.parse_one(kind, &option[2..]);
                    rest
                }
                _ => return,
            };
        }
    }

    fn parse_one(&mut self, kind: u8, value: &[u8]) {
        match (kind, value) {
            (MSS, &[high, low]) => self.mss = Some(u16::from_be_bytes([high, low])),
            (WINDOW_SCALE, &[shift]) => self.window_shift = Some(shift.min(MAX_SHIFT)),
            (SACK_PERMITTED, []) => self.sack_permitted = true,
            (TIMESTAMPS, value) if value.len() == 8 => self.timestamps = Timestamps::parse(value),
            (SACK, value) if value.len().is_multiple_of(8) => {
                for block in value.as_chunks::<8>().0 {
                    let [a, b, c, d, e, f, g, h] = *block;
                    let (start, end) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
                    self.sack.push(SackBlock { start: SeqNum(start), end: SeqNum(end) });
                }
            }
            _ => {}
        }
    }

    /// Whether there are timestamps and nothing else.
    #[inline]
    pub(crate) fn are_timestamps(&self) -> bool {
        let of_syn = self.mss.is_some() || self.window_shift.is_some() || self.sack_permitted;
        self.timestamps.is_some() && !of_syn && self.sack.is_empty()
    }

    /// Bytes that the options take, a multiple of four.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        let sack_permitted = self.sack_permitted && self.timestamps.is_none(); // else it stands in for their NOPs
        4 * (usize::from(self.mss.is_some()) + usize::from(self.window_shift.is_some()) + usize::from(sack_permitted))
            + if self.timestamps.is_some() { TIMESTAMPS_LEN } else { 0 }
            + self.sack_len()
    }

    fn sack_len(&self) -> usize {
        if self.sack.is_empty() { 0 } else { 4 + 8 * self.sack.len() }
    }

    /// Writes the options. `out` has [`Options::len`] bytes.
    #[inline]
    pub(crate) fn emit(&self, out: &mut [u8]) {
        match (out.len(), self.timestamps) {
            (0, _) => {}
            (TIMESTAMPS_LEN, Some(timestamps)) if !self.sack_permitted => timestamps.emit(TIMESTAMPS_ALIGNED, out),
            _ => self.emit_any(out),
        }
    }

    #[cold]
    fn emit_any(&self, mut out: &mut [u8]) {
        let mut put = |bytes: &[u8]| {
            let (place, rest) = core::mem::take(&mut out).split_at_mut(bytes.len());
            place.copy_from_slice(bytes);
            out = rest;
        };
        if let Some(mss) = self.mss {
            let [high, low] = mss.to_be_bytes();
            put(&[MSS, 4, high, low]);
        }
        match (self.timestamps, self.sack_permitted) {
            (Some(timestamps), sack_permitted) => {
                let before = if sack_permitted { [SACK_PERMITTED, 2, TIMESTAMPS, 10] } else { TIMESTAMPS_ALIGNED };
                let mut bytes = [0; TIMESTAMPS_LEN];
                timestamps.emit(before, &mut bytes);
                put(&bytes);
            }
            (None, true) => put(&[NOP, NOP, SACK_PERMITTED, 2]),
            (None, false) => {}
        }
        if let Some(shift) = self.window_shift {
            put(&[NOP, WINDOW_SCALE, 3, shift]);
        }
        if !self.sack.is_empty() {
            put(&[NOP, NOP, SACK, 2 + 8 * self.sack.len() as u8]);
        }
        for block in self.sack.iter() {
            put(&block.start.0.to_be_bytes());
            put(&block.end.0.to_be_bytes());
        }
    }
}

impl Timestamps {
    /// Reads the eight bytes of the option's value.
    #[inline]
    fn parse(value: &[u8]) -> Option<Timestamps> {
        let [a, b, c, d, e, f, g, h] = *value.first_chunk()?;
        Some(Timestamps { value: u32::from_be_bytes([a, b, c, d]), echo: u32::from_be_bytes([e, f, g, h]) })
    }

    /// Writes [`TIMESTAMPS_LEN`] bytes, of which `before` are the first four.
    #[inline]
    fn emit(self, before: [u8; 4], out: &mut [u8]) {
        out[..4].copy_from_slice(&before);
        out[4..8].copy_from_slice(&self.value.to_be_bytes());
        out[8..12].copy_from_slice(&self.echo.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Bytes that a header has for options.
    const MAX_LEN: usize = 40;

    fn block(start: u32, end: u32) -> SackBlock {
        SackBlock { start: SeqNum(start), end: SeqNum(end) }
    }

    #[test]
    fn what_linux_sends() {
        let timestamps = Some(Timestamps { value: 0x0102_0304, echo: 5 });
        // MSS 1460, SACK permitted, timestamps, NOP, window scale 7
        let syn = [2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 5, 1, 3, 3, 7];
        let mut expected =
            Options { mss: Some(1460), window_shift: Some(7), sack_permitted: true, timestamps, ..Options::default() };
        assert_eq!(Options::parse(&syn), expected);
        let mut out = [0; 20];
        expected.emit(&mut out);
        assert_eq!((out, expected.len()), (syn, 20), "and what we send");

        let ack = [1, 1, 8, 10, 1, 2, 3, 4, 0, 0, 0, 5];
        assert_eq!(Options::parse(&ack), Options { timestamps, ..Options::default() });
        let with_sack = [&ack[..], &[1, 1, 5, 18, 0, 0, 0, 1, 0, 0, 0, 2, 255, 255, 255, 255, 0, 0, 0, 9]].concat();
        expected = Options { timestamps, ..Options::default() };
        expected.sack.push(block(1, 2));
        expected.sack.push(block(u32::MAX, 9));
        assert_eq!(Options::parse(&with_sack), expected);
    }

    #[test]
    fn lengths_that_lie_end_the_options() {
        for bytes in [&[2, 0, 5, 0xb4][..], &[2, 1, 5], &[2], &[2, 5, 5, 0xb4], &[3, 9, 1], &[99, 255], &[8], &[5, 255]]
        {
            assert_eq!(Options::parse(bytes), Options::default(), "{bytes:?}");
        }
        assert_eq!(Options::parse(&[3, 3, 255]).window_shift, Some(14));
        assert_eq!(Options::parse(&[0, 2, 4, 1, 1]), Options::default());
        let shift = Options { window_shift: Some(2), ..Options::default() };
        assert_eq!(Options::parse(&[2, 3, 5, 3, 3, 2]), shift);
        // Wrong lengths of every kind: the option is skipped, the next one counts.
        for wrong in [&[2, 2][..], &[3, 2], &[4, 3, 0], &[8, 9, 1, 1, 1, 1, 1, 1, 1], &[5, 4, 1, 1], &[5, 2]] {
            assert_eq!(Options::parse(&[wrong, &[3, 3, 2]].concat()), shift, "{wrong:?}");
        }
    }

    #[test]
    fn of_what_comes_twice_the_last_counts() {
        let twice = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 8, 10, 0, 0, 0, 3, 0, 0, 0, 4];
        assert_eq!(Options::parse(&twice).timestamps, Some(Timestamps { value: 3, echo: 4 }));
        assert_eq!(Options::parse(&[2, 4, 0, 1, 2, 4, 0, 2]).mss, Some(2));
    }

    #[test]
    fn more_blocks_than_fit_are_left_out() {
        let five: Vec<u8> = [5, 42].into_iter().chain((0..40).map(|n| n / 4)).collect();
        assert_eq!(Options::parse(&five).sack.len(), 4, "if a header were longer");
        let twice: Vec<u8> = [5, 26].into_iter().chain([1; 24]).chain([5, 18]).chain([2; 16]).collect();
        assert_eq!(Options::parse(&twice).sack.len(), 4);
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), 0u8..12], 0..41)) {
            Options::parse(&bytes);
        }

        #[test]
        fn what_is_emitted_is_parsed(
            mss in any::<Option<u16>>(),
            window_shift in proptest::option::of(0u8..=14),
            sack_permitted in any::<bool>(),
            stamps in any::<Option<(u32, u32)>>(),
            blocks in proptest::collection::vec(any::<(u32, u32)>(), 0..4),
            on_syn in any::<bool>(),
        ) {
            let timestamps = stamps.map(|(value, echo)| Timestamps { value, echo });
            let mut options = Options { timestamps, ..Options::default() };
            if on_syn {
                options = Options { mss, window_shift, sack_permitted, ..options };
            } else {
                blocks.iter().for_each(|(start, end)| options.sack.push(block(*start, *end)));
            }
            let mut bytes = [0; MAX_LEN];
            let len = options.len();
            prop_assert!(len.is_multiple_of(4) && len <= MAX_LEN);
            options.emit(&mut bytes[..len]);
            prop_assert_eq!(Options::parse(&bytes[..len]), options);
        }
    }
}

//! What a handle knows of its bytes, in one word: handles are moved far more often than they are looked at.

use super::Checksum;
use super::attachment::Attached;

/// The state of the checksum, and whether something is attached.
///
/// ```text
/// bits  0..8   kind of checksum     8..16  start     16..24  field     24  attached
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks(u32);

/// Kinds of checksums; 0 is none.
const VERIFIED: u32 = 1;
const PARTIAL: u32 = 2;
/// All of the checksum.
const CHECKSUM: u32 = 0x00ff_ffff;
const ATTACHED: u32 = 1 << 24;

impl Marks {
    /// Of a buffer with this checksum, and nothing attached.
    #[inline]
    pub(super) const fn of(checksum: Checksum) -> Marks {
        Marks(match checksum {
            Checksum::None => 0,
            Checksum::Verified => VERIFIED,
            Checksum::Partial { start, field } => PARTIAL | (start as u32) << 8 | (field as u32) << 16,
        })
    }

    /// With another checksum.
    #[inline]
    pub(super) const fn with(self, checksum: Checksum) -> Marks {
        Marks(self.0 & !CHECKSUM | Marks::of(checksum).0)
    }

    /// With nothing attached.
    pub(super) const fn without_attachment(self) -> Marks {
        Marks(self.0 & !ATTACHED)
    }

    /// With something attached.
    #[inline]
    pub(super) const fn with_attachment(self) -> Marks {
        Marks(self.0 | ATTACHED)
    }

    #[inline]
    pub(super) const fn checksum(self) -> Checksum {
        match self.0 as u8 as u32 {
            VERIFIED => Checksum::Verified,
            PARTIAL => Checksum::Partial { start: (self.0 >> 8) as u8, field: (self.0 >> 16) as u8 },
            _ => Checksum::None,
        }
    }

    #[inline]
    pub(super) const fn attached(self) -> Attached {
        if self.0 & ATTACHED == 0 { Attached::No } else { Attached::Yes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_holds_it_all() {
        for checksum in [Checksum::None, Checksum::Verified, Checksum::Partial { start: 255, field: 254 }] {
            let marks = Marks::of(checksum);
            assert_eq!((marks.checksum(), marks.attached()), (checksum, Attached::No));
            let marks = Marks::of(Checksum::Partial { start: 1, field: 2 }).with_attachment().with(checksum);
            assert_eq!((marks.checksum(), marks.attached()), (checksum, Attached::Yes));
        }
    }
}

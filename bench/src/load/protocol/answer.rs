//! An answer as it comes in: a head, a value and a tail, each in any pieces.
//!
//! Nothing is copied but a head that was split.

use super::{Head, Outcome, Protocol, Request, Wrong};
use crate::load::workload::{Operation, SHORT_VALUE};

/// More than any head: `VALUE`, the longest key, three numbers.
const MAX_HEAD: usize = 512;

/// How much of an answer was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) enum Progress {
    /// Nothing, or a piece of the head.
    #[default]
    Head,
    /// So many bytes of the value.
    Value(u32),
    /// So many bytes of what follows the value.
    Tail(u8),
    /// All but so many bytes that mean nothing.
    Skip(u32, Refused),
}

/// The outcome of an answer whose text is skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Refused {
    Miss,
    Refused,
}

/// What a piece has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Step {
    /// The answer is complete. So many bytes of the piece belong to it.
    Answered(usize, Outcome),
    /// More has to come; the whole piece is used.
    More,
}

impl Protocol {
    /// Takes the whole answer to a read that has found its record, if that is what `piece` begins with: it is known to the byte, and
    /// compared with what is expected, which is made in `expected`. Returns its length; `None` for all else, however right.
    #[inline]
    pub(in super::super) fn take_hit(
        self,
        request: &Request<'_>,
        expected: &mut Vec<u8>,
        piece: &[u8],
    ) -> Option<usize> {
        if request.operation == Operation::Update && self != Protocol::Echo {
            return None;
        }
        expected.clear();
        self.append_hit_head(&request.record, expected);
        let len = request.record.value_len();
        if len <= SHORT_VALUE {
            request.record.append_value(expected);
            expected.extend_from_slice(self.tail());
            return piece.starts_with(expected).then_some(expected.len());
        }
        let (value, tail) = piece.strip_prefix(&expected[..])?.split_at_checked(len)?;
        let is_hit = request.record.holds(0, value) && tail.starts_with(self.tail());
        is_hit.then_some(expected.len() + len + self.tail().len())
    }

    /// Takes a piece of the answer to `request`. `split` keeps a head that lies in several pieces.
    #[inline]
    pub(in super::super) fn take(
        self,
        request: &Request<'_>,
        progress: &mut Progress,
        split: &mut Vec<u8>,
        piece: &[u8],
    ) -> Result<Step, Wrong> {
        let mut used = 0;
        loop {
            let rest = &piece[used..];
            match *progress {
                Progress::Head => {
                    let Some((head, len)) = self.take_head(request, split, rest)? else { return Ok(Step::More) };
                    used += len;
                    *progress = match head {
                        Head::Answered(outcome) => return Ok(Step::Answered(used, outcome)),
                        Head::Value(len) => {
                            check_length(request, len)?;
                            Progress::Value(0)
                        }
                        Head::Skip(len, Outcome::Miss) => Progress::Skip(len as u32, Refused::Miss),
                        Head::Skip(len, _) => Progress::Skip(len as u32, Refused::Refused),
                    };
                }
                Progress::Value(seen) => {
                    let seen = seen as usize;
                    let len = rest.len().min(request.record.value_len() - seen);
                    if !request.record.holds(seen, &rest[..len]) {
                        return Err(difference(request, seen, &rest[..len]));
                    }
                    used += len;
                    if seen + len < request.record.value_len() {
                        *progress = Progress::Value((seen + len) as u32);
                        return Ok(Step::More);
                    }
                    *progress = Progress::Tail(0);
                }
                Progress::Tail(seen) => {
                    let expected = &self.tail()[usize::from(seen)..];
                    let len = rest.len().min(expected.len());
                    if rest[..len] != expected[..len] {
                        return Err(Wrong::nonsense("the end of a value", rest));
                    }
                    used += len;
                    if len < expected.len() {
                        *progress = Progress::Tail(seen + len as u8);
                        return Ok(Step::More);
                    }
                    return Ok(Step::Answered(used, Outcome::Hit));
                }
                Progress::Skip(left, refused) => {
                    let len = rest.len().min(left as usize);
                    used += len;
                    *progress = Progress::Skip(left - len as u32, refused);
                    if len < left as usize {
                        return Ok(Step::More);
                    }
                    let outcome = if refused == Refused::Miss { Outcome::Miss } else { Outcome::Refused };
                    return Ok(Step::Answered(used, outcome));
                }
            }
        }
    }

    /// Takes a head, and says how much of the piece belongs to it.
    #[inline]
    fn take_head(
        self,
        request: &Request<'_>,
        split: &mut Vec<u8>,
        piece: &[u8],
    ) -> Result<Option<(Head, usize)>, Wrong> {
        if split.is_empty()
            && let Some(len) = self.head_len(piece)
        {
            return Ok(Some((self.head(request, &piece[..len])?, len)));
        }
        self.take_split_head(request, split, piece)
    }

    #[cold]
    fn take_split_head(
        self,
        request: &Request<'_>,
        split: &mut Vec<u8>,
        piece: &[u8],
    ) -> Result<Option<(Head, usize)>, Wrong> {
        let before = split.len();
        split.extend_from_slice(&piece[..piece.len().min(MAX_HEAD)]);
        let Some(len) = self.head_len(split) else {
            if split.len() >= MAX_HEAD {
                return Err(Wrong::nonsense("the head of an answer", split));
            }
            return Ok(None);
        };
        let head = self.head(request, &split[..len])?;
        split.clear();
        Ok(Some((head, len - before)))
    }
}

#[inline]
fn check_length(request: &Request<'_>, len: usize) -> Result<(), Wrong> {
    let stored = request.record.value_len();
    if len == stored {
        return Ok(());
    }
    Err(Wrong::value(request.record, format!("{len} bytes instead of {stored}")))
}

#[cold]
fn difference(request: &Request<'_>, seen: usize, bytes: &[u8]) -> Wrong {
    let at = (0..bytes.len()).find(|&at| !request.record.holds(seen + at, &bytes[at..=at])).unwrap_or(0);
    let received = bytes[at..].iter().take(16).copied().collect::<Vec<u8>>();
    Wrong::value(request.record, format!("from byte {} on, it reads \"{}\"", seen + at, received.escape_ascii()))
}

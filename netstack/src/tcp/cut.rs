//! Cutting records: to what a window leaves, to a smaller MSS, or where an acknowledgement ends in the middle of one.

use netdrv::pktbuf::{Attachment, PktBuf, Pool};

use super::segments::Segments;
use super::tcb::Send;

/// Why a record was not cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotCut {
    /// It has no such place.
    Nowhere,
    /// The ring still holds it.
    InRing,
    /// There is no buffer, or no record, for the rest.
    NoBuffer,
}

/// Cuts the record at `at` behind its first `len` bytes; what is known of it holds for both parts.
pub(super) fn cut_record(
    segments: &mut Segments,
    send: &mut Send,
    pool: &'static Pool,
    at: u32,
    len: u32,
) -> Result<(), NotCut> {
    let record = segments.get_mut(at).ok_or(NotCut::Nowhere)?;
    let (seq, transmission, whole) = (record.seq, record.transmission, record.len());
    if len == 0 || len >= whole {
        return Err(NotCut::Nowhere);
    }
    if !record.payload.is_unique() {
        return Err(NotCut::InRing);
    }
    let tail = pool.alloc().ok_or(NotCut::NoBuffer)?;
    let new = segments.insert(&mut send.queue, at, seq + len, tail).map_err(|_| NotCut::NoBuffer)?;
    let (Some(first), Some(rest)) = segments.pair_mut(at, new) else { return Err(NotCut::Nowhere) };
    send.scoreboard.remove(first);
    move_rest(&mut first.payload, &mut rest.payload, len as usize);
    rest.transmission = transmission;
    send.scoreboard.add(first);
    send.scoreboard.add(rest);
    Ok(())
}

/// Moves what lies behind the first `len` bytes of `first` to `rest`, which is empty. Bytes in the buffer are copied, those of
/// a body stay where they are.
fn move_rest(first: &mut PktBuf, rest: &mut PktBuf, len: usize) {
    let held = first.len();
    let _ = rest.extend_from_slice(first.bytes().get(len..).unwrap_or_default()); // a buffer holds what a buffer held
    if let Some(body) = first.attachment().and_then(|attachment| attachment.body) {
        let kept = len.saturating_sub(held) as u32;
        let attach = |buf: &mut PktBuf, body| buf.attach(Attachment { body, segmentation: None });
        let _ = attach(rest, body.part(kept, body.len() as u32 - kept)); // fresh: nobody shares it
        let _ = attach(first, body.part(0, kept).filter(|part| !part.is_empty())); // the caller has seen that it is unique
    }
    first.truncate(len);
}

//! Traces played to a cache that fills itself: look it up; on a miss, set it.

mod reference;
mod tally;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::trace::{Request, Source};
use super::{CacheError, Held};
use crate::load::workload::MAX_VALUE;
use crate::peers::PeerError;

pub use reference::Lru;
pub use tally::Tally;

/// Requests that a cache is given at a time.
const BATCH: usize = 128;

/// A cache that requests are played to.
pub trait Cache {
    /// Carries out requests, and notes which look-ups hit.
    fn play(&mut self, requests: &[Request], tally: &mut Tally) -> Result<(), CacheError>;

    /// Carries out what is left, and says what the cache holds.
    fn finish(&mut self, tally: &mut Tally) -> Result<Held, CacheError>;
}

/// How fast requests follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As fast as they are answered.
    Free,
    /// As the trace says: for caches whose clock is that of the host, if items expire.
    Timed,
}

/// What came of a replay.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// Which look-ups hit.
    pub tally: Tally,
    /// What the cache holds at the end.
    pub held: Held,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// By how much requests were late at worst, in seconds.
    pub late_s: f64,
}

/// Plays a trace, until `interrupted` is set. Look-ups before the request number `warm_up` are counted apart.
pub fn replay(
    source: &mut dyn Source,
    cache: &mut dyn Cache,
    pace: Pace,
    warm_up: u64,
    interrupted: &AtomicBool,
) -> Result<Replayed, CacheError> {
    let mut tally = Tally::new(warm_up);
    let mut batch: Vec<Request> = vec![Request::default(); BATCH];
    let (began, mut late) = (Instant::now(), Duration::ZERO);
    loop {
        let mut filled = 0;
        while filled < BATCH && source.next(&mut batch[filled])? {
            filled += 1;
        }
        let Some(last) = batch[..filled].last() else { break };
        if interrupted.load(Ordering::Relaxed) {
            return Err(PeerError::Interrupted.into());
        }
        if pace == Pace::Timed {
            // The last one of a batch decides, so that none is early.
            let due = Duration::from_micros(last.time_us);
            let elapsed = began.elapsed();
            late = late.max(elapsed.saturating_sub(due));
            sleep(due.saturating_sub(elapsed));
        }
        cache.play(&batch[..filled], &mut tally)?;
    }
    let held = cache.finish(&mut tally)?;
    Ok(Replayed { tally, held, seconds: began.elapsed().as_secs_f64(), late_s: late.as_secs_f64() })
}

/// A value of so many bytes, [`MAX_VALUE`] at most.
pub(super) fn value(len: usize) -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    &BYTES.get_or_init(|| vec![b'v'; MAX_VALUE])[..len.min(MAX_VALUE)]
}

#[cfg(test)]
mod tests;

//! Who may still take packet buffers when few are free. Each leaves a share of the pool to those below it:
//!
//! | share | while fewer are free |
//! | --- | --- |
//! | [`FLOW_GROUPS`] | a core takes over no flow groups |
//! | [`REPLIES`] | a connection gets no buffers for further replies, unless it has waited for long |
//! | [`WINDOWS`] | receive windows halve; who does not read its replies, and sends on, is aborted |
//! | [`PAYLOAD`] | payload is refused; the acknowledgement that it comes with is taken, and frees what was sent |
//! | [`ANSWERS`] | nothing is answered or cut into segments |
//! | [`COPIES`] | nothing is copied to be sent by another core |
//!
//! Payload is refused before the last buffers go, and answers are written when it is refused already: so what was taken
//! is answered, answers are acknowledged, and that frees buffers for what was refused and comes again. The receive ring lives
//! off the rest, and off the buffers of what it receives.

use netdrv::nic::BATCH;
use netdrv::pktbuf::Pool;

/// Free for the connections of further flow groups.
pub const FLOW_GROUPS: usize = 4;
/// Free for input, and for first answers.
pub const REPLIES: usize = 8;
/// Free for payload in windows that were offered.
pub const WINDOWS: usize = 16;
/// Free for answers to what was received already.
pub const PAYLOAD: usize = 32;
/// Free for what lets acknowledgements in.
pub const ANSWERS: usize = 64;
/// Free for messages of other cores.
pub const COPIES: usize = 128;

const _: () = assert!(FLOW_GROUPS < REPLIES && REPLIES < WINDOWS && WINDOWS < PAYLOAD);
const _: () = assert!(PAYLOAD < ANSWERS && ANSWERS < COPIES);

/// The buffers of `pool` that a share of it is.
pub fn buffers(pool: &Pool, share: usize) -> usize {
    pool.capacity() / share
}

/// With fewer free buffers each segment is looked at more closely. In a small pool, a batch more than what payload leaves: what
/// is taken of a batch takes its buffers only when the receive ring is filled up.
pub(crate) fn scarce(pool: &Pool) -> usize {
    let batch = buffers(pool, PAYLOAD) + BATCH;
    buffers(pool, WINDOWS).max(batch).min(buffers(pool, REPLIES))
}

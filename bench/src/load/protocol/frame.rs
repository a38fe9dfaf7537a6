//! memcached's frame of a datagram: request, sequence number, number of datagrams, and a reserved field, 16 bits each.

/// Bytes of a frame.
pub(in super::super) const FRAME_LEN: usize = 8;
/// The most bytes of a datagram, frame and all, as memcached sends them. A request is one datagram.
pub(in super::super) const MAX_DATAGRAM: usize = 1400;

/// Which datagram of which answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Frame {
    pub(in super::super) request: u16,
    pub(in super::super) sequence: u16,
    pub(in super::super) datagrams: u16,
}

impl Frame {
    /// The frame of a request.
    pub(in super::super) fn of_request(request: u16) -> [u8; FRAME_LEN] {
        let [high, low] = request.to_be_bytes();
        [high, low, 0, 0, 0, 1, 0, 0]
    }

    /// Splits a datagram into its frame and the rest.
    #[inline]
    pub(in super::super) fn parse(datagram: &[u8]) -> Option<(Frame, &[u8])> {
        let (frame, rest) = datagram.split_first_chunk::<FRAME_LEN>()?;
        let half = |at: usize| u16::from_be_bytes([frame[at], frame[at + 1]]);
        let frame = Frame { request: half(0), sequence: half(2), datagrams: half(4) };
        (frame.sequence < frame.datagrams).then_some((frame, rest))
    }
}

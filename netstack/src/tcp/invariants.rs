//! What holds of every connection between two stages of a turn: checked by the tests after each.

use super::Tcp;
use super::segments::{Chain, NIL};
use super::seq::SeqNum;
use super::tcb::State;

impl Tcp {
    /// Panics if an invariant is broken.
    pub(crate) fn check_invariants(&self) {
        let mut out_of_order = 0;
        for tcb in self.tcbs.iter().filter(|tcb| tcb.state != State::Closed) {
            let (send, recv) = (&tcb.send, &tcb.recv);
            assert!(send.una.le(send.nxt) && send.nxt.le(send.max), "{send:?}");
            assert!(send.max.le(send.end + u32::from(send.fin)), "{send:?}");
            assert!(recv.nxt.le(recv.adv) && recv.acked.le(recv.nxt), "{recv:?}");
            let queued_from = if send.end.lt(send.una) { send.end } else { send.una };
            assert_eq!(self.check_chain(&send.queue, queued_from), send.end, "no gaps");
            match self.shared.segments.span(send.cursor) {
                Some(span) => assert_eq!(span.seq, send.nxt),
                None => assert!(send.cursor == NIL && send.end.le(send.nxt), "{send:?}"),
            }
            self.check_chain(&recv.out_of_order, recv.nxt);
            out_of_order += recv.out_of_order.len;
        }
        assert_eq!(out_of_order, self.shared.out_of_order);
        let spent = self.tcbs.iter().filter(|tcb| tcb.key == super::FlowKey::NONE).count();
        assert_eq!(spent, self.free.len());
    }

    /// Checks order and length of a chain that begins at `from` or later; returns where it ends.
    fn check_chain(&self, chain: &Chain, from: SeqNum) -> SeqNum {
        let (mut id, mut end, mut last, mut len) = (chain.head, from, NIL, 0);
        while let Some(span) = self.shared.segments.span(id) {
            assert!(end.le(span.seq) && span.len > 0);
            (end, last, len) = (span.end(), id, len + 1);
            id = self.shared.segments.next(id);
        }
        assert_eq!((last, len), (chain.tail, chain.len));
        end
    }
}

//! No wire: requests are answered at once, in memory. What the generator does then is all that it can do.

use crate::load::protocol::{Protocol, answer_to};
use crate::load::wire::{Client, ConnId, Wire, WireError};
use crate::load::workload::Workload;

/// Answers, as a server that has every record.
#[derive(Debug)]
pub struct Null<'a> {
    protocol: Protocol,
    workload: &'a Workload,
    opened: Vec<ConnId>,
    /// Answers, one behind another, and where those of each request end.
    answers: Vec<u8>,
    ends: Vec<(ConnId, usize)>,
}

impl<'a> Null<'a> {
    /// A server of a workload's records.
    pub fn new(protocol: Protocol, workload: &'a Workload) -> Null<'a> {
        Null { protocol, workload, opened: Vec::new(), answers: Vec::new(), ends: Vec::new() }
    }
}

impl Wire for Null<'_> {
    fn open(&mut self, conn: ConnId) -> Result<(), WireError> {
        self.opened.push(conn);
        Ok(())
    }

    #[inline]
    fn send(&mut self, conn: ConnId, bytes: &[u8]) -> Result<(), WireError> {
        answer_to(self.protocol, self.workload, bytes, &mut self.answers);
        self.ends.push((conn, self.answers.len()));
        Ok(())
    }

    fn close(&mut self, _conn: ConnId) {}

    #[inline]
    fn poll(&mut self, client: &mut impl Client) -> Result<bool, WireError> {
        let came = !self.opened.is_empty() || !self.ends.is_empty();
        self.opened.drain(..).for_each(|conn| client.opened(conn));
        let mut start = 0;
        for (conn, end) in self.ends.drain(..) {
            client.received(conn, &self.answers[start..end]);
            start = end;
        }
        self.answers.clear();
        Ok(came)
    }

    fn flush(&mut self) -> Result<(), WireError> {
        Ok(())
    }
}

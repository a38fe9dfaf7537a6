//! What the client asks, and what it has to be answered.

/// What the server does for a living.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// It sends back what it gets.
    Echo,
    /// It looks up values, by keys of so many bytes (memcached's text protocol).
    Get {
        /// Bytes of a key.
        key: usize,
    },
    /// It replaces values, by keys of so many bytes.
    Set {
        /// Bytes of a key.
        key: usize,
    },
}

/// Bytes of a key at least: every record has a number in it.
pub const MIN_KEY: usize = 12;
/// Bytes of a key at most.
pub use app_memcached::store::MAX_KEY;

/// Memory for items. The records fill half of it, so that SETs meet a store that has to make room all the time.
pub(super) const STORE_BYTES: usize = 4 << 20;
/// About what an item takes beside its key and value.
const ITEM_BYTES: usize = 32;

/// What an echo is made of.
const FILL: u8 = b'x';

/// Requests and their answers.
pub(super) struct Dialogue {
    exchanges: Vec<Exchange>,
    order: Order,
    /// Bytes of the longest request and of the longest answer.
    pub(super) longest: [usize; 2],
}

/// A request and its answer.
pub(super) struct Exchange {
    pub(super) request: Vec<u8>,
    pub(super) answer: Vec<u8>,
}

/// Which exchange is a connection's next one.
enum Order {
    /// Any, but the same in every run.
    Scattered,
    /// Each once, then each again: so many connections take turns.
    Even { connections: usize },
}

impl Dialogue {
    /// What is measured, with requests or values of `size` bytes.
    pub(super) fn of_work(work: Work, size: usize) -> Dialogue {
        let exchanges = match work {
            Work::Echo => vec![Exchange { request: vec![FILL; size], answer: vec![FILL; size] }],
            Work::Get { key } => (0..records(key, size)).map(|record| get(record, key, size)).collect(),
            Work::Set { key } => (0..records(key, size)).map(|record| set(record, key, size)).collect(),
        };
        Dialogue::new(exchanges, Order::Scattered)
    }

    /// What comes before it, and how many requests: the records are stored. `None` if there are none.
    pub(super) fn before(work: Work, size: usize, connections: usize) -> Option<(Dialogue, usize)> {
        let (key, overwritten) = match work {
            Work::Echo => return None,
            Work::Get { key } => (key, 0),
            Work::Set { key } => (key, STORE_BYTES / footprint(key, size)),
        };
        let exchanges: Vec<Exchange> = (0..records(key, size)).map(|record| set(record, key, size)).collect();
        let requests = exchanges.len() + overwritten;
        Some((Dialogue::new(exchanges, Order::Even { connections }), requests))
    }

    /// A connection's request of a number, and its answer.
    pub(super) fn exchange(&self, connection: usize, number: u32) -> &Exchange {
        let index = match self.order {
            Order::Scattered => fastrand::Rng::with_seed((connection as u64) << 32 | u64::from(number)).u64(..),
            Order::Even { connections } => u64::from(number) * connections as u64 + connection as u64,
        };
        &self.exchanges[(index % self.exchanges.len() as u64) as usize]
    }

    fn new(exchanges: Vec<Exchange>, order: Order) -> Dialogue {
        let longest = |len: fn(&Exchange) -> usize| exchanges.iter().map(len).max().unwrap_or(0);
        let longest = [longest(|exchange| exchange.request.len()), longest(|exchange| exchange.answer.len())];
        Dialogue { exchanges, order, longest }
    }
}

fn footprint(key: usize, size: usize) -> usize {
    ITEM_BYTES + key + size
}

fn records(key: usize, size: usize) -> usize {
    STORE_BYTES / 2 / footprint(key, size)
}

fn get(record: usize, key: usize, size: usize) -> Exchange {
    let (name, value) = (name(record, key), value(record, size));
    let request = format!("get {name}\r\n");
    let answer = format!("VALUE {name} 0 {size}\r\n{value}\r\nEND\r\n");
    Exchange { request: request.into_bytes(), answer: answer.into_bytes() }
}

fn set(record: usize, key: usize, size: usize) -> Exchange {
    let (name, value) = (name(record, key), value(record, size));
    let request = format!("set {name} 0 0 {size}\r\n{value}\r\n");
    Exchange { request: request.into_bytes(), answer: b"STORED\r\n".to_vec() }
}

fn name(record: usize, len: usize) -> String {
    format!("key-{record:0width$}", width = len - 4)
}

/// A record's value, unlike its neighbors'.
fn value(record: usize, len: usize) -> String {
    (record..record + len).map(|at| char::from(b'a' + (at % 26) as u8)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_answers_are_those_of_the_protocol() {
        let Exchange { request, answer } = get(27, 19, 2);
        assert_eq!(request, b"get key-000000000000027\r\n");
        assert_eq!(answer, b"VALUE key-000000000000027 0 2\r\nbc\r\nEND\r\n");
        let Exchange { request, answer } = set(27, 19, 2);
        assert_eq!(request, b"set key-000000000000027 0 0 2\r\nbc\r\n");
        assert_eq!(answer, b"STORED\r\n");
    }

    #[test]
    fn every_record_is_stored_first() {
        let (work, size, connections) = (Work::Get { key: 19 }, 2000, 7);
        let (dialogue, requests) = Dialogue::before(work, size, connections).unwrap();
        let mut stored: Vec<&[u8]> = Vec::new();
        for number in 0..requests.div_ceil(connections) as u32 {
            stored.extend((0..connections).map(|connection| &dialogue.exchange(connection, number).request[..]));
        }
        stored.sort_unstable();
        stored.dedup();
        assert_eq!(stored.len(), dialogue.exchanges.len());
        assert!(Dialogue::before(Work::Echo, size, connections).is_none());
    }
}

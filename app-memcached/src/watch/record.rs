//! An event as a row of words.
//!
//! ```text
//! | number | time | what, status, verb, key length, client | size, idle | ttl or address | four counts | key ... |
//! ```

use core::net::{Ipv4Addr, SocketAddrV4};

use super::event::{Event, Farewell, Fetched, KINDS, Stored, Verb};

/// Bytes of a key that fit.
pub const KEY_BYTES: usize = 250;

/// Words before the key.
const HEAD: usize = 7;

/// Words of a record.
pub(super) const WORDS: usize = HEAD + KEY_BYTES.div_ceil(8);

const FETCH: u8 = 0;
const MUTATION: u8 = 1;
const EVICTION: u8 = 2;
const OPENED: u8 = 3;
const CLOSED: u8 = 4;

/// A record that was read.
#[derive(Clone, Debug)]
pub struct Record {
    pub(super) words: [u64; WORDS],
    key: [u8; KEY_BYTES],
}

/// What a record tells beside its event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// The event's number.
    pub(super) number: u64,
    /// When it was, in microseconds since 1970.
    pub(super) unix_us: u64,
    /// The client.
    pub(super) client: u32,
    /// Events of each kind that the core had told before.
    pub(super) before: [u32; KINDS],
}

/// The words of an event, and how many of them say something.
pub(super) fn encode(frame: &Frame, event: &Event<'_>) -> ([u64; WORDS], usize) {
    let (what, status, verb, key, size, idle, more): (u8, u8, u8, &[u8], u32, u32, u64) = match *event {
        Event::Fetch { key, status, size } => (FETCH, status as u8, 0, key, size, 0, 0),
        Event::Mutation { key, status, verb, ttl, size } => {
            (MUTATION, status as u8, verb as u8, key, size, 0, ttl.into())
        }
        Event::Eviction { key, is_fetched, ttl, idle, size } => {
            (EVICTION, is_fetched.into(), 0, key, size, idle, ttl as u64)
        }
        Event::Opened { remote } => (OPENED, 0, 0, &[], 0, 0, of_address(remote)),
        Event::Closed { remote, reason } => (CLOSED, reason as u8, 0, &[], 0, 0, of_address(remote)),
    };
    let key = &key[..key.len().min(KEY_BYTES)];
    let mut words = [0; WORDS];
    let [a, b, c, d] = frame.before;
    let head = [
        frame.number,
        frame.unix_us,
        u64::from_le_bytes(with_client([what, status, verb, key.len() as u8], frame.client)),
        two(size, idle),
        more,
        two(a, b),
        two(c, d),
    ];
    words[..HEAD].copy_from_slice(&head);
    for (word, bytes) in words[HEAD..].iter_mut().zip(key.chunks(8)) {
        let mut padded = [0; 8];
        padded[..bytes.len()].copy_from_slice(bytes);
        *word = u64::from_le_bytes(padded);
    }
    (words, HEAD + key.len().div_ceil(8))
}

impl Record {
    /// Nothing yet.
    pub fn new() -> Record {
        Record { words: [0; WORDS], key: [0; KEY_BYTES] }
    }

    /// The event's number, of all that were ever told.
    pub fn number(&self) -> u64 {
        self.words[0]
    }

    /// When it was, in microseconds since 1970.
    pub fn unix_us(&self) -> u64 {
        self.words[1]
    }

    /// The number of the client whose request it was, or who came or went.
    pub fn client(&self) -> u32 {
        (self.words[2] >> 32) as u32
    }

    /// Events of each kind that its core had told before.
    pub(super) fn before(&self) -> [u32; KINDS] {
        let [ab, cd] = [self.words[5], self.words[6]];
        [ab as u32, (ab >> 32) as u32, cd as u32, (cd >> 32) as u32]
    }

    /// What has happened. `None` if that cannot be read, which it always can if it was written here.
    pub fn event(&mut self) -> Option<Event<'_>> {
        let [what, status, verb, key_len, ..] = self.words[2].to_le_bytes();
        let (size, idle, more) = (self.words[3] as u32, (self.words[3] >> 32) as u32, self.words[4]);
        for (bytes, word) in self.key.chunks_mut(8).zip(&self.words[HEAD..]) {
            bytes.copy_from_slice(&word.to_le_bytes()[..bytes.len()]);
        }
        let key = self.key.get(..usize::from(key_len))?;
        Some(match what {
            FETCH => Event::Fetch { key, status: Fetched::numbered(status)?, size },
            MUTATION => {
                let (status, verb) = (Stored::numbered(status)?, Verb::numbered(verb)?);
                Event::Mutation { key, status, verb, ttl: more as u32, size }
            }
            EVICTION => Event::Eviction { key, is_fetched: status != 0, ttl: more as i64, idle, size },
            OPENED => Event::Opened { remote: address(more) },
            CLOSED => Event::Closed { remote: address(more), reason: Farewell::numbered(status)? },
            _ => return None,
        })
    }
}

impl Default for Record {
    fn default() -> Record {
        Record::new()
    }
}

fn two(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

fn with_client([what, status, verb, key_len]: [u8; 4], client: u32) -> [u8; 8] {
    let [a, b, c, d] = client.to_le_bytes();
    [what, status, verb, key_len, a, b, c, d]
}

fn of_address(address: SocketAddrV4) -> u64 {
    u64::from(address.ip().to_bits()) << 16 | u64::from(address.port())
}

fn address(word: u64) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::from_bits((word >> 16) as u32), word as u16)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let remote = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 255), 65535);
        let (short, long) = ([0, 255, b'k'], [0xa5; KEY_BYTES]);
        let events = [
            Event::Fetch { key: &short, status: Fetched::Expired, size: u32::MAX },
            Event::Mutation { key: &long, status: Stored::NoMemory, verb: Verb::Cas, ttl: u32::MAX - 5, size: 7 },
            Event::Eviction { key: &long[..249], is_fetched: true, ttl: -1, idle: u32::MAX, size: 1 << 27 },
            Event::Opened { remote },
            Event::Closed { remote, reason: Farewell::Shutdown },
        ];
        let frame = Frame { number: 1 << 40, unix_us: u64::MAX / 3, client: u32::MAX - 1, before: [1, 2, 3, u32::MAX] };
        for event in events {
            let (words, len) = encode(&frame, &event);
            let mut record = Record::new();
            // What a ring holds behind the record is of another one.
            record.words = [0x5a5a_5a5a_5a5a_5a5a; WORDS];
            record.words[..len].copy_from_slice(&words[..len]);
            let told = Frame {
                number: record.number(),
                unix_us: record.unix_us(),
                client: record.client(),
                before: record.before(),
            };
            assert_eq!((told, record.event()), (frame, Some(event)));
        }
    }
}

//! Looking up one key and writing its `VALUE` reply.

use super::super::super::dialect::Dialect;
use super::super::super::number::{Decimal, MAX_DIGITS};
use super::super::super::output::Output;
use super::super::super::reply::Answer;
use super::super::super::server::Server;
use super::super::super::value::{self, Ending, LEND_FROM, Sent, Transfer};
use super::super::cluster;
use super::{Cas, GET, Keys};
use crate::store::{Item, MAX_KEY, Place};
use crate::watch::Kind;

/// Replies of up to this many bytes are written in one piece, which may leave the end of a packet unused; longer ones fill
/// packets to their end.
const PIECE: usize = 512;

/// Bytes of the longest line before a value.
const MAX_HEAD: usize = 6 + MAX_KEY + 3 * (1 + MAX_DIGITS) + 2;

const NO_MEMORY: Answer = Answer::Line("SERVER_ERROR out of memory writing get response");

/// What came of one key.
pub(super) enum Found {
    /// All of its reply, perhaps none, is written, and the tail behind it.
    Sent,
    /// The beginning of its reply is written. The tail is not.
    Begun(Transfer),
    /// Its value cannot be held until it is sent: an error is written.
    NoMemory,
}

/// Looks `key` up and writes its reply, if there is an item, and `tail`. The output has room for a line.
#[inline]
pub(super) fn send(keys: Keys, key: &[u8], tail: &[u8], server: &mut Server, out: &mut impl Output) -> Found {
    let found = match keys.touch {
        None => {
            server.counters.cmd_get.add(1);
            server.store.get(key)
        }
        Some(exptime) => {
            server.counters.cmd_touch.add(1);
            let exptime = server.expiry(exptime.into());
            server.store.get_and_touch(key, exptime)
        }
    };
    let item = match found {
        Ok(item) => item,
        Err(miss) => {
            if server.report.wants(Kind::Fetch) {
                server.report.miss(key, miss);
            }
            match keys.touch {
                None if key == cluster::KEY && keys == GET && cluster::send_value(server, out) => {
                    server.counters.get_hits.add(1);
                }
                None => server.count_miss(miss),
                Some(_) => server.counters.touch_misses.add(1),
            }
            out.write(tail);
            return Found::Sent;
        }
    };
    if server.report.wants(Kind::Fetch) {
        server.report.hit(key, item.value.len());
    }
    match keys.touch {
        None => server.counters.get_hits.add(1),
        Some(_) => server.counters.touch_hits.add(1),
    }
    let head = Head::of(keys, server.settings.dialect, key, &item);
    let len = head.len() + item.value.len() + tail.len();
    if len <= PIECE
        && len <= out.room()
        && let Some(piece) = out.piece(len)
    {
        let (start, rest) = piece.split_at_mut(head.len());
        head.write(start);
        let (value, end) = rest.split_at_mut(item.value.len());
        value.copy_from_slice(item.value);
        end.copy_from_slice(tail);
        return Found::Sent;
    }
    let (place, is_large) = (item.place, item.value.len() >= LEND_FROM);
    if !is_large && len <= out.room() {
        head.send(out);
        out.write(item.value);
        out.write(tail);
        return Found::Sent;
    }
    begin(&head, place, tail, server, out)
}

/// Writes a reply that exceeds the room, or whose value is lent; its beginning, if there is no room for all.
fn begin(head: &Head<'_>, place: Place, tail: &[u8], server: &mut Server, out: &mut impl Output) -> Found {
    let mut line = [0; MAX_HEAD];
    let line = &mut line[..head.len()];
    head.write(line);
    match value::send(line, place, Ending::LineEnd, tail, server, out) {
        Sent::All => Found::Sent,
        Sent::Part(transfer) => Found::Begun(transfer),
        Sent::NoMemory => {
            NO_MEMORY.write(out);
            Found::NoMemory
        }
    }
}

/// The line before a value: `VALUE <key> <flags> <bytes> [<cas>]`.
struct Head<'a> {
    key: &'a [u8],
    flags: Decimal,
    bytes: Decimal,
    cas: Option<Decimal>,
}

impl<'a> Head<'a> {
    #[inline]
    fn of(keys: Keys, dialect: Dialect, key: &'a [u8], item: &Item<'_>) -> Head<'a> {
        Head {
            key,
            flags: Decimal::new(item.flags.into()),
            bytes: Decimal::new(item.value.len() as u64 - 2),
            cas: match keys.cas {
                Cas::Told => Some(Decimal::new(dialect.told(item.cas))),
                Cas::Untold => None,
            },
        }
    }

    #[inline]
    fn len(&self) -> usize {
        let cas = self.cas.as_ref().map_or(0, |cas| 1 + cas.text().len());
        6 + self.key.len() + 1 + self.flags.text().len() + 1 + self.bytes.text().len() + cas + 2
    }

    /// Writes it over `to`, which has its length.
    #[inline]
    fn write(&self, mut to: &mut [u8]) {
        let mut put = |bytes: &[u8]| {
            if let Some(place) = to.split_off_mut(..bytes.len()) {
                place.copy_from_slice(bytes);
            }
        };
        put(b"VALUE ");
        put(self.key);
        put(b" ");
        put(self.flags.text());
        put(b" ");
        put(self.bytes.text());
        if let Some(cas) = &self.cas {
            put(b" ");
            put(cas.text());
        }
        put(b"\r\n");
    }

    fn send(&self, out: &mut impl Output) {
        let mut line = [0; MAX_HEAD];
        let len = self.len();
        self.write(&mut line[..len]);
        out.write(&line[..len]);
    }
}

//! What this core tells watchers: who is served, and what is done for it.

use core::net::SocketAddrV4;

use super::counters::Tallies;
use super::roster;
use super::server::Server;
use super::storing::{Refusal, Stored};
use super::value::CRLF;
use crate::store::{Condition, End, Join, MAX_KEY, Miss, NewItem, Reservation};
use crate::watch::{self, Audience, Event, Farewell, Fetched, Kind, Reporter, Verb};

const _: () = assert!(MAX_KEY <= watch::KEY_BYTES);

/// This core's part of the board, and for whom it is written.
pub struct Report {
    /// Who watches, as of the start of this turn.
    audience: Audience,
    /// The connection that is served: its number on this core, or [`DATAGRAMS`](Report::DATAGRAMS).
    pub client: u32,
    reporter: Reporter,
    core: u32,
    cores: u32,
}

impl Report {
    /// Stands for a connection where a datagram is answered.
    pub const DATAGRAMS: u32 = u32::MAX;

    pub(super) fn new(tallies: &Tallies, core: usize) -> Report {
        let reporter = Reporter::new(tallies.board.clone(), core);
        let (core, cores) = (core as u32, tallies.cores.len() as u32);
        Report { audience: Audience::default(), client: Report::DATAGRAMS, reporter, core, cores }
    }

    /// The board's part.
    pub(super) fn reporter(&self) -> &Reporter {
        &self.reporter
    }

    /// Looks who watches, at the start of a turn: in second `unix_seconds` since 1970, and so many nanoseconds after some second.
    #[inline]
    pub fn begin_turn(&mut self, unix_seconds: u64, nanos: u64) {
        self.audience = self.reporter.board().audience();
        if !self.audience.is_empty() {
            self.reporter.set_time(unix_seconds * 1_000_000 + nanos / 1_000 % 1_000_000);
        }
    }

    /// Whether somebody wants to be told of this kind of events.
    #[inline]
    pub fn wants(&self, kind: Kind) -> bool {
        self.audience.wants(kind)
    }

    /// Whether somebody wants to be told of items that are stored: also of the look-ups before.
    #[inline]
    pub(super) fn wants_of_stores(&self) -> bool {
        self.audience.wants_of(Kind::Fetch, Kind::Mutation)
    }

    /// Tells that a connection has come, by its number on this core.
    #[cold]
    pub fn opened(&self, client: u32, remote: SocketAddrV4) {
        self.tell(client, &Event::Opened { remote });
    }

    /// Tells that a connection goes, by its number on this core.
    #[cold]
    pub fn closed(&self, client: u32, remote: SocketAddrV4, reason: Farewell) {
        self.tell(client, &Event::Closed { remote, reason });
    }

    /// Tells of an item that was found, whose value with its line end is so long.
    #[cold]
    #[inline(never)]
    pub(super) fn hit(&self, key: &[u8], value_len: usize) {
        self.tell(self.client, &Event::Fetch { key, status: Fetched::Found, size: value_size(value_len) });
    }

    /// Tells of an item that was not found.
    #[cold]
    #[inline(never)]
    pub(super) fn miss(&self, key: &[u8], miss: Miss) {
        let status = match miss {
            Miss::Absent => Fetched::NotFound,
            Miss::Expired => Fetched::Expired,
            Miss::Flushed => Fetched::Flushed,
        };
        self.tell(self.client, &Event::Fetch { key, status, size: 0 });
    }

    fn tell(&self, client: u32, event: &Event<'_>) {
        let number = match client {
            Report::DATAGRAMS => roster::DATAGRAMS,
            place => roster::number(place, self.core, self.cores),
        };
        self.reporter.tell(number, event);
    }
}

/// An item on its way into the store, as watchers are told of it.
pub(super) struct Storing {
    key: heapless::Vec<u8, MAX_KEY>,
    verb: Verb,
    ttl: u32,
    size: u32,
    /// Whether what is stored is another item than came.
    is_joined: bool,
}

impl Storing {
    /// An item, before it is stored under `condition`. Tells of the look-up that storing it begins with.
    #[cold]
    #[inline(never)]
    pub(super) fn begin(reservation: &Reservation, condition: Condition, server: &mut Server) -> Storing {
        let key = heapless::Vec::from_slice(server.store.name(reservation).0).unwrap_or_default();
        let (_, value_len) = server.store.lengths(reservation);
        let exptime = server.store.exptime(reservation);
        server.report_look_up(&key);
        let is_joined = matches!(condition, Condition::Append | Condition::Prepend | Condition::Join(_));
        Storing {
            key,
            verb: verb(condition),
            ttl: ttl(exptime, server),
            size: value_len as u32,
            is_joined: is_joined || matches!(condition, Condition::CasOrStale(_)),
        }
    }

    /// Tells what came of it.
    #[cold]
    #[inline(never)]
    pub(super) fn end(mut self, stored: Stored, server: &mut Server) {
        let status = match stored {
            Stored::Done => watch::Stored::Stored,
            Stored::Unmet => watch::Stored::NotStored,
            Stored::Exists => watch::Stored::Exists,
            Stored::NotFound => watch::Stored::NotFound,
            Stored::NoMemory => watch::Stored::NoMemory,
            // Nobody has looked at the store.
            Stored::BadChunk => return,
        };
        if stored == Stored::Done
            && self.is_joined
            && let Ok(item) = server.store.peek(&self.key)
        {
            (self.size, self.ttl) = (value_size(item.value.len()), item.exptime);
            self.ttl = ttl(self.ttl, server);
        }
        let Storing { key, verb, ttl, size, .. } = self;
        server.report.tell(server.report.client, &Event::Mutation { key: &key, status, verb, ttl, size });
    }
}

impl Server {
    /// Tells of a look-up of `key`, with what there is. For commands that do not say what they have found.
    #[inline]
    pub(super) fn note_look_up(&mut self, key: &[u8]) {
        if self.report.wants(Kind::Fetch) {
            self.report_look_up(key);
        }
    }

    #[cold]
    #[inline(never)]
    fn report_look_up(&mut self, key: &[u8]) {
        if self.report.wants(Kind::Fetch) {
            match self.store.peek(key).map(|item| item.value.len()) {
                Ok(value_len) => self.report.hit(key, value_len),
                Err(miss) => self.report.miss(key, miss),
            }
        }
    }

    /// Tells of an item that is not even begun, and of the look-up of what it would have replaced, if there is one.
    pub(super) fn note_refusal(&mut self, item: &NewItem<'_>, condition: Condition, refusal: Refusal) {
        if self.report.audience.is_empty() {
            return;
        }
        let status = match refusal {
            Refusal::TooLarge => watch::Stored::TooLarge,
            Refusal::NoMemory => watch::Stored::NoMemory,
        };
        let (key, verb, ttl) = (item.key, verb(condition), ttl(item.exptime, self));
        self.report.tell(self.report.client, &Event::Mutation { key, status, verb, ttl, size: 0 });
        if condition == Condition::Set {
            self.report_look_up(key);
        }
    }
}

/// As memcached calls what stores under `condition`.
fn verb(condition: Condition) -> Verb {
    match condition {
        Condition::Set => Verb::Set,
        Condition::Add => Verb::Add,
        Condition::Replace => Verb::Replace,
        Condition::Append | Condition::Join(Join { end: End::Back, .. }) => Verb::Append,
        Condition::Prepend | Condition::Join(Join { end: End::Front, .. }) => Verb::Prepend,
        Condition::Cas(_) | Condition::CasOrStale(_) => Verb::Cas,
        Condition::Derived(_) => Verb::Null,
    }
}

/// Seconds until an item expires; as in memcached, modulo 2^32 if that has passed, and 0 if it never does.
fn ttl(exptime: u32, server: &Server) -> u32 {
    if exptime == 0 { 0 } else { exptime.wrapping_sub(server.store.now()) }
}

/// Bytes of a value without its line end.
fn value_size(value_len: usize) -> u32 {
    value_len.saturating_sub(CRLF) as u32
}

//! A client without a network: a session whose input and output are vectors.

use netdrv::pktbuf::Fragment;

use super::*;
use crate::store::{self, StoreConfig, StoreMemory, WhenFull};

/// A session with a server of its own.
pub(super) struct Client {
    pub(super) server: Server,
    pub(super) session: Session,
    pub(super) unix_seconds: u64,
    /// Room of the output, each time it is empty.
    pub(super) room: usize,
    pending: Vec<u8>,
    uptime: u32,
}

/// Another session with a client's server.
#[derive(Default)]
pub(super) struct Speaker {
    session: Session,
    pending: Vec<u8>,
}

/// The default settings, as memcached's.
pub(super) const SETTINGS: Settings = Settings {
    max_item_size: 1 << 20,
    when_full: WhenFull::Evict,
    conn_limit: 1024,
    port: 11211,
    udp_port: 0,
    http_port: 0,
    permissions: Permissions { flush_all: true, dumping: true, watching: true, shutdown: false },
    dialect: Dialect::DEFAULT,
    threads: 1,
    auth: None,
    cluster: None,
};

struct Sink {
    bytes: Vec<u8>,
    room: usize,
    lent: Vec<Fragment>,
}

impl Output for Sink {
    fn room(&self) -> usize {
        self.room - self.bytes.len()
    }

    fn write(&mut self, bytes: &[u8]) {
        assert!(bytes.len() <= self.room(), "wrote beyond the room");
        self.bytes.extend_from_slice(bytes);
    }

    fn piece(&mut self, len: usize) -> Option<&mut [u8]> {
        assert!(len <= self.room(), "wrote beyond the room");
        let at = self.bytes.len();
        self.bytes.resize(at + len, 0);
        Some(&mut self.bytes[at..])
    }

    fn lendable(&self) -> usize {
        self.room()
    }

    fn lend(&mut self, body: Fragment) {
        self.write(body.bytes());
        self.lent.push(body);
    }
}

/// Counters of a dataplane that does not exist.
pub(super) struct NoDataplane;

impl Dataplane for NoDataplane {
    fn visit(&self, visit: &mut dyn FnMut(&str, u64)) {
        visit("rx_frames", 3);
        visit("drop_test", 7);
    }
}

impl Client {
    pub(super) fn new() -> Client {
        Client::with(8 << 20, WhenFull::Evict)
    }

    /// A client of a server with so much memory.
    pub(super) fn with(bytes: usize, when_full: WhenFull) -> Client {
        let config = StoreConfig { cores: 1, when_full, seed: 7 };
        let store = store::Shared::new(StoreMemory::leak(bytes), config).ok().unwrap();
        let settings = Settings { when_full, ..SETTINGS };
        let mut server = Server::new(store.handle().unwrap(), settings, Tallies::new(1, 0), 0);
        server.store.online();
        server.report.client = 0;
        let unix_seconds = 1_700_000_000;
        server.set_time(0, unix_seconds);
        Client { server, session: Session::default(), unix_seconds, room: 4096, pending: Vec::new(), uptime: 0 }
    }

    /// Sets the clocks: seconds since the start and since 1970.
    pub(super) fn set_clock(&mut self, uptime: u32, unix_seconds: u64) {
        (self.uptime, self.unix_seconds) = (uptime, unix_seconds);
        self.server.set_time(uptime, unix_seconds);
    }

    /// Sends bytes on another session and returns the replies.
    pub(super) fn send_as(&mut self, speaker: &mut Speaker, bytes: &[u8]) -> Vec<u8> {
        core::mem::swap(&mut self.session, &mut speaker.session);
        core::mem::swap(&mut self.pending, &mut speaker.pending);
        let replies = self.send(bytes);
        core::mem::swap(&mut self.session, &mut speaker.session);
        core::mem::swap(&mut self.pending, &mut speaker.pending);
        replies
    }

    /// Sends bytes and returns the replies.
    pub(super) fn send(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.pending.extend_from_slice(bytes);
        self.server.report.begin_turn(self.unix_seconds, 7_008_900);
        let mut replies = Vec::new();
        let mut start = 0;
        loop {
            let mut out = Sink { bytes: Vec::new(), room: self.room, lent: Vec::new() };
            let advance = self.session.advance(&self.pending[start..], &mut self.server, &NoDataplane, &mut out);
            start += advance.consumed;
            out.lent.iter().for_each(|body| self.server.store.take_back(body));
            replies.extend_from_slice(&out.bytes);
            match advance.status {
                Status::NeedRoom | Status::Pause => {}
                Status::NeedInput | Status::Watch => break,
                Status::Quit | Status::Malformed | Status::LongLine => {
                    replies.extend_from_slice(b"<closed>");
                    break;
                }
            }
        }
        self.pending.drain(..start);
        assert!(self.pending.len() < LINE_LIMIT, "asked for input with too much of it left");
        replies
    }

    /// Lets another session go.
    pub(super) fn leave(&mut self, mut speaker: Speaker) {
        speaker.session.close(&mut self.server);
    }

    /// Lets time pass.
    pub(super) fn sleep(&mut self, seconds: u32) {
        self.set_clock(self.uptime + seconds, self.unix_seconds + u64::from(seconds));
    }
}

/// What a new server answers to `request`.
pub(super) fn exchange(request: &[u8]) -> Vec<u8> {
    Client::new().send(request)
}

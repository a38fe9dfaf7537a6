//! The application without a network.

use app_memcached::protocol::{Advance, Dataplane, Dialect, Output, Permissions, Server, Session, Settings, Tallies};
use app_memcached::store::{self, StoreConfig, StoreMemory, WhenFull};
use netdrv::pktbuf::Fragment;

/// Where the clock of days stands when a play begins.
pub(super) const UNIX_SECONDS: u64 = 1_700_000_000;

/// A server, its clock, and what it has lent.
pub(super) struct Host {
    pub(super) server: Server,
    uptime: u32,
    /// What is lent, and what it said then.
    lent: Vec<(Fragment, Vec<u8>)>,
}

/// How an output takes what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pieces {
    /// In pieces, if asked.
    Given,
    Refused,
}

struct Sink {
    bytes: Vec<u8>,
    room: usize,
    pieces: Pieces,
    lent: Vec<Fragment>,
}

/// The longest value that a packet borrows at once.
const LENDABLE: usize = 40_000;

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
        if self.pieces == Pieces::Refused {
            return None;
        }
        let at = self.bytes.len();
        self.bytes.resize(at + len, 0);
        Some(&mut self.bytes[at..])
    }

    fn lendable(&self) -> usize {
        self.room().min(LENDABLE)
    }

    fn lend(&mut self, body: Fragment) {
        assert!(body.len() <= self.lendable(), "lent beyond the room");
        self.bytes.extend_from_slice(body.bytes());
        self.lent.push(body);
    }
}

/// The layers below, which count nothing.
struct Below;

impl Dataplane for Below {
    fn visit(&self, visit: &mut dyn FnMut(&str, u64)) {
        visit("rx_frames", 1);
        visit("drop_test", 2);
    }
}

impl Host {
    pub(super) fn new(memory: StoreMemory, when_full: WhenFull, max_item_size: usize) -> Host {
        let config = StoreConfig { cores: 1, when_full, seed: 7 };
        let settings = Settings {
            max_item_size: max_item_size as u32,
            when_full,
            conn_limit: 1024,
            port: 11211,
            udp_port: 0,
            http_port: 0,
            permissions: Permissions::default(),
            dialect: Dialect::DEFAULT,
            threads: 1,
            auth: None,
            cluster: None,
        };
        let Ok(shared) = store::Shared::new(memory, config) else { panic!("too little memory for a store") };
        let mut server = Server::new(shared.handle().expect("the first handle"), settings, Tallies::new(1, 0), 0);
        server.store.pass();
        server.set_time(0, UNIX_SECONDS);
        Host { server, uptime: 0, lent: Vec::new() }
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, seconds: u32) {
        self.uptime += seconds;
        self.server.set_time(self.uptime, UNIX_SECONDS + u64::from(self.uptime));
    }

    /// Works on `input`, with so much room for answers. Returns what was done and written.
    pub(super) fn advance(
        &mut self,
        session: &mut Session,
        input: &[u8],
        room: usize,
        pieces: Pieces,
    ) -> (Advance, Vec<u8>) {
        let mut sink = Sink { bytes: Vec::new(), room, pieces, lent: Vec::new() };
        let advance = session.advance(input, &mut self.server, &Below, &mut sink);
        self.lent.extend(sink.lent.into_iter().map(|body| {
            let said = body.bytes().to_vec();
            (body, said)
        }));
        (advance, sink.bytes)
    }

    /// What was lent comes back, as it was.
    pub(super) fn take_back(&mut self) {
        for (body, said) in self.lent.drain(..) {
            assert_eq!(body.bytes(), said, "what was lent has changed");
            self.server.store.take_back(&body);
        }
    }
}

//! Plays by UDP: datagrams to a whole service, each a conversation of its own; what they are answered is compared with the model.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use app_memcached::protocol::{Dialect, Permissions, Settings};
use app_memcached::service::{Service, Shared};
use app_memcached::store::{StoreMemory, WhenFull};
use netdrv::pktbuf::{Pool, PoolMemory};
use netstack::app::{App, Call, Calls, Event, Events, Progress, Statistics, Turn};
use netstack::time::Instant;

use super::answer::{Extent, is_as_expected};
use super::items::Items;
use super::memory;
use super::server::UNIX_SECONDS;
use super::talk::Talk;
use super::template;
use crate::input::Input;

const PORT: u16 = 11211;
const CLIENT: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 2), 4000);

/// Bytes of a datagram that an Ethernet frame holds.
const LONGEST: usize = 1472;
/// Bytes before what is asked or answered, and with the answer.
const HEADER: usize = 8;
const LONGEST_ANSWER: usize = 1400;

/// An answer of more is not asked for: it may have more parts than are sent, and what was done until then would be chance.
const MOST_ANSWERED: usize = 100_000;

/// Buffers of the pool: enough for the answers of a turn.
const BUFFERS: usize = 1024;
/// Datagrams that come in one turn.
const MOST_TOGETHER: usize = 4;

const LARGEST_ITEM: usize = 16 << 10;
const MOST_BYTES: usize = 1 << 20;
const MOST_OPERATIONS: usize = 1_000;

thread_local! {
    /// The pool of all services of a thread, one after the other.
    static POOL: &'static Pool = Pool::leak(PoolMemory::leak(BUFFERS));
}

struct Play {
    service: Service,
    pool: &'static Pool,
    events: Events,
    calls: Calls,
    now: Instant,
    items: Items,
    /// What was asked in this turn.
    asked: Vec<Asked>,
    next_id: u16,
}

/// A datagram on its way.
struct Asked {
    bytes: Vec<u8>,
    talk: Talk,
    id: u16,
}

struct Nothing;

impl Statistics for Nothing {
    fn visit(&self, visit: &mut dyn FnMut(&str, u64)) {
        visit("drop_test", 1);
    }
}

/// Runs an input.
pub(crate) fn run(input: &[u8]) {
    memory::lend(memory::LARGEST, |bytes| {
        let mut input = Input::new(input);
        let mut play = Play::new(bytes);
        for _ in 0..MOST_OPERATIONS {
            if input.is_empty() || play.items.bytes() > MOST_BYTES {
                break;
            }
            play.operate(&mut input);
        }
        play.end();
    });
}

impl Play {
    fn new(bytes: StoreMemory) -> Play {
        let settings = Settings {
            conn_limit: 8,
            max_item_size: LARGEST_ITEM as u32,
            when_full: WhenFull::Evict,
            port: PORT,
            udp_port: PORT,
            http_port: 0,
            permissions: Permissions::default(),
            dialect: Dialect::DEFAULT,
            threads: 1,
            auth: None,
            cluster: None,
        };
        let pool = POOL.with(|pool| *pool);
        let Ok(mut shared) = Shared::new(settings, 7, bytes) else { panic!("too little memory for a store") };
        let Ok(service) = shared.service(pool) else { panic!("no first service") };
        let (events, calls, items) = (Events::new(), Calls::new(), Items::new(UNIX_SECONDS, LARGEST_ITEM));
        let mut play =
            Play { service, pool, events, calls, now: Instant::ZERO, items, asked: Vec::new(), next_id: 0xfff0 };
        play.turn();
        play
    }

    /// Does what the next bytes of the input say.
    fn operate(&mut self, input: &mut Input<'_>) {
        let operation = input.u8();
        let last = self.items.last_cas;
        match operation >> 3 {
            kind @ 0..=17 => {
                let mut requests = Vec::new();
                for _ in 0..=operation & 3 {
                    requests.extend(match kind % 3 {
                        0 => template::text(input, last),
                        1 => template::meta(input, last),
                        _ => template::binary(input, last),
                    });
                }
                self.ask(&requests);
            }
            18..=21 => {
                let len = input.u8();
                self.ask(input.bytes(len.into()));
            }
            22 => {
                let len = input.u16();
                self.ask(input.bytes(len.into()));
            }
            23 => {
                let len = usize::from(input.u8());
                let bytes = input.bytes(len);
                // What is a message comes by the others.
                if bytes.len() <= HEADER || bytes[4..6] != [0, 1] {
                    self.deliver(bytes);
                    self.turn();
                }
            }
            24 | 25 => self.pass(u32::from(input.u8() % 20) + 1),
            26 | 27 => {
                let (len, count) = (usize::from(input.u16() % 1400), usize::from(input.u8()));
                self.ask(&[format!("set a 0 0 {len}\r\n").as_bytes(), &vec![b'l'; len], b"\r\n"].concat());
                self.turn();
                self.ask(&[&b"get"[..], &b" a".repeat(count), b"\r\n"].concat());
            }
            28 => self.ask(input.bytes(usize::MAX)),
            _ => self.turn(),
        }
        // Some come with the next.
        if operation & 4 == 0 || self.asked.len() >= MOST_TOGETHER {
            self.turn();
        }
    }

    /// Lets time pass.
    fn pass(&mut self, seconds: u32) {
        self.turn();
        self.now = self.now + Duration::from_secs(seconds.into());
        self.items.pass(seconds);
        self.turn();
    }

    /// A client sends requests.
    fn ask(&mut self, requests: &[u8]) {
        let requests = &requests[..requests.len().min(LONGEST - HEADER)];
        if super::play::is_kept_out(requests) {
            return;
        }
        let (mut talk, mut items) = (Talk::new(), self.items.clone());
        talk.hear(requests);
        talk.finish(&mut items);
        if talk.said() > MOST_ANSWERED {
            return;
        }
        // What nothing is asked with is no message.
        if !requests.is_empty() {
            self.items = items;
        }
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);
        let [high, low] = id.to_be_bytes();
        let bytes = [&[high, low, 0, id as u8, 0, 1, low, 0][..], requests].concat();
        self.deliver(&bytes);
        self.asked.push(Asked { bytes, talk, id });
    }

    /// A datagram comes.
    fn deliver(&mut self, bytes: &[u8]) {
        let Some(mut payload) = self.pool.alloc() else { panic!("no buffer for a datagram") };
        assert!(payload.extend_from_slice(bytes).is_some(), "a datagram fits into a buffer");
        let event = Event::UdpRecv { local_port: PORT, remote: CLIENT, payload };
        assert!(self.events.push_back(event).is_ok(), "room for an event");
    }

    /// Runs turns until nothing is left to be done, and compares what was answered.
    fn turn(&mut self) {
        let mut answers: Vec<Vec<u8>> = Vec::new();
        loop {
            let unix_seconds = UNIX_SECONDS + self.now.as_micros() / 1_000_000;
            let turn = Turn { now: self.now, unix_seconds, statistics: &Nothing };
            let progress = self.service.run(turn, &mut self.events, &mut self.calls);
            while let Some(call) = self.calls.pop_front() {
                let Call::UdpSend { local_port, remote, payload } = call else { panic!("{call:?}") };
                assert_eq!((local_port, remote), (PORT, CLIENT));
                answers.push(payload.bytes().to_vec());
            }
            if progress == Progress::Done && self.events.is_empty() {
                break;
            }
        }
        let mut answers = answers.into_iter();
        for asked in std::mem::take(&mut self.asked) {
            let said = if asked.talk.said() == 0 { Vec::new() } else { collect(&mut answers, asked.id) };
            assert!(
                is_as_expected(&said, &asked.talk.parts, Extent::All),
                "asked {}\n told {}\n expected {:?}",
                asked.bytes.escape_ascii(),
                said.escape_ascii(),
                asked.talk.parts
            );
        }
        assert_eq!(answers.next(), None, "an answer that nobody has asked for");
    }

    /// Everything is there, and nothing is held.
    fn end(&mut self) {
        self.turn();
        assert_eq!(self.service.server().store.pinned_segments(), 0, "something is held");
        assert_eq!(self.service.server().store.counters().evictions, 0, "evicted");
        let keys: Vec<Vec<u8>> = self.items.iter().map(|(key, _)| key.clone()).collect();
        assert!(self.service.server().store.len() >= keys.len(), "fewer items than there are");
        for key in keys {
            let head = [0x80, 0, 0, key.len() as u8, 0, 0, 0, 0, 0, 0, 0, key.len() as u8];
            self.ask(&[&head[..], &[0; 12], &key].concat());
            self.turn();
        }
        assert_eq!(self.pool.available(), self.pool.capacity(), "a buffer is held");
    }
}

/// Puts the parts of the next answer together: numbered from 0, as many as they say, and none too long.
fn collect(answers: &mut impl Iterator<Item = Vec<u8>>, id: u16) -> Vec<u8> {
    let (mut said, mut number) = (Vec::new(), 0u16);
    loop {
        let Some(part) = answers.next() else { panic!("no part {number} of answer {id:#x}") };
        assert!((HEADER + 1..=LONGEST_ANSWER).contains(&part.len()), "a part of {} bytes", part.len());
        let field = |at: usize| u16::from_be_bytes([part[at], part[at + 1]]);
        assert_eq!((field(0), field(2), field(6)), (id, number, 0), "a part of another answer");
        said.extend_from_slice(&part[HEADER..]);
        number += 1;
        if field(4) == number {
            return said;
        }
        assert!(field(4) > number, "a part beyond the last");
    }
}

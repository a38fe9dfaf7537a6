//! Plays: clients that send, wait, leave or do not read, on one store; what they are answered is compared with the model.
//!
//! Memory is ample, and then nothing may be lost or refused; or scarce, and then what is lost has to be among the evictions that were
//! counted, and what is refused has to be refused for lack of memory.

use app_memcached::protocol::{LINE_LIMIT, REPLY_ROOM, Session, Status};
use app_memcached::store::{StoreMemory, WhenFull};

use super::answer::{Extent, is_as_expected};
use super::items::{Items, Luck};
use super::memory;
use super::server::{Host, Pieces, UNIX_SECONDS};
use super::talk::{State, Talk, Turn};
use crate::input::Input;

/// Makes a request of a few bytes of the input; the second argument is the CAS value given last.
pub(crate) type Template = fn(&mut Input<'_>, u64) -> Vec<u8>;

pub(crate) const TEXT: &[Template] = &[super::template::text];
pub(crate) const META: &[Template] = &[super::template::meta, super::template::meta, super::template::text];
pub(crate) const BINARY: &[Template] = &[super::template::binary];

const CLIENTS: usize = 4;

/// Bytes of ample and of scarce memory.
const AMPLE: usize = memory::LARGEST;
const SCARCE: usize = 2 << 20;

/// Bytes of items in ample memory, at most: far from what it holds.
const MOST_BYTES: usize = 1 << 20;

/// Bytes that may wait for a client that does not read.
const MOST_PENDING: usize = 200 << 10;

/// Bytes of the largest item, in ample memory and in scarce.
const LARGEST_ITEM: usize = 192 << 10;
const LARGEST_SCARCE: usize = 300 << 10;

/// Commands that are not sent.
const KEPT_OUT: [&[u8]; 2] = [b"cache_memlimit", b"watch"];
const LONGEST_KEPT_OUT: usize = 14;

/// Operations of a play, at most.
const MOST_OPERATIONS: usize = 2_000;

/// What chance may decide, the usual first.
const LUCKS: [Luck; 5] = [Luck::Usual, Luck::Evicted, Luck::NoMemory, Luck::NoMemoryLater, Luck::NotHeld];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Memory {
    Ample,
    Scarce,
}

/// Whether a client reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// So much at a time.
    All(usize),
    /// So much, and no more.
    Only(usize),
}

/// A connection, on both sides.
struct Client {
    session: Session,
    talk: Talk,
    /// Bytes that the session has not taken.
    pending: Vec<u8>,
    /// What it was told.
    told: Vec<u8>,
    reading: Reading,
    /// Whether the session waits for room.
    is_blocked: bool,
    /// Bytes that come together, at most.
    cut: usize,
}

impl Client {
    fn new() -> Client {
        let (pending, told, reading) = (Vec::new(), Vec::new(), Reading::All(4096));
        Client {
            session: Session::default(),
            talk: Talk::new(),
            pending,
            told,
            reading,
            is_blocked: false,
            cut: usize::MAX,
        }
    }
}

struct Play {
    host: Host,
    items: Items,
    clients: [Client; CLIENTS],
    memory: Memory,
    when_full: WhenFull,
    pieces: Pieces,
    /// Evictions that are accounted for.
    evictions: u64,
}

/// Whether there is something among `bytes` that changes what the model does not know: how much memory there is, or who is told what
/// others do.
pub(super) fn is_kept_out(bytes: &[u8]) -> bool {
    KEPT_OUT.iter().any(|word| bytes.windows(word.len()).any(|bytes| bytes == *word))
}

/// Runs an input whose requests are made by `templates`.
pub(crate) fn run(input: &[u8], templates: &[Template]) {
    let mut input = Input::new(input);
    let mode = input.u8();
    let (memory, when_full) = match mode & 3 {
        0 | 1 => (Memory::Ample, WhenFull::Evict),
        2 => (Memory::Scarce, WhenFull::Evict),
        _ => (Memory::Scarce, WhenFull::Refuse),
    };
    let bytes = if memory == Memory::Ample { AMPLE } else { SCARCE };
    memory::lend(bytes, |bytes| {
        let pieces = if mode & 4 == 0 { Pieces::Given } else { Pieces::Refused };
        let mut play = Play::new(bytes, memory, when_full, pieces);
        for _ in 0..MOST_OPERATIONS {
            if input.is_empty() || (memory == Memory::Ample && play.items.bytes() > MOST_BYTES) {
                break;
            }
            play.operate(&mut input, templates);
        }
        play.end();
    });
}

impl Play {
    fn new(bytes: StoreMemory, memory: Memory, when_full: WhenFull, pieces: Pieces) -> Play {
        let largest = if memory == Memory::Ample { LARGEST_ITEM } else { LARGEST_SCARCE };
        Play {
            host: Host::new(bytes, when_full, largest),
            items: Items::new(UNIX_SECONDS, largest),
            clients: std::array::from_fn(|_| Client::new()),
            memory,
            when_full,
            pieces,
            evictions: 0,
        }
    }

    /// Does what the next bytes of the input say.
    fn operate(&mut self, input: &mut Input<'_>, templates: &[Template]) {
        let operation = input.u8();
        let n = usize::from(operation) % CLIENTS;
        self.host.server.store.pass();
        match operation >> 2 {
            0..=23 => {
                let template = templates[usize::from(operation >> 2) % templates.len()];
                let request = template(input, self.items.last_cas);
                self.send(n, &request);
            }
            24..=35 => {
                let len = input.u8();
                self.send(n, input.bytes(len.into()));
            }
            36..=39 => {
                let len = input.u16();
                self.send(n, input.bytes(len.into()));
            }
            40..=45 => {
                let len = u32::from(input.u16());
                let pattern: Vec<u8> = (0..len).map(|at| b'a' + (at % 23) as u8).collect();
                self.send(n, &pattern);
            }
            46..=48 => {
                let seconds = match input.u8() {
                    n @ ..200 => u32::from(n % 20) + 1,
                    n => (u32::from(n) - 199) * 100_000,
                };
                self.host.pass(seconds);
                self.items.pass(seconds);
            }
            49..=51 => self.leave(n),
            52..=54 => self.clients[n].reading = Reading::Only(input.u16().into()),
            55..=57 => {
                self.clients[n].reading = Reading::All(REPLY_ROOM + 64 * usize::from(input.u8()));
                self.serve(n);
            }
            58 => self.host.take_back(),
            59 => {
                let cut = input.u8();
                self.clients[n].cut = if cut == 0 { usize::MAX } else { cut.into() };
            }
            60 => self.fill(n, input),
            61 => self.send(n, b"\r\n"),
            62 => self.send(n, input.bytes(usize::MAX)),
            _ => {}
        }
    }

    /// Many items by one client.
    fn fill(&mut self, n: usize, input: &mut Input<'_>) {
        let (count, len, first) = (input.u8() % 64, usize::from(input.u8()) * 64, input.u8());
        for number in 0..count {
            let name = format!("fill{}", first.wrapping_add(number));
            let request = match self.clients[n].talk.state {
                State::Frame => {
                    let len = (8 + name.len() + len) as u32;
                    let head = [&[0x80, 1, 0, name.len() as u8, 8, 0, 0, 0][..], &len.to_be_bytes(), &[0; 20]].concat();
                    [head, name.into_bytes()].concat()
                }
                _ => format!("set {name} 0 0 {len}\r\n").into_bytes(),
            };
            let end: &[u8] = if matches!(self.clients[n].talk.state, State::Frame) { b"" } else { b"\r\n" };
            self.send(n, &[&request[..], &vec![number; len], end].concat());
        }
    }

    /// A client sends bytes.
    fn send(&mut self, n: usize, bytes: &[u8]) {
        let before = self.clients[n].talk.last(LONGEST_KEPT_OUT - 1);
        if is_kept_out(&[before, bytes].concat()) || self.clients[n].pending.len() > MOST_PENDING {
            return;
        }
        let cut = self.clients[n].cut;
        for piece in bytes.chunks(cut) {
            let client = &mut self.clients[n];
            client.pending.extend_from_slice(piece);
            client.talk.hear(piece);
            self.serve(n);
        }
    }

    /// A client goes, in the middle of whatever it was at, and another one comes.
    fn leave(&mut self, n: usize) {
        let mut client = std::mem::replace(&mut self.clients[n], Client::new());
        client.session.close(&mut self.host.server);
    }

    /// Works on what a client has sent, as far as that and what the client reads reach.
    fn serve(&mut self, n: usize) {
        loop {
            let client = &self.clients[n];
            let room = match client.reading {
                Reading::All(room) => room,
                // Nothing is begun in less.
                Reading::Only(left) if left > 0 && (client.is_blocked || left >= REPLY_ROOM) => left,
                Reading::Only(_) => {
                    self.clients[n].is_blocked = true;
                    return;
                }
            };
            let len = client.pending.len();
            let shown = if self.memory == Memory::Scarce { client.talk.boundary() } else { len };
            let (before, stores) = ((len, client.told.len()), client.talk.has_whole_value());
            let status = self.advance(n, shown, room);
            let client = &self.clients[n];
            match status {
                Status::NeedInput if shown < len => {
                    assert!(client.pending.len() < len || stores, "nothing comes of a whole request");
                }
                Status::NeedInput => return,
                // It was less than is needed to begin, and will not be more.
                Status::NeedRoom if (client.pending.len(), client.told.len()) == before => {
                    assert!(room < REPLY_ROOM, "nothing comes of room for a reply");
                    return;
                }
                Status::NeedRoom | Status::Pause => {}
                Status::Quit | Status::Malformed | Status::LongLine => return self.leave(n),
                Status::Watch => unreachable!("a session of no connection cannot watch"),
            }
        }
    }

    /// Shows a session so many of the bytes that it has not taken, and compares what it makes of them.
    fn advance(&mut self, n: usize, shown: usize, room: usize) -> Status {
        let client = &mut self.clients[n];
        let input = &client.pending[..shown];
        let (advance, bytes) = self.host.advance(&mut client.session, input, room, self.pieces);
        assert!(advance.consumed <= shown, "took more than there was");
        if let Reading::Only(left) = &mut client.reading {
            *left -= bytes.len();
        }
        client.told.extend_from_slice(&bytes);
        client.pending.drain(..advance.consumed);
        client.is_blocked = matches!(advance.status, Status::NeedRoom | Status::Pause);
        if advance.status == Status::NeedInput {
            assert!(shown - advance.consumed < LINE_LIMIT, "asked for input with too much of it left");
        }
        self.compare(n, Turn { shown, room, taken: advance.consumed }, advance.status);
        advance.status
    }

    /// Lets the model do the same.
    fn compare(&mut self, n: usize, turn: Turn, status: Status) {
        let lucks = if self.memory == Memory::Ample { &LUCKS[..1] } else { &LUCKS[..] };
        let found = lucks.iter().find_map(|luck| self.follow(n, turn, *luck, status));
        let Some((talk, items)) = found else { self.complain(n, turn, status) };
        let client = &mut self.clients[n];
        (client.talk, self.items) = (talk, items);
        let has_all = turn.taken + client.pending.len() == turn.shown;
        match status {
            Status::NeedRoom | Status::Pause | Status::Watch => {}
            Status::NeedInput => {
                assert!(!has_all || client.talk.waits(&mut self.items), "there was more to be done");
                client.talk.parts.clear();
                client.told.clear();
            }
            Status::Quit | Status::Malformed | Status::LongLine => {
                assert!(client.talk.is_closed(), "closed without a reason");
            }
        }
    }

    /// What the model makes of what was taken, with this luck; `None` if that is not what was seen.
    fn follow(&mut self, n: usize, turn: Turn, luck: Luck, status: Status) -> Option<(Talk, Items)> {
        let client = &mut self.clients[n];
        let (mut talk, mut items) = match self.memory {
            // There is no second try.
            Memory::Ample => (std::mem::replace(&mut client.talk, Talk::new()), self.items.take()),
            Memory::Scarce => (client.talk.clone(), self.items.clone()),
        };
        items.luck = luck;
        let extent = if matches!(status, Status::NeedRoom | Status::Pause) { Extent::Beginning } else { Extent::All };
        let has_followed = talk.follow(turn, &mut items);
        let mut is_right = is_as_expected(&self.clients[n].told, &talk.parts, extent);
        if !is_right && status == Status::NeedRoom && talk.gives_up_line(&mut items) {
            is_right = is_as_expected(&self.clients[n].told, &talk.parts, extent);
        }
        let has_closed = matches!(status, Status::Quit | Status::Malformed | Status::LongLine);
        if !has_followed || !is_right || has_closed != talk.is_closed() {
            if self.memory == Memory::Ample {
                (self.clients[n].talk, self.items) = (talk, items);
            }
            return None;
        }
        if self.memory == Memory::Scarce {
            items.luck = Luck::Usual;
            self.agree(&mut items, luck)?;
        }
        Some((talk, items))
    }

    /// Takes what was evicted out of `items`, if it may have been. `None` if the store is not as they are.
    fn agree(&mut self, items: &mut Items, luck: Luck) -> Option<()> {
        let store = &mut self.host.server.store;
        let evictions = store.counters().evictions;
        // Of what was stored or not without a word, the CAS values tell.
        let agrees = items.last_cas == store.last_cas();
        items.last_cas = store.last_cas();
        if evictions == self.evictions && luck == Luck::Usual && agrees {
            return Some(());
        }
        let lost = missing(items, &mut self.host)?;
        if lost.len() as u64 > evictions - self.evictions {
            return None;
        }
        let store = &mut self.host.server.store;
        let is_there = |key: &Vec<u8>| store.peek(key).is_ok();
        if self.items.iter().map(|(key, _)| key).filter(|key| items.peek(key).is_none()).any(is_there) {
            return None;
        }
        lost.iter().for_each(|key| drop(items.remove(key)));
        self.evictions = evictions;
        Some(())
    }

    fn complain(&self, n: usize, turn: Turn, status: Status) -> ! {
        let client = &self.clients[n];
        panic!(
            "client {n}: after {turn:?}, {status:?}\n     told {}\n expected {:?}\n model at {:?}",
            client.told.escape_ascii(),
            client.talk.parts,
            client.talk.state
        );
    }

    /// All read what there is for them, and leave; then everything is there, and nothing is held.
    fn end(&mut self) {
        for n in 0..CLIENTS {
            self.host.server.store.pass();
            self.clients[n].reading = Reading::All(8192);
            self.serve(n);
            self.leave(n);
        }
        self.host.take_back();
        assert_eq!(self.host.server.store.pinned_segments(), 0, "something is held");
        let evictions = self.host.server.store.counters().evictions;
        match (self.memory, self.when_full) {
            (Memory::Scarce, WhenFull::Evict) => {}
            _ => assert_eq!(evictions, 0, "evicted"),
        }
        let Some(lost) = missing(&self.items, &mut self.host) else { panic!("an item is not what was stored") };
        assert!(lost.len() as u64 <= evictions - self.evictions, "lost: {}", names(&lost));
        self.read_back(&lost);
        assert!(self.host.server.store.len() >= self.items.iter().count() - lost.len(), "fewer items than there are");
    }

    /// Reads every item by a client of its own.
    fn read_back(&mut self, lost: &[Vec<u8>]) {
        let keys: Vec<Vec<u8>> =
            self.items.iter().map(|(key, _)| key.clone()).filter(|key| !lost.contains(key)).collect();
        for key in keys {
            let head = [0x80, 0, 0, key.len() as u8, 0, 0, 0, 0, 0, 0, 0, key.len() as u8];
            // The empty key is none of a frame.
            if !key.is_empty() {
                self.send(0, &[&head[..], &[0; 12], &key].concat());
            }
        }
        self.leave(0);
        self.host.take_back();
    }
}

fn names(keys: &[Vec<u8>]) -> String {
    keys.iter().map(|key| format!("{} ", key.escape_ascii())).collect()
}

/// The model's items that the store does not have. `None` if it has another one.
fn missing(items: &Items, host: &mut Host) -> Option<Vec<Vec<u8>>> {
    let mut lost = Vec::new();
    for (key, item) in items.iter() {
        match host.server.store.peek(key) {
            Ok(found) => {
                let is_same = found.value.strip_suffix(b"\r\n") == Some(&item.value[..])
                    && (found.flags, found.exptime, found.cas) == (item.flags, item.gone_at, item.cas);
                is_same.then_some(())?;
            }
            Err(_) => lost.push(key.clone()),
        }
    }
    Some(lost)
}

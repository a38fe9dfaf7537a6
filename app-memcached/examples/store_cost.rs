//! Store operations for an instruction counter:
//! `valgrind --tool=callgrind store_cost get|set|add|churn|request-get|request-set 100000`, less the count of the same with `0`, over
//! 100000. A request is parsed, executed and answered. `churn` adds keys to a full store that has evicted all it can hold twice.

use app_memcached::protocol::{Dataplane, Dialect, Output, Permissions, Server, Session, Settings, Tallies};
use app_memcached::store::{Condition, Handle, Marks, NewItem, Shared, StoreConfig, StoreMemory, WhenFull};
use netdrv::pktbuf::Fragment;

const ITEMS: u32 = 50_000;
const VALUE: &[u8] = &[b'v'; 100];

/// The first key of `churn`.
const CHURN_FROM: u32 = 3 * ITEMS;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let (Some(operation), Some(count)) = (arguments.get(1), arguments.get(2).and_then(|count| count.parse().ok()))
    else {
        eprintln!("usage: store_cost get|set|add|churn|request-get|request-set COUNT");
        std::process::exit(2);
    };
    let config = StoreConfig { cores: 1, when_full: WhenFull::Evict, seed: 42 };
    let (bytes, items) = if operation == "churn" { (8 << 20, CHURN_FROM) } else { (256 << 20, ITEMS) };
    let shared = Shared::new(StoreMemory::leak(bytes), config).ok();
    let Some(mut store) = shared.and_then(|shared| shared.handle()) else { std::process::exit(1) };
    store.online();
    for i in 0..items {
        store.pass();
        put(&mut store, i);
    }
    let settings = Settings {
        max_item_size: 1 << 20,
        when_full: WhenFull::Evict,
        conn_limit: 1,
        port: 11211,
        udp_port: 0,
        http_port: 0,
        permissions: Permissions::default(),
        dialect: Dialect::DEFAULT,
        threads: 1,
        auth: None,
        cluster: None,
    };
    let mut server = Server::new(store, settings, Tallies::new(1, 0), 0);
    let mut session = Session::default();
    let mut replies = Replies { bytes: [0; 4096], len: 0 };
    let mut found = 0;
    for i in 0..count {
        let store = &mut server.store;
        match operation.as_str() {
            "get" => found += usize::from(store.get(&key(i % ITEMS)).is_ok_and(|item| item.value[0] == b'v')),
            "set" => put(store, i % ITEMS),
            "add" => put(store, ITEMS + i),
            "churn" => {
                store.pass();
                put(store, CHURN_FROM + i);
            }
            "request-get" | "request-set" => {
                let (request, len) = request(operation, i % ITEMS);
                replies.len = 0;
                session.advance(&request[..len], &mut server, &Silent, &mut replies);
                found += replies.len;
            }
            _ => std::process::exit(2),
        }
    }
    println!("{found} found, or bytes of replies, in {count}; {} items", server.store.len());
}

/// A request and its length.
fn request(operation: &str, i: u32) -> ([u8; 256], usize) {
    let mut request = [0; 256];
    let mut len = 0;
    let mut add = |part: &[u8]| {
        request[len..len + part.len()].copy_from_slice(part);
        len += part.len();
    };
    let is_get = operation == "request-get";
    add(if is_get { b"get " } else { b"set " });
    add(&key(i));
    if is_get {
        add(b"\r\n");
    } else {
        add(b" 0 0 100\r\n");
        add(VALUE);
        add(b"\r\n");
    }
    (request, len)
}

struct Silent;

impl Dataplane for Silent {
    fn visit(&self, _: &mut dyn FnMut(&str, u64)) {}
}

struct Replies {
    bytes: [u8; 4096],
    len: usize,
}

impl Output for Replies {
    fn room(&self) -> usize {
        self.bytes.len() - self.len
    }

    fn write(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    fn lendable(&self) -> usize {
        0
    }

    fn lend(&mut self, _: Fragment) {}

    fn piece(&mut self, len: usize) -> Option<&mut [u8]> {
        self.len += len;
        Some(&mut self.bytes[self.len - len..self.len])
    }
}

fn key(i: u32) -> [u8; 20] {
    let mut key = *b"key-0000000000000000";
    let mixed = u64::from(i).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    key.iter_mut().skip(4).zip(0..).for_each(|(byte, nibble)| *byte = b'a' + (mixed >> (nibble * 4) & 15) as u8);
    key
}

fn put(store: &mut Handle, i: u32) {
    let item = NewItem { key: &key(i), flags: 0, exptime: 0, marks: Marks::NONE };
    let Ok(mut reservation) = store.reserve(&item, VALUE.len()) else { return };
    store.fill(&mut reservation, VALUE);
    store.fill(&mut reservation, b"\r\n");
    let _ = store.publish(reservation, Condition::Set);
}

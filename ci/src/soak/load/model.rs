//! What a connection's keys hold, the next request, and the reply that it must get.

use fastrand::Rng;

/// Keys of a connection that hold values.
const KEYS: usize = 16;

/// A request and its only right reply.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    pub(super) verb: Verb,
    pub(super) request: Vec<u8>,
    pub(super) reply: Vec<u8>,
}

/// The requests of the mix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// `get` of a key that holds a value: anything but a hit is a miss.
    Hit,
    /// `get` of a key that was deleted, or never set.
    Absent,
    Set,
    Delete,
    Incr,
}

impl Verb {
    pub(super) const ALL: [Verb; 5] = [Verb::Hit, Verb::Absent, Verb::Set, Verb::Delete, Verb::Incr];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Verb::Hit => "get (present)",
            Verb::Absent => "get (deleted)",
            Verb::Set => "set",
            Verb::Delete => "delete",
            Verb::Incr => "incr",
        }
    }
}

/// The contents of a connection's keys.
#[derive(Debug)]
pub(super) struct Model {
    owner: usize,
    rng: Rng,
    values: [Option<Value>; KEYS],
    counter: Option<u64>,
}

/// A value, as little of it as it can be made from.
#[derive(Clone, Copy, Debug)]
struct Value {
    seed: u64,
    length: usize,
    flags: u32,
}

impl Value {
    fn bytes(self) -> Vec<u8> {
        let mut rng = Rng::with_seed(self.seed);
        let mut bytes = vec![0; self.length];
        rng.fill(&mut bytes);
        bytes
    }
}

impl Model {
    /// Keys that nobody else uses, all of them absent.
    pub(super) fn new(owner: usize, seed: u64) -> Model {
        // An odd multiplier spreads the owners over the seeds.
        let seed = seed.wrapping_add((owner as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        Model { owner, rng: Rng::with_seed(seed), values: [None; KEYS], counter: None }
    }

    /// The next requests, sent as one.
    pub(super) fn batch(&mut self) -> Vec<Exchange> {
        (0..self.rng.usize(1..=4)).map(|_| self.next()).collect()
    }

    /// A `get` of every key.
    pub(super) fn read_all(&mut self) -> Vec<Exchange> {
        (0..KEYS).map(|index| self.get(index)).chain([self.get_counter()]).collect()
    }

    fn next(&mut self) -> Exchange {
        let index = self.rng.usize(..KEYS);
        match self.rng.u8(..100) {
            0..60 => self.get(index),
            60..80 => self.set(index),
            80..85 => self.delete(index),
            85..95 => self.incr(),
            _ => self.get_counter(),
        }
    }

    fn key(&self, index: usize) -> String {
        format!("soak:{}:{index}", self.owner)
    }

    fn counter_key(&self) -> String {
        format!("soak:{}:counter", self.owner)
    }

    fn get(&self, index: usize) -> Exchange {
        let held = self.values[index].map(|value| (value.flags, value.bytes()));
        get(&self.key(index), held)
    }

    fn get_counter(&self) -> Exchange {
        get(&self.counter_key(), self.counter.map(|counter| (0, counter.to_string().into_bytes())))
    }

    fn set(&mut self, index: usize) -> Exchange {
        let length = match self.rng.u16(..1000) {
            0..700 => self.rng.usize(0..=200),
            700..950 => self.rng.usize(200..=2000),
            950..995 => self.rng.usize(2_000..=16_000),
            _ => self.rng.usize(16_000..=100_000),
        };
        let value = Value { seed: self.rng.u64(..), length, flags: self.rng.u32(..) };
        self.values[index] = Some(value);
        set(&self.key(index), value.flags, &value.bytes())
    }

    fn delete(&mut self, index: usize) -> Exchange {
        let reply: &[u8] = if self.values[index].take().is_some() { b"DELETED\r\n" } else { b"NOT_FOUND\r\n" };
        let request = format!("delete {}\r\n", self.key(index)).into_bytes();
        Exchange { verb: Verb::Delete, request, reply: reply.to_vec() }
    }

    /// `incr` of the counter, or now and then a `set` that starts it again.
    fn incr(&mut self) -> Exchange {
        match self.counter {
            Some(counter) if self.rng.u8(..16) > 0 => {
                let delta = self.rng.u64(..=1 << 32);
                let sum = counter.wrapping_add(delta);
                self.counter = Some(sum);
                let request = format!("incr {} {delta}\r\n", self.counter_key()).into_bytes();
                Exchange { verb: Verb::Incr, request, reply: format!("{sum}\r\n").into_bytes() }
            }
            _ => {
                let start = self.rng.u64(..1000);
                self.counter = Some(start);
                set(&self.counter_key(), 0, start.to_string().as_bytes())
            }
        }
    }
}

fn get(key: &str, held: Option<(u32, Vec<u8>)>) -> Exchange {
    let request = format!("get {key}\r\n").into_bytes();
    match held {
        None => Exchange { verb: Verb::Absent, request, reply: b"END\r\n".to_vec() },
        Some((flags, value)) => {
            let head = format!("VALUE {key} {flags} {}\r\n", value.len()).into_bytes();
            Exchange { verb: Verb::Hit, request, reply: [&head[..], &value, b"\r\nEND\r\n"].concat() }
        }
    }
}

fn set(key: &str, flags: u32, value: &[u8]) -> Exchange {
    let head = format!("set {key} {flags} 0 {}\r\n", value.len()).into_bytes();
    Exchange { verb: Verb::Set, request: [&head[..], value, b"\r\n"].concat(), reply: b"STORED\r\n".to_vec() }
}

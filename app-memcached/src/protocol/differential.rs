//! Random requests, text, meta and binary, answered here and by memcached: the same bytes, but for the differences that
//! `docs/differences.md` justifies, which the generator does not ask for.
//!
//! `cargo test -p app-memcached -- --ignored as_memcached_does`; `OPERATIONS`, `SEED` and `BURST` change what is asked.
//!
//! memcached's clock ticks once a second, and what it answers depends on it. So requests come in bursts, each right after a tick,
//! whose second the clock here is set to. A burst that the next tick overtakes (the machine was busy) proves nothing: memcached
//! is started anew.

mod pair;
mod requests;

use std::collections::VecDeque;
use std::time::Duration;

use pair::Pair;
pub(super) use pair::Theirs;
use requests::Random;

use super::number::parse_u64;
use super::recorded::Memcached;
use super::testkit::Client;

/// Operations of one run. One is sent at a time: 1.6.18 gives a number that is counted down while it is being sent its own length.
const OPERATIONS: usize = 20_000;

/// Operations between two ticks. Half as many after each burst that was overtaken, and a few more after each that was not.
const BURST: usize = 4_000;

/// Bursts in a row that may be overtaken.
const PATIENCE: usize = 20;

/// Operations that are shown if one is answered differently.
const SHOWN: usize = 400;

/// Both servers.
struct Both {
    client: Client,
    text: Pair,
    binary: Pair,
    clock: Theirs,
    second: Second,
    /// The last requests.
    before: VecDeque<String>,
    _memcached: Memcached,
}

/// A second of memcached's clock: since its start, and since 1970.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Second {
    uptime: u32,
    unix: u64,
}

/// What a request is written in.
#[derive(Clone, Copy)]
enum Dialect {
    Text,
    Binary,
}

/// memcached's clock went on within a burst.
struct Overtaken;

impl Both {
    fn start() -> Both {
        // Its maintenance of the LRU holds items that were read; a number that is held is not written in place.
        let memcached = Memcached::start_with(&["-o", "no_lru_maintainer"]);
        let mut client = Client::new();
        let text = Pair::new(memcached.port, b"mn\r\n", &mut client);
        let binary = Pair::new(memcached.port, &requests::noop(), &mut client);
        let mut clock = Theirs::connect(memcached.port);
        let second = Second::read(&mut clock);
        Both { client, text, binary, clock, second, before: VecDeque::new(), _memcached: memcached }
    }

    /// Waits for a tick and sets the clock here.
    fn tick(&mut self) {
        let before = Second::read(&mut self.clock);
        self.second = before;
        while self.second == before {
            std::thread::sleep(Duration::from_millis(2));
            self.second = Second::read(&mut self.clock);
        }
        self.client.set_clock(self.second.uptime, self.second.unix);
    }

    /// Sends `operations` requests within a second.
    fn burst(&mut self, operations: usize, random: &mut Random) -> Result<(), Overtaken> {
        for _ in 0..operations {
            let (dialect, request) = self.draw(random);
            let pair = match dialect {
                Dialect::Text => &mut self.text,
                Dialect::Binary => &mut self.binary,
            };
            self.before.push_back(request[..request.len().min(90)].escape_ascii().to_string());
            if self.before.len() > SHOWN {
                self.before.pop_front();
            }
            let (theirs, ours) = pair.send(&request, &mut self.client);
            if !are_alike(&theirs, &ours) {
                self.check_clock()?;
                let before = self.before.make_contiguous().join("\n");
                panic!("{before}\ntheirs {}\n  ours {}", theirs.escape_ascii(), ours.escape_ascii());
            }
        }
        self.check_clock()
    }

    /// A request that both should answer alike.
    fn draw(&mut self, random: &mut Random) -> (Dialect, Vec<u8>) {
        loop {
            let given = self.client.server.store.last_cas();
            let (dialect, request) = match random.below(2) {
                0 => (Dialect::Text, requests::text(random, given)),
                _ => (Dialect::Binary, requests::binary(random, given)),
            };
            if !(requests::is_arithmetic(&request) && holds_huge_number(&mut self.client)) {
                return (dialect, request);
            }
        }
    }

    fn check_clock(&mut self) -> Result<(), Overtaken> {
        if Second::read(&mut self.clock) == self.second { Ok(()) } else { Err(Overtaken) }
    }
}

impl Second {
    fn read(clock: &mut Theirs) -> Second {
        let stats = String::from_utf8(clock.ask(b"stats\r\n", b"END\r\n")).unwrap();
        let number = |name: &str| {
            let line = stats.lines().find_map(|line| line.strip_prefix("STAT ")?.strip_prefix(name));
            line.and_then(|number| number.trim().parse().ok()).expect("it tells the time")
        };
        Second { uptime: number("uptime ") as u32, unix: number("time ") }
    }
}

/// Whether an item is a number from 2^63 on: 1.6.18 looks for a minus in it before it adds, and behind it, in what other items have
/// left there.
fn holds_huge_number(client: &mut Client) -> bool {
    let store = &mut client.server.store;
    let mut values =
        requests::KEYS.iter().map(|key| store.peek(key.as_bytes()).ok().and_then(|item| parse_u64(item.value)));
    values.any(|value| value.is_some_and(|value| value >> 63 == 1))
}

/// Whether two answers are the same, but for the time since the last use and the number of the slab class.
fn are_alike(theirs: &[u8], ours: &[u8]) -> bool {
    theirs == ours || {
        let words = |bytes: &[u8]| -> Vec<Vec<u8>> {
            bytes.split(|byte| matches!(byte, b' ' | b'\r')).map(<[u8]>::to_vec).collect()
        };
        let (theirs, ours) = (words(theirs), words(ours));
        theirs.len() == ours.len() && theirs.iter().zip(&ours).all(|(a, b)| a == b || may_differ(a, b))
    }
}

fn may_differ(theirs: &[u8], ours: &[u8]) -> bool {
    ["l", "la=", "cls="].iter().any(|name| {
        let is_number = |word: &[u8]| {
            word.strip_prefix(name.as_bytes()).is_some_and(|digits| digits.iter().all(u8::is_ascii_digit))
        };
        is_number(theirs) && is_number(ours)
    })
}

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[test]
#[ignore = "needs memcached 1.6.18"]
fn answers_as_memcached_does() {
    let mut random = Random(0x9e37_79b9 + number("SEED", 1) as u64);
    let (operations, usual) = (number("OPERATIONS", OPERATIONS), number("BURST", BURST));
    let (mut done, mut burst, mut overtaken, mut both) = (0, usual, 0, Both::start());
    while done < operations {
        both.tick();
        match both.burst(burst, &mut random) {
            Ok(()) => {
                done += burst;
                (overtaken, burst) = (0, usual.min(burst + burst / 4 + 1));
            }
            Err(Overtaken) => {
                (overtaken, burst) = (overtaken + 1, burst.div_ceil(2));
                assert!(overtaken < PATIENCE, "the machine is too busy");
                println!("overtaken after {done} operations: now {burst} a second");
                both = Both::start();
            }
        }
    }
}

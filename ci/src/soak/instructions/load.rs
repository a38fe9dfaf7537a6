//! Connections that ask for one key after the other, as many on each core, and check every value.

use std::io::{ErrorKind, Read as _};
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

use super::account::Reading;
use crate::client::{Client, abridged};
use crate::soak::{check_interrupted, wait_for};

/// Keys: so many that no accident of the hash that the store draws counts.
const KEYS: usize = 4096;
/// Sizes of their values, in turn. Every tenth key has none.
const SIZES: [usize; 3] = [20, 100, 400];
const MISSES: usize = 10;
const STORED_AT_ONCE: usize = 32;
/// Requests that show which core a connection is on, and how soon they show.
const PROBES: usize = 64;
const SHOWN: Duration = Duration::from_secs(2);
/// Connections that are tried for each that is needed: the hash deals them out at random.
const TRIES: usize = 32;
/// Requests of each core before anything is counted.
const WARM_UP: u64 = 2_000;
const PATIENCE: Duration = Duration::from_secs(20);

/// The connections, and what they have done.
pub(super) struct Load {
    epoll: Epoll,
    askers: Vec<Asker>,
    /// Replies, by core.
    answered: Vec<u64>,
}

struct Asker {
    client: Client,
    core: usize,
    key: usize,
    /// What the request under way is answered by, and how much of it has come; empty if none is.
    reply: Vec<u8>,
    matched: usize,
}

impl Load {
    /// Stores the keys, and opens connections until `each` are on every core.
    pub(super) fn place(server: SocketAddr, control: &mut Client, cores: usize, each: usize) -> Result<Load> {
        store_keys(control)?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let mut askers: Vec<Asker> = Vec::new();
        let mut on_core = vec![0; cores];
        for _ in 0..TRIES * cores * each {
            check_interrupted()?;
            if on_core.iter().all(|count| *count == each) {
                break;
            }
            let mut client = Client::connect(server)?;
            let core = if cores == 1 { 0 } else { find_core(&mut client, control, cores)? };
            if on_core[core] == each {
                continue;
            }
            // All walk through all keys, each from elsewhere.
            let key = (on_core[core] * KEYS / each + core) % KEYS;
            on_core[core] += 1;
            client.stream().set_nonblocking(true)?;
            epoll.add(client.stream(), EpollEvent::new(EpollFlags::EPOLLIN, askers.len() as u64))?;
            askers.push(Asker { client, core, key, reply: Vec::new(), matched: 0 });
        }
        ensure!(askers.len() == cores * each, "no connection came to some core: {on_core:?}");
        Ok(Load { epoll, askers, answered: vec![0; cores] })
    }

    /// Has everything take its place in caches and tables.
    pub(super) fn warm_up(&mut self) -> Result<()> {
        self.drive(WARM_UP)
    }

    /// Asks until each core has answered `requests` more; what is under way then stays so.
    pub(super) fn drive(&mut self, requests: u64) -> Result<()> {
        let goals: Vec<u64> = self.answered.iter().map(|answered| answered + requests).collect();
        self.askers.iter_mut().filter(|asker| asker.reply.is_empty()).try_for_each(Asker::ask)?;
        self.exchange(|answered| answered.iter().zip(&goals).all(|(answered, goal)| answered >= goal), Asker::ask)
    }

    /// Waits for what is under way.
    pub(super) fn finish(&mut self) -> Result<()> {
        let total = self.answered.iter().sum::<u64>();
        let under_way = self.askers.iter().filter(|asker| !asker.reply.is_empty()).count() as u64;
        self.exchange(|answered| answered.iter().sum::<u64>() == total + under_way, |_| Ok(()))
    }

    /// Takes replies, and does `next` with whoever got one, until enough are answered.
    fn exchange(&mut self, enough: impl Fn(&[u64]) -> bool, next: impl Fn(&mut Asker) -> Result<()>) -> Result<()> {
        let mut events = [EpollEvent::empty(); 256];
        let mut last = Instant::now();
        while !enough(&self.answered) {
            check_interrupted()?;
            let ready = wait_for(&self.epoll, &mut events, 100_u16)?;
            if ready > 0 {
                last = Instant::now();
            }
            ensure!(last.elapsed() < PATIENCE, "no answer for {PATIENCE:?}: {:?} so far", self.answered);
            for event in &events[..ready] {
                let asker = &mut self.askers[event.data() as usize];
                if asker.take_reply()? {
                    self.answered[asker.core] += 1;
                    next(asker)?;
                }
            }
        }
        Ok(())
    }
}

impl Asker {
    fn ask(&mut self) -> Result<()> {
        self.reply = reply(self.key);
        self.client.send(&request(self.key))?;
        self.key = (self.key + 1) % KEYS;
        Ok(())
    }

    /// Reads what has come. Whether that was the end of the reply.
    fn take_reply(&mut self) -> Result<bool> {
        let mut buffer = [0; 4096];
        let length = match self.client.stream().read(&mut buffer) {
            Ok(0) => bail!("closed by the appliance"),
            Ok(length) => length,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let rest = &self.reply[self.matched..];
        ensure!(
            rest.starts_with(&buffer[..length]),
            "expected {}, got {}",
            abridged(rest),
            abridged(&buffer[..length])
        );
        self.matched += length;
        if self.matched < self.reply.len() {
            return Ok(false);
        }
        self.matched = 0;
        self.reply.clear();
        Ok(true)
    }
}

fn store_keys(control: &mut Client) -> Result<()> {
    let keys: Vec<usize> = (0..KEYS).filter(|key| is_stored(*key)).collect();
    for some in keys.chunks(STORED_AT_ONCE) {
        let sets = some.iter().flat_map(|key| {
            let value = value(*key);
            [format!("set k{key:05} 0 0 {}\r\n", value.len()).as_bytes(), &value, b"\r\n"].concat()
        });
        control.exchange(&sets.collect::<Vec<u8>>(), &b"STORED\r\n".repeat(some.len()))?;
    }
    Ok(())
}

/// Which core a connection is on: the one whose count of requests grows with it.
fn find_core(client: &mut Client, control: &mut Client, cores: usize) -> Result<usize> {
    let before = Reading::take(control)?;
    let (key, deadline) = (0, Instant::now() + SHOWN);
    client.exchange(&request(key).repeat(PROBES), &reply(key).repeat(PROBES))?;
    // The cores' counts are seen a little later, and those of turns that another core ran in never.
    loop {
        let after = Reading::take(control)?;
        let grown = |core: &usize| after.requests(*core) - before.requests(*core);
        if let Some(core) = (0..cores).find(|core| grown(core) > PROBES as u64 / 2) {
            return Ok(core);
        }
        ensure!(Instant::now() < deadline, "no core has counted the requests of a connection");
        thread::sleep(Duration::from_millis(5));
    }
}

fn is_stored(key: usize) -> bool {
    key % MISSES != MISSES - 1
}

fn value(key: usize) -> Vec<u8> {
    vec![b'a' + (key % 26) as u8; SIZES[key % SIZES.len()]]
}

fn request(key: usize) -> Vec<u8> {
    format!("get k{key:05}\r\n").into_bytes()
}

fn reply(key: usize) -> Vec<u8> {
    let value = if is_stored(key) { value(key) } else { return b"END\r\n".to_vec() };
    [format!("VALUE k{key:05} 0 {}\r\n", value.len()).as_bytes(), &value, b"\r\nEND\r\n"].concat()
}

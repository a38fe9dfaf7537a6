//! Answers that take many turns, to peers that take their time.

use super::super::Shared;
use super::peer::{CONFIG, Credit, SEED, Stack};
use crate::protocol::{Permissions, Settings};
use crate::store::StoreMemory;

const WIDE: Credit = Credit::Window(1 << 16);
const GET_METRICS: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn a_dump_takes_many_turns_and_lets_others_work() {
    let mut stack = Stack::new(256);
    let (peer, other) = (stack.connect(WIDE), stack.connect(WIDE));
    for i in 0..3000 {
        stack.send(peer, format!("set key{i} 0 0 1 noreply\r\n1\r\n").as_bytes(), 1460);
    }
    stack.send(peer, b"lru_crawler metadump all\r\nversion\r\n", 1460);
    let mut turns = 0;
    while !stack.peers[peer].replies.ends_with(b"\r\n")
        || !stack.peers[peer].replies.windows(7).any(|w| w == b"VERSION")
    {
        let before = stack.peers[peer].replies.len();
        stack.send(peer, b"version\r\n", 1460);
        stack.send(other, b"get key7\r\n", 1460);
        stack.sleep_ms(1);
        assert!(stack.peers[peer].replies.len() - before < 64 << 10, "a turn has its bounds");
        turns += 1;
    }
    assert!(turns > 20, "{turns} turns");
    let text = String::from_utf8(stack.peers[peer].replies.clone()).unwrap();
    assert_eq!((text.matches("key=").count(), text.matches("VERSION").count()), (3000, turns + 1));
    assert_eq!(stack.peers[other].replies, b"VALUE key7 0 1\r\n1\r\nEND\r\n".repeat(turns));
    stack.assert_nothing_leaked();
}

#[test]
fn a_dump_waits_for_its_peer() {
    let mut stack = Stack::new(256);
    let peer = stack.connect(WIDE);
    for i in 0..500 {
        stack.send(peer, format!("set key{i} 0 0 1 noreply\r\n1\r\n").as_bytes(), 1460);
    }
    let slow = stack.connect(Credit::Stalled);
    stack.send(slow, b"lru_crawler metadump all\r\n", 1460);
    (0..50).for_each(|_| stack.sleep_ms(1));
    assert!(stack.peers[slow].replies.len() < 2000);
    stack.set_credit(slow, Credit::Window(0));
    (0..500).for_each(|_| stack.sleep_ms(1));
    assert!(stack.peers[slow].replies.ends_with(b"END\r\n"));
    stack.assert_nothing_leaked();
}

#[test]
fn whoever_leaves_in_the_middle_leaves_nothing() {
    let mut stack = Stack::new(256);
    let peer = stack.connect(WIDE);
    for i in 0..1000 {
        stack.send(peer, format!("set key{i} 0 0 1 noreply\r\n1\r\n").as_bytes(), 1460);
    }
    for _ in 0..20 {
        let peers = [WIDE, Credit::Stalled].map(|credit| stack.connect(credit));
        for peer in peers {
            stack.send(peer, b"lru_crawler metadump all\r\nget a\r\n", 1460);
            stack.send(peer, b"get a\r\n", 1460);
        }
        stack.finish(peers[0]);
        stack.sleep_ms(1);
        peers.iter().for_each(|peer| stack.kill(*peer));
    }
    stack.assert_nothing_leaked();
}

#[test]
fn a_peer_that_has_said_all_gets_its_dump() {
    let mut stack = Stack::new(256);
    let peer = stack.connect(WIDE);
    for i in 0..1000 {
        stack.send(peer, format!("set key{i} 0 0 1 noreply\r\n1\r\n").as_bytes(), 1460);
    }
    stack.send(peer, b"lru_crawler metadump all\r\n", 1460);
    stack.finish(peer);
    assert!(!stack.peers[peer].closed);
    (0..100).for_each(|_| stack.sleep_ms(1));
    assert!(stack.peers[peer].closed && stack.peers[peer].replies.ends_with(b"END\r\n"));
    stack.assert_nothing_leaked();
}

#[test]
fn a_dump_does_not_fit_into_datagrams() {
    let mut stack = Stack::new(256);
    let peer = stack.connect(WIDE);
    for i in 0..1000 {
        stack.send(peer, format!("set key{i} 0 0 1 noreply\r\n1\r\n").as_bytes(), 1460);
    }
    assert!(stack.datagram(b"\0\x01\0\0\0\x01\0\0lru_crawler metadump all\r\n"));
    stack.settle();
    assert!(stack.datagrams.is_empty());
    assert_eq!(stack.service.server.all_connections().udp_too_large, 1);
    stack.assert_nothing_leaked();
}

#[test]
fn http_has_its_own_port_and_waits_for_its_peer() {
    let mut stack = Stack::new(64);
    let (fast, slow) = (stack.connect_to(CONFIG.http_port, WIDE), stack.connect_to(CONFIG.http_port, Credit::Stalled));
    for peer in [fast, slow] {
        stack.send(peer, GET_METRICS, 1);
    }
    let whole = stack.peers[fast].replies.clone();
    assert!(whole.starts_with(b"HTTP/1.1 200 OK\r\n") && whole.ends_with(b"\r\n0\r\n\r\n"));
    assert!(stack.peers[slow].replies.len() < 1461);
    stack.set_credit(slow, Credit::Window(0));
    assert!(stack.peers[slow].replies.ends_with(b"\r\n0\r\n\r\n"));
    let closing = stack.connect_to(CONFIG.http_port, WIDE);
    stack.send(closing, b"get a\r\nget b\r\n", 1460);
    assert!(stack.peers[closing].closed && stack.peers[closing].window_used == 0);
    // The other port knows no HTTP.
    let text = stack.connect(WIDE);
    stack.send(text, b"GET /metrics HTTP/1.1\r\n", 1460);
    assert_eq!(stack.peers[text].replies, b"ERROR\r\n");
    stack.assert_nothing_leaked();
}

#[test]
fn memory_is_given_up_over_many_turns() {
    let mut stack = Stack::with_memory(256, StoreMemory::leak(16 << 20));
    let peer = stack.connect(WIDE);
    let value = "v".repeat(900);
    for i in 0..20_000 {
        stack.send(peer, format!("set key{i} 0 0 900 noreply\r\n{value}\r\n").as_bytes(), 1460);
    }
    let before = stack.service.server.store.live_bytes();
    stack.send(peer, b"cache_memlimit 8\r\n", 1460);
    assert_eq!(stack.peers[peer].replies, b"OK\r\n");
    let (mut turns, mut last) = (0, before);
    while stack.service.server.is_adjusting {
        stack.sleep_ms(1);
        let now = stack.service.server.store.live_bytes();
        assert!(last.saturating_sub(now) < 64 << 10, "a turn has its bounds");
        (turns, last) = (turns + 1, now);
    }
    assert!(turns > 50 && last < 8 << 20 && before > 11 << 20, "{turns} turns, from {before} to {last} bytes");
    stack.assert_nothing_leaked();
}

#[test]
fn a_graceful_end_waits_for_answers() {
    let config = Settings { permissions: Permissions { shutdown: true, ..CONFIG.permissions }, ..CONFIG };
    let mut stack = Stack::of(&mut Shared::new(config, SEED, StoreMemory::leak(8 << 20)).ok().unwrap(), 256);
    let peer = stack.connect(WIDE);
    stack.send(peer, &[&b"set a 0 0 9000\r\n"[..], &[b'v'; 9000], b"\r\n"].concat(), 1460);
    let slow = stack.connect(Credit::Stalled);
    stack.send(slow, b"get a\r\n", 1460);
    assert!(!stack.is_over());
    stack.send(peer, b"shutdown graceful\r\n", 1460);
    assert!(stack.peers[peer].closed && !stack.is_over());
    stack.sleep_ms(1000);
    assert!(!stack.is_over(), "an answer is on its way");
    stack.set_credit(slow, WIDE);
    assert!(stack.is_over() && stack.peers[slow].replies.ends_with(b"END\r\n"));
    stack.assert_nothing_leaked();
}

#[test]
fn a_graceful_end_waits_for_answers_of_other_cores() {
    let permissions = Permissions { shutdown: true, ..CONFIG.permissions };
    let config = Settings { permissions, threads: 2, ..CONFIG };
    let mut shared = Shared::new(config, SEED, StoreMemory::leak(8 << 20)).ok().unwrap();
    let (mut here, mut there) = (Stack::of(&mut shared, 256), Stack::of(&mut shared, 256));
    let slow = there.connect(Credit::Stalled);
    there.send(slow, &b"stats\r\n".repeat(5), 1460);
    // Who watches is never told all.
    let watcher = there.connect(Credit::Stalled);
    there.send(watcher, b"watch\r\n", 1460);
    let peer = here.connect(WIDE);
    here.send(peer, b"shutdown graceful\r\n", 1460);
    here.sleep_ms(1000);
    assert!(!here.is_over(), "an answer is on its way");
    there.set_credit(slow, WIDE);
    here.sleep_ms(1);
    assert!(here.is_over());
    here.kill(peer);
    there.assert_nothing_leaked();
}

#[test]
fn whoever_never_reads_does_not_prevent_the_end() {
    let config = Settings { permissions: Permissions { shutdown: true, ..CONFIG.permissions }, ..CONFIG };
    let mut stack = Stack::of(&mut Shared::new(config, SEED, StoreMemory::leak(8 << 20)).ok().unwrap(), 256);
    let (peer, slow) = (stack.connect(WIDE), stack.connect(Credit::Stalled));
    stack.send(slow, &b"stats\r\n".repeat(5), 1460);
    stack.send(peer, b"shutdown graceful\r\n", 1460);
    stack.sleep(4);
    assert!(!stack.is_over());
    stack.sleep(2);
    assert!(stack.is_over());
    let at_once = stack.connect(WIDE);
    stack.send(at_once, b"shutdown\r\n", 1460);
    assert!(stack.is_over());
    stack.assert_nothing_leaked();
}

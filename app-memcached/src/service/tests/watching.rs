//! Connections that watch.

use netstack::app::{Flow, Movable as _};

use super::super::Shared;
use super::peer::{CONFIG, Credit, SEED, Stack};
use crate::protocol::Settings;
use crate::store::StoreMemory;

const WIDE: Credit = Credit::Window(1 << 16);

fn watcher(stack: &mut Stack, kinds: &str) -> usize {
    let watcher = stack.connect(WIDE);
    stack.send(watcher, format!("watch {kinds}\r\n").as_bytes(), 1460);
    assert_eq!(take(stack, watcher), "OK\r\n");
    watcher
}

/// What a peer was sent since.
fn take(stack: &mut Stack, peer: usize) -> String {
    stack.sleep_ms(2);
    String::from_utf8(core::mem::take(&mut stack.peers[peer].replies)).unwrap()
}

/// Lines without their times and numbers.
fn events(lines: &str) -> Vec<&str> {
    lines.lines().map(|line| line.split_once("type=").map_or(line, |(_, event)| event)).collect()
}

#[test]
fn what_one_connection_does_another_is_told_of() {
    let mut stack = Stack::new(64);
    let watcher = watcher(&mut stack, "fetchers mutations");
    let peer = stack.connect(WIDE);
    stack.send(peer, b"set a 0 9 3\r\nabc\r\nget a\r\n", 7);
    assert!(stack.datagram(b"\0\x01\0\0\0\x01\0\0get a\r\n"));
    assert_eq!(
        events(&take(&mut stack, watcher)),
        [
            "item_get key=a status=not_found clsid=0 cfd=4 size=0",
            "item_store key=a status=stored cmd=set ttl=9 clsid=1 cfd=4 size=3",
            "item_get key=a status=found clsid=1 cfd=4 size=3",
            "item_get key=a status=found clsid=1 cfd=1 size=3",
        ]
    );
    let conns = {
        stack.send(peer, b"stats conns\r\n", 1460);
        take(&mut stack, peer)
    };
    assert!(conns.contains("STAT 3:state conn_watch\r\n") && conns.contains("STAT 4:state conn_read\r\n"), "{conns}");
    stack.finish(watcher);
    assert!(stack.peers[watcher].closed);
    stack.assert_nothing_leaked();
}

#[test]
fn connections_that_come_and_go_are_told_of() {
    let mut stack = Stack::new(64);
    let watcher = watcher(&mut stack, "connevents");
    let new = "conn_new rip=10.0.0.1 rport=1000 transport=tcp cfd=4";
    let gone = |reason| format!("conn_close rip=10.0.0.1 rport=1000 transport=tcp reason={reason} cfd=4");
    let mut expect = |end: fn(&mut Stack, usize), reason| {
        let peer = stack.connect(WIDE);
        end(&mut stack, peer);
        stack.kill(peer);
        assert_eq!(events(&take(&mut stack, watcher)), [new, &gone(reason)]);
    };
    expect(|_, _| (), "error");
    expect(|stack, peer| stack.finish(peer), "normal");
    expect(|stack, peer| stack.send(peer, b"quit\r\n", 1460), "normal");
    expect(|stack, peer| stack.send(peer, &[b'a'; 3000], 1460), "error");
    expect(|stack, peer| stack.send(peer, &[0x80; 40], 1460), "error");
    expect(
        |stack, peer| {
            stack.send(peer, b"watch\r\n", 1460);
            stack.sleep_ms(2);
            stack.finish(peer);
        },
        "error",
    );
}

#[test]
fn nobody_watches_through_datagrams() {
    let mut stack = Stack::new(64);
    assert!(stack.datagram(b"\0\x01\0\0\0\x01\0\0watch\r\n"));
    stack.settle();
    assert!(stack.datagrams[0].ends_with(b"CLIENT_ERROR watch commands not allowed\r\n"));
}

#[test]
fn who_does_not_read_holds_nothing() {
    let mut stack = Stack::new(256);
    let watcher = watcher(&mut stack, "");
    stack.set_credit(watcher, Credit::Stalled);
    let peer = stack.connect(WIDE);
    for i in 0..2000 {
        stack.send(peer, format!("get key{i}\r\n").as_bytes(), 1460);
        stack.sleep_ms(1);
    }
    assert!(stack.pool.available() + 1 >= stack.pool.capacity() / 2);
    let mut lines = take(&mut stack, watcher);
    stack.set_credit(watcher, WIDE);
    for _ in 0..10 {
        lines += &take(&mut stack, watcher);
    }
    let skipped: usize = lines.lines().filter_map(|line| line.strip_prefix("skipped=")?.parse::<usize>().ok()).sum();
    assert!(skipped > 500);
    assert_eq!(lines.lines().filter(|line| line.starts_with("ts=")).count() + skipped, 2000);
    stack.assert_nothing_leaked();
}

#[test]
fn a_watcher_that_changes_cores_goes_on() {
    let config = Settings { threads: 2, ..CONFIG };
    let mut shared = Shared::new(config, SEED, StoreMemory::leak(8 << 20)).ok().unwrap();
    let (mut here, mut there) = (Stack::of(&mut shared, 64), Stack::of(&mut shared, 64));
    let watcher = watcher(&mut here, "fetchers");
    let peer = here.connect(WIDE);
    here.send(peer, b"get a\r\n", 1460);
    // The flow that it has there is that of one who is gone.
    let flow = Flow { index: there.connect(WIDE) as u32, generation: 0 };
    there.kill(0);
    let mut input = Vec::new();
    let state = here.service.export(here.peers[watcher].cookie.unwrap(), &mut input).unwrap();
    here.send(peer, b"get b\r\n", 1460);
    assert!(there.service.import(flow, state, &mut input).is_some());
    let lines = take(&mut there, 0);
    let keys: Vec<&str> =
        lines.lines().filter_map(|line| line.split(' ').find(|word| word.starts_with("key="))).collect();
    assert_eq!(keys, ["key=a", "key=b"]);
}

#[test]
fn all_cores_are_watched() {
    let config = Settings { threads: 2, ..CONFIG };
    let mut shared = Shared::new(config, SEED, StoreMemory::leak(8 << 20)).ok().unwrap();
    let (mut here, mut there) = (Stack::of(&mut shared, 64), Stack::of(&mut shared, 64));
    let watcher = watcher(&mut here, "fetchers connevents");
    // The other core looks who watches when its next turn begins.
    there.sleep_ms(1);
    let peer = there.connect(WIDE);
    there.send(peer, b"get a\r\n", 1460);
    assert_eq!(
        events(&take(&mut here, watcher)),
        [
            "conn_new rip=10.0.0.1 rport=1000 transport=tcp cfd=4",
            "item_get key=a status=not_found clsid=0 cfd=4 size=0"
        ]
    );
}

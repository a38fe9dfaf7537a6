//! Connections come and go.

use netdrv::pktbuf::{Pool, PoolMemory};

use super::super::{ServiceConfig, Shared};
use super::peer::{CONFIG, Credit, Stack};
use crate::store::StoreMemory;

const WIDE: Credit = Credit::Window(1 << 16);

#[test]
fn connections_beyond_the_limit_are_refused() {
    let mut stack = Stack::new(64);
    let limit = CONFIG.conn_limit as usize;
    for _ in 0..limit + 2 {
        stack.connect(WIDE);
    }
    assert!(stack.peers[..limit].iter().all(|peer| peer.cookie.is_some()));
    assert!(stack.peers[limit..].iter().all(|peer| peer.rejected));
    stack.kill(3);
    let next = stack.connect(WIDE);
    stack.send(next, b"version\r\n", 100);
    assert!(stack.peers[next].replies.starts_with(b"VERSION 1.6.18"));
    let connections = stack.service.server.all_connections();
    assert_eq!((connections.current, connections.total, connections.rejected), (8, 9, 2));
    stack.assert_nothing_leaked();
}

#[test]
fn a_peer_that_has_said_all_gets_all() {
    let mut stack = Stack::new(64);
    let peer = stack.connect(WIDE);
    stack.send(peer, &[&b"set a 0 0 9000\r\n"[..], &[b'v'; 9000], b"\r\n"].concat(), 1460);
    let slow = stack.connect(Credit::Stalled);
    stack.send(slow, b"get a\r\n", 1460);
    stack.finish(slow);
    assert!(!stack.peers[slow].closed, "the reply is not out yet");
    stack.set_credit(slow, Credit::Window(0));
    assert!(stack.peers[slow].closed);
    assert!(stack.peers[slow].replies.ends_with(b"\r\nEND\r\n"));
    stack.assert_nothing_leaked();
}

#[test]
fn a_fin_within_a_request_ends_it() {
    let mut stack = Stack::new(64);
    for partial in [&b"get "[..], b"set a 0 0 100\r\nabc", b"", b"set a 0 0 9999999\r\nabc"] {
        let peer = stack.connect(WIDE);
        stack.send(peer, partial, 1460);
        stack.finish(peer);
        assert!(stack.peers[peer].closed && stack.peers[peer].window_used == 0);
    }
    stack.assert_nothing_leaked();
}

#[test]
fn quit_closes_after_the_replies() {
    let mut stack = Stack::new(64);
    let peer = stack.connect(WIDE);
    stack.send(peer, b"version\r\nquit\r\nversion\r\n", 1460);
    let served = &stack.peers[peer];
    assert!(served.closed && served.window_used == 0);
    assert_eq!(served.replies.iter().filter(|&&byte| byte == b'\n').count(), 1);
    // What still comes in is dropped, and does not close the window.
    stack.send(peer, b"version\r\n", 1460);
    assert_eq!(stack.peers[peer].window_used, 0);
    stack.assert_nothing_leaked();
}

#[test]
fn a_line_without_end_closes() {
    let mut stack = Stack::new(64);
    let peer = stack.connect(WIDE);
    stack.send(peer, &[b'a'; 2047], 1000);
    assert!(!stack.peers[peer].closed);
    stack.send(peer, b"a", 1000);
    assert!(stack.peers[peer].closed);
    assert_eq!(stack.service.server.all_connections().closed_long_line, 1);
    stack.assert_nothing_leaked();
}

#[test]
fn a_client_that_does_not_read_stalls_itself() {
    let mut stack = Stack::new(256);
    let peer = stack.connect(WIDE);
    stack.send(peer, &[&b"set a 0 0 9000\r\n"[..], &[b'v'; 9000], b"\r\n"].concat(), 1460);
    let slow = stack.connect(Credit::Stalled);
    let requests = b"get a\r\n".repeat(1000);
    for segment in requests.chunks(100) {
        assert!(stack.deliver(slow, segment));
        stack.settle();
    }
    assert!(stack.peers[slow].window_used > 6900, "requests are not done with while replies wait");
    assert!(stack.service.inputs.in_use() < 8, "and they are kept in few buffers");
    stack.set_credit(slow, Credit::Window(1 << 16));
    assert_eq!(stack.peers[slow].replies.len(), 1000 * (16 + 9000 + 2 + 5));
    stack.assert_nothing_leaked();
}

#[test]
fn input_that_cannot_be_kept_aborts() {
    let mut stack = Stack::new(32);
    let peer = stack.connect(WIDE);
    stack.send(peer, &[&b"set a 0 0 9000\r\n"[..], &[b'v'; 9000], b"\r\n"].concat(), 1460);
    let slow = stack.connect(Credit::Stalled);
    let requests = b"get a\r\n".repeat(10_000);
    for segment in requests.chunks(1460) {
        assert!(stack.deliver(slow, segment), "the receive ring keeps its share");
        stack.settle();
        if stack.peers[slow].aborted {
            break;
        }
    }
    assert!(stack.peers[slow].aborted);
    assert_eq!(stack.service.server.all_connections().closed_no_buffers, 1);
    stack.send(peer, b"version\r\n", 100);
    assert!(stack.peers[peer].replies.ends_with(b"\r\n"));
    stack.assert_nothing_leaked();
}

#[test]
fn time_passes() {
    let mut stack = Stack::new(32);
    let peer = stack.connect(WIDE);
    stack.send(peer, b"set a 0 10 1\r\n1\r\n", 1460);
    stack.sleep(9);
    stack.send(peer, b"get a\r\n", 1460);
    stack.sleep(1);
    stack.send(peer, b"get a\r\n", 1460);
    assert_eq!(stack.peers[peer].replies, b"STORED\r\nVALUE a 0 1\r\n1\r\nEND\r\nEND\r\n");
}

#[test]
fn cores_share_items_counts_and_places() {
    let config = ServiceConfig { threads: 2, ..CONFIG };
    let mut shared = Shared::new(config, StoreMemory::leak(8 << 20)).ok().unwrap();
    let [mut one, mut two] = [(); 2].map(|()| Stack::of(&mut shared, 64));
    assert!(shared.service(Pool::leak(PoolMemory::leak(4))).is_err(), "there are two");
    let (a, b) = (one.connect(WIDE), two.connect(WIDE));
    one.send(a, b"set a 0 0 1\r\n1\r\n", 1460);
    two.send(b, b"incr a 1\r\nget a\r\n", 1460);
    assert_eq!(two.peers[b].replies, b"2\r\nVALUE a 0 1\r\n2\r\nEND\r\n");
    one.send(a, b"stats\r\n", 1460);
    let stats = String::from_utf8(one.peers[a].replies.clone()).unwrap();
    for line in ["threads 2", "curr_connections 2", "cmd_set 1", "incr_hits 1", "get_hits 1", "curr_items 1"] {
        assert!(stats.contains(&format!("STAT {line}\r\n")), "{line} in {stats}");
    }
    two.send(b, b"stats reset\r\n", 1460);
    one.peers[a].replies.clear();
    one.send(a, b"stats\r\n", 1460);
    assert!(String::from_utf8_lossy(&one.peers[a].replies).contains("STAT incr_hits 0\r\n"));
    // The limit is for both together.
    for _ in 2..CONFIG.conn_limit {
        one.connect(WIDE);
    }
    let refused = two.connect(WIDE);
    assert!(two.peers[refused].rejected);
    one.kill(a);
    let next = two.connect(WIDE);
    assert!(two.peers[next].cookie.is_some());
}

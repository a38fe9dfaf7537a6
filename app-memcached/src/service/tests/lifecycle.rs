//! Connections come and go.

use netdrv::pktbuf::{Pool, PoolMemory};

use super::super::Shared;
use super::peer::{CONFIG, Credit, SEED, Stack};
use crate::protocol::Settings;
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
fn ten_thousand_that_say_nothing() {
    const SILENT: usize = 10_000;
    let mut stack = Stack::with_places(256, SILENT as u32 + 1);
    stack.crowd(SILENT);
    assert!(stack.peers.iter().all(|peer| peer.cookie.is_some() && peer.replies.is_empty()));
    assert_eq!(stack.pool.available(), stack.pool.capacity(), "who says nothing holds no buffer");
    let peer = stack.connect(WIDE);
    stack.send(peer, b"set a 0 0 1\r\n1\r\nget a\r\n", 1460);
    assert_eq!(stack.peers[peer].replies, b"STORED\r\nVALUE a 0 1\r\n1\r\nEND\r\n");
    let refused = stack.connect(WIDE);
    assert!(stack.peers[refused].rejected);
    assert_eq!(stack.service.server.all_connections().current, SILENT as u64 + 1);
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

/// The lines of `stats conns` that a peer is told.
fn conns(stack: &mut Stack, peer: usize) -> Vec<String> {
    stack.peers[peer].replies.clear();
    stack.send(peer, b"stats conns\r\n", 1460);
    let text = String::from_utf8(stack.peers[peer].replies.clone()).unwrap();
    assert!(text.ends_with("END\r\n"), "{text}");
    text.lines().filter_map(|line| line.strip_prefix("STAT ")).map(str::to_owned).collect()
}

#[test]
fn connections_are_listed() {
    let mut stack = Stack::new(64);
    let (peer, other) = (stack.connect(WIDE), stack.connect(Credit::Stalled));
    stack.sleep(7);
    let lines = conns(&mut stack, peer);
    let listeners = [
        "0:addr tcp:0.0.0.0:11211",
        "0:state conn_listening",
        "1:addr udp:0.0.0.0:11211",
        "1:state conn_read",
        "2:addr tcp:0.0.0.0:8080",
        "2:state conn_listening",
    ];
    assert_eq!(lines[..6], listeners);
    let mine =
        ["3:addr tcp:10.0.0.1:1000", "3:listen_addr tcp:0.0.0.0:11211", "3:state conn_read", "3:secs_since_last_cmd 0"];
    assert_eq!(lines[6..10], mine);
    assert_eq!(lines[12..], ["4:state conn_read", "4:secs_since_last_cmd 7"]);
    stack.send(other, &b"stats\r\n".repeat(10), 1460);
    assert_eq!(conns(&mut stack, peer)[12..], ["4:state conn_mwrite", "4:secs_since_last_cmd 0"]);
    stack.send(other, b"quit\r\n", 1460);
    stack.set_credit(other, WIDE);
    assert_eq!(conns(&mut stack, peer)[12..], ["4:state conn_closing", "4:secs_since_last_cmd 0"]);
    stack.kill(other);
    assert_eq!(conns(&mut stack, peer).len(), 10);
    stack.assert_nothing_leaked();
}

#[test]
fn many_connections_are_listed_over_many_turns() {
    const PLACES: u32 = 3000;
    let mut stack = Stack::with_places(64, PLACES);
    let peers: Vec<usize> = (0..PLACES).map(|_| stack.connect(WIDE)).collect();
    peers[1..PLACES as usize - 1].iter().for_each(|peer| stack.kill(*peer));
    stack.send(peers[0], b"stats conns\r\nversion\r\n", 1460);
    let text = |stack: &Stack| String::from_utf8(stack.peers[0].replies.clone()).unwrap();
    assert!(!text(&stack).contains("END"), "a turn looks at a part");
    stack.send(peers[0], b"version\r\n", 1460);
    for _ in 0..3 {
        stack.sleep_ms(1);
    }
    let all = text(&stack);
    let (listed, rest) = all.split_once("END\r\n").unwrap();
    assert_eq!((listed.matches("secs_since_last_cmd").count(), rest.matches("VERSION").count()), (2, 2), "{all}");
    stack.assert_nothing_leaked();
}

#[test]
fn cores_share_items_counts_and_places() {
    let config = Settings { threads: 2, ..CONFIG };
    let mut shared = Shared::new(config, SEED, StoreMemory::leak(8 << 20)).ok().unwrap();
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

#[test]
fn who_is_silent_for_too_long_is_closed() {
    let mut stack = Stack::new(64);
    stack.service.server.settings.dialect.idle_timeout_s = 5;
    let (silent, talkative) = (stack.connect(WIDE), stack.connect(WIDE));
    stack.send(silent, b"set a 0 0 10\r\nabc", 1460);
    for _ in 0..3 {
        stack.sleep(2);
        stack.send(talkative, b"version\r\n", 1460);
    }
    stack.settle();
    assert!(stack.peers[silent].closed && stack.peers[silent].window_used == 0);
    assert!(!stack.peers[talkative].closed);
    assert_eq!(stack.service.server.all_connections().idle_kicks, 1);
    stack.assert_nothing_leaked();
}

#[test]
fn without_a_limit_silence_lasts() {
    let mut stack = Stack::new(64);
    let peer = stack.connect(WIDE);
    stack.sleep(100_000);
    stack.send(peer, b"version\r\n", 1460);
    assert!(stack.peers[peer].replies.starts_with(b"VERSION"));
    stack.assert_nothing_leaked();
}

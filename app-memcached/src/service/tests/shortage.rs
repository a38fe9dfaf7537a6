//! More connections with work to do than there are packet buffers: all are answered, and none is aborted.

use super::peer::{Credit, Stack};

/// A delayed acknowledgement, in milliseconds.
const DELAYED_ACK_MS: u64 = 40;

/// Connections without requests, whose peers take what is `credit`.
fn connect(stack: &mut Stack, connections: usize, credit: u32) {
    for _ in 0..connections {
        stack.connect(Credit::Late(credit));
    }
}

fn assert_all_is_well(mut stack: Stack) {
    assert_eq!(stack.service.server.all_connections().closed_no_buffers, 0);
    assert!(stack.peers.iter().all(|peer| !peer.aborted && peer.window_used == 0));
    stack.assert_nothing_leaked();
}

/// Sends `rounds` requests on each connection, one at a time: the next one when the answer is there, and what it acknowledges
/// with it. A request that is refused comes again in the next millisecond.
fn run_closed_loop(stack: &mut Stack, rounds: usize) {
    let (request, answer) = (&b"get none\r\n"[..], b"END\r\n".len());
    let mut sent = vec![0; stack.peers.len()];
    for ms in 1..100 * rounds as u64 {
        if ms % DELAYED_ACK_MS == 0 {
            (0..sent.len()).for_each(|number| stack.acknowledge_late(number));
        }
        for (number, sent) in sent.iter_mut().enumerate() {
            let answered = stack.peers[number].replies.len() / answer;
            if answered == *sent && *sent < rounds && stack.request(number, request) {
                *sent += 1;
                stack.settle();
            }
        }
        stack.sleep_ms(1);
        let is_answered = |number: usize| stack.peers[number].replies.len() == rounds * answer;
        if (0..sent.len()).all(is_answered) {
            return;
        }
    }
    let answered: Vec<usize> = stack.peers.iter().map(|peer| peer.replies.len() / answer).collect();
    panic!("of {rounds} requests, {answered:?} were answered");
}

#[test]
fn acknowledgements_that_come_with_requests_free_buffers_for_answers() {
    // Fewer than there are buffers, so many that all buffers come to hold answers or requests, and more.
    for connections in [40, 56, 58, 60, 62, 200] {
        let mut stack = Stack::with_places(64, 300);
        connect(&mut stack, connections, 4000);
        run_closed_loop(&mut stack, 10);
        assert_all_is_well(stack);
    }
}

#[test]
fn long_answers_to_pipelined_requests_all_come() {
    for (connections, size) in [(50, 1000), (40, 9000), (3, 100_000)] {
        let mut stack = Stack::with_places(64, 300);
        let loader = stack.connect(Credit::Window(1 << 16));
        let set = [format!("set a 0 0 {size}\r\n").as_bytes(), &vec![b'v'; size], b"\r\n"].concat();
        stack.send(loader, &set, 1460);
        stack.kill(loader);
        connect(&mut stack, connections, 1 << 16);
        let requests = b"get a\r\n".repeat(20);
        let answers = 20 * (format!("VALUE a 0 {size}\r\n").len() + size + b"\r\nEND\r\n".len());
        let mut is_sent = vec![false; connections];
        let all_answered = |stack: &Stack| stack.peers[1..].iter().all(|peer| peer.replies.len() == answers);
        for ms in 0..40_000 {
            if ms % DELAYED_ACK_MS == 0 {
                (1..=connections).for_each(|number| stack.acknowledge_late(number));
            }
            for (number, is_sent) in (1..).zip(&mut is_sent) {
                *is_sent = *is_sent || stack.request(number, &requests);
            }
            stack.sleep_ms(1);
            if all_answered(&stack) {
                break;
            }
        }
        let answered: Vec<usize> = stack.peers[1..].iter().map(|peer| peer.replies.len()).collect();
        assert!(all_answered(&stack), "{connections} of {size}: {answers} expected, {answered:?} came");
        assert_all_is_well(stack);
    }
}

use netdrv::pktbuf::PoolMemory;
use netstack::app::Statistics;
use netstack::time::Instant;

use super::*;

/// More than fits into one segment.
struct Many;

impl Statistics for Many {
    fn visit(&self, visit: &mut dyn FnMut(&str, u64)) {
        (0..100).for_each(|n| visit("stage_receive_cycles", n));
    }
}

struct Testbed {
    echo: Echo,
    pool: &'static Pool,
    events: Events,
    calls: Calls,
    /// Of the last run.
    progress: Progress,
}

const FLOW: Flow = Flow { index: 3, generation: 1 };

impl Testbed {
    fn new() -> Testbed {
        Testbed::with_buffers(16)
    }

    fn with_buffers(buffers: usize) -> Testbed {
        let pool = Pool::leak(PoolMemory::leak(buffers));
        let (events, calls) = (Events::new(), Calls::new());
        Testbed { echo: Echo::new(2, pool), pool, events, calls, progress: Progress::Done }
    }

    /// One run, with these events. Returns what is sent, and how many bytes are done with.
    fn run(&mut self, events: impl IntoIterator<Item = Event>) -> (Vec<Vec<u8>>, u32) {
        events.into_iter().for_each(|event| self.events.push_back(event).unwrap());
        let turn = Turn { now: Instant::ZERO, unix_seconds: 0, statistics: &Many };
        self.progress = self.echo.run(turn, &mut self.events, &mut self.calls);
        let (mut sent, mut done) = (Vec::new(), 0);
        while let Some(call) = self.calls.pop_front() {
            match call {
                Call::Send { payload, done: read, .. } => {
                    sent.push(payload.bytes().to_vec());
                    done += read;
                }
                Call::UdpSend { payload, .. } => sent.push(payload.bytes().to_vec()),
                Call::RecvDone { bytes, .. } => done += bytes,
                _ => {}
            }
        }
        (sent, done)
    }

    /// A connection with credit. Returns its cookie.
    fn connect(&mut self, credit: u32) -> Cookie {
        let remote = "10.0.0.1:1".parse().unwrap();
        self.events.push_back(Event::Knock { flow: FLOW, local_port: 7, remote }).unwrap();
        self.echo.run(
            Turn { now: Instant::ZERO, unix_seconds: 0, statistics: &Many },
            &mut self.events,
            &mut self.calls,
        );
        let Some(Call::Accept { cookie, .. }) = self.calls.pop_front() else { panic!("not accepted") };
        self.run([Event::Connected { cookie, flow: FLOW, credit }]);
        cookie
    }

    fn recv(&self, cookie: Cookie, bytes: &[u8]) -> Event {
        let mut payload = self.pool.alloc().unwrap();
        payload.extend_from_slice(bytes).unwrap();
        Event::Recv { cookie, payload }
    }
}

#[test]
fn what_is_received_is_sent_back_as_credit_allows() {
    let mut testbed = Testbed::new();
    let cookie = testbed.connect(5);
    let events = [testbed.recv(cookie, b"four"), testbed.recv(cookie, b"more")];
    assert_eq!(testbed.run(events), (vec![b"four".to_vec()], 4));
    assert_eq!(testbed.run([Event::Sent { cookie, acked: 4, credit: 4 }]), (vec![], 0), "it is seen at the next run");
    assert_eq!(testbed.run([]), (vec![b"more".to_vec()], 4));
    assert_eq!(testbed.echo.requests(), 2);
}

#[test]
fn replies_of_a_connection_keep_their_order() {
    let mut testbed = Testbed::new();
    let cookie = testbed.connect(2);
    let events = [testbed.recv(cookie, b"long"), testbed.recv(cookie, b"a"), testbed.recv(cookie, b"b")];
    assert_eq!(testbed.run(events), (vec![], 0));
    assert_eq!(testbed.run([]), (vec![], 0), "what is short does not overtake what is long");
    let last = testbed.recv(cookie, b"c");
    assert_eq!(testbed.run([Event::Sent { cookie, acked: 0, credit: 3 }, last]), (vec![], 0));
    assert_eq!(testbed.run([]), (vec![b"long".to_vec(), b"a".to_vec()], 5));
    testbed.run([Event::Sent { cookie, acked: 5, credit: 5 }]);
    assert_eq!(testbed.run([]), (vec![b"b".to_vec(), b"c".to_vec()], 2));
}

#[test]
fn a_connection_without_credit_holds_no_other_up() {
    let mut testbed = Testbed::new();
    let (stalled, other) = (testbed.connect(0), testbed.connect(10));
    let events = [testbed.recv(stalled, b"later"), testbed.recv(other, b"now")];
    assert_eq!(testbed.run(events), (vec![b"now".to_vec()], 3));
}

#[test]
fn some_buffers_are_left_and_looked_for_again() {
    let mut testbed = Testbed::with_buffers(128);
    let cookie = testbed.connect(1000);
    let mut hostages: Vec<_> = core::iter::from_fn(|| testbed.pool.alloc()).collect();
    drop(hostages.split_off(hostages.len() - 3));
    let event = testbed.recv(cookie, b"x");
    assert_eq!(testbed.run([event]), (vec![], 0), "2 are left");
    assert_eq!(testbed.progress, Progress::Starved);
    drop(hostages.pop());
    assert_eq!(testbed.run([]), (vec![b"x".to_vec()], 1));
    assert_eq!(testbed.progress, Progress::Done);
}

#[test]
fn statistics_are_told_in_segments() {
    let mut testbed = Testbed::new();
    let cookie = testbed.connect(10_000);
    let event = testbed.recv(cookie, STATS);
    assert_eq!(testbed.run([event]), (vec![], 7));
    let (sent, done) = testbed.run([]);
    assert!(sent.len() > 1 && sent.iter().all(|page| page.len() <= 1448) && done == 0);
    let text = String::from_utf8(sent.concat()).unwrap();
    assert!(text.starts_with("STAT stage_receive_cycles 0\r\n") && text.ends_with("cycles 99\r\nEND\r\n"));
    assert_eq!(testbed.echo.requests(), 0);
}

#[test]
fn datagrams_are_sent_back() {
    let mut testbed = Testbed::new();
    let mut payload = testbed.pool.alloc().unwrap();
    payload.extend_from_slice(b"datagram").unwrap();
    let event = Event::UdpRecv { local_port: 7, remote: "10.0.0.1:1".parse().unwrap(), payload };
    assert_eq!(testbed.run([event]), (vec![b"datagram".to_vec()], 0));
}

#[test]
fn a_connection_takes_along_what_it_has_not_sent() {
    let mut testbed = Testbed::new();
    let cookie = testbed.connect(0);
    let event = testbed.recv(cookie, b"later");
    testbed.run([event]);
    let mut input = Vec::new();
    let state = testbed.echo.export(cookie, &mut input).unwrap();
    assert_eq!((input.len(), testbed.run([])), (1, (vec![], 0)));
    let cookie = testbed.echo.import(FLOW, state, &mut input).unwrap();
    testbed.run([Event::Sent { cookie, acked: 0, credit: 5 }]);
    assert_eq!(testbed.run([]), (vec![b"later".to_vec()], 5));
}

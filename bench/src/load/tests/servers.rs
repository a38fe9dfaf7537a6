//! Servers on loopback, each with a fault of its own: an error that names it, and never a figure.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::load::distribution::Distribution;
use crate::load::protocol::frame::{FRAME_LEN, Frame};
use crate::load::protocol::{Protocol, answer_to};
use crate::load::wire::Transport;
use crate::load::wires::sockets::Sockets;
use crate::load::workload::{Mix, Workload};
use crate::load::{Job, Limit, LoadError, Loading, Measured, Misses, Plan, Rate, Report, with_generator};

/// What to do about a request: the answer, or a fault.
enum Reply {
    Answer(Vec<u8>),
    Close,
    Nothing,
}

fn plan() -> Plan {
    let (keys, values) = (Distribution::Fixed(10.0), Distribution::Fixed(20.0));
    Plan {
        connections: 4,
        depth: 2,
        mix: Mix { records: 200, keys, values, updates: 0.1, seed: 1 },
        time: Duration::from_millis(300),
        patience: Duration::from_millis(800),
        ..Plan::default()
    }
}

/// Serves text on a port of loopback: each request (with its value) is passed to `reply`, with its number.
fn serve(reply: impl Fn(u32, &[u8]) -> Reply + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (reply, count) = (Arc::new(reply), Arc::new(AtomicU32::new(0)));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (reply, count) = (Arc::clone(&reply), Arc::clone(&count));
            // Ends when the generator closes the connection.
            thread::spawn(move || serve_one(stream, &*reply, &count));
        }
    });
    address
}

fn serve_one(mut stream: TcpStream, reply: &dyn Fn(u32, &[u8]) -> Reply, count: &AtomicU32) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let mut request = Vec::new();
        if reader.read_until(b'\n', &mut request).ok()? == 0 {
            return None;
        }
        if request.starts_with(b"set ") {
            let line = String::from_utf8(request.clone()).ok()?;
            let len: usize = line.trim_end().rsplit(' ').next()?.parse().ok()?;
            let mut value = vec![0; len + 2];
            reader.read_exact(&mut value).ok()?;
            request.extend_from_slice(&value);
        }
        let is_request = request.starts_with(b"get ") || request.starts_with(b"set ");
        let number = if is_request { count.fetch_add(1, Ordering::Relaxed) } else { 0 };
        match reply(number, &request) {
            Reply::Answer(answer) => stream.write_all(&answer).ok()?,
            Reply::Close => return None,
            Reply::Nothing => {}
        }
    }
}

/// What a server in order answers.
fn right(workload: &Workload, request: &[u8]) -> Reply {
    let mut answer = Vec::new();
    answer_to(Protocol::Text, workload, request, &mut answer);
    Reply::Answer(answer)
}

/// A server in order, but for what `fault` makes of the request with a number.
fn serve_but(fault: impl Fn(u32) -> Option<Reply> + Send + Sync + 'static) -> SocketAddr {
    let workload = plan().workload().unwrap();
    serve(move |number, request| fault(number).unwrap_or_else(|| right(&workload, request)))
}

fn run(plan: &Plan, server: SocketAddr, rate: Rate) -> Result<Report, LoadError> {
    let make_wire = |thread| Sockets::new(server, plan.transport, thread, plan.connections);
    with_generator(plan, make_wire, |generator| Job::One(rate).carry_out(generator, |_| {}))
}

fn measured(report: Report) -> Measured {
    match report.done {
        crate::load::Done::One(measured) => *measured,
        other => panic!("{other:?}"),
    }
}

/// In the middle of the measurement: the records are stored by then.
const MIDDLE: u32 = 400;

#[test]
fn a_server_in_order_is_measured() {
    let server = serve_but(|_| None);
    for (threads, rate) in [(1, Rate::Peak), (2, Rate::PerSecond(1000.0))] {
        let report = run(&Plan { threads, ..plan() }, server, rate).unwrap();
        assert_eq!(report.server.as_deref(), Some("null"));
        let measured = measured(report);
        let record = &measured.record;
        assert!(record.answered > 100 && record.updates.len() > 5, "{record:?}");
        assert_eq!((record.misses, record.refused, record.unanswered), (0, 0, 0));
        assert!(measured.server.is_none(), "no appliance");
    }
}

#[test]
fn no_server() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = run(&plan(), nobody, Rate::Peak).unwrap_err();
    assert!(matches!(error, LoadError::NoServer(_)), "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
    let udp = Plan { transport: Transport::Udp, ..plan() };
    let error = run(&udp, nobody, Rate::Peak).unwrap_err();
    assert!(matches!(error, LoadError::NoServer(_) | LoadError::Closed { .. }), "{error}");
}

#[test]
fn a_server_that_ends_connections() {
    for at in [0, 10, MIDDLE] {
        let server = serve_but(move |number| (number == at).then_some(Reply::Close));
        let error = run(&plan(), server, Rate::PerSecond(2000.0)).unwrap_err();
        assert!(matches!(error, LoadError::Closed { .. }), "at {at}: {error}");
    }
}

#[test]
fn a_server_that_stalls() {
    for at in [10, MIDDLE] {
        let server = serve_but(move |number| (number >= at).then_some(Reply::Nothing));
        let error = run(&plan(), server, Rate::PerSecond(2000.0)).unwrap_err();
        assert!(matches!(error, LoadError::Stalled { .. }), "at {at}: {error}");
    }
}

#[test]
fn a_server_that_answers_nonsense() {
    let answers = ["HTTP/1.1 400 Bad Request\r\n", "ERROR\r\n", "VALUE 1 0 1\r\n1\r\nEND\r\n", "\0\0\0\0\n"];
    for (at, answer) in [0, 10, MIDDLE].into_iter().flat_map(|at| answers.map(|answer| (at, answer))) {
        let nonsense = move |number| (number == at).then(|| Reply::Answer(answer.into()));
        let error = run(&plan(), serve_but(nonsense), Rate::PerSecond(2000.0)).unwrap_err();
        assert!(matches!(error, LoadError::Wrong(_)), "{answer:?} at {at}: {error}");
    }
    let twice = move |number| (number == MIDDLE).then(|| Reply::Answer(b"END\r\nEND\r\nEND\r\nEND\r\n".into()));
    let error = run(&plan(), serve_but(twice), Rate::PerSecond(1000.0)).unwrap_err();
    assert!(matches!(error, LoadError::Wrong(_)), "{error}");
}

#[test]
fn a_server_with_other_values() {
    let others = Plan { mix: Mix { seed: 2, ..plan().mix }, ..plan() }.workload().unwrap();
    let server = serve(move |_, request| right(&others, request));
    let error = run(&plan(), server, Rate::PerSecond(2000.0)).unwrap_err();
    assert!(error.to_string().contains("is not the one stored"), "{error}");
}

#[test]
fn a_server_without_memory() {
    let full = |number| (number < 200).then(|| Reply::Answer(b"SERVER_ERROR out of memory storing object\r\n".into()));
    let error = run(&plan(), serve_but(full), Rate::Peak).unwrap_err();
    assert!(error.to_string().starts_with("200 of 200 records were not stored"), "{error}");
}

#[test]
fn a_rate_that_cannot_be_reached() {
    // One request at a time, a millisecond each.
    let turn = Mutex::new(());
    let slow = serve_but(move |number| {
        let _turn = turn.lock().unwrap();
        (number >= 200).then(|| thread::sleep(Duration::from_millis(1)));
        None
    });
    let plan = Plan { time: Duration::from_secs(1), ..plan() };
    let measured = measured(run(&plan, slow, Rate::PerSecond(3000.0)).unwrap());
    assert!(!measured.is_reached() && measured.limit() != Limit::Rate);
    assert!(measured.per_second() < 1000.0, "{}", measured.per_second());
    // No request is forgotten because others had to be waited for.
    let record = &measured.record;
    assert_eq!(record.reads.len() + record.updates.len() + record.skipped, record.intended);
    assert!(record.unanswered > 0 && record.reads.value_at_quantile(0.5) > 200_000_000, "{record:?}");
}

#[test]
fn misses_are_counted() {
    let nothing = serve(|_, request| {
        Reply::Answer(if request.starts_with(b"get") { b"END\r\n".into() } else { b"STORED\r\n".into() })
    });
    let plan = Plan { loading: Loading::Skipped, ..plan() };
    let measured = measured(run(&plan, nothing, Rate::PerSecond(1000.0)).unwrap());
    let record = &measured.record;
    assert!(record.misses > 0);
    assert_eq!(record.misses + record.unanswered, record.reads.len());
}

#[test]
fn misses_are_filled_if_asked_for() {
    let mix = Mix { records: 20, updates: 0.0, ..plan().mix };
    let plan = Plan { loading: Loading::Skipped, misses: Misses::Filled, mix, ..plan() };
    let workload = plan.workload().unwrap();
    let (kept, sets) = (Mutex::new(HashSet::new()), Arc::new(AtomicU32::new(0)));
    let seen = Arc::clone(&sets);
    let server = serve(move |_, request| {
        let key = request.split(|byte| b" \r".contains(byte)).nth(1).unwrap_or_default().to_vec();
        if request.starts_with(b"set") {
            seen.fetch_add(1, Ordering::Relaxed);
            kept.lock().unwrap().insert(key);
        } else if request.starts_with(b"get") && !kept.lock().unwrap().contains(&key) {
            return Reply::Answer(b"END\r\n".into());
        }
        right(&workload, request)
    });
    let measured = measured(run(&plan, server, Rate::Peak).unwrap());
    let record = &measured.record;
    // Each record is missed once, and once more by whoever asks before it is stored.
    let under_way = (plan.connections * plan.depth) as u64;
    assert!((20..=20 + under_way).contains(&record.misses), "{record:?}");
    assert_eq!((record.updates.len(), u64::from(sets.load(Ordering::Relaxed))), (record.misses, record.misses));
    assert!(record.reads.len() > 2 * record.misses, "what is stored is found: {record:?}");
}

#[test]
fn connections_are_opened_anew() {
    let plan = Plan { requests_per_connection: 3.try_into().ok(), ..plan() };
    let measured = measured(run(&plan, serve_but(|_| None), Rate::PerSecond(500.0)).unwrap());
    let record = &measured.record;
    assert!(record.reconnects > record.answered / 4, "{} of {}", record.reconnects, record.answered);
    assert_eq!((record.unanswered, record.misses), (0, 0));
}

/// Serves datagrams, dropping each that `drops` says.
fn serve_datagrams(workload: Workload, drops: fn(u32) -> bool) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    // Ends with the test's process: nothing tells it that nobody asks any more.
    thread::spawn(move || {
        let mut buffer = [0; 2048];
        for number in 0.. {
            let Ok((len, from)) = socket.recv_from(&mut buffer) else { return };
            let request = u16::from_be_bytes([buffer[0], buffer[1]]);
            let mut answer = Vec::new();
            answer_to(Protocol::Text, &workload, &buffer[FRAME_LEN..len], &mut answer);
            let pieces: Vec<&[u8]> = answer.chunks(600).collect();
            for (sequence, piece) in pieces.iter().enumerate() {
                let mut frame = Frame::of_request(request);
                frame[2..4].copy_from_slice(&(sequence as u16).to_be_bytes());
                frame[4..6].copy_from_slice(&(pieces.len() as u16).to_be_bytes());
                if !drops(number) {
                    socket.send_to(&[&frame[..], piece].concat(), from).ok();
                }
            }
        }
    });
    address
}

#[test]
fn answers_of_several_datagrams_are_put_together() {
    let mix = Mix { values: Distribution::Fixed(1000.0), ..plan().mix };
    let plan = Plan { transport: Transport::Udp, mix, ..plan() };
    let server = serve_datagrams(plan.workload().unwrap(), |_| false);
    let measured = measured(run(&plan, server, Rate::PerSecond(500.0)).unwrap());
    let record = &measured.record;
    assert!(record.reads.len() > 50, "{record:?}");
    assert_eq!((record.lost, record.misses, record.refused), (0, 0, 0));
}

#[test]
fn lost_datagrams_are_counted() {
    let plan = Plan { transport: Transport::Udp, loading: Loading::Skipped, ..plan() };
    let server = serve_datagrams(plan.workload().unwrap(), |number| number % 10 == 9);
    let measured = measured(run(&plan, server, Rate::PerSecond(500.0)).unwrap());
    let record = &measured.record;
    assert!((5..40).contains(&record.lost), "{record:?}");
    assert!(record.reads.max() > 190_000_000, "they count by how long was waited for them");
}

use super::frame::{FRAME_LEN, Frame};
use super::*;
use crate::load::distribution::Distribution;
use crate::load::workload::{Mix, Workload};

fn workload() -> Workload {
    let (keys, values) = (Distribution::Fixed(5.0), Distribution::Fixed(3.0));
    Workload::new(Mix { records: 1000, keys, values, updates: 0.5, seed: 1 }).unwrap()
}

fn value(workload: &Workload, index: u64) -> Vec<u8> {
    let mut value = Vec::new();
    workload.record(index).append_value(&mut value);
    value
}

fn request(workload: &Workload, operation: Operation) -> Request<'_> {
    Request { operation, record: workload.record(42) }
}

fn composed(protocol: Protocol, operation: Operation) -> Vec<u8> {
    let workload = workload();
    let mut out = Vec::new();
    protocol.compose(&request(&workload, operation), &mut out);
    out
}

/// What comes of an answer that arrives in pieces of `piece` bytes, and how many bytes of the last one it used.
fn take(
    protocol: Protocol,
    operation: Operation,
    answer: &[u8],
    piece: usize,
) -> Result<Option<(Outcome, usize)>, Wrong> {
    let workload = workload();
    let request = request(&workload, operation);
    let (mut progress, mut split) = (Progress::default(), Vec::new());
    for (n, bytes) in answer.chunks(piece).enumerate() {
        if let Step::Answered(used, outcome) = protocol.take(&request, &mut progress, &mut split, bytes)? {
            assert!(split.is_empty());
            return Ok(Some((outcome, n * piece + used)));
        }
    }
    Ok(None)
}

/// A binary answer.
fn binary(operation: Operation, status: u16, extras: &[u8], body: &[u8]) -> Vec<u8> {
    let tag = workload().record(42).tag().to_be_bytes();
    let length = ((extras.len() + body.len()) as u32).to_be_bytes();
    let opcode = u8::from(operation == Operation::Update);
    let [high, low] = status.to_be_bytes();
    let head = [0x81, opcode, 0, 0, extras.len() as u8, 0, high, low];
    [&head[..], &length, &tag, &[0; 8], extras, body].concat()
}

#[test]
fn requests_are_those_of_the_protocol() {
    let value = String::from_utf8(value(&workload(), 42)).unwrap();
    let text = |protocol, operation| String::from_utf8(composed(protocol, operation)).unwrap();
    assert_eq!(text(Protocol::Text, Operation::Read), "get 00042\r\n");
    assert_eq!(text(Protocol::Text, Operation::Update), format!("set 00042 0 0 3\r\n{value}\r\n"));
    assert_eq!(text(Protocol::Meta, Operation::Read), "mg 00042 v\r\n");
    assert_eq!(text(Protocol::Meta, Operation::Update), format!("ms 00042 3\r\n{value}\r\n"));
    let get = "*2\r\n$3\r\nGET\r\n$5\r\n00042\r\n";
    assert_eq!(text(Protocol::Resp, Operation::Read), get);
    let set = format!("*3\r\n$3\r\nSET\r\n$5\r\n00042\r\n$3\r\n{value}\r\n");
    assert_eq!(text(Protocol::Resp, Operation::Update), set);
    assert_eq!(text(Protocol::Echo, Operation::Read), format!("VALUE 00042 0 3\r\n{value}\r\nEND\r\n"));
    let set = composed(Protocol::Binary, Operation::Update);
    assert_eq!(set[..12], [0x80, 1, 0, 5, 8, 0, 0, 0, 0, 0, 0, 16]);
    assert!(set.ends_with(format!("00042{value}").as_bytes()));
    assert_eq!(composed(Protocol::Binary, Operation::Read).len(), 24 + 5);
}

#[test]
fn every_answer_is_understood_in_any_pieces() {
    let value = String::from_utf8(value(&workload(), 42)).unwrap();
    let text = |text: String| text.into_bytes();
    let cases = [
        (Protocol::Text, Operation::Read, text(format!("VALUE 00042 0 3\r\n{value}\r\nEND\r\n")), Outcome::Hit),
        (Protocol::Text, Operation::Read, text("END\r\n".into()), Outcome::Miss),
        (Protocol::Text, Operation::Update, text("STORED\r\n".into()), Outcome::Stored),
        (Protocol::Text, Operation::Update, text("NOT_STORED\r\n".into()), Outcome::Refused),
        (
            Protocol::Text,
            Operation::Update,
            text("SERVER_ERROR out of memory storing object\r\n".into()),
            Outcome::Refused,
        ),
        (Protocol::Meta, Operation::Read, text(format!("VA 3\r\n{value}\r\n")), Outcome::Hit),
        (Protocol::Meta, Operation::Read, text("EN\r\n".into()), Outcome::Miss),
        (Protocol::Meta, Operation::Update, text("HD\r\n".into()), Outcome::Stored),
        (Protocol::Meta, Operation::Update, text("NS\r\n".into()), Outcome::Refused),
        (Protocol::Binary, Operation::Read, binary(Operation::Read, 0, &[0; 4], value.as_bytes()), Outcome::Hit),
        (Protocol::Binary, Operation::Read, binary(Operation::Read, 1, &[], b"Not found"), Outcome::Miss),
        (Protocol::Binary, Operation::Update, binary(Operation::Update, 0, &[], b""), Outcome::Stored),
        (Protocol::Binary, Operation::Update, binary(Operation::Update, 0x82, &[], b"Out of memory"), Outcome::Refused),
        (Protocol::Resp, Operation::Read, text(format!("$3\r\n{value}\r\n")), Outcome::Hit),
        (Protocol::Resp, Operation::Read, text("$-1\r\n".into()), Outcome::Miss),
        (Protocol::Resp, Operation::Update, text("+OK\r\n".into()), Outcome::Stored),
        (Protocol::Resp, Operation::Update, text("-OOM command not allowed\r\n".into()), Outcome::Refused),
        (Protocol::Echo, Operation::Read, composed(Protocol::Echo, Operation::Read), Outcome::Hit),
        (Protocol::Echo, Operation::Update, composed(Protocol::Echo, Operation::Update), Outcome::Hit),
    ];
    for (protocol, operation, answer, outcome) in cases {
        let followed = [&answer[..], b"VALUE"].concat();
        for piece in 1..=followed.len() {
            let taken = take(protocol, operation, &followed, piece);
            assert_eq!(taken, Ok(Some((outcome, answer.len()))), "{protocol:?} {operation:?} by {piece}");
        }
        assert_eq!(take(protocol, operation, &answer[..answer.len() - 1], 3), Ok(None));
    }
}

#[test]
fn nonsense_is_shown() {
    let shown = |protocol, operation, answer: &[u8]| take(protocol, operation, answer, 1000).unwrap_err().to_string();
    let http = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n\r\n";
    let text = shown(Protocol::Text, Operation::Read, http);
    assert_eq!(text, r#"expected VALUE or END, received "HTTP/1.1 400 Bad Request\r\n""#);
    assert!(shown(Protocol::Meta, Operation::Update, b"ERROR\r\n").contains(r"ERROR\r\n"));
    assert!(shown(Protocol::Binary, Operation::Read, http).contains("the header of a binary answer"));
    let endless = shown(Protocol::Text, Operation::Read, &[b'x'; 1000]);
    assert!(endless.contains("the head of an answer") && endless.len() < 150, "{endless}");
    assert!(shown(Protocol::Text, Operation::Read, b"VALUE 00041 0 3\r\nabc\r\nEND\r\n").contains("the key asked for"));
    assert!(shown(Protocol::Text, Operation::Read, b"VALUE 00042 0 \r\n").contains("a length"));
    let mut other = binary(Operation::Read, 0, &[0; 4], b"abc");
    other[12] ^= 1;
    assert!(shown(Protocol::Binary, Operation::Read, &other).contains("asked first"));
}

#[test]
fn another_value_is_an_error_not_an_answer() {
    let shown = |answer: &[u8]| take(Protocol::Text, Operation::Read, answer, 1000).unwrap_err().to_string();
    let longer = shown(b"VALUE 00042 0 4\r\nabcd\r\nEND\r\n");
    assert!(longer.contains("key 00042") && longer.contains("4 bytes instead of 3"), "{longer}");
    let mut wrong = value(&workload(), 42);
    wrong[1] = b'!';
    let wrong = shown(&[b"VALUE 00042 0 3\r\n", &wrong[..], b"\r\nEND\r\n"].concat());
    assert!(wrong.contains("from byte 1 on, it reads \"!"), "{wrong}");
    let right = value(&workload(), 42);
    assert!(shown(&[b"VALUE 00042 0 3\r\n", &right[..], b"x\nEND\r\n"].concat()).contains("the end of a value"));
}

#[test]
fn frames_are_there_and_back() {
    let request = [&Frame::of_request(0x1234)[..], b"get a\r\n"].concat();
    let (frame, rest) = Frame::parse(&request).unwrap();
    assert_eq!((frame, rest), (Frame { request: 0x1234, sequence: 0, datagrams: 1 }, &b"get a\r\n"[..]));
    assert_eq!(Frame::parse(&request[..FRAME_LEN - 1]), None);
    assert_eq!(Frame::parse(&[0, 1, 0, 2, 0, 2, 0, 0]), None, "the third of two");
}

#[test]
fn a_hit_is_known_by_every_byte() {
    for length in [0.0, 3.0, 16.0, 17.0, 5000.0] {
        let (keys, values) = (Distribution::Fixed(19.0), Distribution::Fixed(length));
        let workload = Workload::new(Mix { records: 1000, keys, values, updates: 0.5, seed: 1 }).unwrap();
        for protocol in Protocol::ALL {
            let request = Request { operation: Operation::Read, record: workload.record(987) };
            let (mut asked, mut answer, mut expected) = (Vec::new(), Vec::new(), Vec::new());
            protocol.compose(&request, &mut asked);
            answer_to(protocol, &workload, &asked, &mut answer);
            let whole = answer.len();
            assert_eq!(protocol.take_hit(&request, &mut expected, &answer), Some(whole), "{protocol:?}");
            answer.extend_from_slice(b"the next");
            assert_eq!(protocol.take_hit(&request, &mut expected, &answer), Some(whole), "{protocol:?}");
            answer.truncate(whole);
            for at in 0..answer.len() {
                assert_eq!(protocol.take_hit(&request, &mut expected, &answer[..at]), None, "{protocol:?} {at}");
                answer[at] ^= 1;
                assert_eq!(protocol.take_hit(&request, &mut expected, &answer), None, "{protocol:?} {at}");
                answer[at] ^= 1;
            }
            let other = Request { record: workload.record(986), ..request };
            // Not every protocol's answer names the record, but its value does, if there is one.
            let is_told_apart = length > 0.0 || !matches!(protocol, Protocol::Meta | Protocol::Resp);
            assert_eq!(protocol.take_hit(&other, &mut expected, &answer).is_none(), is_told_apart, "{protocol:?}");
        }
    }
}

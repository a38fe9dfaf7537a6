use std::collections::HashSet;

use super::super::REPLY_ROOM;
use super::super::Session;
use super::super::testkit::Client;

const GET_METRICS: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";
const GET_HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";

fn client() -> Client {
    let mut client = Client::new();
    client.session = Session::http();
    client
}

fn ask(request: &[u8]) -> String {
    String::from_utf8(client().send(request)).unwrap()
}

/// Status line, fields and body of an answer.
fn parts(answer: &str) -> (&str, HashSet<&str>, &str) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let mut lines = head.split("\r\n");
    (lines.next().unwrap(), lines.collect(), body)
}

/// The text in chunks, and what follows them.
fn unchunk(mut rest: &str) -> (String, &str) {
    let mut text = String::new();
    loop {
        let (size, behind) = rest.split_once("\r\n").unwrap();
        let (chunk, behind) = behind.split_at(usize::from_str_radix(size, 16).unwrap());
        text += chunk;
        rest = behind.strip_prefix("\r\n").unwrap();
        if chunk.is_empty() {
            return (text, rest);
        }
    }
}

fn metrics() -> String {
    let mut client = client();
    client.server.store.set_now(5);
    unchunk(parts(&String::from_utf8(client.send(GET_METRICS)).unwrap()).2).0
}

#[test]
fn health() {
    let answer = ask(GET_HEALTH);
    let (status, fields, body) = parts(&answer);
    assert_eq!((status, body), ("HTTP/1.1 200 OK", "ok\n"));
    let expected =
        ["Date: Tue, 14 Nov 2023 22:13:20 GMT", "Content-Type: text/plain; charset=utf-8", "Content-Length: 3"];
    assert_eq!(fields, HashSet::from(expected));
}

#[test]
fn metrics_are_in_chunks() {
    let answer = ask(GET_METRICS);
    let (status, fields, body) = parts(&answer);
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert!(fields.contains("Transfer-Encoding: chunked") && !fields.contains("Connection: close"));
    assert!(fields.contains("Content-Type: text/plain; version=0.0.4; charset=utf-8"));
    let (text, rest) = unchunk(body);
    assert_eq!(rest, "");
    for line in [
        "# HELP memcached_commands_total Requests by command and outcome.",
        "# TYPE memcached_commands_total counter",
        "memcached_commands_total{command=\"get\",status=\"hit\"} 0",
        "memcached_up 1",
        "memcached_time_seconds 1700000000",
        "memstorm_dataplane{name=\"rx_frames\"} 3",
        "# TYPE memcached_current_items gauge",
    ] {
        assert!(text.lines().any(|is| is == line), "{line} in {text}");
    }
}

/// Each family has its help and its type once, before its samples, which stand together, each once.
#[test]
fn the_format_is_kept() {
    let (mut families, mut samples, mut current) = (HashSet::new(), HashSet::new(), String::new());
    let text = metrics();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').unwrap();
            assert!(!help.is_empty() && families.insert(name.to_owned()), "{name} twice");
            let kind = lines.next().unwrap().strip_prefix(&format!("# TYPE {name} ")).unwrap();
            assert!(matches!(kind, "counter" | "gauge" | "untyped"));
            current = name.to_owned();
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<u64>().is_ok() && samples.insert(sample.to_owned()), "{line}");
        assert_eq!(sample.split('{').next().unwrap(), current);
        assert!(current.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{current}");
    }
    assert!(families.len() > 30 && samples.len() > 45 && text.ends_with('\n'));
}

#[test]
fn what_was_done_is_counted() {
    let mut client = client();
    client.session = Session::default();
    client.send(b"set a 0 0 1\r\n1\r\nget a b\r\ncas a 0 0 1 99\r\n2\r\nmg a\r\n");
    client.session = Session::http();
    let answer = String::from_utf8(client.send(GET_METRICS)).unwrap();
    for line in [
        "memcached_commands_total{command=\"get\",status=\"miss\"} 1",
        "memcached_commands_total{command=\"set\",status=\"hit\"} 1",
        "memcached_commands_total{command=\"cas\",status=\"badval\"} 1",
        "memcached_current_items 1",
        "memstorm_meta_commands_total 1",
    ] {
        assert!(answer.contains(&format!("\n{line}\n")), "{line} in {answer}");
    }
}

#[test]
fn versions_before_chunks_end_with_the_connection() {
    let answer = ask(b"GET /metrics HTTP/1.0\r\n\r\n");
    let (_, fields, body) = parts(&answer);
    assert!(fields.contains("Connection: close") && !fields.contains("Transfer-Encoding: chunked"));
    assert!(body.starts_with("# HELP") && body.ends_with("\n<closed>"));
    assert_eq!(body.strip_suffix("<closed>").unwrap().lines().count(), metrics().lines().count());
}

#[test]
fn heads_alone() {
    let answer = ask(&[
        &b"HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n"[..],
        b"HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
    ]
    .concat());
    let (status, fields, rest) = parts(&answer);
    assert!(status.ends_with("200 OK") && fields.contains("Content-Type: text/plain; version=0.0.4; charset=utf-8"));
    let (status, fields, rest) = parts(rest);
    assert!(status.ends_with("200 OK") && fields.contains("Content-Length: 3") && rest.is_empty());
}

#[test]
fn connections_stay_unless_told_otherwise() {
    let three = ask(&[GET_HEALTH, b"\r\n", GET_METRICS, GET_HEALTH].concat());
    assert_eq!(three.matches("HTTP/1.1 200 OK").count(), 3);
    for field in ["Connection: close", "connection: TE , Close", "Content-Length: 1", "Transfer-Encoding: chunked"] {
        let request = format!("GET /healthz HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\nxGET /healthz HTTP/1.1\r\n");
        let answer = ask(request.as_bytes());
        assert!(answer.contains("200 OK") && answer.contains("Connection: close\r\n"), "{field}");
        assert!(answer.ends_with("ok\n<closed>"), "{field}");
    }
    assert!(!ask(b"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").contains("close"));
}

#[test]
fn targets() {
    for (target, code) in [
        ("/healthz", "200"),
        ("/healthz?a=b", "200"),
        ("http://a:1/healthz", "200"),
        ("HTTP://a/healthz?", "200"),
        ("/", "404"),
        ("*", "404"),
        ("http://a", "404"),
        ("/healthz/", "404"),
        ("/Metrics", "404"),
    ] {
        let answer = ask(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        assert!(answer.starts_with(&format!("HTTP/1.1 {code} ")) && !answer.contains("<closed>"), "{target}: {answer}");
    }
}

#[test]
fn methods() {
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "get"] {
        let answer = ask(format!("{method} /metrics HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        let (status, fields, body) = parts(&answer);
        assert_eq!((status, body), ("HTTP/1.1 405 Method Not Allowed", "Method Not Allowed\n"));
        assert!(fields.contains("Allow: GET, HEAD"));
    }
}

#[test]
fn what_is_no_request_is_refused_and_the_connection_closed() {
    let long_field = [b"GET / HTTP/1.1\r\nA: ", &[b'a'; 2048][..]].concat();
    let many_fields = [&b"GET / HTTP/1.1\r\n"[..], &b"Aaaa: aaaaaaaaaaaaaaaaaaaa\r\n".repeat(200)].concat();
    let cases: &[(&[u8], &str)] = &[
        (b"get a\r\n", "400"),
        (b"GET  /metrics HTTP/1.1\r\n", "400"),
        (b"GET /metrics\r\n", "400"),
        (b"GET /metrics HTTP/1.1 x\r\n", "400"),
        (b"GET /\x80 HTTP/1.1\r\n", "400"),
        (b"G\0T / HTTP/1.1\r\n", "400"),
        (b"GET / HTTP/x\r\n", "400"),
        (b"GET / HTTP/2.0\r\n", "505"),
        (b"GET / HTTP/1.1\r\n\r\n", "400"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"),
        (b"GET / HTTP/1.1\r\nHost : a\r\n", "400"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n", "400"),
        (b"GET / HTTP/1.1\r\nno colon\r\n", "400"),
        (b"GET / HTTP/1.1\r\nA: a\0\r\n", "400"),
        (b"GET / HTTP/1.1\r\nContent-Length: -1\r\n", "400"),
        (b"\x80\x01\x02\n", "400"),
        (&[b'G'; 2048], "414"),
        (&long_field, "431"),
        (&many_fields, "431"),
    ];
    for (request, code) in cases {
        let answer = ask(request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {code} ")), "{}: {answer}", request.escape_ascii());
        assert!(answer.contains("Connection: close\r\n") && answer.ends_with("\n<closed>"), "{answer}");
    }
}

/// However the bytes come, the answers are the same; and what is not finished is waited for.
#[test]
fn split_at_every_byte() {
    let requests = [GET_METRICS, GET_HEALTH, b"POST / HTTP/1.1\nHost: a\n\n"].concat();
    let whole = ask(&requests);
    let mut client = client();
    for at in 0..requests.len() {
        client.session = Session::http();
        let mut answers = client.send(&requests[..at]);
        let is_complete = at >= GET_METRICS.len();
        assert_eq!(answers.is_empty(), !is_complete, "after {at} bytes");
        answers.extend(client.send(&requests[at..]));
        assert_eq!(String::from_utf8(answers).unwrap(), whole, "split at {at}");
    }
}

#[test]
fn little_room_changes_only_the_pace() {
    let mut client = client();
    client.room = REPLY_ROOM + 100;
    assert_eq!(String::from_utf8(client.send(GET_METRICS)).unwrap(), ask(GET_METRICS));
}

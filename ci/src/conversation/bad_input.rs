//! Requests that are wrong: bad verbs, keys, lengths and numbers, wrong data blocks, lines without an end.

use std::net::SocketAddr;

use anyhow::{Context, Result};

use super::Conversation;
use crate::client::{Client, abridged};

pub(super) const ALL: &[Conversation] = &[
    Conversation { name: "bad requests", hold: bad_requests },
    Conversation { name: "bad requests in one segment", hold: bad_requests_at_once },
    Conversation { name: "keys longer than 250 bytes", hold: long_keys },
    Conversation { name: "a value that is too large", hold: too_large },
    Conversation { name: "lines without an end", hold: endless_lines },
];

const ERROR: &[u8] = b"ERROR\r\n";
const BAD_FORMAT: &[u8] = b"CLIENT_ERROR bad command line format\r\n";
const BAD_DELTA: &[u8] = b"CLIENT_ERROR invalid numeric delta argument\r\n";
const BAD_EXPTIME: &[u8] = b"CLIENT_ERROR invalid exptime argument\r\n";

/// Requests and their replies, as memcached 1.6.18 gives them. After a refused storage command its data block is read as
/// a command, so it has a reply too.
const REFUSED: &[(&[u8], &[u8])] = &[
    (b"\r\n", ERROR),
    (b"nonsense\r\n", ERROR),
    (b"GET a\r\n", ERROR),
    (b"get\ta\r\n", ERROR),
    (b"\0\0\0\r\n", ERROR),
    (b"\xff\xfe\r\n", ERROR),
    (b"get\r\n", ERROR),
    (b"gets\r\n", ERROR),
    (b"gat\r\n", ERROR),
    (b"gat x a\r\n", BAD_EXPTIME),
    (b"set\r\n", ERROR),
    (b"set bad\r\n", ERROR),
    (b"set bad 0 0\r\n", ERROR),
    (b"set bad x 0 1\r\n", BAD_FORMAT),
    (b"set bad -1 0 1\r\n", BAD_FORMAT),
    (b"set bad 0 x 1\r\n", BAD_FORMAT),
    (b"set bad 0 0 x\r\n", BAD_FORMAT),
    (b"set bad 0 0 -1\r\n", BAD_FORMAT),
    (b"set bad 0 0 2147483647\r\n", BAD_FORMAT),
    (b"set bad 0 0 1 1 1 1\r\nx\r\n", b"ERROR\r\nERROR\r\n"),
    (b"set bad 0 0 1\r\nxx\r\n", b"CLIENT_ERROR bad data chunk\r\nERROR\r\n"),
    (b"set bad 0 0 5\r\nabc\r\nversion\r\n", b"CLIENT_ERROR bad data chunk\r\nERROR\r\n"),
    (b"cas bad 0 0 1\r\nx\r\n", b"ERROR\r\nERROR\r\n"),
    (b"cas bad 0 0 1 x\r\nx\r\n", b"CLIENT_ERROR bad command line format\r\nERROR\r\n"),
    (b"incr\r\n", ERROR),
    (b"incr bad\r\n", ERROR),
    (b"incr bad 1 2 3\r\n", ERROR),
    (b"incr bad x\r\n", BAD_DELTA),
    (b"incr bad -1\r\n", BAD_DELTA),
    (b"decr bad 1.5\r\n", BAD_DELTA),
    (b"decr bad 99999999999999999999\r\n", BAD_DELTA),
    (b"delete\r\n", ERROR),
    (b"delete bad 10\r\n", b"CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n"),
    (b"touch\r\n", ERROR),
    (b"touch bad\r\n", ERROR),
    (b"touch bad x\r\n", BAD_EXPTIME),
    (b"flush_all x\r\n", BAD_EXPTIME),
    (b"verbosity\r\n", ERROR),
];

/// Unusual requests that are right all the same.
const ACCEPTED: &[(&[u8], &[u8])] = &[
    (b"set odd  0   0 1 \r\nx\r\n", b"STORED\r\n"),
    (b" get  odd \r\n", b"VALUE odd 0 1\r\nx\r\nEND\r\n"),
    (b"get odd\n", b"VALUE odd 0 1\r\nx\r\nEND\r\n"),
    (b"set odd 0 0 1\ny\r\n", b"STORED\r\n"),
    (b"delete odd 0\r\n", b"DELETED\r\n"),
    (b"gat 0\r\n", b"END\r\n"),
];

fn bad_requests(server: SocketAddr) -> Result<()> {
    let mut client = Client::connect(server)?;
    for (request, reply) in REFUSED.iter().chain(ACCEPTED) {
        client.exchange(request, reply)?;
        // A reply of the wrong length shows here.
        client.exchange(b"get absent\r\n", b"END\r\n").with_context(|| format!("after {}", abridged(request)))?;
    }
    Ok(())
}

fn bad_requests_at_once(server: SocketAddr) -> Result<()> {
    let requests: Vec<&[u8]> = REFUSED.iter().map(|(request, _)| *request).collect();
    let replies: Vec<&[u8]> = REFUSED.iter().map(|(_, reply)| *reply).collect();
    Client::connect(server)?.exchange(&requests.concat(), &replies.concat())
}

fn long_keys(server: SocketAddr) -> Result<()> {
    let mut client = Client::connect(server)?;
    let key = "k".repeat(251);
    for request in ["get K\r\n", "get a K\r\n", "gets K\r\n", "incr K 1\r\n", "delete K\r\n", "touch K 0\r\n"] {
        client.exchange(request.replace('K', &key).as_bytes(), BAD_FORMAT)?;
    }
    let set = format!("set {key} 0 0 1\r\nx\r\n");
    client.exchange(set.as_bytes(), &[BAD_FORMAT, ERROR].concat())
}

/// A SET that fails because its value is too large takes the old item with it, and the value is skipped.
fn too_large(server: SocketAddr) -> Result<()> {
    let mut client = Client::connect(server)?;
    client.exchange(b"set big 0 0 1\r\nx\r\n", b"STORED\r\n")?;
    let value = vec![b'v'; 1 << 20];
    let request = [format!("set big 0 0 {}\r\n", value.len()).as_bytes(), &value, b"\r\n"].concat();
    client.exchange(&request, b"SERVER_ERROR object too large for cache\r\n")?;
    client.exchange(b"get big\r\n", b"END\r\n")
}

fn endless_lines(server: SocketAddr) -> Result<()> {
    let mut client = Client::connect(server)?;
    client.exchange(&[&[b'x'; 2000][..], b"\r\n"].concat(), ERROR)?;
    client.send(&[b'x'; 3000])?;
    client.expect_closed()?;
    // A get may be longer than any other line.
    let mut client = Client::connect(server)?;
    let keys = "absent ".repeat(5000);
    client.exchange(format!("get {keys}\r\n").as_bytes(), b"END\r\n")
}

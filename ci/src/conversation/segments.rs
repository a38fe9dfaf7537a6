//! Requests cut into segments in unusual ways.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::Conversation;
use crate::client::Client;

pub(super) const ALL: &[Conversation] = &[
    Conversation { name: "1 byte per segment", hold: one_byte_per_segment },
    Conversation { name: "1,000 requests in one segment", hold: thousand_in_one_segment },
    Conversation { name: "pipelining", hold: pipelining },
    Conversation { name: "half a request, then a close", hold: half_a_request },
];

fn one_byte_per_segment(server: SocketAddr) -> Result<()> {
    let mut client = Client::connect(server)?;
    for byte in b"set obps 1 0 5\r\nhello\r\nget obps\r\n" {
        client.send(&[*byte])?;
        // Time for the byte to leave alone: the sender joins what waits for an acknowledgement.
        thread::sleep(Duration::from_millis(1));
    }
    client.expect(b"STORED\r\nVALUE obps 1 5\r\nhello\r\nEND\r\n")
}

/// The shortest request is a blank line, whose reply is `ERROR`: a thousand of them are 1,000 bytes, and fit.
fn thousand_in_one_segment(server: SocketAddr) -> Result<()> {
    let mut client = Client::connect(server)?;
    client.exchange(&b"\n".repeat(1000), &b"ERROR\r\n".repeat(1000))
}

fn pipelining(server: SocketAddr) -> Result<()> {
    let mut client = Client::connect(server)?;
    let sets: String = (0..1000).map(|i| format!("set pipe{i} 0 0 4\r\n{i:04}\r\n")).collect();
    client.exchange(sets.as_bytes(), &b"STORED\r\n".repeat(1000))?;
    let gets: String = (0..1000).map(|i| format!("get pipe{i}\r\n")).collect();
    let values: String = (0..1000).map(|i| format!("VALUE pipe{i} 0 4\r\n{i:04}\r\nEND\r\n")).collect();
    client.exchange(gets.as_bytes(), values.as_bytes())
}

fn half_a_request(server: SocketAddr) -> Result<()> {
    for half in [&b"ge"[..], b"set half 0 0 10\r\n", b"set half 0 0 10\r\n12345"] {
        Client::connect(server)?.send(half)?;
    }
    Client::connect(server)?.exchange(b"get half\r\n", b"END\r\n")
}

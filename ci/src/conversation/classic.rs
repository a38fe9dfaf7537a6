//! The verbs of the classic text protocol (protocol.txt), each with the replies that it has.

use std::net::SocketAddr;

use anyhow::{Result, ensure};

use super::Conversation;
use crate::client::Client;

pub(super) const ALL: &[Conversation] = &[
    Conversation { name: "set, get, delete", hold: set_get_delete },
    Conversation { name: "add, replace, append, prepend", hold: conditional_stores },
    Conversation { name: "gets and cas", hold: compare_and_swap },
    Conversation { name: "incr and decr", hold: arithmetic },
    Conversation { name: "touch, gat, gats, expiry", hold: expiry },
    Conversation { name: "noreply", hold: noreply },
    Conversation { name: "several keys in a get", hold: several_keys },
    Conversation { name: "values of any bytes", hold: any_bytes },
    Conversation { name: "a value of 1,000,000 bytes", hold: large_value },
    Conversation { name: "version, verbosity, stats, quit", hold: session },
    Conversation { name: "flush_all", hold: flush_all },
];

fn set_get_delete(server: SocketAddr) -> Result<()> {
    let mut client = Client::connect(server)?;
    client.exchange(b"delete sgd\r\n", b"NOT_FOUND\r\n")?;
    client.exchange(b"get sgd\r\n", b"END\r\n")?;
    client.exchange(b"set sgd 5 0 5\r\nhello\r\n", b"STORED\r\n")?;
    client.exchange(b"get sgd\r\n", b"VALUE sgd 5 5\r\nhello\r\nEND\r\n")?;
    client.exchange(b"set sgd 4294967295 0 0\r\n\r\n", b"STORED\r\n")?;
    client.exchange(b"get sgd\r\n", b"VALUE sgd 4294967295 0\r\n\r\nEND\r\n")?;
    client.exchange(b"delete sgd\r\n", b"DELETED\r\n")?;
    client.exchange(b"get sgd\r\n", b"END\r\n")?;
    let longest = "k".repeat(250);
    client.exchange(format!("set {longest} 0 0 1\r\nx\r\n").as_bytes(), b"STORED\r\n")?;
    client.exchange(format!("get {longest}\r\n").as_bytes(), format!("VALUE {longest} 0 1\r\nx\r\nEND\r\n").as_bytes())
}

fn conditional_stores(server: SocketAddr) -> Result<()> {
    let mut client = Client::connect(server)?;
    client.exchange(b"replace cs 0 0 1\r\nx\r\n", b"NOT_STORED\r\n")?;
    client.exchange(b"append cs 0 0 1\r\nx\r\n", b"NOT_STORED\r\n")?;
    client.exchange(b"prepend cs 0 0 1\r\nx\r\n", b"NOT_STORED\r\n")?;
    client.exchange(b"add cs 7 0 3\r\nmid\r\n", b"STORED\r\n")?;
    client.exchange(b"add cs 0 0 1\r\nx\r\n", b"NOT_STORED\r\n")?;
    // The flags of an append or prepend are ignored.
    client.exchange(b"append cs 9 0 4\r\n-end\r\n", b"STORED\r\n")?;
    client.exchange(b"prepend cs 9 0 6\r\nbegin-\r\n", b"STORED\r\n")?;
    client.exchange(b"get cs\r\n", b"VALUE cs 7 13\r\nbegin-mid-end\r\nEND\r\n")?;
    client.exchange(b"replace cs 1 0 3\r\nnew\r\n", b"STORED\r\n")?;
    client.exchange(b"get cs\r\n", b"VALUE cs 1 3\r\nnew\r\nEND\r\n")
}

fn compare_and_swap(server: SocketAddr) -> Result<()> {
    let mut client = Client::connect(server)?;
    client.exchange(b"cas cas 0 0 1 1\r\nx\r\n", b"NOT_FOUND\r\n")?;
    client.exchange(b"set cas 3 0 3\r\none\r\n", b"STORED\r\n")?;
    let unique = unique_of(&mut client, "cas", 3, "one")?;
    client.exchange(format!("cas cas 4 0 3 {unique}\r\ntwo\r\n").as_bytes(), b"STORED\r\n")?;
    client.exchange(format!("cas cas 4 0 5 {unique}\r\nthree\r\n").as_bytes(), b"EXISTS\r\n")?;
    let later = unique_of(&mut client, "cas", 4, "two")?;
    ensure!(unique != later, "a changed item kept its unique number {unique}");
    Ok(())
}

fn unique_of(client: &mut Client, key: &str, flags: u32, value: &str) -> Result<String> {
    client.send(format!("gets {key}\r\n").as_bytes())?;
    let line = client.line()?;
    let head = format!("VALUE {key} {flags} {} ", value.len());
    let unique = line.trim_end().strip_prefix(&head).filter(|unique| unique.parse::<u64>().is_ok());
    let unique = unique.ok_or_else(|| anyhow::anyhow!("'{}', expected '{head}' and a number", line.trim_end()))?;
    client.expect(format!("{value}\r\nEND\r\n").as_bytes())?;
    Ok(unique.to_owned())
}

fn arithmetic(server: SocketAddr) -> Result<()> {
    let mut client = Client::connect(server)?;
    client.exchange(b"incr ar 1\r\n", b"NOT_FOUND\r\n")?;
    client.exchange(b"set ar 3 0 2\r\n10\r\n", b"STORED\r\n")?;
    client.exchange(b"incr ar 5\r\n", b"15\r\n")?;
    client.exchange(b"decr ar 6\r\n", b"9\r\n")?;
    // decr keeps the length of the value, with blanks behind the digits.
    client.exchange(b"get ar\r\n", b"VALUE ar 3 2\r\n9 \r\nEND\r\n")?;
    client.exchange(b"incr ar 91\r\n", b"100\r\n")?;
    client.exchange(b"get ar\r\n", b"VALUE ar 3 3\r\n100\r\nEND\r\n")?;
    client.exchange(b"decr ar 1000\r\n", b"0\r\n")?;
    client.exchange(b"set ar 0 0 20\r\n18446744073709551615\r\n", b"STORED\r\n")?;
    client.exchange(b"incr ar 2\r\n", b"1\r\n")?;
    client.exchange(b"set ar 0 0 3\r\none\r\n", b"STORED\r\n")?;
    let non_numeric = b"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n";
    client.exchange(b"incr ar 1\r\n", non_numeric)?;
    client.exchange(b"incr ar x\r\n", b"CLIENT_ERROR invalid numeric delta argument\r\n")?;
    client.exchange(b"decr ar -1\r\n", b"CLIENT_ERROR invalid numeric delta argument\r\n")
}

fn expiry(server: SocketAddr) -> Result<()> {
    let mut client = Client::connect(server)?;
    client.exchange(b"touch ex 10\r\n", b"NOT_FOUND\r\n")?;
    client.exchange(b"set ex 1 0 1\r\nx\r\n", b"STORED\r\n")?;
    client.exchange(b"touch ex 1000\r\n", b"TOUCHED\r\n")?;
    client.exchange(b"gat 1000 ex nil\r\n", b"VALUE ex 1 1\r\nx\r\nEND\r\n")?;
    client.exchange(b"gat -1 ex\r\n", b"VALUE ex 1 1\r\nx\r\nEND\r\n")?;
    client.exchange(b"get ex\r\n", b"END\r\n")?;
    client.exchange(b"set ex 1 -1 1\r\nx\r\n", b"STORED\r\n")?;
    client.exchange(b"get ex\r\n", b"END\r\n")?;
    client.exchange(b"set ex 1 0 1\r\nx\r\n", b"STORED\r\n")?;
    client.exchange(b"touch ex -1\r\n", b"TOUCHED\r\n")?;
    client.exchange(b"get ex\r\n", b"END\r\n")
}

fn noreply(server: SocketAddr) -> Result<()> {
    let mut client = Client::connect(server)?;
    let requests: &[u8] = b"set nr 0 0 1 noreply\r\n1\r\nincr nr 1 noreply\r\nappend nr 0 0 1 noreply\r\n3\r\n\
        prepend nr 0 0 1 noreply\r\n1\r\ntouch nr 0 noreply\r\nadd nr 0 0 1 noreply\r\nx\r\ndecr nr 3 noreply\r\n\
        delete nonr noreply\r\nverbosity 0 noreply\r\nget nr\r\n";
    client.exchange(requests, b"VALUE nr 0 3\r\n120\r\nEND\r\n")?;
    client.exchange(b"delete nr noreply\r\nget nr\r\n", b"END\r\n")
}

fn several_keys(server: SocketAddr) -> Result<()> {
    let mut client = Client::connect(server)?;
    for i in 0..100 {
        client.exchange(format!("set many{i} {i} 0 3\r\n{i:03}\r\n").as_bytes(), b"STORED\r\n")?;
    }
    let keys: Vec<_> = (0..100).flat_map(|i| [format!("many{i}"), format!("none{i}")]).collect();
    let values: String = (0..100).map(|i| format!("VALUE many{i} {i} 3\r\n{i:03}\r\n")).collect();
    client.exchange(format!("get {}\r\n", keys.join(" ")).as_bytes(), format!("{values}END\r\n").as_bytes())
}

fn any_bytes(server: SocketAddr) -> Result<()> {
    let mut client = Client::connect(server)?;
    let value: Vec<u8> = (0..=255).chain(*b"\r\nEND\r\n").collect();
    let request = [b"set bytes 0 0 263\r\n", &value[..], b"\r\n"].concat();
    client.exchange(&request, b"STORED\r\n")?;
    client.exchange(b"get bytes\r\n", &[b"VALUE bytes 0 263\r\n", &value[..], b"\r\nEND\r\n"].concat())
}

fn large_value(server: SocketAddr) -> Result<()> {
    let mut client = Client::connect(server)?;
    let value: Vec<u8> = (0..1_000_000_u32).map(|i| b'a' + (i % 23) as u8).collect();
    client.exchange(&[b"set large 0 0 1000000\r\n", &value[..], b"\r\n"].concat(), b"STORED\r\n")?;
    let reply = [b"VALUE large 0 1000000\r\n", &value[..], b"\r\nEND\r\n"].concat();
    client.exchange(b"get large\r\n", &reply)?;
    client.exchange(b"get large large\r\n", &[&reply[..reply.len() - 5], &reply[..]].concat())?;
    client.exchange(b"delete large\r\n", b"DELETED\r\n")
}

fn session(server: SocketAddr) -> Result<()> {
    let mut client = Client::connect(server)?;
    client.send(b"version\r\n")?;
    let version = client.line()?;
    ensure!(version.starts_with("VERSION ") && version.ends_with("\r\n"), "the version is '{}'", version.trim_end());
    client.exchange(b"verbosity 0\r\n", b"OK\r\n")?;
    let stats = client.stats("")?;
    for name in ["pid", "uptime", "version", "curr_connections", "cmd_get", "get_hits", "curr_items", "limit_maxbytes"]
    {
        ensure!(stats.iter().any(|(stat, _)| stat == name), "stats has no '{name}'");
    }
    client.send(b"quit\r\n")?;
    client.expect_closed()
}

fn flush_all(server: SocketAddr) -> Result<()> {
    let mut client = Client::connect(server)?;
    client.exchange(b"set fl 0 0 1\r\nx\r\n", b"STORED\r\n")?;
    client.exchange(b"flush_all\r\n", b"OK\r\n")?;
    client.exchange(b"get fl\r\n", b"END\r\n")?;
    client.exchange(b"set fl 0 0 1\r\ny\r\n", b"STORED\r\n")?;
    client.exchange(b"get fl\r\n", b"VALUE fl 0 1\r\ny\r\nEND\r\n")?;
    client.exchange(b"flush_all noreply\r\nget fl\r\n", b"END\r\n")
}

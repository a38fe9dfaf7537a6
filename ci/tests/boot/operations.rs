//! The commands of `memstorm` on a running appliance, little memory, and soaks in small.

use std::collections::HashSet;
use std::io::{Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ci::appliance::{Machine, Memstorm, free_port, run_to_end};
use ci::client::Client;
use ci::{conversation, host, soak};
use libtest_mimic::Trial;

pub(crate) fn trials() -> Vec<Trial> {
    let kvm = host::missing_kvm();
    vec![
        crate::trial("16 MiB of memory serve", kvm, sixteen_mebibytes),
        crate::trial("an item of 100 MB", kvm, huge_item),
        crate::trial("datagrams are answered", kvm, datagrams),
        crate::trial("a token is asked for", kvm, token),
        crate::trial("metrics and health by HTTP", kvm, http),
        crate::trial("all keys are told of while others work", kvm, dump),
        crate::trial("the memory limit goes down and up", kvm, memory_limit),
        crate::trial("a client ends the machine", kvm, shutdown),
        crate::trial("ps, logs, stats and stop", kvm, commands),
        crate::trial("a soak in small", kvm.or(host::missing_tap()), soak_in_small),
        crate::trial("streams with Linux over a lossy tap", host::missing_tap(), streams_with_linux),
    ]
}

/// Writes twice as much as the machine has memory: old items go, new ones stay.
fn sixteen_mebibytes() -> Result<()> {
    const ITEMS: u32 = 4000;
    let memstorm = Memstorm::new()?;
    let appliance = memstorm.start(&Machine { memory: "16M".to_owned(), ..Machine::default() })?;
    conversation::hold_all(appliance.address())?;
    let mut client = Client::connect(appliance.address())?;
    let value = "v".repeat(8192);
    for i in 0..ITEMS {
        client.exchange(format!("set item{i} 0 0 8192\r\n{value}\r\n").as_bytes(), b"STORED\r\n")?;
    }
    let last = ITEMS - 1;
    client.exchange(
        format!("get item0 item{last}\r\n").as_bytes(),
        format!("VALUE item{last} 0 8192\r\n{value}\r\nEND\r\n").as_bytes(),
    )?;
    appliance.stop()?;
    memstorm.finish()
}

/// Set, got, told to be too large where memory is short, and evicted by what comes after it.
fn huge_item() -> Result<()> {
    const LEN: usize = 100_000_000;
    let memstorm = Memstorm::new()?;
    let (memory, append) = ("400M".to_owned(), "max-item-size=128m".to_owned());
    let appliance = memstorm.start(&Machine { memory, append, ..Machine::default() })?;
    let mut client = Client::connect(appliance.address())?;
    let value: String = (0..LEN / 10).map(|i| format!("{i:010}")).collect();
    client.exchange(b"set small 0 0 1\r\n1\r\n", b"STORED\r\n")?;
    for key in ["a", "b", "a"] {
        client.exchange(format!("set {key} 7 0 {LEN}\r\n{value}\r\n").as_bytes(), b"STORED\r\n")?;
    }
    let reply = format!("VALUE a 7 {LEN}\r\n{value}\r\nEND\r\n");
    client.exchange(b"get a\r\n", reply.as_bytes())?;
    let beyond = 128 << 20;
    client.send(format!("set c 0 0 {beyond}\r\n").as_bytes())?;
    client.expect(b"SERVER_ERROR object too large for cache\r\n")?;
    drop(client);
    let mut other = Client::connect(appliance.address())?;
    other.exchange(b"set small 0 0 1\r\n2\r\n", b"STORED\r\n")?;
    other.exchange(b"get small\r\n", b"VALUE small 0 1\r\n2\r\nEND\r\n")?;
    appliance.stop()?;
    memstorm.finish()
}

/// By text and by frames, and by several datagrams.
fn datagrams() -> Result<()> {
    const LEN: usize = 5000;
    let memstorm = Memstorm::new()?;
    let appliance = memstorm.start(&Machine { append: "udp-port=11222".to_owned(), ..Machine::default() })?;
    let value = "v".repeat(LEN);
    let set = format!("set large 7 0 {LEN}\r\n{value}\r\n");
    Client::connect(appliance.address())?.exchange(set.as_bytes(), b"STORED\r\n")?;
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(appliance.address())?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    ensure!(ask(&socket, 1, b"set a 0 0 1\r\n1\r\n")? == b"STORED\r\n");
    ensure!(ask(&socket, 2, b"get large\r\n")? == format!("VALUE large 7 {LEN}\r\n{value}\r\nEND\r\n").as_bytes());
    let get = [&[0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1][..], &[0; 12], b"a"].concat();
    let answer = ask(&socket, 3, &get)?;
    ensure!(answer.len() == 29 && answer.starts_with(b"\x81\0\0\0\x04\0\0\0") && answer.ends_with(b"1"), "{answer:?}");
    appliance.stop()?;
    memstorm.finish()
}

fn token() -> Result<()> {
    let memstorm = Memstorm::new()?;
    let appliance = memstorm.start(&Machine { append: "auth-token=alice:secret".to_owned(), ..Machine::default() })?;
    let mut client = Client::connect(appliance.address())?;
    client.exchange(b"get a\r\n", b"CLIENT_ERROR unauthenticated\r\n")?;
    client.exchange(b"set a 0 0 11\r\nalice wrong\r\n", b"CLIENT_ERROR authentication failure\r\n")?;
    client.exchange(b"set a 0 0 12\r\nalice secret\r\nget a\r\n", b"STORED\r\nEND\r\n")?;
    appliance.stop()?;
    memstorm.finish()
}

/// Both resources on one connection, in pieces, and what is refused; the service goes on beside it.
fn http() -> Result<()> {
    let memstorm = Memstorm::new()?;
    let appliance = memstorm.start(&Machine { append: "http-port=18080".to_owned(), ..Machine::default() })?;
    let address = appliance.started().http.context("run -o json has no address for HTTP")?;
    let mut service = Client::connect(appliance.address())?;
    service.exchange(b"set a 0 0 1\r\n1\r\nget a b\r\n", b"STORED\r\nVALUE a 0 1\r\n1\r\nEND\r\n")?;
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    for byte in b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n" {
        stream.write_all(&[*byte])?;
    }
    let health = read_until(&mut stream, "ok\n")?;
    ensure!(health.starts_with("HTTP/1.1 200 OK\r\n"), "{health}");
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\nPOST /metrics HTTP/1.1\r\nHost: a\r\n\r\n")?;
    let answers = read_until(&mut stream, "Method Not Allowed\n")?;
    let hit = "memcached_commands_total{command=\"get\",status=\"hit\"} 1\n";
    ensure!(answers.contains(hit) && answers.contains("\r\n0\r\n\r\nHTTP/1.1 405 "), "{answers}");
    stream.write_all(b"nonsense\r\n")?;
    let mut rest = String::new();
    stream.read_to_string(&mut rest)?;
    ensure!(rest.starts_with("HTTP/1.1 400 ") && rest.contains("Connection: close\r\n"), "{rest}");
    service.exchange(b"get a\r\n", b"VALUE a 0 1\r\n1\r\nEND\r\n")?;
    appliance.stop()?;
    memstorm.finish()
}

/// A walk over more items than fit into any buffer.
fn dump() -> Result<()> {
    const ITEMS: usize = 20_000;
    let memstorm = Memstorm::new()?;
    let appliance = memstorm.start(&Machine { cores: 2, ..Machine::default() })?;
    let mut stream = TcpStream::connect(appliance.address())?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    for first in (0..ITEMS).step_by(1000) {
        let sets: String = (first..first + 1000).map(|i| format!("set key{i} 0 0 1 noreply\r\n1\r\n")).collect();
        stream.write_all(sets.as_bytes())?;
    }
    stream.write_all(b"lru_crawler metadump all\r\n")?;
    let mut other = Client::connect(appliance.address())?;
    other.exchange(b"get none\r\n", b"END\r\n")?;
    let dump = read_until(&mut stream, "\nEND\r\n")?;
    let keys: HashSet<&str> = dump.lines().filter_map(|line| line.strip_prefix("key=")?.split(' ').next()).collect();
    ensure!(keys.len() == ITEMS, "{} of {ITEMS} keys", keys.len());
    other.exchange(b"lru_crawler crawl all\r\n", b"OK\r\n")?;
    appliance.stop()?;
    memstorm.finish()
}

fn memory_limit() -> Result<()> {
    let memstorm = Memstorm::new()?;
    let appliance = memstorm.start(&Machine { memory: "128M".to_owned(), ..Machine::default() })?;
    let mut client = Client::connect(appliance.address())?;
    let value = "v".repeat(8192);
    let fill = |client: &mut Client| -> Result<u64> {
        for first in (0..8000).step_by(50) {
            let set = |i| format!("set item{i} 0 0 8192 noreply\r\n{value}\r\n");
            let sets = (first..first + 50).map(set).collect::<String>() + "mn\r\n";
            client.exchange(sets.as_bytes(), b"MN\r\n")?;
        }
        let stats = memstorm.call(&["stats", &appliance.started().name, "-o", "json"])?;
        let stats: serde_json::Value = serde_json::from_str(&stats)?;
        let bytes = &stats["bytes"];
        bytes.as_u64().or_else(|| bytes.as_str()?.parse().ok()).with_context(|| format!("no bytes in {stats}"))
    };
    let before = fill(&mut client)?;
    client.exchange(b"cache_memlimit 16\r\n", b"OK\r\n")?;
    let limited = fill(&mut client)?;
    client.exchange(b"cache_memlimit 48\r\n", b"OK\r\n")?;
    let raised = fill(&mut client)?;
    let refused = b"MEMLIMIT_ADJUST_FAILED out of bounds or unable to adjust\r\n";
    client.exchange(b"cache_memlimit 1024\r\n", refused)?;
    let is_kept = before > 48 << 20 && limited < 16 << 20 && (24 << 20..48 << 20).contains(&raised);
    ensure!(is_kept, "bytes of items: {before}, with 16 MiB {limited}, with 48 MiB {raised}");
    appliance.stop()?;
    memstorm.finish()
}

/// In the foreground, where the exit code is seen. Which of the cores is asked is a matter of chance.
fn shutdown() -> Result<()> {
    const ROUNDS: usize = 4;
    let memstorm = Memstorm::new()?;
    for _ in 0..ROUNDS {
        let port = free_port()?;
        let mut command = memstorm.command();
        command.args(["run", "--vmm=qemu", "--accel=kvm", "--cores=2", "--memory=64M", "--append=enable-shutdown"]);
        command.arg(format!("--port={port}"));
        let client = thread::spawn(move || ask_for_the_end(port));
        let ended = run_to_end(command, Duration::from_secs(30))?;
        ensure!(client.join().is_ok_and(|asked| asked.is_ok()), "it did not do as asked:\n{}", ended.console);
        ensure!(ended.code == Some(0), "exit code {:?}:\n{}", ended.code, ended.console);
    }
    memstorm.finish()
}

/// Waits until an appliance serves, then ends it, with an answer on its way.
fn ask_for_the_end(port: u16) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut stream = loop {
        ensure!(Instant::now() < deadline, "it never served");
        thread::sleep(Duration::from_millis(100));
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { continue };
        stream.set_read_timeout(Some(Duration::from_millis(500)))?;
        stream.write_all(b"version\r\n")?;
        if read_until(&mut stream, "\r\n").is_ok() {
            break stream;
        }
    };
    let mut other = TcpStream::connect(("127.0.0.1", port))?;
    other.set_read_timeout(Some(Duration::from_secs(5)))?;
    other.write_all(b"stats\r\n")?;
    stream.write_all(b"shutdown graceful\r\n")?;
    read_until(&mut other, "END\r\n").map(drop)
}

/// What comes until `end` has come.
fn read_until(stream: &mut TcpStream, end: &str) -> Result<String> {
    let (mut text, mut part) = (String::new(), [0; 4096]);
    while !text.ends_with(end) {
        let len = stream.read(&mut part).with_context(|| format!("only this came: {text}"))?;
        ensure!(len > 0, "closed after: {text}");
        text.push_str(std::str::from_utf8(&part[..len])?);
    }
    Ok(text)
}

/// The answer to a datagram, from as many as it has, in their order.
fn ask(socket: &UdpSocket, id: u8, requests: &[u8]) -> Result<Vec<u8>> {
    socket.send(&[&[0, id, 0, 0, 0, 1, 0, 0], requests].concat())?;
    let (mut part, mut answer) = ([0; 2048], Vec::new());
    for number in 0.. {
        let len = socket.recv(&mut part).context("no answer")?;
        ensure!(len <= 1400 && part[..4] == [0, id, 0, number], "datagram {number} of request {id}: {:?}", &part[..8]);
        answer.extend_from_slice(&part[8..len]);
        if number + 1 == part[5] {
            break;
        }
    }
    Ok(answer)
}

fn commands() -> Result<()> {
    let memstorm = Memstorm::new()?;
    let appliance = memstorm.start(&Machine::default())?;
    let name = appliance.started().name.clone();
    let listed = memstorm.call(&["ps"])?;
    ensure!(listed.contains(&name), "'{name}' is not in the output of ps:\n{listed}");
    let instances: Vec<serde_json::Value> = serde_json::from_str(&memstorm.call(&["ps", "-o", "json"])?)?;
    ensure!(instances.len() == 1 && instances[0]["name"] == name.as_str(), "ps -o json lists {instances:?}");
    let stats: serde_json::Value = serde_json::from_str(&memstorm.call(&["stats", &name, "-o", "json"])?)?;
    ensure!(stats.to_string().contains("cmd_get"), "stats -o json has no cmd_get: {stats}");
    memstorm.call(&["logs", &name])?.find(abi::console::READY).context("logs has no ready line")?;
    appliance.stop()?;
    let instances: Vec<serde_json::Value> = serde_json::from_str(&memstorm.call(&["ps", "-o", "json"])?)?;
    ensure!(instances.is_empty(), "after stop, ps -o json lists {instances:?}");
    memstorm.finish()
}

fn soak_in_small() -> Result<()> {
    let options = soak::Options { load: Duration::from_secs(3), connections: 200, frames: 50_000, seed: 1 };
    soak::basic(&options).map(drop)
}

/// Both ways, at 0 and 1 % loss, checked by SHA-256. Nothing is booted: the stack runs on this machine.
fn streams_with_linux() -> Result<()> {
    let (bytes, connections, pairs, time) = (2 << 20, 8, 0, Duration::ZERO);
    soak::linux(&soak::LinuxOptions { bytes, connections, pairs, time, seed: 1 })
}

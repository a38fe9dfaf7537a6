//! Watchers on a running appliance.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ci::appliance::{Machine, Memstorm};
use ci::client::Client;
use ci::host;
use libtest_mimic::Trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![crate::trial("watchers are told what all cores do", host::missing_kvm(), watchers)]
}

/// Clients, more than there are cores, so that each core has some.
const CLIENTS: usize = 16;

fn watchers() -> Result<()> {
    let memstorm = Memstorm::new()?;
    let appliance = memstorm.start(&Machine { cores: 2, ..Machine::default() })?;
    let mut clients = (0..CLIENTS).map(|_| Client::connect(appliance.address())).collect::<Result<Vec<_>>>()?;
    let mut watcher = watch(appliance.address(), "mutations")?;
    let mut slowest = Duration::ZERO;
    for (i, client) in clients.iter_mut().enumerate() {
        let began = Instant::now();
        client.exchange(format!("set k!{i} 0 60 2\r\nab\r\n").as_bytes(), b"STORED\r\n")?;
        let line = watcher.line()?;
        slowest = slowest.max(began.elapsed());
        let (_, event) = line.split_once("type=").context("no event")?;
        let told = format!("item_store key=k%21{i} status=stored cmd=set ttl=60 clsid=1 cfd=");
        ensure!(event.starts_with(&told) && event.ends_with(" size=2\n"), "{line}");
    }
    ensure!(slowest < Duration::from_secs(1), "a line took {slowest:?}");
    let mut connections = watch(appliance.address(), "connevents")?;
    drop(Client::connect(appliance.address())?);
    let events = connections.line()? + &connections.line()?;
    ensure!(events.contains("type=conn_new rip=") && events.contains(" reason=normal cfd="), "{events}");
    slow_watcher(watch(appliance.address(), "fetchers")?, &mut clients)?;
    // Nor do those that are gone hold anything.
    drop((watcher, connections));
    clients[0].exchange(b"get k!0\r\n", b"VALUE k!0 0 2\r\nab\r\nEND\r\n")?;
    appliance.stop()?;
    memstorm.finish()
}

fn watch(address: SocketAddr, kinds: &str) -> Result<Client> {
    let mut watcher = Client::connect(address)?;
    watcher.exchange(format!("watch {kinds}\r\n").as_bytes(), b"OK\r\n")?;
    Ok(watcher)
}

/// One that reads nothing while others ask for much: they are answered, and it is told how much it has missed.
fn slow_watcher(mut watcher: Client, clients: &mut [Client]) -> Result<()> {
    const KEYS: usize = 2000;
    let gets = format!("get {}\r\n", (0..KEYS).map(|i| format!("{i:0200}")).collect::<Vec<_>>().join(" "));
    for client in &mut *clients {
        client.exchange(gets.as_bytes(), b"END\r\n")?;
    }
    clients[0].exchange(b"get last\r\n", b"END\r\n")?;
    let (mut lines, mut skipped) = (0, 0);
    loop {
        match watcher.line()?.strip_prefix("skipped=") {
            Some(number) => skipped += number.trim_end().parse::<usize>()?,
            None => lines += 1,
        }
        if lines + skipped > KEYS * clients.len() {
            break;
        }
    }
    ensure!(lines + skipped == KEYS * clients.len() + 1, "{lines} lines, and {skipped} skipped");
    ensure!(skipped > 0, "a watcher that read nothing has missed nothing");
    let stats = clients[0].stats("")?;
    let log_of = |name: &str| -> Option<usize> {
        stats.iter().find(|(found, _)| found == name).and_then(|(_, value)| value.parse().ok())
    };
    ensure!(log_of("log_watcher_skipped") == Some(skipped) && log_of("log_watchers") == Some(3), "{stats:?}");
    Ok(())
}

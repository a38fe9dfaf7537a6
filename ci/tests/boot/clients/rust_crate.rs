//! The Rust crate `memcache`, by text and by frames.

use std::collections::HashMap;

use anyhow::{Context, Result, bail, ensure};
use ci::appliance::Appliance;
use memcache::{Client, CommandError, MemcacheError};

/// Largest value that the keys here leave room for, by memcached's count.
const LARGE: usize = (1 << 20) - 128;
const MANY: usize = 500;

pub(super) fn passes(appliance: &Appliance<'_>) -> Result<()> {
    for protocol in ["ascii", "binary"] {
        let target = format!("memcache://{}?timeout=10&tcp_nodelay=true&protocol={protocol}", appliance.address());
        let client = Client::connect(target)?;
        client.flush()?;
        values(&client)
            .and_then(|()| conditions(&client))
            .and_then(|()| numbers(&client, protocol))
            .context(protocol)?;
        many(&client).and_then(|()| the_rest(&client)).context(protocol)?;
        // By text the crate stops reading after the first line.
        if protocol == "binary" {
            ensure!(client.stats()?.iter().all(|(_, stats)| stats.contains_key("curr_items")), "stats");
        }
    }
    Ok(())
}

fn values(client: &Client) -> Result<()> {
    client.set("a", "1", 0)?;
    ensure!(client.get::<String>("a")?.as_deref() == Some("1"));
    ensure!(client.get::<String>("nothing")?.is_none());
    let bytes: Vec<u8> = (0..=255).chain(*b"\r\nEND\r\n").collect();
    let large: Vec<u8> = (0..LARGE).map(|i| (i * 31 % 251) as u8).collect();
    for (key, value) in [("bytes", &bytes), ("empty", &Vec::new()), ("large", &large)] {
        client.set(key, &value[..], 100)?;
        ensure!(client.get::<Vec<u8>>(key)?.as_ref() == Some(value), "{key}");
    }
    ensure!(client.set("large", &vec![0; 1 << 20][..], 0).is_err(), "too large");
    ensure!(client.get::<Vec<u8>>("large")?.is_none(), "what was too large is gone");
    ensure!(client.get::<i64>("a")? == Some(1), "in step");
    Ok(())
}

fn conditions(client: &Client) -> Result<()> {
    // By text the crate takes NOT_STORED for success: what counts is what is there then.
    let _ = client.add("a", "2", 0);
    ensure!(client.get::<String>("a")?.as_deref() == Some("1"), "add of something");
    client.add("b", "2", 0)?;
    client.replace("b", "3", 0)?;
    let _ = client.replace("nothing", "3", 0);
    ensure!(client.get::<String>("nothing")?.is_none(), "replace of nothing");
    client.append("b", "4")?;
    client.prepend("b", "2")?;
    let (value, _, cas): (String, u32, Option<u64>) = client.get("b")?.context("b")?;
    let cas = cas.context("no CAS value")?;
    ensure!(value == "234");
    ensure!(client.cas("b", "5", 0, cas)? && !client.cas("b", "6", 0, cas)?);
    ensure!(client.get::<String>("b")?.as_deref() == Some("5"));
    Ok(())
}

fn numbers(client: &Client, protocol: &str) -> Result<()> {
    client.set("n", 10, 0)?;
    ensure!(client.increment("n", 5)? == 15 && client.decrement("n", 20)? == 0);
    match client.increment("no-number", 1) {
        // The frames that the crate sends ask for a number to be made, of 0.
        Ok(0) if protocol == "binary" => {}
        Err(MemcacheError::CommandError(CommandError::KeyNotFound)) if protocol == "ascii" => {}
        other => bail!("increment of nothing: {other:?}"),
    }
    ensure!(client.increment("bytes", 1).is_err());
    Ok(())
}

fn many(client: &Client) -> Result<()> {
    let items: HashMap<String, String> = (0..MANY).map(|i| (format!("many:{i}"), format!("value {i}"))).collect();
    for (key, value) in &items {
        client.set(key, value.as_str(), 0)?;
    }
    let keys: Vec<&str> = items.keys().map(String::as_str).chain(["nothing"]).collect();
    ensure!(client.gets::<String>(&keys)? == items);
    Ok(())
}

fn the_rest(client: &Client) -> Result<()> {
    ensure!(client.touch("a", 100)? && !client.touch("nothing", 100)?);
    ensure!(client.delete("a")? && !client.delete("a")?);
    ensure!(client.version()?.iter().all(|(_, version)| version.starts_with("1.6.18")));
    ensure!(client.get::<String>(&"k".repeat(251)).is_err());
    client.flush_with_delay(1000)?;
    client.flush()?;
    ensure!(client.get::<String>("b")?.is_none());
    Ok(())
}

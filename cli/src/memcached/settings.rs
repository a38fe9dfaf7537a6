//! From memcached's options to an appliance: its configuration, its machine, and where the host listens for it.

use std::fs;
use std::net::{SocketAddr, SocketAddrV4, ToSocketAddrs as _};

use abi::config::Config;
use orchestrator::Listen;

use super::extended;
use super::options::Options;
use super::refusal::{EX_OSERR, EX_USAGE, EXIT_FAILURE, Refusal};

const MIB: u64 = 1 << 20;
/// Memory of a machine, in MiB, is a multiple of this: huge pages are of that size.
const MACHINE_MIB: u64 = 2;
/// Largest `-m`, in MiB.
const MOST_MEMORY_MIB: u64 = 1 << 19;
/// Largest `-c` and `-b`.
const MOST_CONNECTIONS: u64 = 1 << 20;
/// The smallest item size, in bytes, and the parts of memory that an item may have at most: one of these.
const LEAST_ITEM_SIZE: u64 = 1 << 10;
const ITEM_SHARE: u64 = 2;
/// From this many `-v` on the appliance says everything.
const TALKATIVE: u8 = 2;

/// An appliance as a command line asks for it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Settings {
    /// Its configuration.
    pub(super) words: String,
    /// Its cores.
    pub(super) cores: u32,
    /// Memory of its machine, in MiB.
    pub(super) machine_mib: u32,
    /// Where the host listens for it.
    pub(super) listen: Listen,
    /// What is not as asked for.
    pub(super) notes: Vec<String>,
}

/// What this host has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resources {
    pub(super) cores: u64,
    /// A TCP port of loopback that is free.
    pub(super) free_port: u16,
}

impl Settings {
    /// Checks `options`, in the way and with the exit codes of memcached.
    pub(super) fn new(options: &Options, host: Resources) -> Result<Settings, Refusal> {
        refuse_unavailable(options)?;
        let tcp_port = number("-p", &options.port, 0, 65535, EX_USAGE)?;
        let udp_port = number("-U", &options.udp_port, 0, 65535, EX_USAGE)?;
        let memory_mib = number("-m", &options.memory_limit, 1, MOST_MEMORY_MIB, EX_USAGE)?;
        let item_size = item_size(&options.max_item_size, memory_mib * MIB)?;
        let conn_limit = number("-c", &options.conn_limit, 1, MOST_CONNECTIONS, EXIT_FAILURE)?;
        let backlog = number("-b", &options.listen_backlog, 0, u64::MAX, EXIT_FAILURE)?.clamp(1, MOST_CONNECTIONS);
        number("-R", &options.max_reqs_per_event, 1, u64::MAX, EXIT_FAILURE)?;
        check_slabs(options)?;
        let mut notes = Vec::new();
        let cores = cores(options, host, &mut notes)?;
        let port = if tcp_port == 0 { host.free_port.into() } else { tcp_port };
        let mut words = vec![
            format!("port={port}"),
            format!("udp-port={udp_port}"),
            format!("memory-limit={memory_mib}"),
            format!("max-item-size={item_size}"),
            format!("conn-limit={conn_limit}"),
            format!("listen-backlog={backlog}"),
            format!("protocol={}", protocol(&options.protocol)?),
        ];
        let switches = [
            (options.disable_evictions, "disable-evictions"),
            (options.disable_cas, "disable-cas"),
            (options.disable_flush_all, "disable-flush-all"),
            (options.disable_dumping, "disable-dumping"),
            (options.disable_watch, "disable-watch"),
            (options.enable_shutdown, "enable-shutdown"),
            (options.verbose >= TALKATIVE, "console=debug"),
        ];
        words.extend(switches.into_iter().filter(|(is_on, _)| *is_on).map(|(_, word)| word.to_owned()));
        if let Some(path) = &options.auth_file {
            check_authentication(options, udp_port)?;
            words.push(token(path)?);
        }
        for suboption in options.extended.iter().filter(|suboption| !suboption.is_empty()) {
            words.extend(extended::word(suboption)?);
        }
        if !options.others.is_empty() {
            notes.push(format!("ignored: {}", options.others.join(" ")));
        }
        let words = words.join(" ");
        let config = image::check(&words).map_err(|error| Refusal::new(EX_USAGE, error.to_string()))?;
        Ok(Settings {
            machine_mib: machine_mib(memory_mib, &config, cores),
            cores: cores as u32,
            listen: listen(&options.listen, tcp_port, udp_port, host.free_port)?,
            words,
            notes,
        })
    }
}

/// Options of what an appliance does not have.
fn refuse_unavailable(options: &Options) -> Result<(), Refusal> {
    let asked = [
        (options.unix_socket.is_some(), "-s: clients come by TCP or UDP"),
        (options.enable_sasl, "-S: there is no SASL; -Y asks for a user and a password"),
        (options.memory_file.is_some(), "-e: memory is not kept over a restart"),
        (options.enable_ssl, "-Z: there is no TLS"),
    ];
    match asked.iter().find(|(is_asked, _)| *is_asked) {
        Some((_, why)) => Err(Refusal::new(EX_USAGE, format!("not available: {why}"))),
        None => Ok(()),
    }
}

fn number(option: &str, text: &str, least: u64, most: u64, code: u8) -> Result<u64, Refusal> {
    let number = text.parse().ok().filter(|number| (least..=most).contains(number) && !text.starts_with('+'));
    number.ok_or_else(|| {
        let bounds = if most == u64::MAX { format!("at least {least}") } else { format!("from {least} to {most}") };
        Refusal::new(code, format!("{option} {text}: expected a number {bounds}"))
    })
}

/// Within the limits that memcached sets: the appliance's own are checked with all of its configuration.
fn item_size(text: &str, memory: u64) -> Result<u64, Refusal> {
    let refuse = |why: &str| Err(Refusal::new(EX_USAGE, why));
    let (digits, unit) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (&text[..text.len() - 1], 1 << 10),
        Some(b'm' | b'M') => (&text[..text.len() - 1], MIB),
        _ => (text, 1),
    };
    let size = number("-I", digits, 0, u64::from(u32::MAX), EX_USAGE)?.saturating_mul(unit);
    match size {
        ..LEAST_ITEM_SIZE => refuse("Item max size cannot be less than 1024 bytes."),
        _ if size > memory / ITEM_SHARE => refuse("Cannot set item size limit higher than 1/2 of memory max."),
        _ => Ok(size),
    }
}

/// What the slabs would be made by, though there are none.
fn check_slabs(options: &Options) -> Result<(), Refusal> {
    let refuse = |why: &str| Err(Refusal::new(EXIT_FAILURE, why));
    if !options.slab_growth_factor.parse().is_ok_and(|factor: f64| factor > 1.0) {
        return refuse("Factor must be greater than 1");
    }
    if !options.slab_min_size.parse().is_ok_and(|bytes: u64| bytes > 0) {
        return refuse("Chunk size must be greater than 0");
    }
    Ok(())
}

/// As many as there are threads, where this host has as many.
fn cores(options: &Options, host: Resources, notes: &mut Vec<String>) -> Result<u64, Refusal> {
    let Some(threads) = &options.threads else { return Ok(1) };
    let threads = number("-t", threads, 1, u64::MAX, EXIT_FAILURE)?;
    if threads > host.cores {
        notes.push(format!("-t {threads}: this machine has {0} cores, so {0} serve", host.cores));
    }
    Ok(threads.min(host.cores))
}

fn protocol(name: &str) -> Result<&str, Refusal> {
    match name {
        "auto" | "ascii" | "binary" => Ok(name),
        _ => {
            let why =
                format!("Invalid value for binding protocol: {name}\n -- should be one of auto, binary, or ascii");
            Err(Refusal::new(EX_USAGE, why))
        }
    }
}

/// Clients say who they are by text, over TCP.
fn check_authentication(options: &Options, udp_port: u64) -> Result<(), Refusal> {
    let refuse = |why: &str| Err(Refusal::new(EX_USAGE, why));
    if options.protocol == "binary" {
        return refuse("ERROR: You cannot allow the BINARY protocol while using ascii authentication tokens.");
    }
    if udp_port != 0 {
        return refuse("Cannot use UDP with ascii authentication enabled (-U 0 to disable)");
    }
    Ok(())
}

/// The word for the user and the password in a file for `-Y`.
fn token(path: &str) -> Result<String, Refusal> {
    let refuse = |why: String| Err(Refusal::new(EXIT_FAILURE, why));
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => return refuse(format!("Could not open authfile [{path}] for reading, error {error}")),
    };
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    match lines[..] {
        [line] if line.contains(char::is_whitespace) => {
            refuse(format!("authfile [{path}]: a user or password with a blank in it is not available"))
        }
        [line] if line.split_once(':').is_some_and(|(user, password)| !user.is_empty() && !password.is_empty()) => {
            Ok(format!("auth-token={line}"))
        }
        [_, _, ..] => refuse(format!("authfile [{path}]: more than one user is not available")),
        _ => refuse(format!("Authfile [{path}] has a malformed entry. Should be 'user:password'")),
    }
}

/// Of a machine that has the item memory and the connections asked for.
fn machine_mib(memory_mib: u64, config: &Config, cores: u64) -> u32 {
    let bytes = abi::memory::machine_bytes(memory_mib * MIB, config, cores);
    bytes.div_ceil(MACHINE_MIB * MIB) as u32 * MACHINE_MIB as u32
}

/// Where the host listens: at each address of `-l`, with the port that stands there, else with that of `-p` or `-U`. With TCP
/// off, a port of loopback stays for those who ask the appliance whether it serves.
fn listen(addresses: &[String], tcp_port: u64, udp_port: u64, free_port: u16) -> Result<Listen, Refusal> {
    let all_at = |port: u64| -> Result<Vec<SocketAddrV4>, Refusal> {
        match port as u16 {
            0 => Ok(Vec::new()),
            port => addresses.iter().map(|address| resolve(address, port)).collect(),
        }
    };
    let mut listen = Listen { tcp: all_at(tcp_port)?, udp: all_at(udp_port)? };
    if listen.tcp.is_empty() {
        listen.tcp = Listen::on_loopback(free_port).tcp;
    }
    Ok(listen)
}

fn resolve(address: &str, port: u16) -> Result<SocketAddrV4, Refusal> {
    let failed = |why: &str| Refusal::new(EX_OSERR, format!("failed to listen on interface {address}: {why}"));
    let (host, port) = match address.trim_start_matches("notls:").rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => (host, port.parse().map_err(|_| failed("not a port"))?),
        _ => (address, port),
    };
    let found = (host, port).to_socket_addrs().map_err(|error| failed(&error.to_string()))?;
    let v4 = found.filter_map(|address| match address {
        SocketAddr::V4(address) => Some(address),
        SocketAddr::V6(_) => None,
    });
    { v4 }.next().ok_or_else(|| failed("only IPv4 is available"))
}

#[cfg(test)]
mod tests;

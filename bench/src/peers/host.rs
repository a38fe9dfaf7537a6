//! Servers that run on the host: Debian's memcached and redis-server.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{MEMCACHED_USER, Needs, PeerError, huge_pages};

/// A server's program, and how it is run.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub(super) path: PathBuf,
    pub(super) version: String,
    pub(super) arguments: Vec<String>,
}

/// memcached with a worker thread for each core.
pub(super) fn memcached(needs: &Needs, address: SocketAddr) -> Result<Program, PeerError> {
    let path = program("memcached", "memcached")?;
    let version = version_of(&path, "-V")?;
    let mut arguments = memcached_arguments(needs, address);
    // Its own way to the huge pages that the appliance has.
    if huge_pages::are_transparent() {
        arguments.push("-L".to_owned());
    }
    Ok(Program { path, version, arguments })
}

/// What memcached is run with, on the host or in a guest.
pub(super) fn memcached_arguments(needs: &Needs, address: SocketAddr) -> Vec<String> {
    let connections = needs.connection_limit();
    let arguments = format!(
        "-t {} -m {} -c {connections} -U 0 -l {} -p {} -b {connections} -u {MEMCACHED_USER}",
        needs.cores,
        needs.memory_mib,
        address.ip(),
        address.port()
    );
    arguments.split(' ').map(str::to_owned).collect()
}

/// redis-server as a cache: nothing is written to a disk, and the least recently used item makes room.
pub(super) fn redis(needs: &Needs, address: SocketAddr) -> Result<Program, PeerError> {
    let path = program("redis-server", "redis-server")?;
    let version = version_of(&path, "--version")?;
    let (memory, connections) = (format!("{}mb", needs.memory_mib), needs.connection_limit().to_string());
    let (ip, port) = (address.ip().to_string(), address.port().to_string());
    let options = [
        ("--bind", ip.as_str()),
        ("--port", &port),
        ("--maxmemory", &memory),
        ("--maxmemory-policy", "allkeys-lru"),
        ("--maxclients", &connections),
        ("--tcp-backlog", &connections),
        ("--save", ""),
        ("--appendonly", "no"),
        ("--protected-mode", "no"),
        ("--daemonize", "no"),
    ];
    let arguments = options.iter().flat_map(|(name, value)| [(*name).to_owned(), (*value).to_owned()]).collect();
    Ok(Program { path, version, arguments })
}

/// Finds a program of a Debian package.
pub(super) fn program(name: &str, package: &str) -> Result<PathBuf, PeerError> {
    orchestrator::find_program(name).ok_or_else(|| {
        PeerError::Missing(format!("{name} is not on this host: install it with `apt-get install {package}`"))
    })
}

/// The first line of what a program says of itself.
fn version_of(program: &Path, option: &str) -> Result<String, PeerError> {
    let output = Command::new(program).arg(option).output();
    let output = output.map_err(|error| PeerError::system(format!("cannot start {}", program.display()), error))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}

/// Loopback, with a port that nothing uses now.
pub(super) fn loopback() -> Result<SocketAddr, PeerError> {
    Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), orchestrator::free_port()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compared_has_the_same_memory_and_room() {
        let needs = Needs { memory_mib: 512, connections: 64, cores: 1 };
        let address = "198.18.0.1:11211".parse().unwrap();
        let memcached = memcached_arguments(&needs, address).join(" ");
        assert!(memcached.starts_with("-t 1 -m 512 -c 1088 -U 0 -l 198.18.0.1 -p 11211 "), "{memcached}");
        if let Ok(redis) = redis(&needs, address) {
            let redis = redis.arguments.join("|");
            assert!(
                redis.contains("--maxmemory|512mb|")
                    && redis.contains("--maxclients|1088|")
                    && redis.contains("--save||--append"),
                "{redis}"
            );
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = program("no-such-server", "no-such-package").unwrap_err().to_string();
        assert_eq!(error, "no-such-server is not on this host: install it with `apt-get install no-such-package`");
    }
}

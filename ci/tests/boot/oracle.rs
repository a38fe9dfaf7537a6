//! Holds Debian's memcached to the conversations that the appliance is held to: a test of the tests.

use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ci::appliance::free_port;
use ci::soak::load;
use ci::{conversation, host};
use libtest_mimic::Trial;

pub(crate) fn trials() -> Vec<Trial> {
    let missing = host::missing_program("memcached", "memcached");
    vec![
        crate::trial("memcached holds every conversation", missing, || {
            let memcached = Memcached::start()?;
            conversation::hold_all(memcached.address)
        }),
        crate::trial("memcached bears the load of the soak", missing, || {
            let memcached = Memcached::start()?;
            load::run(memcached.address, Duration::from_secs(2), 50, 1)?.check()
        }),
    ]
}

/// A memcached on loopback, ended with this value.
struct Memcached {
    process: Child,
    address: SocketAddr,
}

impl Memcached {
    fn start() -> Result<Memcached> {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let process = Command::new("memcached")
            .args(["-l", "127.0.0.1", "-U", "0", "-m", "256", "-u", "nobody", "-p", &address.port().to_string()])
            .stdin(Stdio::null())
            .spawn()
            .context("cannot start memcached")?;
        let memcached = Memcached { process, address };
        let started = Instant::now();
        while TcpStream::connect(address).is_err() {
            ensure!(started.elapsed() < Duration::from_secs(10), "memcached does not listen on {address}");
            thread::sleep(Duration::from_millis(10));
        }
        Ok(memcached)
    }
}

impl Drop for Memcached {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
